/* SPDX-License-Identifier: MIT
 * A data set: scanned, checked, asked for samples, compared with another. */
#include "train/data/dataset.h"

#include <ctype.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "train/data/class-folders.h"
#include "train/data/manifest.h"
#include "train/data/reader.h"

struct CoredDataset {
  char *root;
  char (*classes)[CORED_LABEL_SIZE];
  int n_classes;
  CoredFileList list;
  size_t n_groups;
  char *group_file;         /* the manifest, or NULL */
  size_t n_told;            /* files whose group stands in it */
  CoredDataSample *samples; /* NULL before check */
  size_t n_samples;
  CoredDataParams params;
  char *cascade; /* what params.cascade points to */
  float *cache;  /* inputs of the first n_cached files, [n_cached, h, w, 3]; videos have theirs */
  size_t n_cached;
};

static const char default_classes[2][CORED_LABEL_SIZE] = {"fake", "real"};

CoredDataParams cored_data_params_default(void) {
  return (CoredDataParams){.limits = CORED_DECODE_LIMITS_DEFAULT,
                           .width = 128,
                           .height = 128,
                           .mean = {0.5F, 0.5F, 0.5F},
                           .std = {0.5F, 0.5F, 0.5F},
                           .crop = cored_crop_params_default(),
                           .frame_step = 10,
                           .max_frames = 32,
                           .cache_bytes = UINT64_C(2) << 30,
                           .video_bytes = UINT64_C(2) << 30,
                           .threads = 1};
}

/* ---- Facts ----------------------------------------------------------------------------------- */

const char *cored_dataset_root(const CoredDataset *set) {
  return set->root;
}

int cored_dataset_n_classes(const CoredDataset *set) {
  return set->n_classes;
}

size_t cored_dataset_n_files(const CoredDataset *set) {
  return set->list.n;
}

const CoredDataFile *cored_dataset_file(const CoredDataset *set, size_t index) {
  return &set->list.files[index];
}

size_t cored_dataset_n_bad(const CoredDataset *set) {
  return set->list.n_bad;
}

size_t cored_dataset_n_ignored(const CoredDataset *set) {
  return set->list.n_ignored;
}

size_t cored_dataset_n_repeated(const CoredDataset *set) {
  return set->list.n_repeated;
}

size_t cored_dataset_n_unread(const CoredDataset *set, const char **first) {
  *first = set->list.unread;
  return set->list.n_unread;
}

size_t cored_dataset_n_groups(const CoredDataset *set) {
  return set->n_groups;
}

const char *cored_dataset_group_file(const CoredDataset *set) {
  return set->group_file;
}

size_t cored_dataset_n_told(const CoredDataset *set) {
  return set->n_told;
}

size_t cored_dataset_n_samples(const CoredDataset *set) {
  return set->samples ? set->n_samples : set->list.n;
}

CoredDataSample cored_dataset_sample(const CoredDataset *set, size_t index) {
  return set->samples ? set->samples[index] : (CoredDataSample){(uint32_t)index, 0};
}

uint32_t cored_dataset_label(const CoredDataset *set, size_t index) {
  return set->list.files[cored_dataset_sample(set, index).file].label;
}

uint32_t cored_dataset_group(const CoredDataset *set, size_t index) {
  return set->list.files[cored_dataset_sample(set, index).file].group;
}

size_t cored_dataset_class_count(const CoredDataset *set, uint32_t label) {
  size_t n = 0;
  for (size_t i = 0; i < cored_dataset_n_samples(set); i++)
    n += cored_dataset_label(set, i) == label;
  return n;
}

const CoredDataParams *cored_dataset_params(const CoredDataset *set) {
  return &set->params;
}

