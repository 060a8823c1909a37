/* SPDX-License-Identifier: MIT
 * ONNX files. The first byte of an input says what the rest is:
 *   even  a whole file
 *   odd   decisions from which a file is made whose lengths are right (initializers, nodes with
 *         attributes, metadata), and then changes of some of its bytes: triples of 2 bytes place
 * and 1 byte value. Of each item 1 byte its kind, 1 byte the length of its name and the name, and
 * what its kind needs. */
#include "fuzz.h"
#include "tools/convert/match.h"
#include "tools/convert/onnx-unfold.h"
#include "tools/convert/reader.h"

/* ---- Files whose lengths are right ------------------------------------------------------------
 */

static void put_varint(FuzzFile *o, uint64_t value) {
  for (; value > 127; value >>= 7)
    fuzz_put(o, &(uint8_t){(uint8_t)(value | 128)}, 1);
  fuzz_put(o, &(uint8_t){(uint8_t)value}, 1);
}

static void put_number(FuzzFile *o, unsigned field, uint64_t value) {
  put_varint(o, field << 3);
  put_varint(o, value);
}

static void put_bytes(FuzzFile *o, unsigned field, const void *bytes, size_t n) {
  put_varint(o, field << 3 | 2);
  put_varint(o, n);
  fuzz_put(o, bytes, n);
}

static void put_message(FuzzFile *o, unsigned field, const FuzzFile *message) {
  put_bytes(o, field, message->bytes, message->n);
}

/* Length and text of the input as a field. */
static void put_text(FuzzInput *in, FuzzFile *o, unsigned field) {
  size_t n;
  const unsigned length = fuzz_byte(in) % 64;
  const uint8_t *const text = fuzz_bytes(in, length, &n);
  put_bytes(o, field, text, n);
}

/* Type, number of dimensions, these, the field of the values, their length, and they. */
static void put_tensor(FuzzInput *in, FuzzFile *o, unsigned field) {
  FuzzFile t = {.n = 0};
  put_text(in, &t, 8);
  put_number(&t, 2, fuzz_byte(in) % 20);
  for (unsigned rank = fuzz_byte(in) % 10; rank > 0; rank--)
    put_number(&t, 1, fuzz_byte(in));
  put_text(in, &t, 1 + fuzz_byte(in) % 16);
  put_message(o, field, &t);
}

static void put_attribute(FuzzInput *in, FuzzFile *o) {
  FuzzFile a = {.n = 0};
  const unsigned kind = fuzz_byte(in);
  put_text(in, &a, 1);
  if (kind % 4 == 0)
    put_number(&a, 3, fuzz_u16(in));
  else if (kind % 4 == 1)
    for (unsigned n = fuzz_byte(in) % 8; n > 0; n--)
      put_number(&a, 8, fuzz_byte(in));
  else if (kind % 4 == 2)
    put_tensor(in, &a, 5);
  else
    put_text(in, &a, 4 + fuzz_byte(in) % 20);
  if (kind & 64)
    put_number(&a, 20, kind % 16);
  put_message(o, 5, &a);
}

static void put_node(FuzzInput *in, FuzzFile *o) {
  FuzzFile node = {.n = 0};
  const unsigned kind = fuzz_byte(in);
  put_text(in, &node, 4);
  for (unsigned n = kind % 4; n > 0; n--)
    put_text(in, &node, 1);
  for (unsigned n = kind / 4 % 4; n > 0; n--)
    put_text(in, &node, 2);
  for (unsigned n = kind / 16 % 4; n > 0; n--)
    put_attribute(in, &node);
  put_message(o, 1, &node);
}

