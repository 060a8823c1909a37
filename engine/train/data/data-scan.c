/* SPDX-License-Identifier: MIT
 * Listing the files of a data set.
 *
 * Every folder and every file is taken once, however many links lead to it: what is there itself
 * first, then what links lead to, in the order of their paths. So a link decides neither under
 * which name a file is listed nor how often it counts, and circles end. What two classes lead to
 * is an error. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "train/data/data-private.h"

enum { MAX_DEPTH = 16, ABOVE = -1 };

static const char default_classes[2][CORED_LABEL_SIZE] = {"fake", "real"};

/* A file or folder that was taken. */
typedef struct Place {
  dev_t dev;
  ino_t ino;
  int class; /* or ABOVE: a folder that the classes lie in */
  bool taken;
} Place;

typedef struct Link {
  char *path;
  int class, depth;
} Link;

typedef struct Lister {
  CoredDataset *set;
  int class;
  CoredError *error;
  Place *places; /* [places_size], open addressing; the size is a power of two */
  size_t n_places, places_size;
  Link *links; /* to be followed */
  size_t n_links, links_size;
} Lister;

/* ---- What was taken -------------------------------------------------------------------------- */

static Place *find_place(const Lister *lister, dev_t dev, ino_t ino) {
  const uint64_t hash = ((uint64_t)ino ^ (uint64_t)dev << 32) * UINT64_C(0x9e3779b97f4a7c15);
  size_t i = (size_t)(hash >> 20);
  for (;; i++) {
    Place *place = &lister->places[i & (lister->places_size - 1)];
    if (!place->taken || (place->dev == dev && place->ino == ino))
      return place;
  }
}

static bool grow_places(Lister *lister) {
  const Lister old = *lister;
  lister->places_size = old.places_size ? old.places_size * 2 : 1024;
  lister->places = calloc(lister->places_size, sizeof *lister->places);
  if (!lister->places) {
    *lister = old;
    return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "list of %zu files", old.n_places);
  }
  for (size_t i = 0; i < old.places_size; i++)
    if (old.places[i].taken)
      *find_place(lister, old.places[i].dev, old.places[i].ino) = old.places[i];
  free(old.places);
  return true;
}

typedef enum Claim { CLAIM_NEW, CLAIM_AGAIN, CLAIM_FAILED } Claim;

/* Take what is at path for a class, unless it is taken. */
static Claim claim(Lister *lister, const char *path, const struct stat *st, int class) {
  if (lister->n_places * 2 >= lister->places_size && !grow_places(lister))
    return CLAIM_FAILED;
  Place *place = find_place(lister, st->st_dev, st->st_ino);
  if (!place->taken) {
    *place = (Place){st->st_dev, st->st_ino, class, true};
    lister->n_places++;
    return CLAIM_NEW;
  }
  if (place->class == class || place->class == ABOVE)
    return CLAIM_AGAIN;
  cored_error_set(lister->error, CORED_ERROR_DATASET,
                  "'%s' leads from class '%s' to what is of class '%s'", path,
                  lister->set->classes[class], lister->set->classes[place->class]);
  return CLAIM_FAILED;
}

/* No link may lead out of a class into the folder of all classes or one above it. */
static bool claim_above(Lister *lister, const char *root) {
  char *folder = realpath(root, NULL);
  bool ok = folder != NULL ||
            cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", root, strerror(errno));
  while (ok) {
    struct stat st;
    char *slash = strrchr(folder, '/');
    if (stat(folder[0] ? folder : "/", &st) == 0)
      ok = claim(lister, folder, &st, ABOVE) != CLAIM_FAILED;
    if (!slash)
      break;
    *slash = '\0';
  }
  free(folder);
  return ok;
}

/* ---- Files and folders ----------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *const *suffixes) {
  const char *dot = strrchr(name, '.');
  for (; dot && *suffixes; suffixes++)
    if (strcasecmp(dot + 1, *suffixes) == 0)
      return true;
  return false;
}

/* By these names a file counts; what it is, its content says. One that is named like a picture but
 * is of a kind that is not read is told as a bad one: it must not be missing without a word. */
static bool is_picture(const char *name) {
  static const char *const suffixes[] = {"jpg",  "jpeg", "jpe",  "jfif", "png",  "webp",
                                         "bmp",  "dib",  "gif",  "tif",  "tiff", "heic",
                                         "heif", "hif",  "avif", "jp2",  "jxl",  NULL};
  return has_suffix(name, suffixes);
}

static bool is_video(const char *name) {
  static const char *const suffixes[] = {"mp4",  "m4v", "mov", "avi", "mkv", "webm", "mpg",
                                         "mpeg", "ts",  "flv", "3gp", "3g2", "mts",  "m2ts",
                                         "vob",  "wmv", "asf", "ogv", NULL};
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
  *file = (CoredDataFile){.path = path, .label = (uint32_t)lister->class, .video = video};
  if (reason) {
    file->bad = true;
    file->reason = strdup(reason);
    set->n_bad++;
  }
  return true;
}

static bool list_folder(Lister *lister, const char *path, int depth);

