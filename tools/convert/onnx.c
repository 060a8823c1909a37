/* SPDX-License-Identifier: MIT
 * A strict reader of ONNX files. */
#include "tools/convert/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/onnx-fields.h"
#include "tools/convert/protobuf.h"

/* IR versions. Before 3 nothing says which operators are meant; what comes after 14 is not known
 * yet, and may mean something else by what looks the same. */
#define MIN_IR 3
#define MAX_IR 14

#define MAX_METADATA 4096 /* entries: as many as a model file may have */
#define MAX_ATTRIBUTES 64 /* of one node */

/* Integers that are written as varints and have to be spread out: one tensor's. */
typedef struct Packed {
  bool constant; /* of a constant, else of an initializer */
  size_t index;
  CoredProto numbers;
} Packed;

typedef struct Reader {
  CoredOnnx *onnx;
  CoredRefusal *refusal;
  size_t nodes, inputs, outputs, metadata, attributes, texts, ints; /* room in the lists */
  Packed *packed;
  size_t n_packed, packed_room;
  bool has_graph;
} Reader;

/* ---- Fields ---------------------------------------------------------------------------------- */

static bool expect(const CoredProto *in, const CoredProtoField *field, CoredProtoType type) {
  return field->type == type ||
         cored_refuse(in->refusal, CORED_REFUSAL_ONNX_FIELD,
                      "byte %zu: field %u is of wire type %d, expected %d", field->offset,
                      field->number, (int)field->type, (int)type);
}

/* A field of which the last counts, says the format; two readers might differ, so: one. */
static bool once(const CoredProto *in, const CoredProtoField *field, uint64_t *seen) {
  const uint64_t bit = field->number < 64 ? UINT64_C(1) << field->number : 0;
  if (*seen & bit)
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_TWICE,
                        "byte %zu: field %u is there twice in its message", field->offset,
                        field->number);
  *seen |= bit;
  return true;
}

static bool read_text(const CoredProto *in, const CoredProtoField *field, CoredOnnxText *text) {
  if (!expect(in, field, CORED_PROTO_BYTES))
    return false;
  *text = (CoredOnnxText){(const char *)field->data, field->size};
  return (cored_utf8_is_valid(field->data, field->size) && !memchr(field->data, 0, field->size)) ||
         cored_refuse(in->refusal, CORED_REFUSAL_ONNX_TEXT,
                      "byte %zu: a text that is not UTF-8 or has a NUL in it", field->offset);
}

static bool read_varint(const CoredProto *in, const CoredProtoField *field, int64_t *value) {
  *value = (int64_t)field->value;
  return expect(in, field, CORED_PROTO_VARINT);
}

/* Make room for one more in a list of at most max. */
static bool grow(Reader *r, void *array, size_t *room, size_t n, size_t size, size_t max,
                 const char *what) {
  if (n >= max)
    return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_LIMIT, "more than %zu %s", max, what);
  return cored_array_grow(array, room, n + 1, size) ||
         cored_refuse(r->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for %s", what);
}

/* ---- Tensors --------------------------------------------------------------------------------- */

/* How the elements of a data type are stored in fields of their own where they are no raw bytes. */
typedef struct DataType {
  int64_t number;
  CoredScalar scalar;
  uint32_t field; /* 0: raw only */
} DataType;

static const DataType data_types[] = {
    {DATA_FLOAT, CORED_SCALAR_F32, TENSOR_FLOAT_DATA},
    {DATA_UINT8, CORED_SCALAR_U8, TENSOR_INT32_DATA},
    {DATA_INT8, CORED_SCALAR_I8, TENSOR_INT32_DATA},
    {DATA_INT16, CORED_SCALAR_I16, TENSOR_INT32_DATA},
    {DATA_INT32, CORED_SCALAR_I32, TENSOR_INT32_DATA},
    {DATA_INT64, CORED_SCALAR_I64, TENSOR_INT64_DATA},
    {DATA_BOOL, CORED_SCALAR_BOOL, TENSOR_INT32_DATA},
    {DATA_FLOAT16, CORED_SCALAR_F16, 0},
    {DATA_DOUBLE, CORED_SCALAR_F64, TENSOR_DOUBLE_DATA},
    {DATA_BFLOAT16, CORED_SCALAR_BF16, 0},
};

typedef struct Tensor {
  CoredOnnxText name;
  int64_t type;
  int rank;
  int64_t dims[CORED_LOOSE_MAX_RANK];
  CoredProtoField values; /* the field that holds them; number 0: none */
  size_t offset;          /* of the message, for texts */
} Tensor;

static bool refuse_tensor(Reader *r, const Tensor *t, CoredRefusalCode code, const char *why) {
  char name[160];
  cored_escape(t->name.at ? t->name.at : "", t->name.length, name, sizeof name);
  return cored_refuse(r->refusal, code, "byte %zu: tensor '%s': %s", t->offset, name, why);
}

