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
#include "base/error.h"
#include "base/file.h"
#include "model/model.h"
#include "base/text.h"
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

/* One folder; *n_made counts those that were not there. */
static bool make_folder(const char *path, int *n_made) {
  if (mkdir(path, 0777) != 0)
    return errno == EEXIST;
  ++*n_made;
  return true;
}

static bool make_folders(Run *run, CoredError *error) {
  char *part = strdup(run->folder);
  bool ok = part != NULL;
  for (char *at = part; ok && at; at = strchr(at + 1, '/')) {
    const char kept = *at;
    *at = '\0';
    ok = part[0] == '\0' || make_folder(part, &run->n_made);
    *at = kept;
  }
  ok = ok && make_folder(part, &run->n_made);
  if (!ok)
    cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", run->folder, strerror(errno));
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

/* ---- An earlier run ---- */

/* Is name a file that a run leaves? */
static bool is_result(const char *name) {
  static const char *const names[] = {"best.safetensors", "last.checkpoint", "previous.checkpoint",
                                      "best.checkpoint",  "history.csv",     "report.html"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  const size_t digits = strncmp(name, "epoch-", 6) == 0 ? strspn(name + 6, "0123456789") : 0;
  return digits >= 4 && strcmp(name + 6 + digits, ".checkpoint") == 0;
}

static bool same_place(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The folder of what --resume names; the caller frees it. */
static char *resumed_folder(const Run *run) {
  const char *path = run->options->output.resume;
  struct stat st;
  if (!path[0])
    return strdup(run->folder);
  const char *slash = strrchr(path, '/');
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return strdup(path);
  return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

/* Does this run go on with what is in its own folder? */
static bool goes_on_here(const Run *run) {
  if (!run->options->output.resume)
    return false;
  char *from = resumed_folder(run);
  const bool here = from && same_place(from, run->folder);
  free(from);
  return here;
}

/* Nothing of an earlier run is lost unasked. */
static bool check_earlier_run(const Run *run, CoredError *error) {
  char found[256] = "";
  const bool here = goes_on_here(run), overwrite = run->options->output.overwrite;
  if (here && overwrite)
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--resume goes on with the run in '%s', --overwrite deletes it: say one "
                           "of them",
                           run->folder);
  DIR *dir = here || overwrite ? NULL : opendir(run->folder);
  for (const struct dirent *entry; dir && !found[0] && (entry = readdir(dir));)
    if (is_result(entry->d_name))
      snprintf(found, sizeof found, "%s", entry->d_name);
  if (dir)
    closedir(dir);
  return !found[0] ||
         cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "'%s' holds an earlier run (%s): --resume goes on with it, --overwrite "
                         "deletes it and begins anew, -o FOLDER leaves it alone",
                         run->folder, found);
}

/* With --overwrite, what an earlier run left goes. */
static void delete_earlier(const Run *run) {
  DIR *dir =
      run->options->output.overwrite && run->parallel->rank == 0 ? opendir(run->folder) : NULL;
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
    if (is_result(entry->d_name))
      unlinkat(dirfd(dir), entry->d_name, 0);
  if (dir)
    closedir(dir);
}

/* ---- The folder ---- */

bool run_open_folder(Run *run, CoredError *error) {
  run->folder = choose_folder(run->options);
  if (!run->folder)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "name of the output folder");
  if (run->parallel->rank != 0)
    return true;
  if (!make_folders(run, error))
    return false;
  char *path = run_path(run, ".lock");
  run->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666) : -1;
  free(path);
  if (run->lock < 0)
    return cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", run->folder, strerror(errno));
  if (flock(run->lock, LOCK_EX | LOCK_NB) != 0)
    return cored_error_set(error, CORED_ERROR_OPEN, "'%s': another training runs in this folder",
                           run->folder);
  if (!check_earlier_run(run, error))
    return false;
  remove_leftovers(run->folder);
  return true;
}

/* A run that did not begin leaves no folder behind: those that it made itself go, while they are
 * empty. */
static void remove_made(Run *run) {
  char *lock = run_path(run, ".lock");
  if (lock && run->n_made > 0)
    unlink(lock);
  free(lock);
  for (char *end; run->n_made > 0 && rmdir(run->folder) == 0; run->n_made--) {
    for (end = run->folder + strlen(run->folder); end > run->folder && end[-1] == '/'; end--)
      end[-1] = '\0';
    if (!(end = strrchr(run->folder, '/')))
      break;
    *end = '\0';
  }
}

