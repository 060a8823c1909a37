/* SPDX-License-Identifier: MIT
 * What the HDF5 child sends. It may have been taken over by the file: nothing in it is trusted. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/h5.h"

typedef struct Cursor {
  const uint8_t *at, *end;
} Cursor;

static const uint8_t *take(Cursor *c, size_t n) {
  if ((size_t)(c->end - c->at) < n)
    return NULL;
  const uint8_t *p = c->at;
  c->at += n;
  return p;
}

static bool garbled(CoredRefusal *refusal) {
  return cored_refuse(refusal, CORED_REFUSAL_H5_CRASH, "the HDF5 reader sent nonsense");
}

static void set_c_order(CoredLoose *tensor) {
  int64_t stride = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    tensor->strides[i] = stride;
    stride *= tensor->dims[i];
  }
}

static bool read_tensor(Cursor *c, size_t *left, CoredLooseFile *file, CoredRefusal *refusal) {
  const uint8_t *head = take(c, 2), *name, *kind, *dims, *size, *data;
  size_t length = head ? cored_le16(head) : 0;
  if (length == 0 || length >= CORED_LOOSE_NAME_SIZE || !(name = take(c, length)) ||
      memchr(name, 0, length) || !cored_utf8_is_valid(name, length) || !(kind = take(c, 2)) ||
      kind[0] > CORED_SCALAR_F16 || kind[1] > CORED_LOOSE_MAX_RANK ||
      !(dims = take(c, 4u * kind[1])) || !(size = take(c, 4)) ||
      !(data = take(c, cored_le32(size))))
    return garbled(refusal);
  CoredLoose *tensor = cored_loose_add(file, name, length);
  if (!tensor)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  tensor->scalar = (CoredScalar)kind[0];
  tensor->rank = kind[1];
  for (int i = 0; i < tensor->rank; i++)
    tensor->dims[i] = cored_le32(dims + 4 * i);
  size_t bytes;
  if (!cored_loose_count(tensor->dims, tensor->rank, &tensor->count) ||
      __builtin_mul_overflow(tensor->count, cored_scalar_size(tensor->scalar), &bytes) ||
      bytes != cored_le32(size) || bytes > *left || file->n_tensors > CORED_LOOSE_MAX_TENSORS)
    return garbled(refusal);
  *left -= bytes;
  tensor->data = data;
  set_c_order(tensor);
  return true;
}

static bool read_error(Cursor *c, CoredRefusal *refusal) {
  const uint8_t *head = take(c, 4), *text;
  if (!head || !(text = take(c, cored_le16(head + 2))))
    return garbled(refusal);
  unsigned code = cored_le16(head);
  if (code == CORED_REFUSAL_NONE || code >= CORED_N_REFUSAL_CODES)
    return garbled(refusal);
  return cored_refuse(refusal, (CoredRefusalCode)code, "%.*s", (int)cored_le16(head + 2),
                      (const char *)text);
}

bool cored_h5_parse_reply(const CoredH5Reply *reply, size_t max_data, CoredLooseFile *file,
                          CoredRefusal *refusal) {
  Cursor c = {.at = reply->data, .end = reply->data + reply->size};
  for (const uint8_t *tag; (tag = take(&c, 1));) {
    if (*tag == 'Z')
      return c.at == c.end || garbled(refusal);
    if (*tag == 'E')
      return read_error(&c, refusal);
    if (*tag != 'T')
      return garbled(refusal);
    if (!read_tensor(&c, &max_data, file, refusal))
      return false;
  }
  return false;
}