void cored_dataset_manifest(const CoredDataset *set, char hex[65]) {
  crypto_hash_sha256_state state;
  uint8_t digest[32];
  crypto_hash_sha256_init(&state);
  for (size_t i = 0; i < set->list.n; i++) {
    const CoredDataFile *file = &set->list.files[i];
    const char *relative = file->path + strlen(set->root);
    const uint8_t label = (uint8_t)file->label;
    if (file->bad)
      continue;
    crypto_hash_sha256_update(&state, &label, 1);
    crypto_hash_sha256_update(&state, (const uint8_t *)relative, strlen(relative) + 1);
    crypto_hash_sha256_update(&state, file->sha256, sizeof file->sha256);
  }
  crypto_hash_sha256_final(&state, digest);
  sodium_bin2hex(hex, 65, digest, sizeof digest);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

/* Files that belong together: to one photo, identity, scene or video. Statistics treat a group as
 * one independent sample, and no group should be in two splits. */

static uint64_t hash_bytes(const char *bytes, size_t n, uint64_t hash) {
  for (size_t i = 0; i < n; i++) /* FNV-1a */
    hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
  return hash;
}

/* Length of the part of "CLASS/..." (a path below root) that names the group; the whole without
 * extension if the file stands for itself. */
static size_t group_length(const char *relative, bool *grouped) {
  const char *name = strrchr(relative, '/') + 1, *inside = strchr(relative, '/') + 1;
  *grouped = true;
  if (name != inside)
    return (size_t)(name - 1 - relative);
  const char *dot = strrchr(name, '.');
  const size_t stem = dot ? (size_t)(dot - name) : strlen(name);
  size_t digits = stem;
  while (digits > 0 && isdigit((unsigned char)name[digits - 1]))
    digits--;
  if (digits < stem && digits > 1 && (name[digits - 1] == '_' || name[digits - 1] == '-'))
    for (size_t i = 0; i + 1 < digits; i++)
      if (isdigit((unsigned char)name[i]))
        return (size_t)(name - relative) + digits - 1;
  *grouped = false;
  return (size_t)(name - relative) + stem;
}

static const char *relative_path(const CoredDataset *set, const CoredDataFile *file) {
  return file->path + strlen(set->root) + 1;
}

static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

static void name_by_manifest(CoredDataFile *file, const char *group) {
  file->grouped = true;
  file->group_name = hash_bytes(group, strlen(group), hash_start);
  file->group_text = strdup(group);
}

/* The class folder is left out of a heuristic name: a fake and the original of one video meet. */
static void name_by_path(CoredDataFile *file, const char *relative) {
  const size_t length = group_length(relative, &file->grouped);
  const size_t class = (size_t)(strchr(relative, '/') + 1 - relative);
  file->grouped |= file->video;
  file->group_name = file->grouped ? hash_bytes(relative + class, length - class, hash_start + 1)
                                   : hash_bytes(relative, strlen(relative), hash_start + 2);
  file->group_text = file->grouped ? strndup(relative + class, length - class) : strdup(relative);
}

typedef CoredManifestRow *FindRow(CoredManifest *manifest, const char *relative);

/* Give the files that have no row yet theirs; the number of files that got one. */
static size_t match_rows(CoredDataset *set, CoredManifest *manifest, CoredManifestRow **rows,
                         FindRow *find_row) {
  size_t n = 0;
  for (size_t i = 0; i < set->list.n; i++) {
    if (!rows[i] && (rows[i] = find_row(manifest, relative_path(set, &set->list.files[i])))) {
      rows[i]->used = true;
      n++;
    }
  }
  return n;
}

/* The manifest's row for each file, or NULL. */
static bool match_manifest(CoredDataset *set, CoredManifest *manifest, CoredManifestRow **rows,
                           CoredError *error) {
  size_t n = match_rows(set, manifest, rows, cored_manifest_find);
  if (n == set->list.n)
    return true;
  if (!cored_manifest_fold(manifest, error))
    return false;
  n += match_rows(set, manifest, rows, cored_manifest_find_folded);
  for (size_t i = 0; i < set->list.n; i++)
    if (!rows[i])
      return cored_manifest_check(manifest, relative_path(set, &set->list.files[i]), n, error);
  return true;
}

static bool name_groups(CoredDataset *set, CoredManifestRow *const *rows, CoredError *error) {
  for (size_t i = 0; i < set->list.n; i++) {
    CoredDataFile *file = &set->list.files[i];
    if (rows[i] && rows[i]->group[0]) {
      name_by_manifest(file, rows[i]->group);
      set->n_told++;
    } else {
      name_by_path(file, relative_path(set, file));
    }
    if (!file->group_text)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->list.n);
  }
  return true;
}

typedef struct Numbered {
  uint64_t name;
  size_t file;
} Numbered;

static int by_group(const void *a, const void *b) {
  const Numbered *x = a, *y = b;
  if (x->name != y->name)
    return x->name < y->name ? -1 : 1;
  return (x->file > y->file) - (x->file < y->file);
}

