/* SPDX-License-Identifier: MIT
 * Which files belong together: to one photo, identity, scene or video. Statistics treat a group as
 * one independent sample, and no group should be in two splits. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "train/data-private.h"

enum { MAX_MANIFEST_BYTES = 256 << 20 };

typedef struct Entry {
  const char *path, *group;
} Entry;

typedef struct Manifest {
  char *text;
  Entry *entries; /* sorted by path */
  size_t n;
} Manifest;

static uint64_t hash_bytes(const char *bytes, size_t n, uint64_t hash) {
  for (size_t i = 0; i < n; i++) /* FNV-1a */
    hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
  return hash;
}

/* Cut the next CSV field (RFC 4180, quotes undone in place) off *at; at the end of a line *last is
 * set. */
static char *next_field(char **at, bool *last) {
  char *field = *at, *to = *at, *from = *at;
  const bool quoted = *from == '"';
  if (quoted) {
    for (from++; *from && !(from[0] == '"' && from[1] != '"'); from++) {
      from += from[0] == '"';
      *to++ = *from;
    }
    from += *from == '"';
  }
  while (*from && *from != ',' && *from != '\n')
    *to++ = *from++;
  *last = *from != ',';
  *at = from + (*from != '\0');
  if (to > field && to[-1] == '\r' && *last)
    to--;
  *to = '\0';
  return field;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const Entry *)a)->path, ((const Entry *)b)->path);
}

/* A line is kept when it has both columns. */
static bool parse_manifest(Manifest *manifest, CoredError *error) {
  int path_column = -1, group_column = -1, column = 0;
  bool last = false;
  size_t lines = 1;
  char *at = manifest->text;
  for (const char *c = at; *c; c++)
    lines += *c == '\n';
  manifest->entries = malloc(lines * sizeof *manifest->entries);
  if (!manifest->entries)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "manifest of %zu lines", lines);
  for (; *at && !last; column++) {
    const char *name = next_field(&at, &last);
    path_column = strcmp(name, "path") == 0 ? column : path_column;
    group_column = strcmp(name, "group") == 0 ? column : group_column;
  }
  while (*at && path_column >= 0 && group_column >= 0) {
    Entry entry = {NULL, NULL};
    for (column = 0, last = false; !last; column++) {
      const char *field = next_field(&at, &last);
      entry.path = column == path_column ? field : entry.path;
      entry.group = column == group_column ? field : entry.group;
    }
    if (entry.path && entry.group && entry.group[0])
      manifest->entries[manifest->n++] = entry;
  }
  qsort(manifest->entries, manifest->n, sizeof *manifest->entries, by_path);
  return true;
}

/* The manifest in root/.., root/../.. or root/../../.. (textually, after links are resolved);
 * prefix is what its paths have in front of a file's path below root. */
static bool load_manifest(const char *root, Manifest *manifest, char *prefix, CoredError *error) {
  char folder[PATH_MAX], path[PATH_MAX + 16];
  prefix[0] = '\0';
  if (!realpath(root, folder))
    return true;
  for (int up = 0; up < 3; up++) {
    char *slash = strrchr(folder, '/');
    uint8_t *bytes;
    size_t size;
    if (!slash || slash == folder)
      return true;
    char longer[PATH_MAX];
    if (snprintf(longer, sizeof longer, "%s/%s", slash + 1, prefix) >= PATH_MAX)
      return true;
    memcpy(prefix, longer, strlen(longer) + 1);
    *slash = '\0';
    snprintf(path, sizeof path, "%s/manifest.csv", folder);
    if (!cored_media_read(path, MAX_MANIFEST_BYTES, &bytes, &size, NULL))
      continue;
    manifest->text = (char *)bytes; /* padded with zeros, hence terminated */
    return parse_manifest(manifest, error);
  }
  return true;
}

static const char *find_group(const Manifest *manifest, const char *prefix, const char *relative) {
  char path[2 * PATH_MAX];
  if (manifest->n == 0 || snprintf(path, sizeof path, "%s%s", prefix, relative) >= (int)sizeof path)
    return NULL;
  const Entry key = {path, NULL};
  const Entry *entry =
      bsearch(&key, manifest->entries, manifest->n, sizeof *manifest->entries, by_path);
  return entry ? entry->group : NULL;
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

/* The class folder is left out of a heuristic name: a fake and the original of one video meet. */
static void name_group(CoredDataFile *file, const char *root, const Manifest *manifest,
                       const char *prefix) {
  const char *relative = file->path + strlen(root) + 1;
  const char *group = find_group(manifest, prefix, relative);
  const uint64_t start = UINT64_C(0xcbf29ce484222325);
  if (group) {
    file->grouped = true;
    file->group_name = hash_bytes(group, strlen(group), start);
    return;
  }
  const size_t length = group_length(relative, &file->grouped);
  const size_t class = (size_t)(strchr(relative, '/') + 1 - relative);
  file->grouped |= file->video;
  file->group_name = file->grouped ? hash_bytes(relative + class, length - class, start + 1)
                                   : hash_bytes(relative, strlen(relative), start + 2);
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
  Manifest manifest = {0};
  char prefix[PATH_MAX];
  bool ok = load_manifest(set->root, &manifest, prefix, error);
  for (size_t i = 0; ok && i < set->n_files; i++)
    name_group(&set->files[i], set->root, &manifest, prefix);
  ok = ok && number_groups(set, error);
  free(manifest.text);
  free(manifest.entries);
  return ok;
}
