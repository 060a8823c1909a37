/* SPDX-License-Identifier: MIT
 * Listing the files of a data set. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "error.h"
#include "train/data-private.h"

enum { MAX_DEPTH = 16 };

static const char default_classes[2][CORED_LABEL_SIZE] = {"fake", "real"};

typedef struct Lister {
  CoredDataset *set;
  uint32_t label;
  CoredError *error;
  struct {
    dev_t dev;
    ino_t ino;
  } above[MAX_DEPTH + 1];
} Lister;

static bool has_suffix(const char *name, const char *const *suffixes) {
  const char *dot = strrchr(name, '.');
  for (; dot && *suffixes; suffixes++)
    if (strcasecmp(dot + 1, *suffixes) == 0)
      return true;
  return false;
}

static bool is_picture(const char *name) {
  static const char *const suffixes[] = {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", NULL};
  return has_suffix(name, suffixes);
}

static bool is_video(const char *name) {
  static const char *const suffixes[] = {"mp4", "m4v",  "mov", "avi", "mkv", "webm",
                                         "mpg", "mpeg", "ts",  "flv", "3gp", NULL};
  return has_suffix(name, suffixes);
}

static bool add_file(Lister *lister, char *path, bool video, const char *reason) {
  CoredDataset *set = lister->set;
  if (set->n_files == set->files_size) {
    const size_t size = set->files_size ? set->files_size * 2 : 256;
    CoredDataFile *grown = realloc(set->files, size * sizeof *grown);
    if (!grown || size > UINT32_MAX) {
      free(path);
      return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "list of %zu files",
                             set->n_files);
    }
    set->files = grown;
    set->files_size = size;
  }
  CoredDataFile *file = &set->files[set->n_files++];
  *file = (CoredDataFile){.path = path, .label = lister->label, .video = video};
  if (reason) {
    file->bad = true;
    file->reason = strdup(reason);
    set->n_bad++;
  }
  return true;
}

static bool list_folder(Lister *lister, const char *path, int depth);

/* What cannot be read like a file is listed as bad if it is named like one: it must be accounted
 * for, and it must never be opened. */
static bool add_entry(Lister *lister, const char *folder, const char *name, int depth) {
  struct stat st;
  char *path;
  const bool picture = is_picture(name), video = is_video(name);
  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "path in '%s'", folder);
  if (stat(path, &st) != 0) {
    if (picture || video)
      return add_file(lister, path, video, errno == ENOENT ? "dangling link" : strerror(errno));
  } else if (S_ISDIR(st.st_mode)) {
    const bool ok = list_folder(lister, path, depth + 1);
    free(path);
    return ok;
  } else if (picture || video) {
    return add_file(lister, path, video, S_ISREG(st.st_mode) ? NULL : "not a regular file");
  }
  lister->set->n_ignored++;
  free(path);
  return true;
}

static bool is_above(const Lister *lister, int depth, const struct stat *st) {
  for (int i = 0; i < depth; i++)
    if (lister->above[i].dev == st->st_dev && lister->above[i].ino == st->st_ino)
      return true;
  return false;
}

static bool list_folder(Lister *lister, const char *path, int depth) {
  struct stat st;
  if (depth > MAX_DEPTH)
    return cored_error_set(lister->error, CORED_ERROR_DATASET,
                           "'%s': folders are nested more than %d deep", path, MAX_DEPTH);
  if (stat(path, &st) != 0)
    return cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", path, strerror(errno));
  if (is_above(lister, depth, &st)) { /* a link back up */
    lister->set->n_ignored++;
    return true;
  }
  lister->above[depth].dev = st.st_dev;
  lister->above[depth].ino = st.st_ino;
  DIR *dir = opendir(path);
  if (!dir)
    return cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", path, strerror(errno));
  bool ok = true;
  for (const struct dirent *entry; ok && (entry = readdir(dir));)
    if (entry->d_name[0] != '.')
      ok = add_entry(lister, path, entry->d_name, depth);
  closedir(dir);
  return ok;
}

