/* SPDX-License-Identifier: MIT
 * Writing a model as an ONNX file: the network as nodes, its parameters as initializers under their
 * published names, and what the model says of itself as metadata. The weights are not copied: the
 * file is put together of pieces, those of the weights where the model has them. */
#include "tools/convert/onnx-write.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "model/format.h"
#include "model/model.h"
#include "tools/convert/onnx-fields.h"
#include "tools/convert/onnx-graph.h"

#define IR_VERSION 8

/* GStreamer's registry of tensors: what a decoder knows these outputs by. */
#define PROBABILITIES_ID "classification-generic-softmaxed-out"
#define LOGITS_ID "classification-generic-out"

typedef struct Export {
  const CoredModel *model;
  const CoredModelInfo *info;
  bool without_logits;
  CoredProtoOut head, nodes, *tensors, ends, tail; /* in the order of the file */
  size_t n_tensors;
  CoredText modelinfo, labels;
} Export;

/* ---- Values and metadata ----------------------------------------------------------------------
 */

/* A dynamic dimension first, then n numbers. */
static void put_value(CoredProtoOut *out, uint32_t field, const char *name, const int *dims,
                      int n) {
  CoredProtoOut dim = {0}, shape = {0}, tensor = {0}, type = {0}, value = {0};
  cored_proto_put_text(&dim, DIM_PARAM, "batch");
  cored_proto_put_message(&shape, SHAPE_DIM, &dim);
  for (int i = 0; i < n; i++) {
    cored_proto_put_number(&dim, DIM_VALUE, (uint64_t)dims[i]);
    cored_proto_put_message(&shape, SHAPE_DIM, &dim);
  }
  cored_proto_put_number(&tensor, TYPE_TENSOR_ELEMENT, DATA_FLOAT);
  cored_proto_put_message(&tensor, TYPE_TENSOR_SHAPE, &shape);
  cored_proto_put_message(&type, TYPE_TENSOR, &tensor);
  cored_proto_put_text(&value, VALUE_NAME, name);
  cored_proto_put_message(&value, VALUE_TYPE, &type);
  cored_proto_put_message(out, field, &value);
}

static void put_ends(Export *e) {
  const int pixels[] = {3, e->info->input_height, e->info->input_width};
  put_value(&e->ends, GRAPH_INPUT, CORED_ONNX_INPUT, pixels, 3);
  put_value(&e->ends, GRAPH_OUTPUT, CORED_ONNX_PROBABILITIES, &e->info->n_classes, 1);
  if (!e->without_logits)
    put_value(&e->ends, GRAPH_OUTPUT, CORED_ONNX_LOGITS, &e->info->n_classes, 1);
}

static void put_entry(CoredProtoOut *out, const char *key, const char *value) {
  CoredProtoOut entry = {0};
  cored_proto_put_text(&entry, ENTRY_KEY, key);
  cored_proto_put_text(&entry, ENTRY_VALUE, value);
  cored_proto_put_message(out, MODEL_METADATA_PROPS, &entry);
}

/* Hashes, the signature and the self-test speak of the model's own file. */
static bool of_the_file(const char *key) {
  static const char *const keys[] = {CORED_KEY_SHA256, CORED_KEY_HEADER_SHA256, CORED_KEY_KEY_ID,
                                     CORED_KEY_SIGNATURE, CORED_KEY_SELF_TEST};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0)
      return true;
  return false;
}

/* GStreamer 1.26 looks the outputs' names up among the entries. */
static bool put_metadata(Export *e) {
  CoredMetadata metadata = {0};
  const bool ok =
      cored_metadata_copy(&metadata, &e->model->metadata) && cored_info_write(e->info, &metadata);
  for (size_t i = 0; i < metadata.n && ok; i++)
    if (!of_the_file(metadata.pairs[i].key))
      put_entry(&e->tail, metadata.pairs[i].key, metadata.pairs[i].value);
  put_entry(&e->tail, CORED_ONNX_PROBABILITIES, PROBABILITIES_ID);
  if (!e->without_logits)
    put_entry(&e->tail, CORED_ONNX_LOGITS, LOGITS_ID);
  cored_metadata_clear(&metadata);
  return ok;
}

/* ---- The parts of the file --------------------------------------------------------------------
 */

