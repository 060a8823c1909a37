/* SPDX-License-Identifier: MIT
 * A strict reader of ONNX files: initializers, nodes, inputs, outputs and metadata of one graph.
 *
 * Texts and values are views into the file's bytes. Refused by name, because no network that is
 * imported here needs it: subgraphs (and with them every nesting), functions, external, sparse and
 * segmented data, element types that weights do not have, names that are there twice, and whatever
 * a field of the wrong type or a length beyond the end of its message tries. */
#ifndef CORED_CONVERT_ONNX_H
#define CORED_CONVERT_ONNX_H

#include "tools/convert/bytes.h"
#include "tools/convert/loose.h"

#define CORED_ONNX_MAX_NODES 65536 /* in the graph */
#define CORED_ONNX_MAX_ITEMS                                                                       \
  1048576u /* attributes, names of values, integers of attributes: each */

/* UTF-8 in the file, without NUL and not terminated; control characters possible. */
typedef struct CoredOnnxText {
  const char *at;
  size_t length;
} CoredOnnxText;

typedef enum CoredOnnxKind {
  CORED_ONNX_INT,
  CORED_ONNX_INTS,
  CORED_ONNX_FLOAT,
  CORED_ONNX_STRING,
  CORED_ONNX_TENSOR,
  CORED_ONNX_OTHER /* empty tensors, lists of floats, of texts and the like: not kept */
} CoredOnnxKind;

typedef struct CoredOnnxAttribute {
  CoredOnnxText name;
  CoredOnnxKind kind;
  float number;        /* FLOAT */
  CoredOnnxText text;  /* STRING */
  const int64_t *ints; /* INT, INTS */
  size_t n_ints;
  const CoredLoose *tensor; /* TENSOR: one of CoredOnnx.constants */
} CoredOnnxAttribute;

typedef struct CoredOnnxNode {
  CoredOnnxText op;            /* "Conv" */
  CoredOnnxText domain;        /* "" is ONNX's own */
  CoredOnnxText name;          /* may be empty */
  const CoredOnnxText *inputs; /* names of values; "" is an optional one that is left out */
  const CoredOnnxText *outputs;
  size_t n_inputs, n_outputs;
  const CoredOnnxAttribute *attributes;
  size_t n_attributes;
} CoredOnnxNode;

/* An input or an output of the graph. */
typedef struct CoredOnnxValue {
  CoredOnnxText name;
  int rank;                           /* -1: not told, or no tensor */
  int64_t dims[CORED_LOOSE_MAX_RANK]; /* -1: dynamic */
} CoredOnnxValue;

typedef struct CoredOnnxEntry { /* of the metadata */
  CoredOnnxText key, value;
} CoredOnnxEntry;

typedef struct CoredOnnx {
  int64_t ir_version;
  int64_t opset; /* version of ONNX's own operators; 0: not told */
  CoredOnnxText producer;
  CoredLooseFile initializers; /* names without NUL; those without elements are left out */
  CoredLooseFile constants;    /* tensors of attributes, named after their node's first output */
  CoredOnnxNode *nodes;        /* in the order of the file: what a node reads is made before it */
  CoredOnnxValue *inputs;      /* older files list the initializers among them */
  CoredOnnxValue *outputs;
  CoredOnnxEntry *metadata;
  size_t n_nodes, n_inputs, n_outputs, n_metadata;
  CoredOnnxAttribute *attributes; /* of all nodes */
  CoredOnnxText *texts;           /* names of values, of all nodes */
  int64_t *ints;                  /* of all attributes */
  size_t n_attributes, n_texts, n_ints;
} CoredOnnx;

/* Read a whole file, whose bytes have to stay. onnx has to be empty; the caller clears it in either
 * case. */
bool cored_onnx_read(const CoredBytes *bytes, CoredOnnx *onnx, CoredRefusal *refusal);
void cored_onnx_clear(CoredOnnx *onnx);

bool cored_onnx_is(CoredOnnxText text, const char *expected);
bool cored_onnx_same(CoredOnnxText a, CoredOnnxText b);

/* NULL where there is none of this name. */
const CoredOnnxAttribute *cored_onnx_attribute(const CoredOnnxNode *node, const char *name);
/* The value of an attribute of kind INT, or what it is where the node has none of this name. */
int64_t cored_onnx_int(const CoredOnnxNode *node, const char *name, int64_t otherwise);
/* Exactly n numbers of an attribute of kind INTS ("kernel_shape", "strides", "pads"); false, with
 * out untouched, where the node has no such attribute or one of another length. */
bool cored_onnx_ints(const CoredOnnxNode *node, const char *name, int64_t *out, size_t n);
/* The initializer, or else the constant, of this name; NULL where there is none. */
const CoredLoose *cored_onnx_tensor(const CoredOnnx *onnx, CoredOnnxText name);
/* NULL where there is none. */
const CoredOnnxEntry *cored_onnx_metadata(const CoredOnnx *onnx, const char *key);

/* The size that the network was exported for, into hints; untouched where it takes any. */
void cored_onnx_input_size(const CoredOnnx *onnx, CoredHints *hints);

/* The initializers as weights for the matching of names, moved into file, which is empty. Integers,
 * which are no weights, are left out. */
bool cored_onnx_take_weights(CoredOnnx *onnx, CoredLooseFile *file, CoredRefusal *refusal);
/* The same of a whole file's bytes, which have to stay. */
bool cored_onnx_read_weights(const CoredBytes *bytes, CoredLooseFile *file, CoredRefusal *refusal);

#endif /* CORED_CONVERT_ONNX_H */