/* The folder that stands for a class: itself, or what the map says ("folder=class,..."). */
static void folder_of(const char *map, const char *class, char out[CORED_LABEL_SIZE]) {
  memcpy(out, class, strlen(class) + 1);
  for (const char *at = map; at && *at;) {
    const size_t length = strcspn(at, ",");
    const char *equals = memchr(at, '=', length);
    if (equals && strlen(class) == (size_t)(at + length - equals - 1) &&
        strncmp(equals + 1, class, strlen(class)) == 0 && equals - at < CORED_LABEL_SIZE) {
      memcpy(out, at, (size_t)(equals - at));
      out[equals - at] = '\0';
    }
    at += length + (at[length] == ',');
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "'Real', 'fakes'" for a message: the folders in root, sorted, as many as fit. */
static void list_names(const char *root, char *out, size_t size) {
  char *names[16];
  size_t n = 0, at = 0;
  DIR *dir = opendir(root);
  for (const struct dirent *entry; dir && n < 16 && (entry = readdir(dir));)
    if (entry->d_name[0] != '.' && (names[n] = strdup(entry->d_name)))
      n++;
  if (dir)
    closedir(dir);
  qsort(names, n, sizeof *names, by_name);
  snprintf(out, size, n ? "" : "nothing");
  for (size_t i = 0; i < n; i++) {
    const int length = snprintf(out + at, size - at, "%s'%s'", i ? ", " : "", names[i]);
    at = length > 0 && (size_t)length < size - at ? at + (size_t)length : size - 1;
    free(names[i]);
  }
}

static bool list_class(Lister *lister, const char *root, const char *folder, const char *class) {
  struct stat st;
  char *path, found[256];
  if (asprintf(&path, "%s/%s", root, folder) < 0)
    return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "path in '%s'", root);
  if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
    free(path);
    list_names(root, found, sizeof found);
    return cored_error_set(lister->error, CORED_ERROR_DATASET,
                           "'%s' has no folder '%s' for class '%s', only %s; rename the folder or "
                           "say --map FOLDER=%s",
                           root, folder, class, found, class);
  }
  const size_t before = lister->set->n_files;
  bool ok = list_folder(lister, path, 1);
  if (ok && lister->set->n_files == before)
    ok = cored_error_set(lister->error, CORED_ERROR_DATASET,
                         "'%s' holds no picture and no video: class '%s' is empty", path, class);
  free(path);
  return ok;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const CoredDataFile *)a)->path, ((const CoredDataFile *)b)->path);
}

static bool fill(CoredDataset *set, const CoredDataScan *scan, CoredError *error) {
  struct stat st;
  if (stat(scan->root, &st) != 0)
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", scan->root, strerror(errno));
  if (!S_ISDIR(st.st_mode))
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': not a folder", scan->root);
  Lister lister = {.set = set, .error = error};
  lister.above[0].dev = st.st_dev; /* a link out of one class must not lead into the other */
  lister.above[0].ino = st.st_ino;
  for (int c = 0; c < set->n_classes; c++) {
    char folder[CORED_LABEL_SIZE];
    folder_of(scan->map, set->classes[c], folder);
    lister.label = (uint32_t)c;
    if (!list_class(&lister, scan->root, folder, set->classes[c]))
      return false;
  }
  qsort(set->files, set->n_files, sizeof *set->files, by_path);
  return cored_data_group(set, error);
}

CoredDataset *cored_dataset_scan(const CoredDataScan *scan, CoredError *error) {
  const int n_classes = scan->classes ? scan->n_classes : 2;
  CoredDataset *set = calloc(1, sizeof *set);
  if (set) {
    set->root = strdup(scan->root);
    set->classes = calloc((size_t)n_classes, sizeof *set->classes);
    set->n_classes = n_classes;
  }
  if (!set || !set->root || !set->classes) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "data set '%s'", scan->root);
    cored_dataset_free(set);
    return NULL;
  }
  memcpy(set->classes, scan->classes ? scan->classes : default_classes,
         (size_t)n_classes * sizeof *set->classes);
  if (fill(set, scan, error))
    return set;
  cored_dataset_free(set);
  return NULL;
}