void run_close_folder(Run *run) {
  if (run->lock >= 0 && !run->began)
    remove_made(run);
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

/* What the network is fed and what its outputs mean, besides the size. */
static json_t *input_json(const CoredModelInfo *info) {
  json_t *labels = json_array();
  for (int c = 0; c < info->n_classes; c++)
    json_array_append_new(labels, json_string(info->labels[c]));
  return json_pack("{s:[f,f,f],s:[f,f,f],s:o}", "mean", (double)info->mean[0],
                   (double)info->mean[1], (double)info->mean[2], "std", (double)info->std[0],
                   (double)info->std[1], (double)info->std[2], "labels", labels);
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
  json_t *optimizer =
      json_pack("{s:i,s:f,s:f,s:f,s:f}", "kind", (int)train->optimizer.kind, "momentum",
                train->optimizer.momentum, "weight_decay", train->optimizer.weight_decay, "clip",
                train->optimizer.clip_norm, "lr", recipe->schedule.base);
  json_t *schedule = json_pack("{s:i,s:f,s:f,s:f}", "kind", (int)recipe->schedule.kind, "warmup",
                               recipe->warmup_epochs, "step", recipe->step_epochs, "gamma",
                               recipe->schedule.gamma);
  if (recipe->schedule.kind == CORED_SCHEDULE_COSINE)
    json_object_set_new(schedule, "epochs", json_integer(recipe->epochs));
  json_object_set_new(config, "input", input_json(&run->info));
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

static bool bad_position(const char *what, json_int_t most, const json_t *found,
                         CoredError *error) {
  char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                  "the checkpoint's position: %s: expected 0 to %lld, found %.64s", what,
                  (long long)most, text ? text : "nothing");
  free(text);
  return false;
}

static bool read_count(const json_t *json, const char *key, json_int_t most, json_int_t *value,
                       CoredError *error) {
  const json_t *found = json_object_get(json, key);
  *value = json_integer_value(found);
  return (json_is_integer(found) && *value >= 0 && *value <= most) ||
         bad_position(key, most, found, error);
}

/* A row for every epoch that is over, in order. */
static bool check_history(const json_t *history, json_int_t epoch, CoredError *error) {
  bool ok = json_is_array(history) && json_array_size(history) == (size_t)epoch;
  for (size_t i = 0; ok && i < (size_t)epoch; i++) {
    const json_t *row = json_array_get(history, i);
    ok = json_integer_value(json_object_get(row, "epoch")) == (json_int_t)i + 1 &&
         json_is_object(json_object_get(row, "train")) &&
         json_is_array(json_object_get(row, "tasks"));
  }
  return ok ||
         cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                         "the checkpoint's position: history: expected a row for each of %lld "
                         "epochs, found %zu",
                         (long long)epoch, json_array_size(history));
}

/* What a run of these settings can have written, and nothing else. */
static bool read_position(Run *run, const json_t *json, CoredError *error) {
  enum { MOST_EPOCHS = 1000000000 };
  RunPosition *at = &run->at;
  const json_t *best = json_object_get(json, "best"), *history = json_object_get(json, "history");
  const json_t *sums = json_object_get(json, "sums");
  const uint64_t n_batches = cored_loader_n_batches(run->loader);
  const uint64_t k = (uint64_t)run->options->recipe.accumulate;
  json_int_t epoch, batch, best_epoch;
  if (!read_count(json, "epoch", MOST_EPOCHS, &epoch, error) ||
      !read_count(json, "next_batch", (json_int_t)n_batches, &batch, error) ||
      !read_count(json, "best_epoch", epoch, &best_epoch, error) ||
      !check_history(history, epoch, error))
    return false;
  if (best_epoch > 0 ? !json_is_number(best) : !json_is_null(best))
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: best: expected a number, or null without a "
                           "best epoch");
  if (!loss_sums_read(&at->sums, sums))
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: sums: expected %d numbers",
                           N_LOSS_TERMS + 2);
  const uint64_t steps =
      (uint64_t)epoch * ((n_batches + k - 1) / k) + ((uint64_t)batch + k - 1) / k;
  if (cored_trainer_steps(run->trainer) != steps)
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: epoch %lld, batch %lld is %llu steps from "
                           "the start, its optimizer made %llu",
                           (long long)epoch + 1, (long long)batch, (unsigned long long)steps,
                           (unsigned long long)cored_trainer_steps(run->trainer));
  json_decref(at->history);
  at->history = json_deep_copy(history);
  at->epoch = (int)epoch;
  at->next_batch = (uint64_t)batch;
  at->best = json_is_number(best) ? json_number_value(best) : -(double)INFINITY;
  at->best_epoch = (int)best_epoch;
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

