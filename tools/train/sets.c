/* SPDX-License-Identifier: MIT */
#include "sets.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "status.h"

enum { LISTED_FILES = 20 };

typedef struct Watch {
  Ui *ui;
  const char *root;
  double began;
} Watch;

static bool watch(void *user, size_t done, size_t total) {
  Watch *w = user;
  char text[64];
  const double seconds = ui_clock() - w->began;
  snprintf(text, sizeof text, "%.0f files/s", seconds > 0.0 ? (double)done / seconds : 0.0);
  ui_bar(w->ui, w->root, done, total, text);
  return !stop_asked();
}

static void list_bad(const CoredDataset *set, Ui *ui) {
  size_t listed = 0;
  for (size_t i = 0; i < cored_dataset_n_files(set); i++) {
    const CoredDataFile *file = cored_dataset_file(set, i);
    if (!file->bad || listed++ >= LISTED_FILES)
      continue;
    ui_line(ui, "  skipped %s: %s", file->path, file->reason);
  }
  if (listed > LISTED_FILES)
    ui_line(ui, "  and %zu more", listed - LISTED_FILES);
}

/* Where groups come from: without them the leak check and the intervals are worth less. */
static void describe_groups(const CoredDataset *set, Ui *ui) {
  const size_t n = cored_dataset_n_files(set), told = cored_dataset_n_told(set);
  const char *file = cored_dataset_group_file(set);
  size_t guessed = 0;
  for (size_t i = 0; i < n; i++)
    guessed += cored_dataset_file(set, i)->grouped;
  guessed -= told;
  if (file)
    ui_line(ui, "  %zu of %zu files have their group from '%s'", told, n, file);
  if (guessed)
    ui_line(ui, "  %zu of %zu files have their group from their names or folders", guessed, n);
}

/* What is there and was left out: nothing of it without a word. */
static void describe_rest(const CoredDataset *set, Ui *ui) {
  const char *first;
  const size_t unread = cored_dataset_n_unread(set, &first);
  const size_t ignored = cored_dataset_n_ignored(set), repeated = cored_dataset_n_repeated(set);
  if (ignored)
    ui_line(ui, "  %zu other files ignored: they are not named like pictures or videos", ignored);
  if (repeated)
    ui_line(ui, "  %zu links left out: they lead to what is listed already", repeated);
  if (unread)
    ui_line(ui, "  warning: %zu folders that are no class were not read, such as '%s'", unread,
            first ? first : "");
}

static void describe(const CoredDataset *set, const CoredModelInfo *info, Ui *ui) {
  char counts[256] = "";
  size_t at = 0;
  for (int c = 0; c < cored_dataset_n_classes(set) && at < sizeof counts; c++)
    at += (size_t)snprintf(counts + at, sizeof counts - at, "%s%zu %s", c ? ", " : "",
                           cored_dataset_class_count(set, (uint32_t)c), info->labels[c]);
  ui_line(ui, "%s: %s; %zu groups%s", cored_dataset_root(set), counts, cored_dataset_n_groups(set),
          cored_dataset_n_bad(set) ? "; bad files:" : "");
  describe_groups(set, ui);
  describe_rest(set, ui);
  if (cored_dataset_n_bad(set))
    list_bad(set, ui);
}

static CoredDataParams params_of(const SetNeeds *needs) {
  const DataOptions *options = needs->options;
  const CoredModelInfo *info = needs->info;
  CoredDataParams params = cored_data_params_default();
  params.width = info->input_width;
  params.height = info->input_height;
  memcpy(params.mean, info->mean, sizeof params.mean);
  memcpy(params.std, info->std, sizeof params.std);
  params.faces = options->faces;
  params.whole_frames = options->whole_frames;
  params.crop = options->crop;
  params.frame_step = options->frame_step;
  params.max_frames = options->max_frames;
  params.cache_bytes = params.video_bytes = (uint64_t)options->cache_mib << 20;
  params.threads = needs->threads;
  return params;
}

static bool has_videos(const CoredDataset *set) {
  for (size_t i = 0; i < cored_dataset_n_files(set); i++)
    if (cored_dataset_file(set, i)->video)
      return true;
  return false;
}

bool set_has_crops(const CoredDataset *set, const DataOptions *options) {
  return options->faces || (has_videos(set) && !options->whole_frames);
}

static bool check(CoredDataset *set, const SetNeeds *needs, Ui *ui, CoredError *error) {
  const DataOptions *options = needs->options;
  CoredDataParams params = params_of(needs);
  Watch w = {ui, cored_dataset_root(set), ui_clock()};
  if (set_has_crops(set, options)) {
    if (!face_detector_open(needs->detector, options, error))
      return false;
    params.network = needs->detector->network;
    params.cascade = needs->detector->cascade;
  }
  if (!cored_dataset_check(set, &params, watch, &w, error)) {
    if (error->code == CORED_ERROR_DATASET)
      list_bad(set, ui);
    return false;
  }
  describe(set, needs->info, ui);
  const size_t bad = cored_dataset_n_bad(set), n = cored_dataset_n_files(set);
  if (100.0 * (double)bad > options->max_bad * (double)n)
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s': %zu of %zu files are bad, more than the %g %% of --max-bad",
                           cored_dataset_root(set), bad, n, options->max_bad);
  return true;
}

