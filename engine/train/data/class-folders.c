/* SPDX-License-Identifier: MIT
 * The class folders of a data set and the files in them.
 *
 * Every folder and every file is taken once, however many links lead to it: what is there itself
 * first, then what links lead to, in the order of their paths. So a link decides neither under
 * which name a file is listed nor how often it counts, and circles end. What two classes lead to
 * is an error. */
#include "train/data/class-folders.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"

enum { MAX_DEPTH = 16, ABOVE = -1 };

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

/* ---- Which folders are the classes ----------------------------------------------------------- */

/* Room for names in a message: more are counted. */
enum { NAMES_SIZE = 256 };

typedef struct Layout {
  char **folders; /* [n], of each class */
  int n;
} Layout;

static int class_index(const CoredDataScan *scan, const char *name, size_t length) {
  for (int c = 0; c < scan->n_classes; c++)
    if (strlen(scan->classes[c]) == length && strncmp(scan->classes[c], name, length) == 0)
      return c;
  return -1;
}

static void list_class_names(const CoredDataScan *scan, char out[NAMES_SIZE]) {
  size_t at = 0;
  out[0] = '\0';
  for (int c = 0; c < scan->n_classes && at < NAMES_SIZE; c++)
    at += (size_t)snprintf(out + at, NAMES_SIZE - at, "%s'%s'", c ? ", " : "", scan->classes[c]);
}

/* One "folder=class" of length bytes. */
static bool apply_entry(Layout *layout, const CoredDataScan *scan, const char *entry, size_t length,
                        CoredError *error) {
  const char *equals = memchr(entry, '=', length);
  const size_t folder = equals ? (size_t)(equals - entry) : 0;
  char names[NAMES_SIZE];
  if (folder == 0 || memchr(entry, '/', folder))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: expected FOLDER=CLASS with the name of a folder, found '%.*s'",
                           (int)length, entry);
  const int class = class_index(scan, equals + 1, length - folder - 1);
  if (class < 0) {
    list_class_names(scan, names);
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: '%.*s' names no class; the classes are %s", (int)length, entry,
                           names);
  }
  if (layout->folders[class])
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: class '%s' is given twice; it has one folder",
                           scan->classes[class]);
  return asprintf(&layout->folders[class], "%s/%.*s", scan->root, (int)folder, entry) >= 0 ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "path in '%s'", scan->root);
}

static bool apply_map(Layout *layout, const CoredDataScan *scan, const char *map,
                      CoredError *error) {
  for (const char *at = map; at && *at;) {
    const size_t length = strcspn(at, ",");
    if (!apply_entry(layout, scan, at, length, error))
      return false;
    at += length + (at[length] == ',');
  }
  for (int c = 0; c < scan->n_classes; c++)
    if (!layout->folders[c] &&
        asprintf(&layout->folders[c], "%s/%s", scan->root, scan->classes[c]) < 0)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path in '%s'", scan->root);
  return true;
}

/* "'Real', 'fakes' and 3 more" for a message: whole names, as many as fit. */
static void list_names(const char *root, char out[NAMES_SIZE]) {
  struct dirent **entries = NULL;
  const int n = scandir(root, &entries, is_shown, by_name);
  size_t at = 0;
  int told = 0;
  snprintf(out, NAMES_SIZE, "nothing");
  for (int i = 0; i < n; i++) {
    const size_t room = NAMES_SIZE - sizeof " and 2147483647 more" - at;
    if (told == i && strlen(entries[i]->d_name) + sizeof ", ''" <= room) {
      at +=
          (size_t)snprintf(out + at, NAMES_SIZE - at, "%s'%s'", i ? ", " : "", entries[i]->d_name);
      told++;
    }
    free(entries[i]);
  }
  if (told < n && told > 0)
    snprintf(out + at, NAMES_SIZE - at, " and %d more", n - told);
  else if (told < n)
    snprintf(out, NAMES_SIZE, "%d with long names", n);
  free(entries);
}

static const char *name_of(const char *path) {
  return strrchr(path, '/') + 1;
}

static bool check_there(const Layout *layout, const CoredDataScan *scan, CoredError *error) {
  char found[NAMES_SIZE];
  struct stat st;
  for (int c = 0; c < scan->n_classes; c++) {
    const char *name = name_of(layout->folders[c]);
    if (stat(layout->folders[c], &st) == 0 && S_ISDIR(st.st_mode))
      continue;
    if (errno == EACCES)
      return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", layout->folders[c],
                             strerror(errno));
    list_names(scan->root, found);
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s' has no folder '%s' for class '%s', only %s; rename the folder or "
                           "say --map FOLDER=%s",
                           scan->root, name, scan->classes[c], found, scan->classes[c]);
  }
  return true;
}

/* -1: name is the folder of a class; else the class that it may have been meant for, or n_classes.
 */
static int meant_for(const Layout *layout, const CoredDataScan *scan, const char *name) {
  int meant = scan->n_classes;
  for (int c = 0; c < scan->n_classes; c++) {
    const char *own = name_of(layout->folders[c]);
    if (strcmp(name, own) == 0)
      return -1;
    if (strcasecmp(name, own) == 0 || strcasecmp(name, scan->classes[c]) == 0)
      meant = c;
  }
  return meant;
}

static bool is_folder(const char *root, const char *name) {
  char *path;
  struct stat st;
  if (asprintf(&path, "%s/%s", root, name) < 0)
    return false;
  const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  free(path);
  return folder;
}