/* Not even a link that leads nowhere, perhaps only now. */
static bool is_absent(const char *path) {
  struct stat st;
  return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* A folder's last whole checkpoint, its previous one with a word about the last, or the file. The
 * error is NOT_FOUND where there is none, else the first that kept one from being read. */
static Checkpoint *find_checkpoint(Run *run, const char *path, bool *is_last, CoredError *error) {
  static const char *const names[] = {"last.checkpoint", "previous.checkpoint"};
  struct stat st;
  const char *place = path[0] ? path : run->folder;
  if (stat(place, &st) == 0 && !S_ISDIR(st.st_mode))
    return checkpoint_load(place, error);
  for (int i = 0; i < 2; i++) {
    char *file;
    CoredError reason = {0};
    if (asprintf(&file, "%s/%s", place, names[i]) < 0) {
      cored_error_set(error, CORED_ERROR_NO_MEMORY, "checkpoint");
      return NULL;
    }
    Checkpoint *checkpoint = checkpoint_load(file, &reason);
    if (reason.code == CORED_ERROR_NOT_FOUND && !is_absent(file))
      reason.code = CORED_ERROR_OPEN;
    free(file);
    *is_last = i == 0 && place == run->folder;
    if (checkpoint)
      return checkpoint;
    if (reason.code != CORED_ERROR_NOT_FOUND)
      ui_line(&run->ui, "%s", reason.message);
    if (i == 0 || error->code == CORED_ERROR_NOT_FOUND)
      *error = reason;
  }
  return NULL;
}

/* Is there a best model that starting anew would not give again? A run that was killed in its first
 * epoch may have written the model, but no checkpoint yet. */
static bool has_later_best(const Run *run) {
  char *path = run_path(run, "best.safetensors");
  const bool there = path && access(path, F_OK) == 0;
  CoredModel *model =
      there ? cored_model_load(path, &(CoredModelLoadParams){.skip_self_test = true}, NULL) : NULL;
  const char *epoch = model ? cored_model_metadata(model, KEY_EPOCH) : NULL;
  const bool first = epoch && strcmp(epoch, "1") == 0;
  cored_model_unref(model);
  free(path);
  return there && !first;
}

/* Into *best the model of run->at.best_epoch in folder, NULL if there is none. The epoch of one
 * that is of another goes into other, "" else. False: there is one, but it cannot be read. */
static bool load_best(const Run *run, const char *folder, CoredModel **best, char other[32],
                      CoredError *error) {
  CoredError reason = {0};
  char *path, wanted[32];
  *best = NULL;
  other[0] = '\0';
  if (asprintf(&path, "%s/best.safetensors", folder) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "best model");
  CoredModel *model = cored_model_load(path, NULL, &reason);
  const bool absent = reason.code == CORED_ERROR_NOT_FOUND && is_absent(path);
  free(path);
  if (!model)
    return absent || cored_error_set(error, reason.code,
                                     "the best model so far cannot be read; move it away to go on "
                                     "without it. %s",
                                     reason.message);
  const char *epoch = cored_model_metadata(model, KEY_EPOCH);
  snprintf(wanted, sizeof wanted, "%d", run->at.best_epoch);
  /* Earlier versions did not write the epoch. */
  if ((!epoch || strcmp(epoch, wanted) == 0) &&
      strcmp(cored_model_info(model)->network, run->info.network) == 0) {
    *best = model;
    return true;
  }
  snprintf(other, 32, "%s", epoch ? epoch : "another network");
  cored_model_unref(model);
  return true;
}

/* Does --resume name a file of the run's own folder that the run would not go on from by itself? */
static bool goes_back(const Run *run) {
  const char *path = run->options->output.resume;
  struct stat st;
  if (!path[0] || stat(path, &st) != 0 || S_ISDIR(st.st_mode) || !goes_on_here(run))
    return false;
  char *last = run_path(run, "last.checkpoint");
  const bool is_last = last && same_place(path, last);
  free(last);
  return !is_last;
}

/* The state that was resumed may be the best there is. */
static bool look_anew(Run *run, CoredError *error) {
  ui_line(&run->ui,
          "the best model so far, of epoch %d, is not beside the checkpoint: the best is "
          "looked for anew",
          run->at.best_epoch);
  run->at.best = -(double)INFINITY;
  run->at.best_epoch = 0;
  return run->at.next_batch > 0 || run_judge_resumed(run, &run->resumed.is_best, error);
}

/* The best model so far is a file beside the checkpoint, and a run that goes on elsewhere takes it
 * along. Without it the best is looked for anew, beginning with the state that was resumed. A model
 * of a later epoch is not given up for an earlier state, though. */
static bool find_best(Run *run, CoredError *error) {
  const bool back = goes_back(run);
  char other[32];
  CoredModel *best;
  if (run->parallel->rank != 0 || (run->at.best_epoch == 0 && !back))
    return true;
  char *from = resumed_folder(run);
  bool ok = from ? load_best(run, from, &best, other, error)
                 : cored_error_set(error, CORED_ERROR_NO_MEMORY, "best model");
  const bool here = ok && same_place(from, run->folder);
  free(from);
  if (!ok)
    return false;
  if (back && other[0])
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "going on from '%s' would replace '%s/best.safetensors', whose epoch is "
                           "%s: -o FOLDER goes on elsewhere, --overwrite without --resume begins "
                           "anew",
                           run->options->output.resume, run->folder, other);
  if (!best)
    return run->at.best_epoch == 0 || look_anew(run, error);
  if (!here)
    run->resumed.best = best;
  else
    cored_model_unref(best);
  return true;
}

