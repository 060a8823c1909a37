/* SPDX-License-Identifier: MIT
 * The C side of train.test.py: trains on given numbers and writes what happened.
 *
 *   train-probe KEY=VALUE...
 *     network, classes, size, batch, steps, lr, method, representation, batch_norm, optimizer,
 *     momentum, decay, clip, threads, adapt (batches for the teacher's stores)
 *     student, teacher: raw parameters as network-probe reads them (teacher may be missing)
 *     images [batches, batch, size, size, 3] float32, labels [batches, batch] int32; step i takes
 *     batch i modulo their number
 *     gradients: output, the gradients of every trained parameter, step after step
 *     states: output, every tensor of the student before the first step and after each; may be a
 *     pipe, and the same one as gradients: of every step first these, then the state
 *
 * Prints one line per step: total student distillation representation starting_point classifier
 * gate teacher pairs norm, then the counts of the student's stores. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "graph/graph.h"
#include "networks/registry.h"
#include "train/core/trainer.h"
#ifdef CORED_TRAIN_DOUBLE
#include "teacher-net.h"
#endif

static int n_args;
static char **all_args;

static _Noreturn void die(const char *what, const char *detail) {
  fprintf(stderr, "train-probe: %s: %s\n", what, detail);
  exit(1);
}

static const char *text(const char *key) {
  const size_t length = strlen(key);
  for (int i = 1; i < n_args; i++)
    if (strncmp(all_args[i], key, length) == 0 && all_args[i][length] == '=')
      return all_args[i] + length + 1;
  return NULL;
}

static double number(const char *key, double otherwise) {
  const char *const value = text(key);
  return value ? strtod(value, NULL) : otherwise;
}

static int choice(const char *key, const char *const *names) {
  const char *const value = text(key);
  for (int i = 0; value && names[i]; i++)
    if (strcmp(value, names[i]) == 0)
      return i;
  if (value)
    die(key, value);
  return 0;
}

static void *read_file(const char *path, size_t *size) {
  FILE *const file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0)
    die(path, strerror(errno));
  *size = (size_t)ftell(file);
  void *const data = malloc(*size);
  rewind(file);
  if (!data || fread(data, 1, *size, file) != *size)
    die(path, "cannot be read");
  fclose(file);
  return data;
}

static CoredModel *read_model(const char *path, const CoredModelInfo *info) {
  size_t size, used = 0;
  char *const data = read_file(path, &size);
  CoredError error = {0};
  CoredGraph *const graph =
      cored_network_graph(cored_network_find(info->network), info->n_classes, &error);
  if (!graph)
    die("graph", error.message);
  CoredTensorView *const views = calloc((size_t)graph->n_params, sizeof *views);
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *const p = &graph->params[i];
    views[i] = (CoredTensorView){
        .name = p->name, .rank = p->rank, .data = data + used, .size = p->count * sizeof(float)};
    memcpy(views[i].dims, p->dims, sizeof p->dims);
    used += views[i].size;
  }
  if (used != size)
    die(path, "has the wrong size");
  CoredModel *const model = cored_model_new(info, views, (size_t)graph->n_params, &error);
  if (!model)
    die(path, error.message);
  free(views);
  free(data);
  cored_graph_free(graph);
  return model;
}

static CoredTrainParams read_params(void) {
  static const char *const methods[] = {"FT", "KD", "TG", "CoReD", NULL};
  static const char *const representations[] = {"scalar", "vector", NULL};
  static const char *const modes[] = {"default", "train", "frozen", NULL};
  static const char *const optimizers[] = {"sgd", "adamw", NULL};
  CoredTrainParams params;
  cored_train_params_init(&params);
  params.input_width = params.input_height = (int)number("size", 128);
  params.max_batch = (int)number("batch", 8);
  params.threads = (int)number("threads", 2);
  params.method = (CoredMethod)choice("method", methods);
  params.representation = (CoredRepresentation)choice("representation", representations);
  params.batch_norm = (CoredBatchNormMode)choice("batch_norm", modes);
  params.optimizer.kind = (CoredOptimizerKind)choice("optimizer", optimizers);
  params.optimizer.momentum = number("momentum", params.optimizer.momentum);
  params.optimizer.weight_decay = number("decay", 0);
  params.optimizer.clip_norm = number("clip", 0);
  params.dropout = params.drop_connect = 0;
#ifdef CORED_TRAIN_DOUBLE
  params.new_teacher = new_net_teacher;
#endif
  return params;
}

static FILE *output(const char *path) {
  FILE *const file = path ? fopen(path, "wb") : NULL;
  if (path && !file)
    die(path, strerror(errno));
  return file;
}

static void put(FILE *file, const CoredTensorView *view) {
  if (fwrite(view->data, 1, view->size, file) != view->size)
    die("output", strerror(errno));
}

static void write_gradients(FILE *file, const CoredTrainer *trainer) {
  CoredTensorView view;
  for (size_t i = 0; file && cored_trainer_gradient(trainer, i, &view); i++)
    put(file, &view);
}

static void write_student(FILE *file, const CoredTrainer *trainer) {
  static const char prefix[] = "student.";
  CoredTensorView view;
  for (size_t i = 0; file && cored_trainer_state(trainer, i, &view); i++)
    if (strncmp(view.name, prefix, strlen(prefix)) == 0)
      put(file, &view);
}

static void print_step(const CoredLosses *l, double norm, int pairs) {
  printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %d %.17g", l->total, l->student,
         l->distillation, l->representation, l->starting_point, l->classifier, l->gate, l->teacher,
         l->n_pairs, norm);
  for (int i = 0; i < pairs; i++)
    printf(" %d", l->stores[i]);
  printf("\n");
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void train(CoredTrainer *trainer) {
  const CoredTrainParams *const p = cored_trainer_params(trainer);
  const size_t image = (size_t)p->input_width * (size_t)p->input_height * 3;
  const int steps = (int)number("steps", 1), adapt = (int)number("adapt", 0);
  size_t image_size, label_size;
  float *const images = read_file(text("images"), &image_size);
  int *const labels = read_file(text("labels"), &label_size);
  const size_t batches = label_size / sizeof *labels / (size_t)p->max_batch;
  if (image_size != batches * (size_t)p->max_batch * image * sizeof *images)
    die("images", "wrong size");
  FILE *const gradients = output(text("gradients"));
  const bool shared =
      text("states") && text("gradients") && !strcmp(text("states"), text("gradients"));
  FILE *const states = shared ? gradients : output(text("states"));
  write_student(states, trainer);
  double started = seconds();
  for (int step = -adapt; step < steps; step++) {
    const size_t at = (size_t)(step + adapt * (step < 0)) % batches * (size_t)p->max_batch;
    const CoredBatch batch = {
        .n = p->max_batch, .images = images + at * image, .labels = labels + at};
    if (step < 0) {
      cored_trainer_add_representation(trainer, &batch);
      continue;
    }
    if (step == 1)
      started = seconds(); /* the first step touches memory for the first time */
    CoredLosses losses;
    double norm = 0;
    if (!cored_trainer_accumulate(trainer, &batch, 1, &losses))
      die("step", "not finite");
    write_gradients(gradients, trainer);
    if (!cored_trainer_update(trainer, number("lr", 0.05), &norm))
      die("update", "not finite");
    write_student(states, trainer);
    print_step(&losses, norm, p->n_stores * cored_trainer_n_classes(trainer));
  }
  if ((gradients && fclose(gradients) != 0) || (states && !shared && fclose(states) != 0))
    die("output", strerror(errno));
  if (steps > 1)
    fprintf(stderr, "%.2f images/s, %zu MiB\n", (steps - 1) * p->max_batch / (seconds() - started),
            cored_trainer_memory(trainer) >> 20);
  free(images);
  free(labels);
}

int main(int argc, char **argv) {
  n_args = argc;
  all_args = argv;
  CoredError error = {0};
  CoredModelInfo info;
  if (!text("network") ||
      !cored_model_info_init(&info, text("network"), (int)number("classes", 2), &error))
    die("network", error.message);
  const CoredTrainParams params = read_params();
  CoredModel *const student = read_model(text("student"), &info);
  CoredModel *const teacher = text("teacher") ? read_model(text("teacher"), &info) : NULL;
  CoredTrainer *const trainer = cored_trainer_new(student, teacher, &params, &error);
  if (!trainer)
    die("trainer", error.message);
  cored_model_unref(student);
  cored_model_unref(teacher);
  train(trainer);
  cored_trainer_free(trainer);
  return 0;
}
