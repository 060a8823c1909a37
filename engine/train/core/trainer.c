/* SPDX-License-Identifier: MIT
 * Life of a trainer: checking the parameters, memory, weights in and out. */
#include "train/core/trainer.h"

#include "base/error.h"
#include "networks/registry.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { chunk_size = 65536, huge_page = 2 << 20 };

void cored_train_params_init(CoredTrainParams *params) {
  *params = (CoredTrainParams){.max_batch = 128,
                               .cpu = cored_cpu_flags(),
                               .seed = 2020,
                               .method = CORED_METHOD_CORED,
                               .alpha = 0.5,
                               .temperature = 20,
                               .n_stores = 5,
                               .representation = CORED_REPRESENTATION_SCALAR,
                               .dropout = -1,
                               .drop_connect = -1,
                               .optimizer = CORED_OPTIMIZER_SGD,
                               .momentum = 0.1,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .adam_epsilon = 1e-8};
}

static bool check(bool good, const char *what, double value, CoredError *error) {
  return good || cored_error_set(error, CORED_ERROR_ARGUMENT, "training: %s is out of range: %g",
                                 what, value);
}

static bool within(double value, double low, double high) {
  return value >= low && value <= high; /* false for NaN */
}

static bool check_params(const CoredTrainParams *p, CoredError *error) {
  const bool beta1 = within(p->beta1, 0, 1) && p->beta1 < 1;
  const bool beta2 = within(p->beta2, 0, 1) && p->beta2 < 1;
  return check(p->max_batch >= 1 && p->max_batch <= 4096, "batch size", p->max_batch, error) &&
         check(p->threads >= 0 && p->threads <= 64, "number of threads", p->threads, error) &&
         check(p->method >= CORED_METHOD_FT && p->method <= CORED_METHOD_CORED, "method", p->method,
               error) &&
         check(within(p->alpha, 0, 1), "alpha", p->alpha, error) &&
         check(p->temperature > 0 && isfinite(p->temperature), "temperature", p->temperature,
               error) &&
         check(p->n_stores >= 1 && p->n_stores <= CORED_MAX_STORES, "number of stores", p->n_stores,
               error) &&
         check(p->dropout < 1, "dropout", p->dropout, error) &&
         check(p->drop_connect < 1, "drop-connect", p->drop_connect, error) &&
         check(within(p->momentum, 0, 1), "momentum", p->momentum, error) &&
         check(beta1, "beta1", p->beta1, error) && check(beta2, "beta2", p->beta2, error) &&
         check(within(p->adam_epsilon, 0, 1), "epsilon", p->adam_epsilon, error) &&
         check(within(p->weight_decay, 0, 1e6), "weight decay", p->weight_decay, error) &&
         check(within(p->clip_norm, 0, 1e30), "gradient norm", p->clip_norm, error);
}

static void resolve_params(CoredTrainer *trainer, const CoredTrainParams *params,
                           bool has_teacher) {
  CoredTrainParams *const p = &trainer->params;
  *p = *params;
  p->input_width = p->input_width ? p->input_width : trainer->info.input_width;
  p->input_height = p->input_height ? p->input_height : trainer->info.input_height;
  if (p->threads == 0) {
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    p->threads = cpus < 1 ? 1 : cpus > 64 ? 64 : (int)cpus;
  }
  if (p->batch_norm == CORED_BATCH_NORM_DEFAULT)
    p->batch_norm = p->method == CORED_METHOD_CORED && has_teacher ? CORED_BATCH_NORM_FROZEN
                                                                   : CORED_BATCH_NORM_TRAIN;
}

static bool make_nets(CoredTrainer *trainer, CoredError *error) {
  const CoredTrainParams *const p = &trainer->params;
  trainer->pool = cored_thread_pool_new(p->threads, error);
  if (!trainer->pool)
    return false;
  CoredNetParams net = {.graph = trainer->graph,
                        .h = p->input_height,
                        .w = p->input_width,
                        .max_batch = p->max_batch,
                        .training = true,
                        .cpu = p->cpu,
                        .dropout = p->dropout,
                        .drop_connect = p->drop_connect,
                        .pool = trainer->pool};
  trainer->net = cored_net_new(&net, error);
  net.training = false;
  trainer->eval = trainer->net ? cored_net_new(&net, error) : NULL;
  return trainer->eval != NULL;
}

static size_t arena_size(const CoredTrainer *trainer) {
  const size_t a = cored_net_arena_count(trainer->net), b = cored_net_arena_count(trainer->eval);
  return ((a > b ? a : b) * sizeof(CoredReal) + huge_page - 1) / huge_page * huge_page;
}

static CoredReal *new_block(const CoredTrainer *trainer) {
  const size_t size = cored_net_block_count(trainer->net) * sizeof(CoredReal);
  CoredReal *const block = aligned_alloc(64, size);
  if (block)
    memset(block, 0, size);
  return block;
}

