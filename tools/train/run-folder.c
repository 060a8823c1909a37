/* SPDX-License-Identifier: MIT */
#include "run-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "model/model.h"
#include "models.h"

struct RunFolder {
  const OutputOptions *output;
  char *name;
  bool writes;
  int lock;   /* -1: not held */
  int n_made; /* of the folder and those above it */
};

const char *run_folder_name(const RunFolder *folder) {
  return folder->name;
}

char *run_folder_path(const RunFolder *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder->name, name) < 0 ? NULL : path;
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
               named ? "" : options_method_name(options->recipe.train.method)) < 0)
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

static bool make_folders(RunFolder *folder, CoredError *error) {
  char *part = strdup(folder->name);
  bool ok = part != NULL;
  for (char *at = part; ok && at; at = strchr(at + 1, '/')) {
    const char kept = *at;
    *at = '\0';
    ok = part[0] == '\0' || make_folder(part, &folder->n_made);
    *at = kept;
  }
  ok = ok && make_folder(part, &folder->n_made);
  if (!ok)
    cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", folder->name, strerror(errno));
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
static char *resumed_folder(const RunFolder *folder) {
  const char *path = folder->output->resume;
  struct stat st;
  if (!path[0])
    return strdup(folder->name);
  const char *slash = strrchr(path, '/');
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return strdup(path);
  return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

/* Does this run go on with what is in its own folder? */
bool run_folder_goes_on(const RunFolder *folder) {
  if (!folder->output->resume)
    return false;
  char *from = resumed_folder(folder);
  const bool here = from && same_place(from, folder->name);
  free(from);
  return here;
}

/* Nothing of an earlier run is lost unasked. */
static bool check_earlier_run(const RunFolder *folder, CoredError *error) {
  char found[256] = "";
  const bool here = run_folder_goes_on(folder), overwrite = folder->output->overwrite;
  if (here && overwrite)
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--resume goes on with the run in '%s', --overwrite deletes it: say one "
                           "of them",
                           folder->name);
  DIR *dir = here || overwrite ? NULL : opendir(folder->name);
  for (const struct dirent *entry; dir && !found[0] && (entry = readdir(dir));)
    if (is_result(entry->d_name))
      snprintf(found, sizeof found, "%s", entry->d_name);
  if (dir)
    closedir(dir);
  return !found[0] ||
         cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "'%s' holds an earlier run (%s): --resume goes on with it, --overwrite "
                         "deletes it and begins anew, -o FOLDER leaves it alone",
                         folder->name, found);
}

/* With --overwrite, what an earlier run left goes. */
void run_folder_delete_earlier(const RunFolder *folder) {
  DIR *dir = folder->output->overwrite && folder->writes ? opendir(folder->name) : NULL;
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
    if (is_result(entry->d_name))
      unlinkat(dirfd(dir), entry->d_name, 0);
  if (dir)
    closedir(dir);
}

/* ---- The folder ---- */

static bool open_folder(RunFolder *folder, CoredError *error) {
  if (!folder->writes)
    return true;
  if (!make_folders(folder, error))
    return false;
  char *path = run_folder_path(folder, ".lock");
  folder->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666) : -1;
  free(path);
  if (folder->lock < 0)
    return cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", folder->name, strerror(errno));
  if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0)
    return cored_error_set(error, CORED_ERROR_OPEN, "'%s': another training runs in this folder",
                           folder->name);
  if (!check_earlier_run(folder, error))
    return false;
  remove_leftovers(folder->name);
  return true;
}

RunFolder *run_folder_open(const Options *options, bool writes, CoredError *error) {
  RunFolder *folder = calloc(1, sizeof *folder);
  if (folder) {
    *folder = (RunFolder){.output = &options->output, .writes = writes, .lock = -1};
    folder->name = choose_folder(options);
  }
  if (!folder || !folder->name) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "name of the output folder");
    free(folder);
    return NULL;
  }
  if (open_folder(folder, error))
    return folder;
  run_folder_close(folder, false);
  return NULL;
}