static bool add_dim(Reader *r, Tensor *t, uint64_t dim) {
  if ((int64_t)dim < 0)
    return refuse_tensor(r, t, CORED_REFUSAL_TENSOR_NEGATIVE, "a dimension is negative");
  if (t->rank == CORED_LOOSE_MAX_RANK || dim > INT32_MAX)
    return refuse_tensor(r, t, CORED_REFUSAL_TENSOR_SHAPE,
                         "more than 8 dimensions, or one of more than 2^31-1");
  t->dims[t->rank++] = (int64_t)dim;
  return true;
}

/* Numbers that may be written one a field or packed. */
static bool read_dims(Reader *r, const CoredProto *in, const CoredProtoField *field, Tensor *t) {
  if (field->type == CORED_PROTO_VARINT)
    return add_dim(r, t, field->value);
  if (!expect(in, field, CORED_PROTO_BYTES))
    return false;
  CoredProto packed = cored_proto_inside(in, field);
  uint64_t dim;
  while (packed.at < packed.end)
    if (!cored_proto_varint(&packed, &dim) || !add_dim(r, t, dim))
      return false;
  return true;
}

static bool set_values(Reader *r, const CoredProto *in, const CoredProtoField *field, Tensor *t) {
  if (!expect(in, field, CORED_PROTO_BYTES))
    return false;
  if (t->values.number != 0)
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_DATA, "its values are in more than one place");
  t->values = *field;
  return true;
}

static bool refuse_external(Reader *r, const Tensor *t) {
  return refuse_tensor(r, t, CORED_REFUSAL_ONNX_EXTERNAL, "its values are in another file");
}

static bool read_tensor_field(Reader *r, const CoredProto *in, const CoredProtoField *field,
                              Tensor *t) {
  switch (field->number) {
  case TENSOR_DIMS:
    return read_dims(r, in, field, t);
  case TENSOR_DATA_TYPE:
    return read_varint(in, field, &t->type);
  case TENSOR_NAME:
    return read_text(in, field, &t->name);
  case TENSOR_RAW_DATA:
  case TENSOR_FLOAT_DATA:
  case TENSOR_INT32_DATA:
  case TENSOR_INT64_DATA:
  case TENSOR_DOUBLE_DATA:
    return set_values(r, in, field, t);
  case TENSOR_STRING_DATA:
  case TENSOR_UINT64_DATA:
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_DTYPE, "texts, unsigned or complex numbers");
  case TENSOR_SEGMENT:
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_SEGMENT, "only a segment of it is in the file");
  case TENSOR_DATA_LOCATION: /* 0, the default: in this file */
    return expect(in, field, CORED_PROTO_VARINT) && (field->value == 0 || refuse_external(r, t));
  case TENSOR_EXTERNAL_DATA:
    return refuse_external(r, t);
  case TENSOR_DOC_STRING:
  case TENSOR_METADATA_PROPS:
    return true;
  default: /* it may change what the others mean */
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_FIELD, "a field that no tensor has");
  }
}

/* Is it one of the fields that are lists? */
static bool repeats(uint32_t number) {
  return number == TENSOR_DIMS || number == TENSOR_EXTERNAL_DATA || number == TENSOR_METADATA_PROPS;
}

static const DataType *find_type(int64_t number) {
  for (size_t i = 0; i < sizeof data_types / sizeof *data_types; i++)
    if (data_types[i].number == number)
      return &data_types[i];
  return NULL;
}

/* Bytes that end a varint; the last one has to be such a byte. */
static size_t count_varints(const CoredProtoField *field) {
  size_t n = 0;
  for (size_t i = 0; i < field->size; i++)
    n += field->data[i] < 0x80;
  return n;
}

static bool check_size(Reader *r, const Tensor *t, size_t found, size_t count, size_t size) {
  char why[160];
  if (count <= SIZE_MAX / size && found == count * size)
    return true;
  snprintf(why, sizeof why, "%zu elements of %zu bytes are declared, and %zu bytes are there",
           count, size, found);
  return refuse_tensor(r, t, CORED_REFUSAL_ONNX_DATA, why);
}

/* Values that lie in the file as they are used are pointed at; others are noted for later. */
static bool find_values(Reader *r, const CoredProto *in, const Tensor *t, const DataType *type,
                        size_t count, bool constant, CoredLooseFile *file, const uint8_t **data) {
  const CoredProtoField *v = &t->values;
  const size_t size = cored_scalar_size(type->scalar);
  *data = v->data;
  if (v->number == TENSOR_RAW_DATA || v->number == 0)
    return check_size(r, t, v->size, count, size);
  if (v->number != type->field)
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_DATA,
                         "its values are in a field of another data type");
  if (v->number == TENSOR_FLOAT_DATA || v->number == TENSOR_DOUBLE_DATA)
    return check_size(r, t, v->size, count, size);
  if (!check_size(r, t, count_varints(v), count, 1) ||
      !grow(r, &r->packed, &r->packed_room, r->n_packed, sizeof *r->packed, SIZE_MAX, "integers"))
    return false;
  r->packed[r->n_packed++] = (Packed){constant, file->n_tensors, cored_proto_inside(in, v)};
  return true;
}

