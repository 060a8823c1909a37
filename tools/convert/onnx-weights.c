/* SPDX-License-Identifier: MIT
 * The initializers of an ONNX file as weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/format.h"
#include "tools/convert/onnx-graph.h"
#include "tools/convert/onnx.h"

/* Shapes and indices that a network computes with. */
static bool drop_integers(CoredLooseFile *file) {
  size_t kept = 0, dropped = 0;
  for (size_t i = 0; i < file->n_tensors; i++) {
    CoredDtype dtype;
    if (cored_scalar_to_dtype(file->tensors[i].scalar, &dtype)) {
      file->tensors[kept++] = file->tensors[i];
    } else {
      free(file->tensors[i].name);
      dropped++;
    }
  }
  file->n_tensors = kept;
  return dropped == 0 || cored_lines_add(&file->notes, "%zu tensors of integers left out", dropped);
}

static bool is_size(int64_t dim) {
  return dim >= 1 && dim <= CORED_MAX_INPUT_SIZE;
}

/* [batch, 3, height, width]: the size that the network was exported for. */
void cored_onnx_input_size(const CoredOnnx *onnx, CoredHints *hints) {
  for (size_t i = 0; i < onnx->n_inputs; i++) {
    const CoredOnnxValue *input = &onnx->inputs[i];
    if (input->rank != 4 || input->dims[1] != 3 || !is_size(input->dims[2]) ||
        !is_size(input->dims[3]) || cored_onnx_tensor(onnx, input->name))
      continue;
    hints->height = (int)input->dims[2];
    hints->width = (int)input->dims[3];
    snprintf(hints->size_key, sizeof hints->size_key, "the network's input");
    return;
  }
}

/* With a NUL behind it; the caller frees it. Not by strndup, which a sanitizer takes for reading
 * past the end of the file. */
static char *copy_text(CoredOnnxText text) {
  char *copy = calloc(text.length + 1, 1);
  if (copy && text.length > 0)
    memcpy(copy, text.at, text.length);
  return copy;
}

/* The entries of a file that cored-convert wrote, less those that are there for other programs. In
 * any other file they mean nothing here. */
static bool take_metadata(const CoredOnnx *onnx, CoredMetadata *metadata) {
  bool ok = true;
  if (!cored_onnx_metadata(onnx, CORED_KEY_FORMAT))
    return true;
  for (size_t i = 0; i < onnx->n_metadata && ok; i++) {
    const CoredOnnxEntry *entry = &onnx->metadata[i];
    if (cored_onnx_is(entry->key, CORED_ONNX_PROBABILITIES) ||
        cored_onnx_is(entry->key, CORED_ONNX_LOGITS))
      continue;
    char *key = copy_text(entry->key);
    char *value = copy_text(entry->value);
    ok = key && value && cored_metadata_set(metadata, key, value);
    free(key);
    free(value);
  }
  return ok;
}

bool cored_onnx_take_weights(CoredOnnx *onnx, CoredLooseFile *file, CoredRefusal *refusal) {
  cored_onnx_input_size(onnx, &onnx->initializers.hints);
  *file = onnx->initializers;
  file->format = "ONNX";
  onnx->initializers = (CoredLooseFile){0};
  return (drop_integers(file) && take_metadata(onnx, &file->metadata)) ||
         cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for notes and metadata");
}

bool cored_onnx_read_weights(const CoredBytes *bytes, CoredLooseFile *file, CoredRefusal *refusal) {
  CoredOnnx onnx = {0};
  file->format = "ONNX";
  const bool ok =
      cored_onnx_read(bytes, &onnx, refusal) && cored_onnx_take_weights(&onnx, file, refusal);
  cored_onnx_clear(&onnx);
  return ok;
}