static void make(FuzzInput *in, FuzzFile *o) {
  static FuzzFile graph;
  graph.n = 0;
  put_number(o, 1, 3 + fuzz_byte(in) % 12);
  put_text(in, o, 2);
  for (unsigned n = fuzz_byte(in) % 6; n > 0; n--) {
    const unsigned what = fuzz_byte(in) % 4;
    if (what == 0)
      put_tensor(in, &graph, 5);
    else if (what == 1)
      put_node(in, &graph);
    else
      put_text(in, &graph, fuzz_byte(in) % 20);
  }
  put_message(o, 7, &graph);
  put_text(in, o, 14);
  fuzz_change(in, o->bytes, o->n);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static size_t sum; /* so that the reading is not left out */

static void see(CoredOnnxText text, const CoredBytes *bytes) {
  fuzz_expect(text.length == 0 ||
              ((const uint8_t *)text.at >= bytes->data &&
               (const uint8_t *)text.at + text.length <= bytes->data + bytes->size));
  for (size_t i = 0; i < text.length; i++)
    sum += (uint8_t)text.at[i];
}

static void see_file(const CoredLooseFile *file) {
  for (size_t i = 0; i < file->n_tensors; i++)
    free(cored_loose_copy(&file->tensors[i]));
}

static void see_node(const CoredOnnxNode *node, const CoredBytes *bytes) {
  int64_t pads[4];
  see(node->op, bytes);
  for (size_t i = 0; i < node->n_inputs; i++)
    see(node->inputs[i], bytes);
  for (size_t i = 0; i < node->n_outputs; i++)
    see(node->outputs[i], bytes);
  for (size_t i = 0; i < node->n_attributes; i++) {
    const CoredOnnxAttribute *const a = &node->attributes[i];
    see(a->name, bytes);
    fuzz_expect((a->kind == CORED_ONNX_TENSOR) == (a->tensor != NULL));
    fuzz_expect(a->kind != CORED_ONNX_INT || a->n_ints == 1);
    for (size_t k = 0; k < a->n_ints; k++)
      sum += (size_t)a->ints[k];
  }
  sum += (size_t)cored_onnx_int(node, "group", 1) + cored_onnx_ints(node, "pads", pads, 4);
}

static void read_structure(const CoredBytes *bytes) {
  CoredOnnx onnx = {0};
  CoredRefusal refusal = {0};
  const bool ok = cored_onnx_read(bytes, &onnx, &refusal);
  fuzz_expect(ok == (refusal.code == CORED_REFUSAL_NONE));
  for (size_t i = 0; ok && i < onnx.n_nodes; i++)
    see_node(&onnx.nodes[i], bytes);
  if (ok) {
    see_file(&onnx.initializers);
    see_file(&onnx.constants);
    if (cored_onnx_is_folded(&onnx)) {
      const char *network;
      CoredRefusal why = {0};
      const bool unfolded = cored_onnx_unfold(&onnx, NULL, &network, &why);
      fuzz_expect(unfolded == (why.code == CORED_REFUSAL_NONE));
      see_file(&onnx.initializers);
    }
  }
  cored_onnx_clear(&onnx);
}

/* Shorter files are refused before anybody looks what they are. */
static void read_weights(const CoredBytes *bytes, bool survey) {
  CoredReadOptions options = {.survey = survey};
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  CoredImportMatch match;
  if (bytes->size >= 8 && cored_format_of(bytes, &refusal) == CORED_FORMAT_ONNX &&
      cored_reader_read(bytes, &options, 0, &file, &refusal)) {
    see_file(&file);
    cored_import_match(&file, NULL, &match, &refusal);
    cored_import_match_clear(&match);
  }
  cored_loose_clear(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static FuzzFile out;
  FuzzInput in = {data, size};
  out.n = 0;
  if (fuzz_byte(&in) % 2 == 0 && in.size <= sizeof out.bytes)
    fuzz_put(&out, in.data, in.size);
  else
    make(&in, &out);
  uint8_t *const exact = malloc(out.n ? out.n : 1); /* reading beyond its end is found */
  if (!exact)
    return 0;
  memcpy(exact, out.bytes, out.n);
  const CoredBytes bytes = {.data = exact, .size = out.n};
  read_structure(&bytes);
  read_weights(&bytes, false);
  read_weights(&bytes, true);
  free(exact);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      /* a whole file: a node with an attribute, a tensor with raw values, an input */
      FUZZ_SEED("\0\x08\x08\x3a\x35\x0a\x19\x0a\x01x\x0a\x01w\x12\x01y\x22\x04"
                "Conv\x2a\x08\x0a\x01p\x40\x01\x40\x02\x18"
                "\x2a\x0e\x08\x01\x10\x01\x42\x01w\x4a\x04"
                "abcd\x5a\x03\x0a\x01x\x62\x03\x0a\x01y"),
      /* made: a tensor of raw floats */
      FUZZ_SEED("\1\5\4test\1\0\1w\1\2\1\2\10\10abcdefgh"),
      /* packed integers and a node of two inputs with a list of integers */
      FUZZ_SEED("\1\5\0\2\0\1i\7\1\3\6\3\1\2\3\1\26\4Conv\1x\1i\1y\101\4pads\4\0\0\1\1\4meta"),
      /* a constant, a text */
      FUZZ_SEED("\1\5\0\1\1\45\10Constant\1x\1y\2\5value\0\1\1\1\3\4abcd\7\4mode\0\3"),
      /* metadata of a model of ours */
      FUZZ_SEED("\1\5\0\0\21\12\14cored.format\22\1"
                "1"),
      /* a number of an attribute, changed afterwards */
      FUZZ_SEED("\1\5\0\1\1\25\4Relu\1x\1y\0\5group\1\0\0\0\20\0\377"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
