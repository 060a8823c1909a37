/* SPDX-License-Identifier: MIT
 * The folder of a run: lock, checkpoints, history. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "error.h"
#include "model/file.h"
#include "model/text.h"
#include "run.h"

char *run_path(const Run *run, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", run->folder, name) < 0 ? NULL : path;
}

static const char *method_name(CoredMethod method) {
  static const char *const names[] = {"FT", "KD", "TG", "CoReD"};
  return names[method];
}

/* runs/METHOD/SOURCES_TARGET, or what the command line says. */
static char *choose_folder(const Options *options) {
  const OutputOptions *output = &options->output;
  char name[2048] = "", *path;
  size_t at = 0;
  for (int i = 0; i < options->data.n_sources && at < sizeof name; i++)
    at += (size_t)snprintf(name + at, sizeof name - at, "%s_", options->data.sources[i]);
  if (at < sizeof name)
    snprintf(name + at, sizeof name - at, "%s", options->data.target);
  const bool named = output->folder || output->folder1;
  if (asprintf(&path, "%s%s%s%s%s%s%s", output->folder ? output->folder : "runs",
               output->folder1 ? "/" : "", output->folder1 ? output->folder1 : "",
               output->folder2 ? "/" : "", output->folder2 ? output->folder2 : "", named ? "" : "/",
               named ? "" : method_name(options->recipe.train.method)) < 0)
    return NULL;
  if (named)
    return path;
  char *whole;
  const int length = asprintf(&whole, "%s/%s", path, name);
  free(path);
  return length < 0 ? NULL : whole;
}

static bool make_folders(const char *path, CoredError *error) {
  char *part = strdup(path);
  bool ok = part != NULL;
  for (char *at = part; ok && at; at = strchr(at + 1, '/')) {
    const char kept = *at;
    *at = '\0';
    ok = part[0] == '\0' || mkdir(part, 0777) == 0 || errno == EEXIST;
    *at = kept;
  }
  ok = ok && (mkdir(part, 0777) == 0 || errno == EEXIST);
  if (!ok)
    cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", path, strerror(errno));
  free(part);
  return ok;
}

/* What a killed run was writing: ".NAME.<16 digits>.tmp", as cored_file_place names it. */
static void remove_leftovers(const char *folder) {
  const size_t tail = strlen(".0123456789abcdef.tmp");
  DIR *dir = opendir(folder);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    const char *name = entry->d_name;
    const size_t length = strlen(name);
    const char *end = length > tail ? name + length - tail : NULL;
    if (name[0] == '.' && end && end[0] == '.' && strspn(end + 1, "0123456789abcdef") == 16 &&
        strcmp(end + 17, ".tmp") == 0)
      unlinkat(dirfd(dir), name, 0);
  }
  if (dir)
    closedir(dir);
}

bool run_open_folder(Run *run, CoredError *error) {
  run->folder = choose_folder(run->options);
  if (!run->folder)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "name of the output folder");
  if (run->parallel->rank != 0)
    return true;
  if (!make_folders(run->folder, error))
    return false;
  char *path = run_path(run, ".lock");
  run->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
  free(path);
  if (run->lock < 0)
    return cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", run->folder, strerror(errno));
  if (flock(run->lock, LOCK_EX | LOCK_NB) != 0)
    return cored_error_set(error, CORED_ERROR_OPEN, "'%s': another training runs in this folder",
                           run->folder);
  remove_leftovers(run->folder);
  return true;
}

void run_close_folder(Run *run) {
  if (run->lock >= 0)
    close(run->lock);
  run->lock = -1;
  free(run->folder);
  run->folder = NULL;
}

static json_t *augmentation_json(const CoredAugmentParams *augmentation) {
  return json_pack("{s:f,s:i,s:f,s:f,s:f,s:f}", "flip", augmentation->flip, "cutmix",
                   (int)augmentation->cutmix, "rate", augmentation->cutmix_rate, "beta",
                   augmentation->cutmix_beta, "jpeg", augmentation->jpeg, "blur",
                   augmentation->blur);
}

/* Everything that decides the numbers of a run; what only decides how fast or where is left out.
 * The number of epochs is free as long as no schedule depends on it. */