static bool allocate_scratch(CoredTrainer *trainer) {
  CoredStepScratch *const s = &trainer->scratch;
  const size_t n = (size_t)trainer->params.max_batch, c = (size_t)trainer->n_classes;
  const size_t f = (size_t)trainer->channels;
  const size_t stores =
      (size_t)trainer->params.n_stores * c * (1 + (size_t)trainer->student_stores.width);
  s->zs = calloc(n * c, sizeof *s->zs);
  s->zt = calloc(n * c, sizeof *s->zt);
  s->dz = calloc(n * c, sizeof *s->dz);
  s->pooled = calloc(n * f, sizeof *s->pooled);
  s->dpooled = calloc(f, sizeof *s->dpooled);
  s->winner = calloc(n * f, sizeof *s->winner);
  s->store = calloc(n, sizeof *s->store);
  s->sums = calloc(8 + stores, sizeof *s->sums);
  return s->zs && s->zt && s->dz && s->pooled && s->dpooled && s->winner && s->store && s->sums;
}

static bool allocate(CoredTrainer *trainer, bool has_teacher) {
  const CoredTrainParams *const p = &trainer->params;
  const int width = p->representation == CORED_REPRESENTATION_VECTOR ? trainer->channels : 1;
  trainer->arena = aligned_alloc(huge_page, arena_size(trainer));
  if (!trainer->arena)
    return false;
  madvise(trainer->arena, arena_size(trainer), MADV_HUGEPAGE); /* speed only */
  cored_net_set_arena(trainer->net, trainer->arena);
  cored_net_set_arena(trainer->eval, trainer->arena);
  trainer->block = new_block(trainer);
  trainer->gradients = new_block(trainer);
  trainer->teacher = has_teacher ? new_block(trainer) : NULL;
  const int n_moments = p->optimizer == CORED_OPTIMIZER_ADAMW ? 2 : p->momentum > 0;
  for (int i = 0; i < n_moments; i++)
    if (!(trainer->moments[i] = new_block(trainer)))
      return false;
  return trainer->block && trainer->gradients && (trainer->teacher || !has_teacher) &&
         cored_stores_init(&trainer->teacher_stores, p->n_stores, trainer->n_classes, width) &&
         cored_stores_init(&trainer->student_stores, p->n_stores, trainer->n_classes, width) &&
         allocate_scratch(trainer);
}

/* Cut the trained parameters into pieces of at most chunk_size values. */
static bool make_chunks(CoredTrainer *trainer) {
  const CoredGraph *const graph = trainer->graph;
  size_t most = 0;
  for (int i = 0; i < graph->n_params; i++)
    most += graph->params[i].count / chunk_size + 1;
  trainer->ranges = calloc(most, sizeof *trainer->ranges);
  trainer->range_sums = calloc(most, sizeof *trainer->range_sums);
  if (!trainer->ranges || !trainer->range_sums)
    return false;
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *const param = &graph->params[i];
    if (cored_param_is_statistic(param))
      continue;
    for (size_t at = 0; at < param->count; at += chunk_size)
      trainer->ranges[trainer->n_ranges++] = (CoredParamRange){
          .offset = cored_net_offset(trainer->net, i) + at,
          .count = param->count - at < chunk_size ? param->count - at : chunk_size,
          .classifier = graph->nodes[param->node].classifier};
  }
  return true;
}

static bool copy_weights(const CoredTrainer *trainer, const CoredModel *model, CoredReal *block,
                         CoredError *error) {
  for (int i = 0; i < trainer->graph->n_params; i++) {
    const CoredParam *const param = &trainer->graph->params[i];
    CoredTensorView view;
    size_t j = 0;
    while (cored_model_tensor(model, j, &view) && strcmp(view.name, param->name) != 0)
      j++;
    if (j == cored_model_n_tensors(model) || view.dtype != CORED_DTYPE_F32 ||
        view.size != param->count * sizeof(float))
      return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                             "training: the model has no float32 tensor '%s' of %zu values",
                             param->name, param->count);
    CoredReal *const values = block + cored_net_offset(trainer->net, i);
    for (size_t k = 0; k < param->count; k++)
      values[k] = ((const float *)view.data)[k];
  }
  return true;
}

static bool check_teacher(const CoredModelInfo *student, const CoredModel *teacher,
                          CoredError *error) {
  const CoredModelInfo *const t = teacher ? cored_model_info(teacher) : student;
  if (strcmp(t->network, student->network) == 0 && t->n_classes == student->n_classes) {
    /* Both get the same batches. */
    return (memcmp(t->mean, student->mean, sizeof t->mean) == 0 &&
            memcmp(t->std, student->std, sizeof t->std) == 0) ||
           cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "training: the teacher has another mean or std (red: %g, %g) than the "
                           "student (%g, %g)",
                           (double)t->mean[0], (double)t->std[0], (double)student->mean[0],
                           (double)student->std[0]);
  }
  return cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "training: the teacher is %s with %d classes, the student %s with %d",
                         t->network, t->n_classes, student->network, student->n_classes);
}

