/* SPDX-License-Identifier: MIT
 * Element types of tensors in foreign files, and tensors as a reader finds them. */
#include "tools/convert/loose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  uint8_t size;
  bool usable;
  CoredDtype dtype;
} scalars[CORED_N_SCALARS] = {
    [CORED_SCALAR_F32] = {"F32", 4, true, CORED_DTYPE_F32},
    [CORED_SCALAR_F64] = {"F64", 8, true, CORED_DTYPE_F64},
    [CORED_SCALAR_F16] = {"F16", 2, true, CORED_DTYPE_F16},
    [CORED_SCALAR_BF16] = {"BF16", 2, true, CORED_DTYPE_BF16},
    [CORED_SCALAR_I64] = {"I64", 8, false, CORED_DTYPE_I64},
    [CORED_SCALAR_I32] = {"I32", 4, false, CORED_DTYPE_I64},
    [CORED_SCALAR_I16] = {"I16", 2, false, CORED_DTYPE_I64},
    [CORED_SCALAR_I8] = {"I8", 1, false, CORED_DTYPE_I64},
    [CORED_SCALAR_U8] = {"U8", 1, false, CORED_DTYPE_I64},
    [CORED_SCALAR_BOOL] = {"BOOL", 1, false, CORED_DTYPE_I64},
};

const char *cored_scalar_name(CoredScalar scalar) {
  return scalars[scalar].name;
}

size_t cored_scalar_size(CoredScalar scalar) {
  return scalars[scalar].size;
}

bool cored_scalar_to_dtype(CoredScalar scalar, CoredDtype *dtype) {
  *dtype = scalars[scalar].dtype;
  return scalars[scalar].usable;
}

bool cored_loose_count(const int64_t *dims, int rank, size_t *count) {
  if (rank < 0 || rank > CORED_LOOSE_MAX_RANK)
    return false;
  *count = 1;
  for (int i = 0; i < rank; i++)
    if (dims[i] < 1 || dims[i] > INT32_MAX ||
        __builtin_mul_overflow(*count, (size_t)dims[i], count))
      return false;
  return true;
}

CoredLoose *cored_loose_add(CoredLooseFile *file, const void *name, size_t length) {
  if (!cored_array_grow(&file->tensors, &file->capacity, file->n_tensors + 1,
                        sizeof *file->tensors))
    return NULL;
  CoredLoose *tensor = &file->tensors[file->n_tensors];
  *tensor = (CoredLoose){.name = malloc(length + 1)};
  if (!tensor->name)
    return NULL;
  memcpy(tensor->name, name, length);
  tensor->name[length] = '\0';
  file->n_tensors++;
  return tensor;
}

static bool in_order(const CoredLoose *t) {
  int64_t expected = 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    if (t->dims[i] != 1 && t->strides[i] != expected)
      return false;
    expected *= t->dims[i];
  }
  return true;
}

bool cored_loose_is_plain(const CoredLoose *tensor) {
  return in_order(tensor) && !tensor->swapped &&
         (uintptr_t)tensor->data % cored_scalar_size(tensor->scalar) == 0;
}

static void copy_element(uint8_t *to, const uint8_t *from, size_t size, bool swapped) {
  for (size_t i = 0; i < size; i++)
    to[i] = from[swapped ? size - 1 - i : i];
}

void *cored_loose_copy(const CoredLoose *tensor) {
  size_t size = cored_scalar_size(tensor->scalar);
  uint8_t *out = malloc(tensor->count * size); /* count * size was checked against the file */
  if (!out)
    return NULL;
  if (in_order(tensor) && !tensor->swapped)
    return memcpy(out, tensor->data, tensor->count * size);
  int64_t at[CORED_LOOSE_MAX_RANK] = {0}, element = 0;
  for (size_t n = 0; n < tensor->count; n++) {
    copy_element(out + n * size, tensor->data + (size_t)element * size, size, tensor->swapped);
    for (int i = tensor->rank - 1; i >= 0; i--) { /* the next index, last dimension first */
      element += tensor->strides[i];
      if (++at[i] < tensor->dims[i])
        break;
      element -= tensor->strides[i] * tensor->dims[i];
      at[i] = 0;
    }
  }
  return out;
}

char *cored_loose_shape(const int64_t *dims, int rank, char *out, size_t size) {
  size_t used = 0;
  snprintf(out, size, "scalar");
  for (int i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, i ? "x%" PRId64 : "%" PRId64, dims[i]);
  return out;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

bool cored_loose_check_names(const CoredLooseFile *file, CoredRefusal *refusal) {
  size_t n = file->n_tensors;
  char **names = malloc((n + 1) * sizeof *names);
  if (!names)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for %zu names", n);
  for (size_t i = 0; i < n; i++)
    names[i] = file->tensors[i].name;
  qsort(names, n, sizeof *names, by_name);
  bool ok = true;
  for (size_t i = 1; i < n && ok; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      ok = cored_refuse(refusal, CORED_REFUSAL_TENSOR_DUPLICATE, "tensor '%.128s' is there twice",
                        names[i]);
  free(names);
  return ok;
}

void cored_loose_clear(CoredLooseFile *file) {
  for (size_t i = 0; i < file->n_tensors; i++)
    free(file->tensors[i].name);
  free(file->tensors);
  cored_lines_clear(&file->globals);
  cored_lines_clear(&file->refused);
  cored_lines_clear(&file->notes);
  cored_metadata_clear(&file->metadata);
  for (size_t i = 0; i < sizeof file->owned / sizeof *file->owned; i++)
    free(file->owned[i]);
  *file = (CoredLooseFile){0};
}