json_t *run_config(const Run *run) {
  const RecipeOptions *recipe = &run->options->recipe;
  const CoredTrainParams *train = &recipe->train;
  json_t *config =
      json_pack("{s:s,s:s,s:i,s:i,s:s,s:i,s:i,s:I}", "method", method_name(train->method),
                "network", run->info.network, "width", run->info.input_width, "height",
                run->info.input_height, "manifest", run->manifest, "batch", recipe->batch,
                "accumulate", recipe->accumulate, "seed", (json_int_t)recipe->seed);
  json_t *losses = json_pack("{s:f,s:f,s:i,s:i,s:i,s:f,s:f,s:i}", "alpha", train->alpha,
                             "temperature", train->temperature, "stores", train->n_stores,
                             "representation", (int)train->representation, "batch_norm",
                             (int)train->batch_norm, "dropout", train->dropout, "drop_connect",
                             train->drop_connect, "self_training", recipe->self_training);
  json_t *optimizer = json_pack("{s:i,s:f,s:f,s:f,s:f}", "kind", (int)train->optimizer, "momentum",
                                train->momentum, "weight_decay", train->weight_decay, "clip",
                                train->clip_norm, "lr", recipe->schedule.base);
  json_t *schedule = json_pack("{s:i,s:f,s:f,s:f}", "kind", (int)recipe->schedule.kind, "warmup",
                               recipe->warmup_epochs, "step", recipe->step_epochs, "gamma",
                               recipe->schedule.gamma);
  if (recipe->schedule.kind == CORED_SCHEDULE_COSINE)
    json_object_set_new(schedule, "epochs", json_integer(recipe->epochs));
  json_object_set_new(config, "losses", losses);
  json_object_set_new(config, "optimizer", optimizer);
  json_object_set_new(config, "schedule", schedule);
  json_object_set_new(config, "augmentation",
                      recipe->augment ? augmentation_json(&recipe->augmentation) : json_null());
  json_object_set_new(config, "order", json_string(recipe->sequential ? "sequential" : "random"));
  json_object_set_new(config, "balanced", json_boolean(recipe->balanced));
  json_object_set_new(config, "select", json_integer(recipe->select));
  return config;
}

static json_t *position_json(const RunPosition *at) {
  json_t *json =
      json_pack("{s:i,s:I,s:i,s:O}", "epoch", at->epoch, "next_batch", (json_int_t)at->next_batch,
                "best_epoch", at->best_epoch, "history", at->history);
  json_object_set_new(json, "best", json_figure(at->best));
  json_object_set_new(json, "sums", loss_sums_json(&at->sums));
  return json;
}

static bool read_position(RunPosition *at, const json_t *json, CoredError *error) {
  const json_t *best = json_object_get(json, "best"), *history = json_object_get(json, "history");
  const json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
  const json_int_t batch = json_integer_value(json_object_get(json, "next_batch"));
  if (!json_is_array(history) || epoch < 0 || epoch > 1000000000 || batch < 0)
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE, "the checkpoint's position");
  json_decref(at->history);
  at->history = json_deep_copy(history);
  at->epoch = (int)epoch;
  at->next_batch = (uint64_t)batch;
  at->best = json_is_number(best) ? json_number_value(best) : -(double)INFINITY;
  at->best_epoch = (int)json_integer_value(json_object_get(json, "best_epoch"));
  loss_sums_read(&at->sums, json_object_get(json, "sums"));
  return true;
}

/* last becomes previous, and the new one last; at every moment one of the two is whole. */
bool run_save_checkpoint(Run *run, CoredError *error) {
  if (run->parallel->rank != 0)
    return true;
  char *last = run_path(run, "last.checkpoint"), *previous = run_path(run, "previous.checkpoint");
  json_t *position = position_json(&run->at);
  bool ok = last && previous && position;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "checkpoint");
  else if (access(last, F_OK) == 0 && rename(last, previous) != 0)
    ok = cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", last, strerror(errno));
  else
    ok = checkpoint_save(last, run->trainer, position, run->config, error);
  json_decref(position);
  free(last);
  free(previous);
  return ok;
}

/* Another name of the same bytes: checkpoints are replaced, never written into. */
static bool keep_checkpoint(Run *run, const char *name, CoredError *error) {
  char *last = run_path(run, "last.checkpoint"), *kept = run_path(run, name);
  char *aside = run_path(run, ".keep.tmp");
  bool ok = last && kept && aside;
  if (ok) {
    unlink(aside);
    ok = link(last, aside) == 0 && rename(aside, kept) == 0;
    const int reason = errno;
    unlink(aside); /* still there where kept was the same file already */
    errno = reason;
  }
  if (!ok)
    cored_error_set(error, CORED_ERROR_WRITE, "'%s/%s': %s", run->folder, name, strerror(errno));
  free(last);
  free(kept);
  free(aside);
  return ok;
}

bool run_keep_epoch(Run *run, CoredError *error) {
  char name[64];
  if (run->parallel->rank != 0)
    return true;
  snprintf(name, sizeof name, "epoch-%04d.checkpoint", run->at.epoch);
  return (run->at.best_epoch != run->at.epoch || keep_checkpoint(run, "best.checkpoint", error)) &&
         (run->at.epoch % run->options->output.checkpoint_every != 0 ||
          keep_checkpoint(run, name, error));
}