/* Folders that are no class are counted, and the first is named; one that is called like a class
 * up to capitals is an error. */
static bool check_others(const Layout *layout, const CoredDataScan *scan, CoredFileList *list,
                         CoredError *error) {
  struct dirent **entries;
  const int n = scandir(scan->root, &entries, is_shown, by_name);
  bool ok = n >= 0 ||
            cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", scan->root, strerror(errno));
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    const int meant = meant_for(layout, scan, name);
    if (ok && meant >= 0 && is_folder(scan->root, name)) {
      if (meant < scan->n_classes)
        ok = cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s' has the folders '%s' and '%s': which of them is class '%s'?",
                             scan->root, name, name_of(layout->folders[meant]),
                             scan->classes[meant]);
      else if (list->n_unread++ == 0)
        list->unread = strdup(name);
    }
    free(entries[i]);
  }
  if (n >= 0)
    free(entries);
  return ok;
}

/* The folders of the classes, and what else is there. To be cleared, also after a failure. */
static bool lay_out(Layout *layout, const CoredDataScan *scan, CoredFileList *list,
                    CoredError *error) {
  struct stat st;
  *layout = (Layout){.n = scan->n_classes};
  if (stat(scan->root, &st) != 0)
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", scan->root, strerror(errno));
  if (!S_ISDIR(st.st_mode))
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': not a folder", scan->root);
  layout->folders = calloc((size_t)scan->n_classes, sizeof *layout->folders);
  if (!layout->folders)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "data set '%s'", scan->root);
  return apply_map(layout, scan, scan->map, error) && check_there(layout, scan, error) &&
         check_others(layout, scan, list, error);
}

static void clear_layout(Layout *layout) {
  for (int c = 0; layout->folders && c < layout->n; c++)
    free(layout->folders[c]);
  free(layout->folders);
  *layout = (Layout){0};
}

/* ---- What was taken -------------------------------------------------------------------------- */

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
  const CoredDataScan *scan;
  CoredFileList *list;
  int class;
  CoredError *error;
  Place *places; /* [places_size], open addressing; the size is a power of two */
  size_t n_places, places_size;
  Link *links; /* to be followed */
  size_t n_links, links_size;
} Lister;

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
                  lister->scan->classes[class], lister->scan->classes[place->class]);
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
  CoredFileList *list = lister->list;
  if (list->n == list->size) {
    const size_t size = list->size ? list->size * 2 : 256;
    CoredDataFile *grown = realloc(list->files, size * sizeof *grown);
    if (!grown || size > UINT32_MAX) {
      free(path);
      return cored_error_set(lister->error, CORED_ERROR_NO_MEMORY, "list of %zu files", list->n);
    }
    list->files = grown;
    list->size = size;
  }
  CoredDataFile *file = &list->files[list->n++];
  *file = (CoredDataFile){.path = path, .label = (uint32_t)lister->class, .video = video};
  if (reason) {
    file->bad = true;
    file->reason = strdup(reason);
    list->n_bad++;
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
  lister->list->n_ignored++;
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
    lister->list->n_ignored++;
    free(path);
    return true;
  }
  if (!S_ISREG(st.st_mode))
    return add_file(lister, path, video, "not a regular file");
  const Claim claimed = claim(lister, path, &st, lister->class);
  if (claimed == CLAIM_NEW)
    return add_file(lister, path, video, NULL);
  lister->list->n_repeated += claimed == CLAIM_AGAIN;
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
  lister->list->n_repeated += claimed == CLAIM_AGAIN;
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

static bool list_classes(Lister *lister, const Layout *layout) {
  bool ok = true;
  for (int c = 0; ok && c < layout->n; c++) {
    lister->class = c;
    ok = list_folder(lister, layout->folders[c], 1);
  }
  return follow_links(lister) && ok;
}

static bool has_file(const CoredFileList *list, uint32_t label) {
  for (size_t i = 0; i < list->n; i++)
    if (list->files[i].label == label)
      return true;
  return false;
}

static bool check_filled(const CoredFileList *list, const CoredDataScan *scan, const Layout *layout,
                         CoredError *error) {
  for (int c = 0; c < layout->n; c++)
    if (!has_file(list, (uint32_t)c))
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s' holds no picture and no video: class '%s' is empty",
                             layout->folders[c], scan->classes[c]);
  return true;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const CoredDataFile *)a)->path, ((const CoredDataFile *)b)->path);
}

bool cored_file_list_fill(CoredFileList *list, const CoredDataScan *scan, CoredError *error) {
  Layout layout;
  Lister lister = {.scan = scan, .list = list, .error = error};
  const bool ok = lay_out(&layout, scan, list, error) && claim_above(&lister, scan->root) &&
                  list_classes(&lister, &layout) && check_filled(list, scan, &layout, error);
  clear_layout(&layout);
  free(lister.places);
  free(lister.links);
  if (ok)
    qsort(list->files, list->n, sizeof *list->files, by_path);
  return ok;
}

void cored_file_list_clear(CoredFileList *list) {
  for (size_t i = 0; i < list->n; i++) {
    free(list->files[i].path);
    free(list->files[i].reason);
    free(list->files[i].group_text);
    free(list->files[i].frames);
  }
  free(list->files);
  free(list->unread);
  *list = (CoredFileList){0};
}
