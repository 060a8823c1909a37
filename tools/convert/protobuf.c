/* SPDX-License-Identifier: MIT
 * The wire format of protocol buffers. */
#include "tools/convert/protobuf.h"

#include <stdlib.h>

#include "tools/convert/bytes.h"
#include "tools/convert/lines.h"

/* ---- Reading --------------------------------------------------------------------------------- */

static size_t place(const CoredProto *in) {
  return (size_t)(in->at - in->file);
}

bool cored_proto_varint(CoredProto *in, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; in->at < in->end; shift += 7) {
    const uint8_t byte = *in->at++;
    if (shift == 63 && byte > 1)
      return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_VARINT,
                          "byte %zu: a number of more than 64 bits", place(in) - 1);
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80)
      return true;
  }
  return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_TRUNCATED,
                      "byte %zu: a number reaches beyond its message", place(in));
}

static bool take(CoredProto *in, size_t size, CoredProtoField *field) {
  if (size > (size_t)(in->end - in->at))
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_TRUNCATED,
                        "byte %zu: a field of %zu bytes, and its message has %zu left",
                        field->offset, size, (size_t)(in->end - in->at));
  field->data = in->at;
  field->size = size;
  in->at += size;
  return true;
}

static bool read_tag(CoredProto *in, CoredProtoField *field) {
  uint64_t tag;
  field->offset = place(in);
  if (!cored_proto_varint(in, &tag))
    return false;
  if (tag > UINT32_MAX || tag >> 3 == 0)
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_WIRE,
                        "byte %zu: no field has the number %llu", field->offset,
                        (unsigned long long)(tag >> 3));
  field->number = (uint32_t)(tag >> 3);
  field->type = (CoredProtoType)(tag & 7);
  return true;
}

bool cored_proto_next(CoredProto *in, CoredProtoField *field) {
  *field = (CoredProtoField){0};
  uint64_t size;
  if (in->at == in->end || !read_tag(in, field))
    return false;
  switch (field->type) {
  case CORED_PROTO_VARINT:
    return cored_proto_varint(in, &field->value);
  case CORED_PROTO_BYTES:
    /* A size_t of 32 bits must not cut a length that is too large anyway. */
    return cored_proto_varint(in, &size) &&
           take(in, size > SIZE_MAX ? SIZE_MAX : (size_t)size, field);
  case CORED_PROTO_FIXED32:
    if (!take(in, 4, field))
      return false;
    field->value = cored_le32(field->data);
    return true;
  case CORED_PROTO_FIXED64:
    if (!take(in, 8, field))
      return false;
    field->value = cored_le64(field->data);
    return true;
  }
  return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_WIRE,
                      "byte %zu: field %u is of wire type %d, which no file of this kind has",
                      field->offset, field->number, (int)field->type);
}

CoredProto cored_proto_inside(const CoredProto *in, const CoredProtoField *field) {
  return (CoredProto){.file = in->file,
                      .at = field->data,
                      .end = field->data + field->size,
                      .refusal = in->refusal};
}

/* ---- Writing --------------------------------------------------------------------------------- */

void cored_proto_clear(CoredProtoOut *out) {
  free(out->data);
  *out = (CoredProtoOut){0};
}

static void put(CoredProtoOut *out, const void *bytes, size_t size) {
  if (out->failed || !cored_array_grow(&out->data, &out->capacity, out->size + size, 1)) {
    out->failed = true;
    return;
  }
  if (size > 0)
    memcpy(out->data + out->size, bytes, size);
  out->size += size;
}

static void put_varint(CoredProtoOut *out, uint64_t value) {
  uint8_t bytes[10];
  size_t n = 0;
  for (; value > 0x7f; value >>= 7)
    bytes[n++] = (uint8_t)(value | 0x80);
  bytes[n++] = (uint8_t)value;
  put(out, bytes, n);
}

static void put_tag(CoredProtoOut *out, uint32_t field, CoredProtoType type) {
  put_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

void cored_proto_put_number(CoredProtoOut *out, uint32_t field, uint64_t value) {
  put_tag(out, field, CORED_PROTO_VARINT);
  put_varint(out, value);
}

void cored_proto_put_float(CoredProtoOut *out, uint32_t field, float value) {
  uint32_t bits;
  uint8_t bytes[4];
  memcpy(&bits, &value, sizeof bits);
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(bits >> 8 * i);
  put_tag(out, field, CORED_PROTO_FIXED32);
  put(out, bytes, sizeof bytes);
}

void cored_proto_put_head(CoredProtoOut *out, uint32_t field, uint64_t size) {
  put_tag(out, field, CORED_PROTO_BYTES);
  put_varint(out, size);
}

void cored_proto_put_bytes(CoredProtoOut *out, uint32_t field, const void *bytes, size_t size) {
  cored_proto_put_head(out, field, size);
  put(out, bytes, size);
}

void cored_proto_put_text(CoredProtoOut *out, uint32_t field, const char *text) {
  cored_proto_put_bytes(out, field, text, strlen(text));
}

void cored_proto_put_fields(CoredProtoOut *out, const CoredProtoOut *fields) {
  out->failed |= fields->failed;
  put(out, fields->data, fields->size);
}

void cored_proto_put_message(CoredProtoOut *out, uint32_t field, CoredProtoOut *message) {
  out->failed |= message->failed;
  cored_proto_put_bytes(out, field, message->data, message->size);
  cored_proto_clear(message);
}