static bool is_empty(const Tensor *t) {
  for (int i = 0; i < t->rank; i++)
    if (t->dims[i] == 0)
      return true;
  return false;
}

/* *added is false for a tensor without elements, of which there is nothing to say. */
static bool add_tensor(Reader *r, const CoredProto *in, const Tensor *t, CoredOnnxText name,
                       bool constant, bool *added) {
  CoredLooseFile *file = constant ? &r->onnx->constants : &r->onnx->initializers;
  const DataType *type = find_type(t->type);
  const uint8_t *data;
  size_t count;
  *added = false;
  if (!type)
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_DTYPE,
                         "an element type that weights do not have");
  if (is_empty(t))
    return check_size(r, t, t->values.size, 0, 1);
  if (!cored_loose_count(t->dims, t->rank, &count))
    return refuse_tensor(r, t, CORED_REFUSAL_TENSOR_SHAPE, "the product of its dimensions wraps");
  if (name.length == 0 || name.length >= CORED_LOOSE_NAME_SIZE)
    return refuse_tensor(r, t, CORED_REFUSAL_TENSOR_NAME, "a name of 1 to 511 bytes is expected");
  if (file->n_tensors >= CORED_LOOSE_MAX_TENSORS)
    return refuse_tensor(r, t, CORED_REFUSAL_ONNX_LIMIT, "more than 65536 tensors");
  if (!find_values(r, in, t, type, count, constant, file, &data))
    return false;
  CoredLoose *tensor = cored_loose_add(file, name.at, name.length);
  if (!tensor)
    return cored_refuse(r->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  tensor->scalar = type->scalar;
  tensor->rank = t->rank;
  tensor->count = count;
  tensor->data = data;
  int64_t stride = 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    tensor->dims[i] = t->dims[i];
    tensor->strides[i] = stride;
    stride *= t->dims[i];
  }
  return *added = true;
}

/* name: that of the node's output for a constant, else NULL. */
static bool read_tensor(Reader *r, CoredProto in, const CoredOnnxText *name, bool *added) {
  Tensor t = {.offset = (size_t)(in.at - in.file)};
  CoredProtoField field;
  uint64_t seen = 0;
  while (cored_proto_next(&in, &field))
    if ((!repeats(field.number) && !once(&in, &field, &seen)) ||
        !read_tensor_field(r, &in, &field, &t))
      return false;
  return r->refusal->code == CORED_REFUSAL_NONE &&
         add_tensor(r, &in, &t, name ? *name : t.name, name != NULL, added);
}

/* Spread the integers out that were found packed. Each was counted: what is needed is at most eight
 * times what the file has. */
static bool spread_one(const Packed *p, CoredLoose *tensor, uint8_t *out) {
  const size_t size = cored_scalar_size(tensor->scalar);
  CoredProto numbers = p->numbers;
  uint64_t value;
  for (size_t i = 0; i < tensor->count; i++) {
    if (!cored_proto_varint(&numbers, &value))
      return false;
    for (size_t byte = 0; byte < size; byte++)
      out[i * size + byte] = (uint8_t)(value >> 8 * byte);
  }
  tensor->data = out;
  return true;
}

static CoredLoose *packed_tensor(Reader *r, const Packed *p) {
  return &(p->constant ? &r->onnx->constants : &r->onnx->initializers)->tensors[p->index];
}

