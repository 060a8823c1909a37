/* SPDX-License-Identifier: MIT
 * Element types of stored tensors: sizes, names, and conversion to float32. */
#ifndef CORED_BASE_DTYPE_H
#define CORED_BASE_DTYPE_H

#include "cored.h"

/* Bytes of one element. */
size_t cored_dtype_size(CoredDtype dtype);
/* "F32": the name safetensors uses. */
const char *cored_dtype_name(CoredDtype dtype);

float cored_f16_to_f32(uint16_t bits);
float cored_bf16_to_f32(uint16_t bits);

/* Elements of dims; false where a dimension is negative or the product wraps. Rank 0 is one. */
bool cored_dims_count(const int64_t *dims, int rank, size_t *count);
/* "[32, 3, 3, 3]"; cut with "..." where it does not fit. */
void cored_dims_format(const int64_t *dims, int rank, char *out, size_t size);

/* Convert count elements of little-endian data (any alignment) to float32. F64 is rounded to
 * nearest, out of range becomes infinite. dtype must not be I64: false. No aliasing. */
bool cored_convert_f32(CoredDtype dtype, const void *data, size_t count, float *out);

#endif /* CORED_BASE_DTYPE_H */