static bool number_groups(CoredDataset *set, CoredError *error) {
  Numbered *order = malloc((set->list.n + 1) * sizeof *order);
  if (!order)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->list.n);
  for (size_t i = 0; i < set->list.n; i++)
    order[i] = (Numbered){set->list.files[i].group_name, i};
  qsort(order, set->list.n, sizeof *order, by_group);
  for (size_t i = 0; i < set->list.n; i++) {
    set->n_groups += i == 0 || order[i].name != order[i - 1].name;
    set->list.files[order[i].file].group = (uint32_t)set->n_groups - 1;
  }
  free(order);
  return true;
}

static bool group_files(CoredDataset *set, CoredError *error) {
  CoredManifest manifest;
  CoredManifestRow **rows = calloc(set->list.n + 1, sizeof(CoredManifestRow *));
  bool ok = cored_manifest_load(&manifest, set->root, error);
  if (ok && !rows)
    ok = cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->list.n);
  ok = ok && (!manifest.file || match_manifest(set, &manifest, rows, error)) &&
       name_groups(set, rows, error) && number_groups(set, error);
  if (ok) {
    set->group_file = manifest.file;
    manifest.file = NULL;
  }
  cored_manifest_clear(&manifest);
  free(rows);
  return ok;
}

/* ---- Scan ------------------------------------------------------------------------------------ */

CoredDataset *cored_dataset_scan(const CoredDataScan *scan, CoredError *error) {
  CoredDataScan named = *scan;
  named.n_classes = scan->classes ? scan->n_classes : 2;
  named.classes = scan->classes ? scan->classes : default_classes;
  CoredDataset *set = calloc(1, sizeof *set);
  if (set) {
    set->root = strdup(scan->root);
    set->classes = calloc((size_t)named.n_classes, sizeof *set->classes);
    set->n_classes = named.n_classes;
  }
  if (!set || !set->root || !set->classes) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "data set '%s'", scan->root);
    cored_dataset_free(set);
    return NULL;
  }
  memcpy(set->classes, named.classes, (size_t)named.n_classes * sizeof *set->classes);
  if (cored_file_list_fill(&set->list, &named, error) && group_files(set, error))
    return set;
  cored_dataset_free(set);
  return NULL;
}

void cored_dataset_free(CoredDataset *set) {
  if (!set)
    return;
  cored_file_list_clear(&set->list);
  free(set->root);
  free(set->cascade);
  cored_model_unref(set->params.network);
  free(set->group_file);
  free(set->classes);
  free(set->samples);
  free(set->cache);
  free(set);
}

/* ---- Files of the same content --------------------------------------------------------------- */

static int by_content(const void *a, const void *b) {
  const CoredDataFile *const *x = a, *const *y = b;
  return memcmp((*x)->sha256, (*y)->sha256, sizeof(*x)->sha256);
}

/* Among equals by path, so that messages do not depend on how equals are sorted. */
static int by_content_and_path(const void *a, const void *b) {
  const CoredDataFile *const *x = a, *const *y = b;
  const int order = by_content(a, b);
  return order ? order : strcmp((*x)->path, (*y)->path);
}

static int by_group_name(const void *a, const void *b) {
  const CoredDataFile *const *x = a, *const *y = b;
  return ((*x)->group_name > (*y)->group_name) - ((*x)->group_name < (*y)->group_name);
}

/* Good files of set (only grouped ones if asked), sorted. NULL without memory. */
static const CoredDataFile **sort_files(const CoredDataset *set, bool grouped,
                                        int (*order)(const void *, const void *), size_t *n) {
  const CoredDataFile **files = malloc((set->list.n + 1) * sizeof *files);
  *n = 0;
  for (size_t i = 0; files && i < set->list.n; i++)
    if (!set->list.files[i].bad && (!grouped || set->list.files[i].grouped))
      files[(*n)++] = &set->list.files[i];
  if (files)
    qsort(files, *n, sizeof *files, order);
  return files;
}

static bool check_labels(const CoredDataset *set, CoredError *error) {
  size_t n, twice = 0;
  CoredDataPair first = {0};
  const CoredDataFile **files = sort_files(set, false, by_content_and_path, &n);
  for (size_t i = 1; files && i < n; i++) {
    if (by_content(&files[i - 1], &files[i]) != 0 || files[i - 1]->label == files[i]->label)
      continue;
    if (twice++ == 0)
      first = (CoredDataPair){files[i - 1], files[i]};
  }
  const bool ok = files != NULL;
  free(files);
  if (!ok)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "comparison of %zu files", set->list.n);
  return twice == 0 || cored_error_set(error, CORED_ERROR_DATASET,
                                       "the same bytes are in two classes %zu times, such as '%s' "
                                       "(%s) and '%s' (%s): one of them is labelled wrong",
                                       twice, first.a->path, set->classes[first.a->label],
                                       first.b->path, set->classes[first.b->label]);
}