static bool add_link(Lister *lister, char *path, int depth) {
  if (lister->n_links == lister->links_size) {
    const size_t size = lister->links_size ? lister->links_size * 2 : 64;
    Link *grown = realloc(lister->links, size * sizeof *grown);
    if (!grown) {
      free(path);
      return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "list of %zu links", size);
    }
    lister->links = grown;
    lister->links_size = size;
  }
  lister->links[lister->n_links++] = (Link){path, lister->class, depth};
  return true;
}

/* What cannot be read like a file is listed as bad if it is named like one: it must be accounted
 * for, and it must never be opened. What cannot even be looked at may be a folder of pictures. */
static bool add_missing(Lister *lister, char *path, bool picture, bool video) {
  const int reason = errno;
  if (picture || video)
    return add_file(lister, path, video, reason == ENOENT ? "dangling link" : strerror(reason));
  const bool ok =
      reason == ENOENT || reason == ELOOP ||
      cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", path, strerror(reason));
  lister->set->n_ignored++;
  free(path);
  return ok;
}

/* What is at path, links followed; path becomes the list's. */
static bool add_path(Lister *lister, char *path, int depth) {
  struct stat st;
  const bool picture = is_picture(path), video = is_video(path);
  if (stat(path, &st) != 0)
    return add_missing(lister, path, picture, video);
  if (S_ISDIR(st.st_mode)) {
    const bool ok = list_folder(lister, path, depth);
    free(path);
    return ok;
  }
  if (!picture && !video) {
    lister->set->n_ignored++;
    free(path);
    return true;
  }
  if (!S_ISREG(st.st_mode))
    return add_file(lister, path, video, "not a regular file");
  const Claim claimed = claim(lister, path, &st, lister->class);
  if (claimed == CLAIM_NEW)
    return add_file(lister, path, video, NULL);
  lister->set->n_repeated += claimed == CLAIM_AGAIN;
  free(path);
  return claimed == CLAIM_AGAIN;
}

static bool add_entry(Lister *lister, const char *folder, const char *name, int depth) {
  struct stat st;
  char *path;
  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "path in '%s'", folder);
  if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
    return add_link(lister, path, depth + 1);
  return add_path(lister, path, depth + 1);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static bool list_entries(Lister *lister, const char *path, int depth) {
  struct dirent **entries;
  const int n = scandir(path, &entries, is_shown, by_name);
  if (n < 0)
    return cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", path, strerror(errno));
  bool ok = true;
  for (int i = 0; i < n; i++) {
    ok = ok && add_entry(lister, path, entries[i]->d_name, depth);
    free(entries[i]);
  }
  free(entries);
  return ok;
}

static bool list_folder(Lister *lister, const char *path, int depth) {
  struct stat st;
  if (depth > MAX_DEPTH)
    return cored_error_set(lister->error, CORED_ERROR_DATASET,
                           "'%s': folders are nested more than %d deep", path, MAX_DEPTH);
  if (stat(path, &st) != 0)
    return cored_error_set(lister->error, CORED_ERROR_DATASET, "'%s': %s", path, strerror(errno));
  const Claim claimed = claim(lister, path, &st, lister->class);
  if (claimed == CLAIM_NEW)
    return list_entries(lister, path, depth);
  lister->set->n_repeated += claimed == CLAIM_AGAIN;
  return claimed == CLAIM_AGAIN;
}

static int by_link_path(const void *a, const void *b) {
  return strcmp(((const Link *)a)->path, ((const Link *)b)->path);
}

/* Links lead to further ones, but to each folder once. */
static bool follow_links(Lister *lister) {
  bool ok = true;
  while (lister->n_links > 0) {
    Link *links = lister->links;
    const size_t n = lister->n_links;
    lister->links = NULL;
    lister->n_links = lister->links_size = 0;
    qsort(links, n, sizeof *links, by_link_path);
    for (size_t i = 0; i < n; i++) {
      lister->class = links[i].class;
      if (ok)
        ok = add_path(lister, links[i].path, links[i].depth);
      else
        free(links[i].path);
    }
    free(links);
  }
  return ok;
}

/* ---- Classes --------------------------------------------------------------------------------- */

static bool list_classes(Lister *lister, const CoredDataLayout *layout) {
  bool ok = true;
  for (int c = 0; ok && c < lister->set->n_classes; c++) {
    lister->class = c;
    ok = list_folder(lister, layout->folders[c], 1);
  }
  return follow_links(lister) && ok;
}

static bool check_filled(const CoredDataset *set, const CoredDataLayout *layout,
                         CoredError *error) {
  for (int c = 0; c < set->n_classes; c++)
    if (cored_dataset_class_count(set, (uint32_t)c) == 0)
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s' holds no picture and no video: class '%s' is empty",
                             layout->folders[c], set->classes[c]);
  return true;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const CoredDataFile *)a)->path, ((const CoredDataFile *)b)->path);
}

static bool fill(CoredDataset *set, const CoredDataScan *scan, CoredError *error) {
  CoredDataLayout layout;
  Lister lister = {.set = set, .error = error};
  const bool ok = cored_data_layout(&layout, set, scan->map, error) &&
                  claim_above(&lister, scan->root) && list_classes(&lister, &layout) &&
                  check_filled(set, &layout, error);
  cored_data_layout_clear(&layout);
  free(lister.places);
  free(lister.links);
  if (!ok)
    return false;
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
