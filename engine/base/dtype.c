/* SPDX-License-Identifier: MIT */
#include "base/dtype.h"

#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are read as little endian memory"
#endif

size_t cored_dtype_size(CoredDtype dtype) {
  switch (dtype) {
  case CORED_DTYPE_F32:
    return 4;
  case CORED_DTYPE_F16:
  case CORED_DTYPE_BF16:
    return 2;
  case CORED_DTYPE_F64:
  case CORED_DTYPE_I64:
    return 8;
  }
  return 0;
}

const char *cored_dtype_name(CoredDtype dtype) {
  static const char *const names[] = {"F32", "F16", "BF16", "F64", "I64"};
  return (unsigned)dtype < sizeof names / sizeof *names ? names[dtype] : "?";
}

static float float_of_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Exact. */
float cored_f16_to_f32(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0) { /* zero and subnormals: fraction * 2^-24 */
    const float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31)
    return float_of_bits(sign | 0x7f800000 | fraction << 13);
  return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/* bfloat16 is the upper half of a binary32. */
float cored_bf16_to_f32(uint16_t bits) {
  return float_of_bits((uint32_t)bits << 16);
}

bool cored_dims_count(const int64_t *dims, int rank, size_t *count) {
  size_t n = 1;
  for (int i = 0; i < rank; i++)
    if (dims[i] < 0 || __builtin_mul_overflow(n, (uint64_t)dims[i], &n))
      return false;
  *count = n;
  return true;
}

void cored_dims_format(const int64_t *dims, int rank, char *out, size_t size) {
  size_t n = (size_t)snprintf(out, size, "[");
  for (int i = 0; i < rank && n < size; i++)
    n += (size_t)snprintf(out + n, size - n, i ? ", %lld" : "%lld", (long long)dims[i]);
  if (n < size)
    n += (size_t)snprintf(out + n, size - n, "]");
  if (n >= size && size > 4)
    memcpy(out + size - 4, "...", 4);
}

bool cored_convert_f32(CoredDtype dtype, const void *data, size_t count, float *out) {
  const uint8_t *const bytes = data;
  if (dtype == CORED_DTYPE_F32) {
    if (count)
      memcpy(out, bytes, count * sizeof *out);
    return true;
  }
  if (dtype == CORED_DTYPE_I64)
    return false;
  for (size_t i = 0; i < count; i++) {
    uint16_t half;
    double wide;
    if (dtype == CORED_DTYPE_F64) {
      memcpy(&wide, bytes + 8 * i, 8);
      out[i] = (float)wide;
    } else {
      memcpy(&half, bytes + 2 * i, 2);
      out[i] = dtype == CORED_DTYPE_F16 ? cored_f16_to_f32(half) : cored_bf16_to_f32(half);
    }
  }
  return true;
}