/* A GraphProto's initializer up to its values, which follow. */
static void put_tensor(CoredProtoOut *out, const CoredTensorView *tensor) {
  CoredProtoOut message = {0};
  for (int i = 0; i < tensor->rank; i++)
    cored_proto_put_number(&message, TENSOR_DIMS, (uint64_t)tensor->dims[i]);
  cored_proto_put_number(&message, TENSOR_DATA_TYPE, DATA_FLOAT);
  cored_proto_put_text(&message, TENSOR_NAME, tensor->name);
  cored_proto_put_head(&message, TENSOR_RAW_DATA, tensor->size);
  cored_proto_put_head(out, GRAPH_INITIALIZER, (uint64_t)message.size + tensor->size);
  cored_proto_put_fields(out, &message);
  cored_proto_clear(&message);
}

/* Bytes of the graph, whose length stands before it; 0 where memory ran out. */
static uint64_t put_graph(Export *e) {
  cored_proto_put_text(&e->nodes, GRAPH_NAME, e->info->network);
  put_ends(e);
  uint64_t size = (uint64_t)e->nodes.size + e->ends.size;
  bool failed = e->nodes.failed || e->ends.failed;
  for (size_t i = 0; i < e->n_tensors; i++) {
    CoredTensorView tensor;
    cored_model_tensor(e->model, i, &tensor);
    put_tensor(&e->tensors[i], &tensor);
    size += (uint64_t)e->tensors[i].size + tensor.size;
    failed |= e->tensors[i].failed;
  }
  return failed ? 0 : size;
}

static bool put_model(Export *e, CoredError *error) {
  CoredProtoOut opset = {0};
  if (!cored_onnx_put_nodes(e->model->weights->graph, e->info->input_height, e->info->input_width,
                            e->info->temperature, &e->nodes, error))
    return false;
  const uint64_t size = put_graph(e);
  cored_proto_put_number(&e->head, MODEL_IR_VERSION, IR_VERSION);
  cored_proto_put_text(&e->head, MODEL_PRODUCER_NAME, "cored");
  cored_proto_put_text(&e->head, MODEL_PRODUCER_VERSION, CORED_VERSION);
  cored_proto_put_number(&e->head, MODEL_VERSION, e->info->generation);
  cored_proto_put_head(&e->head, MODEL_GRAPH, size);
  cored_proto_put_text(&opset, OPSET_DOMAIN, "");
  cored_proto_put_number(&opset, OPSET_VERSION, CORED_ONNX_OPSET);
  cored_proto_put_message(&e->tail, MODEL_OPSET_IMPORT, &opset);
  const bool ok = put_metadata(e) && size > 0 && !e->head.failed && !e->tail.failed;
  return ok || cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the ONNX file");
}

/* ---- The files beside it ----------------------------------------------------------------------
 */

static void add_section(CoredText *text, const char *name, const char *id, const char *direction) {
  const char *const parts[] = {
      "\n[", name, "]\nid=", id, "\ndir=", direction, "\ntype=float32\ndims=-1"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    cored_text_add(text, parts[i]);
}

static void add_dim(CoredText *text, int dim) {
  cored_text_add(text, ",");
  cored_text_add_uint(text, (uint64_t)dim);
}

/* What a byte of 0 and one of 255 become, for each channel. */
static void add_ranges(CoredText *text, const CoredModelInfo *info) {
  cored_text_add(text, "\nranges=");
  for (int c = 0; c < 3; c++) {
    const double mean = (double)info->mean[c], deviation = (double)info->std[c];
    cored_text_add(text, c ? ";" : "");
    cored_text_add_double(text, (0.0 - mean) / deviation);
    cored_text_add(text, ",");
    cored_text_add_double(text, (1.0 - mean) / deviation);
  }
}

static void write_modelinfo(Export *e) {
  CoredText *text = &e->modelinfo;
  cored_text_add(text, "[modelinfo]\nversion=1.0\ngroup-id=" PROBABILITIES_ID "\n");
  add_section(text, CORED_ONNX_INPUT, CORED_ONNX_INPUT, "input");
  add_dim(text, 3);
  add_dim(text, e->info->input_height);
  add_dim(text, e->info->input_width);
  add_ranges(text, e->info);
  cored_text_add(text, "\n");
  add_section(text, CORED_ONNX_PROBABILITIES, PROBABILITIES_ID, "output");
  add_dim(text, e->info->n_classes);
  cored_text_add(text, "\n");
  if (e->without_logits)
    return;
  add_section(text, CORED_ONNX_LOGITS, LOGITS_ID, "output");
  add_dim(text, e->info->n_classes);
  cored_text_add(text, "\n");
}

static void write_labels(Export *e) {
  for (int i = 0; i < e->info->n_classes; i++) {
    cored_text_add(&e->labels, e->info->labels[i]);
    cored_text_add(&e->labels, "\n");
  }
}

/* ---- Placing all three ------------------------------------------------------------------------
 */

/* A file to be placed, and the one that is placed once this one is written, before it takes its
 * name. */
typedef struct Placed {
  char *path;
  const CoredChunk *chunks;
  size_t n_chunks;
  struct Placed *inner;
} Placed;

static bool place_inner(void *user, const char *temporary, CoredError *error);

static bool place(Placed *file, CoredError *error) {
  const CoredPlacement placement = {
      .mode = 0666, .check = file->inner ? place_inner : NULL, .user = file};
  return cored_file_place(file->path, &placement, file->chunks, file->n_chunks, error);
}

static bool place_inner(void *user, const char *temporary, CoredError *error) {
  (void)temporary;
  return place(((Placed *)user)->inner, error);
}

/* Ctrl-C takes effect before or after: a model whose files belong to two versions would be wrong
 * without saying so. */
static bool place_undisturbed(Placed *file, CoredError *error) {
  sigset_t ending, before;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGHUP);
  sigprocmask(SIG_BLOCK, &ending, &before);
  const bool ok = place(file, error);
  sigprocmask(SIG_SETMASK, &before, NULL);
  return ok;
}

