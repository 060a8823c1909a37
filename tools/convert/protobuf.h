/* SPDX-License-Identifier: MIT
 * The wire format of protocol buffers: fields pulled one after another out of untrusted bytes, and
 * fields put one after another into a message.
 *
 * A message is a sequence of fields, each a tag (its number and its type) and a value. Nothing is
 * copied or allocated, and nothing recurses: whoever knows the message goes into a field of bytes
 * with cored_proto_inside, so that a file can only nest as deep as its reader does. */
#ifndef CORED_CONVERT_PROTOBUF_H
#define CORED_CONVERT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/convert/refusal.h"

typedef enum CoredProtoType {
  CORED_PROTO_VARINT = 0,
  CORED_PROTO_FIXED64 = 1,
  CORED_PROTO_BYTES = 2, /* a text, a message, or packed numbers */
  CORED_PROTO_FIXED32 = 5
} CoredProtoType;

typedef struct CoredProto {
  const uint8_t *file; /* its first byte: places in messages count from there */
  const uint8_t *at, *end;
  CoredRefusal *refusal;
} CoredProto;

typedef struct CoredProtoField {
  uint32_t number;
  CoredProtoType type;
  size_t offset;       /* of its tag in the file */
  uint64_t value;      /* of all types but BYTES */
  const uint8_t *data; /* BYTES: inside the file */
  size_t size;
} CoredProtoField;

/* The next field of the message. False at its end, and with the refusal set where it is damaged. */
bool cored_proto_next(CoredProto *in, CoredProtoField *field);
/* The message or the packed numbers in a field of type BYTES. */
CoredProto cored_proto_inside(const CoredProto *in, const CoredProtoField *field);
/* One number of those in a packed field. False where it is damaged. */
bool cored_proto_varint(CoredProto *in, uint64_t *value);

/* A message that grows. Putting into one whose memory ran out does nothing: look at `failed` once,
 * at the end. */
typedef struct CoredProtoOut {
  uint8_t *data; /* owned */
  size_t size, capacity;
  bool failed;
} CoredProtoOut;

void cored_proto_clear(CoredProtoOut *out);
void cored_proto_put_number(CoredProtoOut *out, uint32_t field, uint64_t value);
void cored_proto_put_float(CoredProtoOut *out, uint32_t field, float value);
void cored_proto_put_text(CoredProtoOut *out, uint32_t field, const char *text);
void cored_proto_put_bytes(CoredProtoOut *out, uint32_t field, const void *bytes, size_t size);
/* Put the message into out, and empty it. */
void cored_proto_put_message(CoredProtoOut *out, uint32_t field, CoredProtoOut *message);
/* Only the head of a field of `size` bytes, which the caller writes behind it. */
void cored_proto_put_head(CoredProtoOut *out, uint32_t field, uint64_t size);
/* Fields that were put elsewhere, as they are. */
void cored_proto_put_fields(CoredProtoOut *out, const CoredProtoOut *fields);

#endif /* CORED_CONVERT_PROTOBUF_H */