/* A folder's last whole checkpoint, its previous one with a word about the last, or the file. */
static Checkpoint *find_checkpoint(Run *run, const char *path, bool *is_last, CoredError *error) {
  static const char *const names[] = {"last.checkpoint", "previous.checkpoint"};
  struct stat st;
  const char *place = path[0] ? path : run->folder;
  if (stat(place, &st) == 0 && !S_ISDIR(st.st_mode))
    return checkpoint_load(place, error);
  for (int i = 0; i < 2; i++) {
    char *file;
    CoredError reason = {0};
    if (asprintf(&file, "%s/%s", place, names[i]) < 0)
      break;
    Checkpoint *checkpoint = checkpoint_load(file, &reason);
    free(file);
    *is_last = i == 0 && place == run->folder;
    if (checkpoint)
      return checkpoint;
    if (reason.code != CORED_ERROR_NOT_FOUND)
      ui_line(&run->ui, "%s", reason.message);
    if (error)
      *error = reason;
  }
  return NULL;
}

bool run_resume(Run *run, CoredError *error) {
  const char *path = run->options->output.resume;
  if (!path)
    return true;
  bool is_last = false;
  Checkpoint *checkpoint = find_checkpoint(run, path, &is_last, error);
  if (!checkpoint && error->code == CORED_ERROR_NOT_FOUND && !path[0]) {
    ui_line(&run->ui, "nothing to resume in '%s': starting anew", run->folder);
    return true;
  }
  bool ok = checkpoint && checkpoint_check_config(checkpoint, run->config, error) &&
            checkpoint_restore(checkpoint, run->trainer, error) &&
            read_position(&run->at, checkpoint_position(checkpoint), error);
  if (ok && is_last && run->at.epoch > 0 && run->at.next_batch == 0)
    ok = run_keep_epoch(run, error); /* should the run have died before it came to that */
  checkpoint_free(checkpoint);
  if (ok)
    ui_line(&run->ui, "resuming in epoch %d at batch %llu", run->at.epoch + 1,
            (unsigned long long)run->at.next_batch);
  return ok;
}

/* Two columns of the history: a task's name may hold anything that a folder's can. */
static void put_titles(FILE *file, const char *task) {
  static const char *const what[] = {"accuracy", "auc"};
  for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
    CoredText title = {0}, cell = {0};
    cored_text_add(&title, task);
    cored_text_add(&title, " ");
    cored_text_add(&title, what[i]);
    cored_text_add_csv(&cell, title.failed ? what[i] : title.s);
    fputc(',', file);
    fwrite(cell.s, 1, cell.n, file);
    cored_text_clear(&title);
    cored_text_clear(&cell);
  }
}

bool run_write_history(const Run *run, CoredError *error) {
  char *text = NULL, *path = run_path(run, "history.csv");
  size_t size = 0, i;
  FILE *file = open_memstream(&text, &size);
  json_t *row, *task;
  if (!file || !path) {
    if (file)
      fclose(file);
    free(text);
    free(path);
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "history");
  }
  fputs("epoch,rate,loss,student,distillation,representation,starting_point,classifier,accuracy,"
        "score",
        file);
  for (int k = 0; k < run->sets.n_tasks; k++)
    put_titles(file, run->sets.names[k]);
  json_array_foreach(run->at.history, i, row) {
    static const char *const terms[] = {"total",          "student",        "distillation",
                                        "representation", "starting_point", "classifier",
                                        "accuracy"};
    const json_t *train = json_object_get(row, "train"), *tasks = json_object_get(row, "tasks");
    fprintf(file, "\n%d,%.9g", (int)json_integer_value(json_object_get(row, "epoch")),
            json_number_value(json_object_get(row, "rate")));
    for (size_t k = 0; k < sizeof terms / sizeof terms[0]; k++)
      fprintf(file, ",%.9g", json_number_value(json_object_get(train, terms[k])));
    fprintf(file, ",%.9g", json_number_value(json_object_get(row, "score")));
    size_t k;
    json_array_foreach(tasks, k, task)
        fprintf(file, ",%.9g,%.9g", json_number_value(json_object_get(task, "accuracy")),
                json_number_value(json_object_get(task, "auc")));
  }
  fputc('\n', file);
  fclose(file);
  const CoredChunk chunk = {text, size};
  const bool ok = cored_file_write(path, &chunk, 1, 0666, error);
  free(text);
  free(path);
  return ok;
}