/* By a link from elsewhere too: what is resumed is not deleted. */
static bool check_source(const Run *run, const Checkpoint *checkpoint, CoredError *error) {
  char *path = run->options->output.overwrite ? realpath(checkpoint_path(checkpoint), NULL) : NULL;
  char *slash = path ? strrchr(path, '/') : NULL;
  if (slash)
    slash[slash == path] = '\0';
  const bool inside = path && same_place(path, run->folder);
  free(path);
  return !inside || cored_error_set(error, CORED_ERROR_ARGUMENT,
                                    "'%s' is a file of the run in '%s', which --overwrite deletes: "
                                    "go on in another folder",
                                    checkpoint_path(checkpoint), run->folder);
}

static bool write_resumed(Run *run, CoredError *error) {
  const Resumed *resumed = &run->resumed;
  char *path = run_path(run, "best.safetensors");
  bool ok = path || cored_error_set(error, CORED_ERROR_NO_MEMORY, "best model");
  ok = ok && (!resumed->best || cored_model_save_beside(resumed->best, path, error)) &&
       (!resumed->is_best || run_save_best(run, error)) &&
       (goes_on_here(run) || run_save_checkpoint(run, error));
  free(path);
  if (ok && resumed->is_last && run->at.epoch > 0 && run->at.next_batch == 0)
    ok = run_keep_epoch(run, error); /* should the run have died before it came to that */
  return ok;
}

bool run_begin_files(Run *run, CoredError *error) {
  delete_earlier(run);
  return !run->resumed.found || write_resumed(run, error);
}

bool run_resume(Run *run, CoredError *error) {
  const char *path = run->options->output.resume;
  if (!path)
    return true;
  Checkpoint *checkpoint = find_checkpoint(run, path, &run->resumed.is_last, error);
  if (!checkpoint && error->code == CORED_ERROR_NOT_FOUND && !path[0]) {
    if (has_later_best(run))
      return cored_error_set(error, CORED_ERROR_NOT_FOUND,
                             "'%s' holds best.safetensors but no checkpoint to go on from; "
                             "--overwrite begins anew",
                             run->folder);
    ui_line(&run->ui, "nothing to resume in '%s': starting anew", run->folder);
    *error = (CoredError){0};
    return true;
  }
  const bool ok = checkpoint && check_source(run, checkpoint, error) &&
                  checkpoint_check_config(checkpoint, run->config, error) &&
                  checkpoint_restore(checkpoint, run->trainer, error) &&
                  read_position(run, checkpoint_position(checkpoint), error) &&
                  find_best(run, error);
  run->resumed.found = ok;
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