/* Walk two sorted lists; count the distinct keys that both hold. */
static bool intersect(const CoredDataset *a, const CoredDataset *b, bool grouped,
                      int (*order)(const void *, const void *), size_t *count,
                      CoredDataPair examples[CORED_DATA_EXAMPLES]) {
  size_t n, m;
  const CoredDataFile **x = sort_files(a, grouped, order, &n);
  const CoredDataFile **y = sort_files(b, grouped, order, &m);
  for (size_t i = 0, j = 0; x && y && i < n && j < m;) {
    const int side = order(&x[i], &y[j]);
    if (side == 0) {
      if ((*count)++ < CORED_DATA_EXAMPLES)
        examples[*count - 1] = (CoredDataPair){x[i], y[j]};
      for (i++; i < n && order(&x[i - 1], &x[i]) == 0; i++)
        continue;
      for (j++; j < m && order(&y[j - 1], &y[j]) == 0; j++)
        continue;
    } else {
      i += side < 0;
      j += side > 0;
    }
  }
  const bool ok = x && y;
  free(x);
  free(y);
  return ok;
}

bool cored_dataset_overlap(const CoredDataset *a, const CoredDataset *b, CoredDataOverlap *overlap,
                           CoredError *error) {
  *overlap = (CoredDataOverlap){0};
  if (intersect(a, b, false, by_content, &overlap->n_files, overlap->files) &&
      intersect(a, b, true, by_group_name, &overlap->n_groups, overlap->groups))
    return true;
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "comparison of %zu and %zu files", a->list.n,
                         b->list.n);
}

/* ---- Check ----------------------------------------------------------------------------------- */

/* Every file is read once, in threads, before anything is learned from it. */

enum { MAX_THREADS = 64 };

typedef struct Check {
  CoredDataset *set;
  CoredDataReader *readers[MAX_THREADS];
  size_t floats; /* of one input */
  atomic_ullong video_budget;
  atomic_size_t next, done;
  atomic_bool stop;
  pthread_mutex_t lock; /* guards error */
  CoredError error;
} Check;

typedef struct Worker {
  Check *check;
  CoredDataReader *reader;
  pthread_t thread;
} Worker;

static void *work(void *data) {
  const Worker *worker = data;
  Check *check = worker->check;
  float *scratch = malloc(check->floats * sizeof *scratch);
  while (!atomic_load(&check->stop)) {
    const size_t i = atomic_fetch_add(&check->next, 1);
    if (i >= check->set->list.n)
      break;
    CoredDataFile *file = &check->set->list.files[i];
    float *out = i < check->set->n_cached ? check->set->cache + i * check->floats : scratch;
    CoredError error = {0};
    if (!file->bad && (!scratch || !cored_data_reader_examine(worker->reader, file, out,
                                                              &check->video_budget, &error))) {
      if (error.code == CORED_ERROR_NONE)
        cored_error_set(&error, CORED_ERROR_NO_MEMORY, "'%s'", file->path);
      pthread_mutex_lock(&check->lock);
      check->error = error;
      pthread_mutex_unlock(&check->lock);
      atomic_store(&check->stop, true);
    }
    atomic_fetch_add(&check->done, 1);
  }
  free(scratch);
  return NULL;
}

/* Tell the caller ten times a second; stop when it says so. */
static bool watch(Check *check, CoredDataProgress progress, void *user) {
  const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
  for (int tick = 0;; tick++) {
    const size_t done = atomic_load(&check->done);
    if (progress && tick % 5 == 0 && !progress(user, done, check->set->list.n)) {
      atomic_store(&check->stop, true);
      return false;
    }
    if (done >= check->set->list.n || atomic_load(&check->stop)) {
      if (progress)
        progress(user, done, check->set->list.n);
      return true;
    }
    nanosleep(&pause, NULL);
  }
}