CoredDataset *set_open(const char *root, const SetNeeds *needs, Ui *ui, CoredError *error) {
  const CoredDataScan scan = {.root = root,
                              .classes = (const char(*)[CORED_LABEL_SIZE])needs->info->labels,
                              .n_classes = needs->info->n_classes,
                              .map = needs->options->map};
  CoredDataset *set = cored_dataset_scan(&scan, error);
  if (set && check(set, needs, ui, error))
    return set;
  cored_dataset_free(set);
  return NULL;
}

char *data_train_root(const DataOptions *options) {
  const bool transfer = options->n_sources > 0 && !options->full;
  char *path;
  if (asprintf(&path, "%s/%s%s/train", options->folder, transfer ? "TransferLearning/" : "",
               options->target) < 0)
    return NULL;
  return path;
}

static bool is_folder(const char *parent, const char *name, const char *below) {
  char *path;
  struct stat st;
  if (asprintf(&path, "%s/%s/%s", parent, name, below) < 0)
    return false;
  const bool is = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  free(path);
  return is;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the folders that look like tasks, sorted, as far as they fit. */
static void list_tasks(const char *folder, char *out, size_t size) {
  enum { MOST = 64 };
  char *names[MOST];
  int n = 0;
  size_t at = 0;
  DIR *dir = opendir(folder);
  for (const struct dirent *entry; dir && n < MOST && (entry = readdir(dir));)
    if (entry->d_name[0] != '.' &&
        (is_folder(folder, entry->d_name, "train") || is_folder(folder, entry->d_name, "val")))
      n += (names[n] = strdup(entry->d_name)) != NULL;
  if (dir)
    closedir(dir);
  qsort(names, (size_t)n, sizeof *names, by_text);
  snprintf(out, size, "no task");
  bool fits = true;
  for (int i = 0; i < n; i++) {
    if (fits && (fits = at + strlen(names[i]) + sizeof ", ..." < size))
      at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", names[i]);
    else if (!fits)
      snprintf(out + at, size - at, ", ...");
    free(names[i]);
  }
}

static bool check_task(const DataOptions *options, const char *name, CoredError *error) {
  char tasks[256];
  /* The model file keeps it. */
  if (strlen(name) >= CORED_LABEL_SIZE || !cored_utf8_is_valid(name, strlen(name)))
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "the task '%s': expected a name of at most %d bytes of UTF-8, found %s; "
                           "rename its folder",
                           name, CORED_LABEL_SIZE - 1,
                           strlen(name) >= CORED_LABEL_SIZE ? "a longer one" : "other bytes");
  if (is_folder(options->folder, name, "."))
    return true;
  list_tasks(options->folder, tasks, sizeof tasks);
  return cored_error_set(error, CORED_ERROR_DATASET,
                         "there is no task '%s': expected a folder '%s/%s/train', found %s in '%s'",
                         name, options->folder, name, tasks, options->folder);
}

bool data_check_tasks(const DataOptions *options, CoredError *error) {
  struct stat st;
  errno = 0;
  if (stat(options->folder, &st) != 0 || !S_ISDIR(st.st_mode))
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s': expected a folder that holds one for each task, found %s",
                           options->folder, errno ? strerror(errno) : "something else");
  bool ok = check_task(options, options->target, error);
  for (int i = 0; ok && i < options->n_sources; i++)
    ok = check_task(options, options->sources[i], error);
  return ok;
}

static bool open_train(DataSets *sets, const SetNeeds *needs, Ui *ui, CoredError *error) {
  struct stat st;
  char *root = data_train_root(needs->options);
  if (!root)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path of the training data");
  if (needs->options->n_sources && !needs->options->full && stat(root, &st) != 0)
    cored_error_set(error, CORED_ERROR_DATASET,
                    "'%s' does not exist; with sources the small training set is expected there, "
                    "-f trains on '%s/%s/train' instead",
                    root, needs->options->folder, needs->options->target);
  else
    sets->train = set_open(root, needs, ui, error);
  free(root);
  return sets->train != NULL;
}

