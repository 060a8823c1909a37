/* SPDX-License-Identifier: MIT
 * The header our writer gives a file: format.h, "Our writer ...". */
#include <string.h>

#include "base/dtype.h"
#include "model/format.h"
#include "model/safetensors.h"
#include "base/text.h"

static void add_metadata(CoredText *text, const CoredEntry *metadata, size_t n) {
  cored_text_add(text, "\"" CORED_META "\":{");
  for (size_t i = 0; i < n; i++) {
    if (i)
      cored_text_add(text, ",");
    cored_text_add_json_string(text, metadata[i].key);
    cored_text_add(text, ":");
    cored_text_add_json_string(text, metadata[i].value);
  }
  cored_text_add(text, "}");
}

static void add_tensor(CoredText *text, const CoredTensorView *tensor, uint64_t begin) {
  cored_text_add_json_string(text, tensor->name);
  cored_text_add(text, ":{\"dtype\":\"");
  cored_text_add(text, cored_dtype_name(tensor->dtype));
  cored_text_add(text, "\",\"shape\":[");
  for (int i = 0; i < tensor->rank; i++) {
    if (i)
      cored_text_add(text, ",");
    cored_text_add_uint(text, (uint64_t)tensor->dims[i]);
  }
  cored_text_add(text, "],\"data_offsets\":[");
  cored_text_add_uint(text, begin);
  cored_text_add(text, ",");
  cored_text_add_uint(text, begin + tensor->size);
  cored_text_add(text, "]}");
}

char *cored_safetensors_header(const CoredTensorView *tensors, size_t n_tensors,
                               const CoredEntry *metadata, size_t n_metadata, size_t *size) {
  CoredText text = {0};
  cored_text_add_bytes(&text, "\0\0\0\0\0\0\0\0", 8);
  cored_text_add(&text, "{");
  if (n_metadata)
    add_metadata(&text, metadata, n_metadata);
  uint64_t begin = 0;
  for (size_t i = 0; i < n_tensors; i++) {
    if (i || n_metadata)
      cored_text_add(&text, ",");
    add_tensor(&text, &tensors[i], begin);
    begin += tensors[i].size;
  }
  cored_text_add(&text, "}");
  while (!text.failed && text.n % CORED_DATA_ALIGN != 0)
    cored_text_add(&text, " ");
  if (text.failed) {
    cored_text_clear(&text);
    return NULL;
  }
  const uint64_t length = text.n - 8;
  for (int i = 0; i < 8; i++)
    text.s[i] = (char)(length >> 8 * i);
  *size = text.n;
  return text.s;
}