static bool run_workers(Check *check, int n_threads, CoredDataProgress progress, void *user,
                        CoredError *error) {
  Worker workers[MAX_THREADS];
  int started = 0;
  for (; started < n_threads; started++) {
    workers[started] = (Worker){.check = check, .reader = check->readers[started]};
    if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
      break;
  }
  bool ok = started > 0;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "no thread could be started");
  else if (!watch(check, progress, user))
    ok = cored_error_set(error, CORED_ERROR_CANCELLED, "interrupted");
  for (int i = 0; i < started; i++)
    pthread_join(workers[i].thread, NULL);
  if (ok && check->error.code != CORED_ERROR_NONE) {
    if (error)
      *error = check->error;
    ok = false;
  }
  return ok;
}

/* Good files become samples in order of their paths. */
static bool collect(CoredDataset *set, CoredError *error) {
  size_t n = 0;
  set->list.n_bad = 0;
  for (size_t i = 0; i < set->list.n; i++) {
    set->list.n_bad += set->list.files[i].bad;
    n += set->list.files[i].bad ? 0 : set->list.files[i].video ? set->list.files[i].n_frames : 1;
  }
  set->samples = malloc((n + 1) * sizeof *set->samples);
  if (!set->samples || n > UINT32_MAX)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "list of %zu samples", n);
  for (size_t i = 0; i < set->list.n; i++) {
    const CoredDataFile *file = &set->list.files[i];
    const uint32_t n_frames = file->bad ? 0 : file->video ? file->n_frames : 1;
    for (uint32_t k = 0; k < n_frames; k++)
      set->samples[set->n_samples++] = (CoredDataSample){(uint32_t)i, k};
  }
  for (int c = 0; c < set->n_classes; c++)
    if (cored_dataset_class_count(set, (uint32_t)c) == 0)
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s': not one file of class '%s' can be used (%zu files are bad)",
                             set->root, set->classes[c], set->list.n_bad);
  return check_labels(set, error);
}

/* The cache is one block that the system fills page by page as it is written. */
static void reserve_cache(Check *check, uint64_t bytes) {
  CoredDataset *set = check->set;
  const size_t each = check->floats * sizeof(float);
  const uint64_t fit = bytes / each;
  size_t n = fit < set->list.n ? (size_t)fit : set->list.n;
  while (n > 0 && !(set->cache = malloc(n * each)))
    n /= 2;
  set->n_cached = n;
}

bool cored_dataset_check(CoredDataset *set, const CoredDataParams *params,
                         CoredDataProgress progress, void *user, CoredError *error) {
  const int n_threads = params->threads < 1             ? 1
                        : params->threads > MAX_THREADS ? MAX_THREADS
                                                        : params->threads;
  Check check = {.set = set,
                 .floats = (size_t)params->width * (size_t)params->height * 3,
                 .video_budget = params->video_bytes,
                 .lock = PTHREAD_MUTEX_INITIALIZER};
  bool ok = true;
  cored_model_unref(set->params.network);
  set->params = *params;
  set->params.cascade = NULL;
  set->params.network = NULL;
  /* Not for frames of videos, which are all made by now. */
  if (params->network && params->faces)
    set->params.network = cored_model_ref(params->network);
  else if (params->cascade && params->faces)
    ok = (set->params.cascade = set->cascade = strdup(params->cascade)) != NULL ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s'", params->cascade);
  for (int i = 0; ok && i < n_threads; i++)
    ok = (check.readers[i] = cored_data_reader_new(params, error)) != NULL;
  if (ok) {
    reserve_cache(&check, params->cache_bytes);
    ok = run_workers(&check, n_threads, progress, user, error) && collect(set, error);
  }
  for (int i = 0; i < n_threads; i++)
    cored_data_reader_free(check.readers[i]);
  return ok;
}

/* ---- Samples --------------------------------------------------------------------------------- */

bool cored_dataset_read(const CoredDataset *set, size_t index, CoredDataReader *reader, float *out,
                        CoredError *error) {
  const CoredDataSample sample = cored_dataset_sample(set, index);
  const CoredDataFile *file = &set->list.files[sample.file];
  const size_t floats = (size_t)set->params.width * (size_t)set->params.height * 3;
  uint8_t sha256[32];
  if (sample.file < set->n_cached || file->video) {
    memcpy(out,
           file->video ? file->frames + sample.frame * floats : set->cache + sample.file * floats,
           floats * sizeof *out);
    return true;
  }
  if (!cored_data_reader_picture(reader, file->path, sha256, out, error))
    return false;
  if (memcmp(sha256, file->sha256, sizeof sha256) != 0)
    return cored_error_set(error, CORED_ERROR_FILE_CHANGED, "'%s': changed since it was checked",
                           file->path);
  return true;
}