static bool open_val(DataSets *sets, const char *name, const SetNeeds *needs, Ui *ui,
                     CoredError *error) {
  char *root;
  if (asprintf(&root, "%s/%s/val", needs->options->folder, name) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path of '%s'", name);
  CoredDataset *set = set_open(root, needs, ui, error);
  free(root);
  sets->val[sets->n_tasks] = set;
  sets->names[sets->n_tasks] = name;
  sets->n_tasks += set != NULL;
  return set != NULL;
}

static void list_pairs(const CoredDataPair *pairs, size_t n, bool groups, Ui *ui) {
  for (size_t i = 0; i < n && i < CORED_DATA_EXAMPLES; i++)
    ui_line(ui, "  '%s' and '%s'%s%s%s", pairs[i].a->path, pairs[i].b->path,
            groups ? " (group '" : "", groups ? pairs[i].a->group_text : "", groups ? "')" : "");
  if (n > CORED_DATA_EXAMPLES)
    ui_line(ui, "  and %zu more", n - CORED_DATA_EXAMPLES);
}

/* A file in two splits is an error; a person or video in both, a warning. */
static bool check_overlap(const DataSets *sets, const DataOptions *options, Ui *ui,
                          CoredError *error) {
  const char *train = cored_dataset_root(sets->train);
  for (int i = 0; i < sets->n_tasks; i++) {
    const char *val = cored_dataset_root(sets->val[i]);
    CoredDataOverlap overlap;
    if (!cored_dataset_overlap(sets->train, sets->val[i], &overlap, error))
      return false;
    if (overlap.n_files && options->check_overlap)
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "%zu files are in train and val at once, such as '%s' and '%s'; "
                             "--allow-overlap goes on all the same",
                             overlap.n_files, overlap.files[0].a->path, overlap.files[0].b->path);
    if (overlap.n_files) {
      ui_line(ui, "warning: %zu files are in '%s' and '%s' at once:", overlap.n_files, train, val);
      list_pairs(overlap.files, overlap.n_files, false, ui);
    }
    if (overlap.n_groups) {
      ui_line(ui, "warning: %zu groups (videos, people) are in '%s' and '%s' at once:",
              overlap.n_groups, train, val);
      list_pairs(overlap.groups, overlap.n_groups, true, ui);
    }
  }
  return true;
}

bool data_sets_open(DataSets *sets, const DataOptions *options, const CoredModelInfo *info,
                    int threads, Ui *ui, CoredError *error) {
  const SetNeeds needs = {options, info, threads, &sets->detector};
  *sets = (DataSets){0};
  bool ok =
      open_train(sets, &needs, ui, error) && open_val(sets, options->target, &needs, ui, error);
  for (int i = 0; ok && i < options->n_sources; i++)
    ok = open_val(sets, options->sources[i], &needs, ui, error);
  ok = ok && check_overlap(sets, options, ui, error);
  if (ok)
    sets->train_has_crops = set_has_crops(sets->train, options);
  else
    data_sets_close(sets);
  return ok;
}

bool data_sets_open_val(DataSets *sets, const DataSets *like, const DataOptions *options,
                        const CoredModelInfo *info, int threads, Ui *ui, CoredError *error) {
  const SetNeeds needs = {options, info, threads, &sets->detector};
  *sets = (DataSets){0};
  for (int i = 0; i < like->n_tasks; i++) {
    sets->val[i] = set_open(cored_dataset_root(like->val[i]), &needs, ui, error);
    if (!sets->val[i]) {
      data_sets_close(sets);
      return false;
    }
    sets->names[i] = like->names[i];
    sets->n_tasks++;
  }
  return true;
}

void data_sets_close(DataSets *sets) {
  cored_dataset_free(sets->train);
  for (int i = 0; i < sets->n_tasks; i++)
    cored_dataset_free(sets->val[i]);
  face_detector_close(&sets->detector);
  *sets = (DataSets){0};
}

static int by_name(const void *a, const void *b) {
  return strcmp(a, b);
}

/* A folder in root as class number *found. */
static bool add_class(const char *root, const char *name, CoredModelInfo *info, int *found,
                      CoredError *error) {
  char *path;
  struct stat st;
  if (asprintf(&path, "%s/%s", root, name) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path in '%s'", root);
  const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  free(path);
  if (!folder)
    return true;
  if (strlen(name) >= CORED_LABEL_SIZE)
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s/%s': the name of a class has at most %d bytes", root, name,
                           CORED_LABEL_SIZE - 1);
  if (*found < CORED_MAX_CLASSES)
    memcpy(info->labels[*found], name, strlen(name) + 1);
  (*found)++;
  return true;
}

bool data_find_classes(const char *root, int n, CoredModelInfo *info, CoredError *error) {
  DIR *dir = opendir(root);
  int found = 0;
  bool real = false, ok = true;
  if (!dir)
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", root, strerror(errno));
  for (const struct dirent *entry; ok && (entry = readdir(dir));)
    ok = entry->d_name[0] == '.' || add_class(root, entry->d_name, info, &found, error);
  closedir(dir);
  if (!ok)
    return false;
  if (found != n)
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s': expected %d class folders as -nc says, found %d", root, n, found);
  qsort(info->labels, (size_t)n, sizeof info->labels[0], by_name);
  for (int c = 0; c < n; c++)
    if (strcmp(info->labels[c], "real") == 0) {
      info->real_class = c;
      info->fake_class = c == 0 ? 1 : 0;
      real = true;
    }
  return real ? true
              : cored_error_set(error, CORED_ERROR_DATASET, "'%s' has no class 'real'", root);
}