/* A run that did not begin leaves no folder behind: those that it made itself go, while they are
 * empty. */
static void remove_made(RunFolder *folder) {
  char *lock = run_folder_path(folder, ".lock");
  if (lock && folder->n_made > 0)
    unlink(lock);
  free(lock);
  for (char *end; folder->n_made > 0 && rmdir(folder->name) == 0; folder->n_made--) {
    for (end = folder->name + strlen(folder->name); end > folder->name && end[-1] == '/'; end--)
      end[-1] = '\0';
    if (!(end = strrchr(folder->name, '/')))
      break;
    *end = '\0';
  }
}

void run_folder_close(RunFolder *folder, bool began) {
  if (!folder)
    return;
  if (folder->lock >= 0 && !began)
    remove_made(folder);
  if (folder->lock >= 0)
    close(folder->lock);
  free(folder->name);
  free(folder);
}

/* ---- Checkpoints ---- */

/* last becomes previous, and the new one last; at every moment one of the two is whole. */
bool run_folder_save(const RunFolder *folder, const CoredTrainer *trainer, const json_t *position,
                     const json_t *config, CoredError *error) {
  char *last = run_folder_path(folder, "last.checkpoint");
  char *previous = run_folder_path(folder, "previous.checkpoint");
  bool ok = last && previous && position;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "checkpoint");
  else if (access(last, F_OK) == 0 && rename(last, previous) != 0)
    ok = cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", last, strerror(errno));
  else
    ok = checkpoint_save(last, trainer, position, config, error);
  free(last);
  free(previous);
  return ok;
}

/* Another name of the same bytes: checkpoints are replaced, never written into. */
static bool keep_checkpoint(const RunFolder *folder, const char *name, CoredError *error) {
  char *last = run_folder_path(folder, "last.checkpoint"), *kept = run_folder_path(folder, name);
  char *aside = run_folder_path(folder, ".keep.tmp");
  bool ok = last && kept && aside;
  if (ok) {
    unlink(aside);
    ok = link(last, aside) == 0 && rename(aside, kept) == 0;
    const int reason = errno;
    unlink(aside); /* still there where kept was the same file already */
    errno = reason;
  }
  if (!ok)
    cored_error_set(error, CORED_ERROR_WRITE, "'%s/%s': %s", folder->name, name, strerror(errno));
  free(last);
  free(kept);
  free(aside);
  return ok;
}

bool run_folder_keep_epoch(const RunFolder *folder, int epoch, bool best, CoredError *error) {
  char name[64];
  snprintf(name, sizeof name, "epoch-%04d.checkpoint", epoch);
  return (!best || keep_checkpoint(folder, "best.checkpoint", error)) &&
         (epoch % folder->output->checkpoint_every != 0 || keep_checkpoint(folder, name, error));
}

/* ---- What to go on from ---- */

/* Not even a link that leads nowhere, perhaps only now. */
static bool is_absent(const char *path) {
  struct stat st;
  return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* A folder's last whole checkpoint, its previous one with a word about the last, or the file. The
 * error is NOT_FOUND where there is none, else the first that kept one from being read. */
static Checkpoint *find_checkpoint(const RunFolder *folder, Ui *ui, bool *is_last,
                                   CoredError *error) {
  const char *path = folder->output->resume;
  static const char *const names[] = {"last.checkpoint", "previous.checkpoint"};
  struct stat st;
  const char *place = path[0] ? path : folder->name;
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
    *is_last = i == 0 && place == folder->name;
    if (checkpoint)
      return checkpoint;
    if (reason.code != CORED_ERROR_NOT_FOUND)
      ui_line(ui, "%s", reason.message);
    if (i == 0 || error->code == CORED_ERROR_NOT_FOUND)
      *error = reason;
  }
  return NULL;
}

/* Is there a best model that starting anew would not give again? A run that was killed in its first
 * epoch may have written the model, but no checkpoint yet. */