static bool spread_file(Reader *r, CoredLooseFile *file, bool constants) {
  size_t total = 0;
  for (size_t i = 0; i < r->n_packed; i++)
    if (r->packed[i].constant == constants)
      total += packed_tensor(r, &r->packed[i])->count * sizeof(uint64_t);
  uint8_t *out = total > 0 ? malloc(total) : NULL;
  if (total > 0 && !out)
    return cored_refuse(r->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for integers");
  file->owned[0] = out;
  for (size_t i = 0; i < r->n_packed; i++) {
    if (r->packed[i].constant != constants)
      continue;
    CoredLoose *tensor = packed_tensor(r, &r->packed[i]);
    if (!spread_one(&r->packed[i], tensor, out))
      return false;
    out += tensor->count * sizeof(uint64_t);
  }
  return true;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static bool add_int(Reader *r, CoredOnnxAttribute *a, int64_t value) {
  CoredOnnx *o = r->onnx;
  if (!grow(r, &o->ints, &r->ints, o->n_ints, sizeof *o->ints, CORED_ONNX_MAX_ITEMS,
            "integers of attributes"))
    return false;
  o->ints[o->n_ints++] = value;
  a->n_ints++;
  return true;
}

/* An attribute has one value: nobody may have to choose. */
static bool set_kind(const CoredProto *in, const CoredProtoField *field, CoredOnnxAttribute *a,
                     CoredOnnxKind kind) {
  if (a->kind != CORED_ONNX_OTHER && a->kind != kind)
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_TWICE,
                        "byte %zu: an attribute has values of two kinds", field->offset);
  a->kind = kind;
  return true;
}

static bool read_ints(Reader *r, const CoredProto *in, const CoredProtoField *field,
                      CoredOnnxAttribute *a) {
  if (!set_kind(in, field, a, CORED_ONNX_INTS))
    return false;
  if (field->type == CORED_PROTO_VARINT)
    return add_int(r, a, (int64_t)field->value);
  if (!expect(in, field, CORED_PROTO_BYTES))
    return false;
  CoredProto packed = cored_proto_inside(in, field);
  uint64_t value;
  while (packed.at < packed.end)
    if (!cored_proto_varint(&packed, &value) || !add_int(r, a, (int64_t)value))
      return false;
  return true;
}

static bool read_float(const CoredProto *in, const CoredProtoField *field, CoredOnnxAttribute *a) {
  const uint32_t bits = (uint32_t)field->value;
  memcpy(&a->number, &bits, sizeof bits);
  return expect(in, field, CORED_PROTO_FIXED32) && set_kind(in, field, a, CORED_ONNX_FLOAT);
}

/* A constant is known by what its node makes of it. */
static bool read_constant(Reader *r, const CoredProto *in, const CoredProtoField *field,
                          CoredOnnxText output, CoredOnnxAttribute *a) {
  bool added = false;
  if (!expect(in, field, CORED_PROTO_BYTES) ||
      !read_tensor(r, cored_proto_inside(in, field), &output, &added))
    return false;
  return !added || set_kind(in, field, a, CORED_ONNX_TENSOR);
}

static bool refuse_attribute(const CoredProto *in, const CoredProtoField *field,
                             CoredRefusalCode code, const char *what) {
  return cored_refuse(in->refusal, code, "byte %zu: an attribute of a node is %s", field->offset,
                      what);
}

static bool read_attribute_field(Reader *r, const CoredProto *in, const CoredProtoField *field,
                                 CoredOnnxText output, CoredOnnxAttribute *a, int64_t *type) {
  switch (field->number) {
  case ATTRIBUTE_NAME:
    return read_text(in, field, &a->name);
  case ATTRIBUTE_F:
    return read_float(in, field, a);
  case ATTRIBUTE_I:
    return expect(in, field, CORED_PROTO_VARINT) && set_kind(in, field, a, CORED_ONNX_INT) &&
           add_int(r, a, (int64_t)field->value);
  case ATTRIBUTE_S:
    return read_text(in, field, &a->text) && set_kind(in, field, a, CORED_ONNX_STRING);
  case ATTRIBUTE_T:
    return read_constant(r, in, field, output, a);
  case ATTRIBUTE_INTS:
    return read_ints(r, in, field, a);
  case ATTRIBUTE_TYPE:
    return read_varint(in, field, type);
  case ATTRIBUTE_G:
  case ATTRIBUTE_GRAPHS:
    return refuse_attribute(in, field, CORED_REFUSAL_ONNX_SUBGRAPH, "a graph");
  case ATTRIBUTE_REFERENCE:
    return refuse_attribute(in, field, CORED_REFUSAL_ONNX_FUNCTION, "that of a function");
  case ATTRIBUTE_SPARSE_TENSOR:
  case ATTRIBUTE_SPARSE_TENSORS:
    return refuse_attribute(in, field, CORED_REFUSAL_ONNX_SPARSE, "a sparse tensor");
  default:
    return true;
  }
}

/* What is zero or empty may be left out of a file; the type then says what there would have been.
 * Where there is a value its kind has to be the stated one. */
static bool settle_kind(Reader *r, CoredOnnxAttribute *a, int64_t type, size_t offset) {
  static const struct {
    int64_t type;
    CoredOnnxKind kind;
  } kinds[] = {{TYPE_FLOAT, CORED_ONNX_FLOAT},
               {TYPE_INT, CORED_ONNX_INT},
               {TYPE_STRING, CORED_ONNX_STRING},
               {TYPE_INTS, CORED_ONNX_INTS}};
  if (type == 0 || type == TYPE_TENSOR_VALUE)
    return type == 0 || a->kind == CORED_ONNX_TENSOR || a->kind == CORED_ONNX_OTHER ||
           cored_refuse(r->refusal, CORED_REFUSAL_ONNX_FIELD,
                        "byte %zu: an attribute is not of the type that it states", offset);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (kinds[i].type != type)
      continue;
    if (a->kind != kinds[i].kind && a->kind != CORED_ONNX_OTHER)
      return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_FIELD,
                          "byte %zu: an attribute is not of the type that it states", offset);
    const bool absent = a->kind == CORED_ONNX_OTHER;
    a->kind = kinds[i].kind;
    return !absent || type != TYPE_INT || add_int(r, a, 0);
  }
  return true;
}

