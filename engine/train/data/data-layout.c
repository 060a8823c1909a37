/* SPDX-License-Identifier: MIT
 * Which folders below the root are the classes, and what is said of those that are not. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "train/data/data-private.h"

/* Room for names in a message: more are counted. */
enum { NAMES_SIZE = 256 };

static int class_index(const CoredDataset *set, const char *name, size_t length) {
  for (int c = 0; c < set->n_classes; c++)
    if (strlen(set->classes[c]) == length && strncmp(set->classes[c], name, length) == 0)
      return c;
  return -1;
}

static void list_class_names(const CoredDataset *set, char out[NAMES_SIZE]) {
  size_t at = 0;
  out[0] = '\0';
  for (int c = 0; c < set->n_classes && at < NAMES_SIZE; c++)
    at += (size_t)snprintf(out + at, NAMES_SIZE - at, "%s'%s'", c ? ", " : "", set->classes[c]);
}

/* One "folder=class" of length bytes. */
static bool apply_entry(CoredDataLayout *layout, const CoredDataset *set, const char *entry,
                        size_t length, CoredError *error) {
  const char *equals = memchr(entry, '=', length);
  const size_t folder = equals ? (size_t)(equals - entry) : 0;
  char names[NAMES_SIZE];
  if (folder == 0 || memchr(entry, '/', folder))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: expected FOLDER=CLASS with the name of a folder, found '%.*s'",
                           (int)length, entry);
  const int class = class_index(set, equals + 1, length - folder - 1);
  if (class < 0) {
    list_class_names(set, names);
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: '%.*s' names no class; the classes are %s", (int)length, entry,
                           names);
  }
  if (layout->folders[class])
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--map: class '%s' is given twice; it has one folder",
                           set->classes[class]);
  return asprintf(&layout->folders[class], "%s/%.*s", set->root, (int)folder, entry) >= 0 ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "path in '%s'", set->root);
}

static bool apply_map(CoredDataLayout *layout, const CoredDataset *set, const char *map,
                      CoredError *error) {
  for (const char *at = map; at && *at;) {
    const size_t length = strcspn(at, ",");
    if (!apply_entry(layout, set, at, length, error))
      return false;
    at += length + (at[length] == ',');
  }
  for (int c = 0; c < set->n_classes; c++)
    if (!layout->folders[c] &&
        asprintf(&layout->folders[c], "%s/%s", set->root, set->classes[c]) < 0)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path in '%s'", set->root);
  return true;
}

/* ---- What else is there ---------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry) {
  return entry->d_name[0] != '.';
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

static bool check_there(const CoredDataLayout *layout, const CoredDataset *set, CoredError *error) {
  char found[NAMES_SIZE];
  struct stat st;
  for (int c = 0; c < set->n_classes; c++) {
    const char *name = name_of(layout->folders[c]);
    if (stat(layout->folders[c], &st) == 0 && S_ISDIR(st.st_mode))
      continue;
    if (errno == EACCES)
      return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", layout->folders[c],
                             strerror(errno));
    list_names(set->root, found);
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s' has no folder '%s' for class '%s', only %s; rename the folder or "
                           "say --map FOLDER=%s",
                           set->root, name, set->classes[c], found, set->classes[c]);
  }
  return true;
}

/* -1: name is the folder of a class; else the class that it may have been meant for, or n_classes.
 */
static int meant_for(const CoredDataLayout *layout, const CoredDataset *set, const char *name) {
  int meant = set->n_classes;
  for (int c = 0; c < set->n_classes; c++) {
    const char *own = name_of(layout->folders[c]);
    if (strcmp(name, own) == 0)
      return -1;
    if (strcasecmp(name, own) == 0 || strcasecmp(name, set->classes[c]) == 0)
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
static bool check_others(const CoredDataLayout *layout, CoredDataset *set, CoredError *error) {
  struct dirent **entries;
  const int n = scandir(set->root, &entries, is_shown, by_name);
  bool ok =
      n >= 0 || cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", set->root, strerror(errno));
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    const int meant = meant_for(layout, set, name);
    if (ok && meant >= 0 && is_folder(set->root, name)) {
      if (meant < set->n_classes)
        ok = cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s' has the folders '%s' and '%s': which of them is class '%s'?",
                             set->root, name, name_of(layout->folders[meant]), set->classes[meant]);
      else if (set->n_unread++ == 0)
        set->unread = strdup(name);
    }
    free(entries[i]);
  }
  if (n >= 0)
    free(entries);
  return ok;
}

bool cored_data_layout(CoredDataLayout *layout, CoredDataset *set, const char *map,
                       CoredError *error) {
  struct stat st;
  *layout = (CoredDataLayout){.n = set->n_classes};
  if (stat(set->root, &st) != 0)
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", set->root, strerror(errno));
  if (!S_ISDIR(st.st_mode))
    return cored_error_set(error, CORED_ERROR_DATASET, "'%s': not a folder", set->root);
  layout->folders = calloc((size_t)set->n_classes, sizeof *layout->folders);
  if (!layout->folders)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "data set '%s'", set->root);
  return apply_map(layout, set, map, error) && check_there(layout, set, error) &&
         check_others(layout, set, error);
}

void cored_data_layout_clear(CoredDataLayout *layout) {
  for (int c = 0; layout->folders && c < layout->n; c++)
    free(layout->folders[c]);
  free(layout->folders);
  *layout = (CoredDataLayout){0};
}
