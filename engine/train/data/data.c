/* SPDX-License-Identifier: MIT
 * A data set's facts, and comparing two of them. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/data/data-private.h"

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

void cored_dataset_free(CoredDataset *set) {
  if (!set)
    return;
  for (size_t i = 0; i < set->n_files; i++) {
    free(set->files[i].path);
    free(set->files[i].reason);
    free(set->files[i].group_text);
    free(set->files[i].frames);
  }
  free(set->files);
  free(set->root);
  free(set->cascade);
  free(set->group_file);
  free(set->unread);
  free(set->classes);
  free(set->samples);
  free(set->cache);
  free(set);
}

const char *cored_dataset_root(const CoredDataset *set) {
  return set->root;
}

int cored_dataset_n_classes(const CoredDataset *set) {
  return set->n_classes;
}

size_t cored_dataset_n_files(const CoredDataset *set) {
  return set->n_files;
}

const CoredDataFile *cored_dataset_file(const CoredDataset *set, size_t index) {
  return &set->files[index];
}

size_t cored_dataset_n_bad(const CoredDataset *set) {
  return set->n_bad;
}

size_t cored_dataset_n_ignored(const CoredDataset *set) {
  return set->n_ignored;
}

size_t cored_dataset_n_repeated(const CoredDataset *set) {
  return set->n_repeated;
}

size_t cored_dataset_n_unread(const CoredDataset *set, const char **first) {
  *first = set->unread;
  return set->n_unread;
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
  return set->samples ? set->n_samples : set->n_files;
}

CoredDataSample cored_dataset_sample(const CoredDataset *set, size_t index) {
  return set->samples ? set->samples[index] : (CoredDataSample){(uint32_t)index, 0};
}

uint32_t cored_dataset_label(const CoredDataset *set, size_t index) {
  return set->files[cored_dataset_sample(set, index).file].label;
}

uint32_t cored_dataset_group(const CoredDataset *set, size_t index) {
  return set->files[cored_dataset_sample(set, index).file].group;
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
  for (size_t i = 0; i < set->n_files; i++) {
    const CoredDataFile *file = &set->files[i];
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
  const CoredDataFile **files = malloc((set->n_files + 1) * sizeof *files);
  *n = 0;
  for (size_t i = 0; files && i < set->n_files; i++)
    if (!set->files[i].bad && (!grouped || set->files[i].grouped))
      files[(*n)++] = &set->files[i];
  if (files)
    qsort(files, *n, sizeof *files, order);
  return files;
}

bool cored_data_check_labels(const CoredDataset *set, CoredError *error) {
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
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "comparison of %zu files", set->n_files);
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
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "comparison of %zu and %zu files",
                         a->n_files, b->n_files);
}