static size_t list_chunks(const Export *e, CoredChunk *chunks) {
  size_t n = 0;
  chunks[n++] = (CoredChunk){e->head.data, e->head.size};
  chunks[n++] = (CoredChunk){e->nodes.data, e->nodes.size};
  for (size_t i = 0; i < e->n_tensors; i++) {
    CoredTensorView tensor;
    cored_model_tensor(e->model, i, &tensor);
    chunks[n++] = (CoredChunk){e->tensors[i].data, e->tensors[i].size};
    chunks[n++] = (CoredChunk){tensor.data, tensor.size};
  }
  chunks[n++] = (CoredChunk){e->ends.data, e->ends.size};
  chunks[n++] = (CoredChunk){e->tail.data, e->tail.size};
  return n;
}

static char *beside(const char *path, const char *suffix) {
  char *name = NULL;
  return asprintf(&name, "%s%s", path, suffix) < 0 ? NULL : name;
}

static bool write_files(Export *e, const char *path, CoredError *error) {
  CoredChunk *chunks = calloc(2 * e->n_tensors + 4, sizeof *chunks);
  const CoredChunk texts[] = {{e->modelinfo.s, e->modelinfo.n}, {e->labels.s, e->labels.n}};
  Placed labels = {
      .path = beside(path, CORED_ONNX_LABELS_SUFFIX), .chunks = &texts[1], .n_chunks = 1};
  Placed modelinfo = {.path = beside(path, CORED_ONNX_MODELINFO_SUFFIX),
                      .chunks = &texts[0],
                      .n_chunks = 1,
                      .inner = &labels};
  Placed model = {.path = strdup(path), .chunks = chunks, .inner = &modelinfo};
  bool ok = chunks && labels.path && modelinfo.path && model.path && !e->modelinfo.failed &&
            !e->labels.failed;
  if (ok) {
    model.n_chunks = list_chunks(e, chunks);
    ok = place_undisturbed(&model, error);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the ONNX file", path);
  }
  free(labels.path);
  free(modelinfo.path);
  free(model.path);
  free(chunks);
  return ok;
}

static void clear(Export *e) {
  cored_proto_clear(&e->head);
  cored_proto_clear(&e->nodes);
  for (size_t i = 0; i < e->n_tensors && e->tensors; i++)
    cored_proto_clear(&e->tensors[i]);
  free(e->tensors);
  cored_proto_clear(&e->ends);
  cored_proto_clear(&e->tail);
  cored_text_clear(&e->modelinfo);
  cored_text_clear(&e->labels);
}

bool cored_onnx_write(const CoredModel *model, const char *path, bool without_logits,
                      CoredError *error) {
  Export e = {.model = model,
              .info = cored_model_info(model),
              .without_logits = without_logits,
              .n_tensors = cored_model_n_tensors(model)};
  e.tensors = calloc(e.n_tensors, sizeof *e.tensors);
  bool ok = e.tensors != NULL ||
            cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the ONNX file", path);
  if (ok) {
    write_modelinfo(&e);
    write_labels(&e);
    ok = put_model(&e, error) && write_files(&e, path, error);
  }
  clear(&e);
  return ok;
}