bool run_folder_has_later_best(const RunFolder *folder) {
  char *path = run_folder_path(folder, "best.safetensors");
  const bool there = path && access(path, F_OK) == 0;
  CoredModel *model =
      there ? cored_model_load(path, &(CoredModelLoadParams){.skip_self_test = true}, NULL) : NULL;
  const char *epoch = model ? cored_model_metadata(model, KEY_EPOCH) : NULL;
  const bool first = epoch && strcmp(epoch, "1") == 0;
  cored_model_unref(model);
  free(path);
  return there && !first;
}

/* Into *best the model of that epoch in place, NULL if there is none. The epoch of one
 * that is of another goes into other, "" else. False: there is one, but it cannot be read. */
static bool load_best(const BestWanted *want, const char *place, CoredModel **best, char other[32],
                      CoredError *error) {
  CoredError reason = {0};
  char *path, wanted[32];
  *best = NULL;
  other[0] = '\0';
  if (asprintf(&path, "%s/best.safetensors", place) < 0)
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
  snprintf(wanted, sizeof wanted, "%d", want->epoch);
  /* Earlier versions did not write the epoch. */
  if ((!epoch || strcmp(epoch, wanted) == 0) &&
      strcmp(cored_model_info(model)->network, want->network) == 0) {
    *best = model;
    return true;
  }
  snprintf(other, 32, "%s", epoch ? epoch : "another network");
  cored_model_unref(model);
  return true;
}

/* Does --resume name a file of the run's own folder that the run would not go on from by itself? */
static bool goes_back(const RunFolder *folder) {
  const char *path = folder->output->resume;
  struct stat st;
  if (!path[0] || stat(path, &st) != 0 || S_ISDIR(st.st_mode) || !run_folder_goes_on(folder))
    return false;
  char *last = run_folder_path(folder, "last.checkpoint");
  const bool is_last = last && same_place(path, last);
  free(last);
  return !is_last;
}

bool run_folder_find_best(const RunFolder *folder, const BestWanted *want, CoredModel **along,
                          bool *missing, CoredError *error) {
  const bool back = goes_back(folder);
  char other[32];
  CoredModel *best;
  *along = NULL;
  *missing = false;
  if (!folder->writes || (want->epoch == 0 && !back))
    return true;
  char *from = resumed_folder(folder);
  bool ok = from ? load_best(want, from, &best, other, error)
                 : cored_error_set(error, CORED_ERROR_NO_MEMORY, "best model");
  const bool here = ok && same_place(from, folder->name);
  free(from);
  if (!ok)
    return false;
  if (back && other[0])
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "going on from '%s' would replace '%s/best.safetensors', whose epoch is "
                           "%s: -o FOLDER goes on elsewhere, --overwrite without --resume begins "
                           "anew",
                           folder->output->resume, folder->name, other);
  *missing = !best && want->epoch > 0;
  if (best && !here)
    *along = best;
  else
    cored_model_unref(best);
  return true;
}

/* By a link from elsewhere too: what is resumed is not deleted. */
static bool check_source(const RunFolder *folder, const Checkpoint *checkpoint, CoredError *error) {
  char *path = folder->output->overwrite ? realpath(checkpoint_path(checkpoint), NULL) : NULL;
  char *slash = path ? strrchr(path, '/') : NULL;
  if (slash)
    slash[slash == path] = '\0';
  const bool inside = path && same_place(path, folder->name);
  free(path);
  return !inside || cored_error_set(error, CORED_ERROR_ARGUMENT,
                                    "'%s' is a file of the run in '%s', which --overwrite deletes: "
                                    "go on in another folder",
                                    checkpoint_path(checkpoint), folder->name);
}

Checkpoint *run_folder_find_checkpoint(const RunFolder *folder, Ui *ui, bool *is_last,
                                       CoredError *error) {
  Checkpoint *checkpoint = find_checkpoint(folder, ui, is_last, error);
  if (!checkpoint || check_source(folder, checkpoint, error))
    return checkpoint;
  checkpoint_free(checkpoint);
  return NULL;
}