/* No more than any operator has, and each name once. */
static bool check_attribute(Reader *r, const CoredOnnxAttribute *a, const CoredOnnxNode *node,
                            size_t offset) {
  const size_t first = r->onnx->n_attributes - node->n_attributes;
  if (node->n_attributes >= MAX_ATTRIBUTES)
    return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_LIMIT,
                        "byte %zu: a node of more than %d attributes", offset, MAX_ATTRIBUTES);
  for (size_t i = 0; i < node->n_attributes; i++)
    if (cored_onnx_same(r->onnx->attributes[first + i].name, a->name))
      return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_DUPLICATE,
                          "byte %zu: a node has two attributes of one name", offset);
  return true;
}

static bool read_attribute(Reader *r, CoredProto in, CoredOnnxText output, CoredOnnxNode *node) {
  CoredOnnx *o = r->onnx;
  const size_t offset = (size_t)(in.at - in.file);
  if (!grow(r, &o->attributes, &r->attributes, o->n_attributes, sizeof *o->attributes,
            CORED_ONNX_MAX_ITEMS, "attributes"))
    return false;
  CoredOnnxAttribute a = {.kind = CORED_ONNX_OTHER};
  CoredProtoField field;
  uint64_t seen = 0;
  int64_t type = 0;
  while (cored_proto_next(&in, &field)) {
    const bool list = field.number >= 7 && field.number <= 11;
    if ((!list && !once(&in, &field, &seen)) ||
        !read_attribute_field(r, &in, &field, output, &a, &type))
      return false;
  }
  if (in.refusal->code != CORED_REFUSAL_NONE || !settle_kind(r, &a, type, offset) ||
      !check_attribute(r, &a, node, offset))
    return false;
  o->attributes[o->n_attributes++] = a;
  node->n_attributes++;
  return true;
}

static bool add_value_name(Reader *r, const CoredProto *in, const CoredProtoField *field,
                           size_t *n) {
  CoredOnnx *o = r->onnx;
  CoredOnnxText text;
  if (!read_text(in, field, &text) || !grow(r, &o->texts, &r->texts, o->n_texts, sizeof *o->texts,
                                            CORED_ONNX_MAX_ITEMS, "names of values"))
    return false;
  o->texts[o->n_texts++] = text;
  ++*n;
  return true;
}

/* One pass over the message for what is a list: its items come to lie one behind another, in
 * whatever order the file has the fields. */