static bool trainer_open(CoredTrainer *trainer, const CoredModel *student,
                         const CoredModel *teacher, const CoredTrainParams *params,
                         CoredError *error) {
  trainer->info = *cored_model_info(student);
  trainer->n_classes = trainer->info.n_classes;
  if (!check_params(params, error) || !check_teacher(&trainer->info, teacher, error))
    return false;
  resolve_params(trainer, params, teacher != NULL);
  const CoredNetwork *const network = cored_network_find(trainer->info.network);
  if (!network)
    return cored_error_set(error, CORED_ERROR_NETWORK_UNKNOWN, "training: no network '%s'",
                           trainer->info.network);
  trainer->graph = cored_network_graph(network, trainer->n_classes, error);
  if (!trainer->graph || !make_nets(trainer, error))
    return false;
  trainer->channels = trainer->graph->nodes[trainer->graph->features].channels;
  if (!allocate(trainer, teacher != NULL) || !make_chunks(trainer) ||
      !cored_trainer_list_state(trainer))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                           "training: no memory (%zu MiB for activations alone); a smaller batch "
                           "needs less",
                           arena_size(trainer) >> 20);
  return copy_weights(trainer, student, trainer->block, error) &&
         (!teacher || copy_weights(trainer, teacher, trainer->teacher, error)) &&
         cored_trainer_open_teacher(trainer, error);
}

CoredTrainer *cored_trainer_new(const CoredModel *student, const CoredModel *teacher,
                                const CoredTrainParams *params, CoredError *error) {
  CoredTrainer *const trainer = calloc(1, sizeof *trainer);
  if (!trainer) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory");
    return NULL;
  }
  openblas_set_num_threads(1); /* the work is shared out above it */
  if (trainer_open(trainer, student, teacher, params, error))
    return trainer;
  cored_trainer_free(trainer);
  return NULL;
}

void cored_trainer_free(CoredTrainer *trainer) {
  if (!trainer)
    return;
  CoredStepScratch *const s = &trainer->scratch;
  double *const doubles[] = {s->zs, s->zt, s->dz, s->pooled, s->dpooled, s->sums};
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
    free(doubles[i]);
  free(s->winner);
  free(s->store);
  cored_stores_clear(&trainer->teacher_stores);
  cored_stores_clear(&trainer->student_stores);
  free(trainer->ranges);
  free(trainer->range_sums);
  free(trainer->block);
  free(trainer->gradients);
  free(trainer->teacher);
  cored_session_free(trainer->session);
  free(trainer->moments[0]);
  free(trainer->moments[1]);
  free(trainer->arena);
  free(trainer->state);
  free(trainer->state_names);
  cored_net_free(trainer->net);
  cored_net_free(trainer->eval);
  cored_thread_pool_free(trainer->pool);
  cored_graph_free(trainer->graph);
  free(trainer);
}

size_t cored_trainer_memory(const CoredTrainer *trainer) {
  const int blocks = 2 + !!trainer->teacher + !!trainer->moments[0] + !!trainer->moments[1];
  return arena_size(trainer) +
         (size_t)blocks * cored_net_block_count(trainer->net) * sizeof(CoredReal) +
         (trainer->session ? cored_session_memory(trainer->session) : 0) +
         (size_t)trainer->params.max_batch * (size_t)trainer->channels *
             (sizeof(double) + sizeof(int));
}

const CoredTrainParams *cored_trainer_params(const CoredTrainer *trainer) {
  return &trainer->params;
}

int cored_trainer_n_classes(const CoredTrainer *trainer) {
  return trainer->n_classes;
}

CoredTensorView cored_trainer_view(const CoredTrainer *trainer, int param, const CoredReal *block) {
  const CoredParam *const p = &trainer->graph->params[param];
  CoredTensorView view = {.name = p->name,
                          .dtype = (CoredDtype)CORED_DTYPE_REAL,
                          .rank = p->rank,
                          .data = block + cored_net_offset(trainer->net, param),
                          .size = p->count * sizeof(CoredReal)};
  memcpy(view.dims, p->dims, sizeof p->dims);
  return view;
}

CoredModel *cored_trainer_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                                CoredError *error) {
  const size_t n = (size_t)trainer->graph->n_params;
  CoredTensorView *const views = calloc(n, sizeof *views);
  if (!views) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory for the model");
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    views[i] = cored_trainer_view(trainer, (int)i, trainer->block);
  CoredModel *const model = cored_model_new(info, views, n, error);
  free(views);
  return model;
}

/* The index-th trained parameter, seen in `block`. */
static bool trained_view(const CoredTrainer *trainer, size_t index, const CoredReal *block,
                         CoredTensorView *view) {
  for (int i = 0; i < trainer->graph->n_params; i++) {
    if (cored_param_is_statistic(&trainer->graph->params[i]) || index-- > 0)
      continue;
    *view = cored_trainer_view(trainer, i, block);
    return true;
  }
  return false;
}

bool cored_trainer_parameter(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  return trained_view(trainer, index, trainer->block, view);
}

bool cored_trainer_gradient(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  return trained_view(trainer, index, trainer->gradients, view);
}
