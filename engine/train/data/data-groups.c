/* SPDX-License-Identifier: MIT
 * Which files belong together: to one photo, identity, scene or video. Statistics treat a group as
 * one independent sample, and no group should be in two splits. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/data/data-manifest.h"
#include "train/data/data-private.h"

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
  for (size_t i = 0; i < set->n_files; i++) {
    if (!rows[i] && (rows[i] = find_row(manifest, relative_path(set, &set->files[i])))) {
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
  if (n == set->n_files)
    return true;
  if (!cored_manifest_fold(manifest, error))
    return false;
  n += match_rows(set, manifest, rows, cored_manifest_find_folded);
  for (size_t i = 0; i < set->n_files; i++)
    if (!rows[i])
      return cored_manifest_check(manifest, relative_path(set, &set->files[i]), n, error);
  return true;
}

static bool name_groups(CoredDataset *set, CoredManifestRow *const *rows, CoredError *error) {
  for (size_t i = 0; i < set->n_files; i++) {
    CoredDataFile *file = &set->files[i];
    if (rows[i] && rows[i]->group[0]) {
      name_by_manifest(file, rows[i]->group);
      set->n_told++;
    } else {
      name_by_path(file, relative_path(set, file));
    }
    if (!file->group_text)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->n_files);
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
  Numbered *order = malloc((set->n_files + 1) * sizeof *order);
  if (!order)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->n_files);
  for (size_t i = 0; i < set->n_files; i++)
    order[i] = (Numbered){set->files[i].group_name, i};
  qsort(order, set->n_files, sizeof *order, by_group);
  for (size_t i = 0; i < set->n_files; i++) {
    set->n_groups += i == 0 || order[i].name != order[i - 1].name;
    set->files[order[i].file].group = (uint32_t)set->n_groups - 1;
  }
  free(order);
  return true;
}

bool cored_data_group(CoredDataset *set, CoredError *error) {
  CoredManifest manifest;
  CoredManifestRow **rows = calloc(set->n_files + 1, sizeof(CoredManifestRow *));
  bool ok = cored_manifest_load(&manifest, set->root, error);
  if (ok && !rows)
    ok = cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu files", set->n_files);
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