static bool read_list(Reader *r, CoredProto in, uint32_t number, CoredOnnxNode *node) {
  const CoredOnnxText output =
      node->n_outputs > 0 ? r->onnx->texts[r->onnx->n_texts - node->n_outputs] : (CoredOnnxText){0};
  CoredProtoField field;
  while (cored_proto_next(&in, &field)) {
    if (field.number != number)
      continue;
    bool ok;
    if (number == NODE_ATTRIBUTE)
      ok = expect(&in, &field, CORED_PROTO_BYTES) &&
           read_attribute(r, cored_proto_inside(&in, &field), output, node);
    else
      ok =
          add_value_name(r, &in, &field, number == NODE_INPUT ? &node->n_inputs : &node->n_outputs);
    if (!ok)
      return false;
  }
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_node_texts(CoredProto in, CoredOnnxNode *node) {
  CoredProtoField field;
  uint64_t seen = 0;
  while (cored_proto_next(&in, &field)) {
    CoredOnnxText *text = field.number == NODE_NAME      ? &node->name
                          : field.number == NODE_OP_TYPE ? &node->op
                          : field.number == NODE_DOMAIN  ? &node->domain
                                                         : NULL;
    if (text && (!once(&in, &field, &seen) || !read_text(&in, &field, text)))
      return false;
  }
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_node(Reader *r, CoredProto in) {
  CoredOnnx *o = r->onnx;
  CoredOnnxNode node = {0};
  if (!grow(r, &o->nodes, &r->nodes, o->n_nodes, sizeof *o->nodes, CORED_ONNX_MAX_NODES, "nodes") ||
      !read_node_texts(in, &node) || !read_list(r, in, NODE_INPUT, &node) ||
      !read_list(r, in, NODE_OUTPUT, &node) || !read_list(r, in, NODE_ATTRIBUTE, &node))
    return false;
  if (node.op.length == 0 || node.n_outputs == 0)
    return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_NODE,
                        "byte %zu: node %zu has no operator or no output",
                        (size_t)(in.at - in.file), o->n_nodes);
  o->nodes[o->n_nodes++] = node;
  return true;
}

/* The lists do not move any more: point into them. A list that stayed empty is NULL. */
static void link_attributes(CoredOnnx *o) {
  size_t ints = 0, tensors = 0;
  for (size_t i = 0; i < o->n_attributes; i++) {
    CoredOnnxAttribute *a = &o->attributes[i];
    a->ints = a->n_ints > 0 ? &o->ints[ints] : NULL;
    ints += a->n_ints;
    if (a->kind == CORED_ONNX_TENSOR)
      a->tensor = &o->constants.tensors[tensors++];
  }
}

static void link_nodes(CoredOnnx *o) {
  size_t texts = 0, attributes = 0;
  for (size_t i = 0; i < o->n_nodes; i++) {
    CoredOnnxNode *node = &o->nodes[i];
    node->inputs = &o->texts[texts]; /* each node has an output behind them */
    node->outputs = &o->texts[texts + node->n_inputs];
    texts += node->n_inputs + node->n_outputs;
    node->attributes = node->n_attributes > 0 ? &o->attributes[attributes] : NULL;
    attributes += node->n_attributes;
  }
}

/* ---- Inputs and outputs ---------------------------------------------------------------------- */

static bool read_dimension(CoredProto in, int64_t *dim) {
  CoredProtoField field;
  *dim = -1;
  while (cored_proto_next(&in, &field))
    if (field.number == DIM_VALUE && !read_varint(&in, &field, dim))
      return false;
  if (*dim < -1 || *dim > INT32_MAX)
    *dim = -1;
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_shape(CoredProto in, CoredOnnxValue *value) {
  CoredProtoField field;
  value->rank = 0;
  while (cored_proto_next(&in, &field)) {
    if (field.number != SHAPE_DIM)
      continue;
    if (value->rank == CORED_LOOSE_MAX_RANK)
      return cored_refuse(in.refusal, CORED_REFUSAL_TENSOR_SHAPE,
                          "byte %zu: an input or output of more than 8 dimensions", field.offset);
    if (!expect(&in, &field, CORED_PROTO_BYTES) ||
        !read_dimension(cored_proto_inside(&in, &field), &value->dims[value->rank++]))
      return false;
  }
  return in.refusal->code == CORED_REFUSAL_NONE;
}

/* Go down one field of bytes; *found tells whether it was there. */
static bool go_inside(CoredProto in, uint32_t number, CoredProto *inside, bool *found) {
  CoredProtoField field;
  uint64_t seen = 0;
  *found = false;
  while (cored_proto_next(&in, &field)) {
    if (field.number != number)
      continue;
    if (!once(&in, &field, &seen) || !expect(&in, &field, CORED_PROTO_BYTES))
      return false;
    *inside = cored_proto_inside(&in, &field);
    *found = true;
  }
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_type(CoredProto in, CoredOnnxValue *value) {
  CoredProto tensor, shape;
  bool found;
  return go_inside(in, TYPE_TENSOR, &tensor, &found) &&
         (!found || (go_inside(tensor, TYPE_TENSOR_SHAPE, &shape, &found) &&
                     (!found || read_shape(shape, value))));
}

static bool read_value(CoredProto in, CoredOnnxValue *value) {
  CoredProtoField field;
  uint64_t seen = 0;
  *value = (CoredOnnxValue){.rank = -1};
  while (cored_proto_next(&in, &field)) {
    if (!once(&in, &field, &seen) ||
        (field.number == VALUE_NAME && !read_text(&in, &field, &value->name)) ||
        (field.number == VALUE_TYPE && (!expect(&in, &field, CORED_PROTO_BYTES) ||
                                        !read_type(cored_proto_inside(&in, &field), value))))
      return false;
  }
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool add_value(Reader *r, const CoredProto *in, const CoredProtoField *field, bool input) {
  CoredOnnx *o = r->onnx;
  CoredOnnxValue **list = input ? &o->inputs : &o->outputs, value;
  size_t *n = input ? &o->n_inputs : &o->n_outputs;
  if (!grow(r, list, input ? &r->inputs : &r->outputs, *n, sizeof value, CORED_ONNX_MAX_NODES,
            "inputs or outputs") ||
      !read_value(cored_proto_inside(in, field), &value))
    return false;
  (*list)[(*n)++] = value;
  return true;
}

/* ---- The model ------------------------------------------------------------------------------- */

static bool read_graph_field(Reader *r, const CoredProto *in, const CoredProtoField *field) {
  bool added;
  switch (field->number) {
  case GRAPH_NODE:
    return expect(in, field, CORED_PROTO_BYTES) && read_node(r, cored_proto_inside(in, field));
  case GRAPH_INITIALIZER:
    return expect(in, field, CORED_PROTO_BYTES) &&
           read_tensor(r, cored_proto_inside(in, field), NULL, &added);
  case GRAPH_INPUT:
  case GRAPH_OUTPUT:
    return expect(in, field, CORED_PROTO_BYTES) &&
           add_value(r, in, field, field->number == GRAPH_INPUT);
  case GRAPH_SPARSE_INITIALIZER:
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_SPARSE, "byte %zu: a sparse tensor",
                        field->offset);
  default:
    return true;
  }
}

static bool read_graph(Reader *r, CoredProto in) {
  CoredProtoField field;
  while (cored_proto_next(&in, &field))
    if (!read_graph_field(r, &in, &field))
      return false;
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_opset(Reader *r, CoredProto in) {
  CoredOnnxText domain = {0};
  int64_t version = 0;
  CoredProtoField field;
  uint64_t seen = 0;
  while (cored_proto_next(&in, &field))
    if (!once(&in, &field, &seen) ||
        (field.number == OPSET_DOMAIN && !read_text(&in, &field, &domain)) ||
        (field.number == OPSET_VERSION && !read_varint(&in, &field, &version)))
      return false;
  if (domain.length == 0 || cored_onnx_is(domain, "ai.onnx"))
    r->onnx->opset = version;
  return in.refusal->code == CORED_REFUSAL_NONE;
}

static bool read_entry(Reader *r, CoredProto in) {
  CoredOnnx *o = r->onnx;
  CoredOnnxEntry entry = {0};
  CoredProtoField field;
  uint64_t seen = 0;
  while (cored_proto_next(&in, &field))
    if (!once(&in, &field, &seen) ||
        (field.number == ENTRY_KEY && !read_text(&in, &field, &entry.key)) ||
        (field.number == ENTRY_VALUE && !read_text(&in, &field, &entry.value)))
      return false;
  if (in.refusal->code != CORED_REFUSAL_NONE ||
      !grow(r, &o->metadata, &r->metadata, o->n_metadata, sizeof entry, MAX_METADATA,
            "entries of metadata"))
    return false;
  for (size_t i = 0; i < o->n_metadata; i++)
    if (cored_onnx_same(o->metadata[i].key, entry.key))
      return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_DUPLICATE,
                          "byte %zu: two entries of the metadata have the same key",
                          (size_t)(in.at - in.file));
  o->metadata[o->n_metadata++] = entry;
  return true;
}

static bool read_model_field(Reader *r, const CoredProto *in, const CoredProtoField *field) {
  switch (field->number) {
  case MODEL_IR_VERSION:
    return read_varint(in, field, &r->onnx->ir_version);
  case MODEL_PRODUCER_NAME:
    return read_text(in, field, &r->onnx->producer);
  case MODEL_GRAPH:
    r->has_graph = true;
    return expect(in, field, CORED_PROTO_BYTES) && read_graph(r, cored_proto_inside(in, field));
  case MODEL_OPSET_IMPORT:
    return expect(in, field, CORED_PROTO_BYTES) && read_opset(r, cored_proto_inside(in, field));
  case MODEL_METADATA_PROPS:
    return expect(in, field, CORED_PROTO_BYTES) && read_entry(r, cored_proto_inside(in, field));
  case MODEL_TRAINING_INFO:
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_SUBGRAPH,
                        "byte %zu: graphs of a training beside the network's", field->offset);
  case MODEL_FUNCTIONS:
    return cored_refuse(in->refusal, CORED_REFUSAL_ONNX_FUNCTION,
                        "byte %zu: operators that the file defines itself", field->offset);
  default:
    return true;
  }
}

static bool read_model(Reader *r, CoredProto in) {
  CoredProtoField field;
  uint64_t seen = 0;
  while (cored_proto_next(&in, &field)) {
    const bool list = field.number == MODEL_OPSET_IMPORT || field.number == MODEL_METADATA_PROPS;
    if ((!list && !once(&in, &field, &seen)) || !read_model_field(r, &in, &field))
      return false;
  }
  if (in.refusal->code != CORED_REFUSAL_NONE)
    return false;
  const int64_t version = r->onnx->ir_version;
  if (version < MIN_IR || version > MAX_IR)
    return cored_refuse(r->refusal, CORED_REFUSAL_ONNX_VERSION,
                        "IR version %" PRId64 ", expected %d to %d", version, MIN_IR, MAX_IR);
  return r->has_graph || cored_refuse(r->refusal, CORED_REFUSAL_ONNX_NO_GRAPH, "there is no graph");
}

static int by_text(const void *a, const void *b) {
  const CoredOnnxText *x = a, *y = b;
  const size_t n = x->length < y->length ? x->length : y->length;
  const int order = n > 0 ? memcmp(x->at, y->at, n) : 0;
  return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Names of all that is made in the graph: initializers and outputs of nodes. */
static size_t list_made(const CoredOnnx *o, CoredOnnxText *made) {
  size_t n = 0;
  for (size_t i = 0; i < o->initializers.n_tensors; i++) {
    const char *name = o->initializers.tensors[i].name;
    made[n++] = (CoredOnnxText){name, strlen(name)};
  }
  for (size_t i = 0; i < o->n_nodes; i++)
    for (size_t k = 0; k < o->nodes[i].n_outputs; k++)
      if (o->nodes[i].outputs[k].length > 0)
        made[n++] = o->nodes[i].outputs[k];
  return n;
}

static bool check_names(const CoredOnnx *o, CoredRefusal *refusal) {
  CoredOnnxText *made = malloc((o->initializers.n_tensors + o->n_texts + 1) * sizeof *made);
  if (!made)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  const size_t n = list_made(o, made);
  qsort(made, n, sizeof *made, by_text);
  bool ok = true;
  for (size_t i = 1; i < n && ok; i++)
    if (cored_onnx_same(made[i - 1], made[i]))
      ok = cored_refuse(refusal, CORED_REFUSAL_ONNX_DUPLICATE, "two values are named '%.*s'",
                        (int)(made[i].length < 128 ? made[i].length : 128), made[i].at);
  free(made);
  return ok;
}

bool cored_onnx_read(const CoredBytes *bytes, CoredOnnx *onnx, CoredRefusal *refusal) {
  Reader r = {.onnx = onnx, .refusal = refusal};
  const CoredProto in = {
      .file = bytes->data, .at = bytes->data, .end = bytes->data + bytes->size, .refusal = refusal};
  const bool ok = read_model(&r, in) && spread_file(&r, &onnx->initializers, false) &&
                  spread_file(&r, &onnx->constants, true);
  free(r.packed);
  if (!ok)
    return false;
  link_attributes(onnx);
  link_nodes(onnx);
  return check_names(onnx, refusal);
}

void cored_onnx_clear(CoredOnnx *onnx) {
  cored_loose_clear(&onnx->initializers);
  cored_loose_clear(&onnx->constants);
  free(onnx->nodes);
  free(onnx->inputs);
  free(onnx->outputs);
  free(onnx->metadata);
  free(onnx->attributes);
  free(onnx->texts);
  free(onnx->ints);
  *onnx = (CoredOnnx){0};
}

/* ---- Looking --------------------------------------------------------------------------------- */

bool cored_onnx_is(CoredOnnxText text, const char *expected) {
  return cored_onnx_same(text, (CoredOnnxText){expected, strlen(expected)});
}

bool cored_onnx_same(CoredOnnxText a, CoredOnnxText b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

const CoredOnnxAttribute *cored_onnx_attribute(const CoredOnnxNode *node, const char *name) {
  for (size_t i = 0; i < node->n_attributes; i++)
    if (cored_onnx_is(node->attributes[i].name, name))
      return &node->attributes[i];
  return NULL;
}

int64_t cored_onnx_int(const CoredOnnxNode *node, const char *name, int64_t otherwise) {
  const CoredOnnxAttribute *a = cored_onnx_attribute(node, name);
  return a && a->kind == CORED_ONNX_INT ? a->ints[0] : otherwise;
}

bool cored_onnx_ints(const CoredOnnxNode *node, const char *name, int64_t *out, size_t n) {
  const CoredOnnxAttribute *a = cored_onnx_attribute(node, name);
  if (!a || a->kind != CORED_ONNX_INTS || a->n_ints != n)
    return false;
  for (size_t i = 0; i < n; i++)
    out[i] = a->ints[i];
  return true;
}

static const CoredLoose *find_tensor(const CoredLooseFile *file, CoredOnnxText name) {
  for (size_t i = 0; i < file->n_tensors; i++)
    if (cored_onnx_is(name, file->tensors[i].name))
      return &file->tensors[i];
  return NULL;
}

const CoredLoose *cored_onnx_tensor(const CoredOnnx *onnx, CoredOnnxText name) {
  const CoredLoose *tensor = find_tensor(&onnx->initializers, name);
  return tensor ? tensor : find_tensor(&onnx->constants, name);
}

const CoredOnnxEntry *cored_onnx_metadata(const CoredOnnx *onnx, const char *key) {
  for (size_t i = 0; i < onnx->n_metadata; i++)
    if (cored_onnx_is(onnx->metadata[i].key, key))
      return &onnx->metadata[i];
  return NULL;
}
