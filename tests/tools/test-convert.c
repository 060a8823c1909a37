/* SPDX-License-Identifier: MIT
 * The readers of foreign weight files from inside: allow-lists, small files cut and changed at
 * every byte, every allocation failing once, tensors that are not in C order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fuzz/pth-seed.h"
#include "networks/registry.h"
#include "tools/convert/advice.h"
#include "tools/convert/match.h"
#include "tools/convert/onnx-fields.h"
#include "tools/convert/onnx-write.h"
#include "tools/convert/onnx.h"
#include "tools/convert/pickle.h"
#include "tools/convert/protobuf.h"
#include "tools/convert/reader.h"

/* ---- Allocations that fail ------------------------------------------------------------------- */

static long countdown; /* 1: the next allocation fails; 0: none does */

static bool fails(void) {
  return countdown > 0 && --countdown == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : __real_calloc(n, size);
}
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size) {
  return fails() ? NULL : __real_realloc(old, size);
}

/* ---- Files ----------------------------------------------------------------------------------- */

typedef struct File {
  uint8_t bytes[4096];
  size_t size;
} File;

static File make(size_t seed, bool legacy) {
  uint8_t pickle[2048];
  size_t n = cored_seed_pickle(seed, pickle, sizeof pickle);
  File file;
  file.size = (legacy ? cored_seed_legacy : cored_seed_zip)(pickle, n, seed == 1 ? 3 : 1,
                                                            file.bytes, sizeof file.bytes);
  assert_true(n > 0 && file.size > 0);
  return file;
}

/* Names, types, shapes and values of all tensors as one number. */
static uint64_t digest(const CoredLooseFile *file) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, 64 bits */
  for (size_t i = 0; i < file->n_tensors; i++) {
    const CoredLoose *t = &file->tensors[i];
    uint8_t *values = cored_loose_copy(t);
    const struct {
      const void *data;
      size_t size;
    } parts[] = {{t->name, strlen(t->name)},
                 {&t->scalar, sizeof t->scalar},
                 {t->dims, (size_t)t->rank * sizeof *t->dims},
                 {values, t->count * cored_scalar_size(t->scalar)}};
    assert_non_null(values);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
      for (size_t b = 0; b < parts[p].size; b++)
        hash = (hash ^ ((const uint8_t *)parts[p].data)[b]) * 0x100000001b3u;
    free(values);
  }
  return hash;
}

/* Read a copy that ends where it ends; 0 when it is refused. */
static uint64_t read_copy(const uint8_t *bytes, size_t size, CoredRefusal *refusal) {
  CoredBytes copy = {.data = __real_malloc(size ? size : 1), .size = size};
  memcpy(copy.data, bytes, size);
  CoredLooseFile file = {0};
  *refusal = (CoredRefusal){0};
  uint64_t found = 0;
  if (cored_reader_read(&copy, &(CoredReadOptions){0}, 4096, &file, refusal)) {
    assert_int_equal(refusal->code, CORED_REFUSAL_NONE);
    countdown = 0;
    found = digest(&file);
  } else {
    assert_int_not_equal(refusal->code, CORED_REFUSAL_NONE);
    assert_true(strlen(refusal->message) > 0);
  }
  cored_loose_clear(&file);
  free(copy.data);
  return found;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void allow_lists_are_as_long_as_documented(void **state) {
  (void)state;
  assert_int_equal(cored_pickle_opcode_count(), 32);
  assert_in_range(cored_global_count(), 20, 22);
  for (int i = 0; i < CORED_N_REFUSAL_CODES; i++)
    for (int k = 0; k < i; k++)
      assert_string_not_equal(cored_refusal_code_name((CoredRefusalCode)i),
                              cored_refusal_code_name((CoredRefusalCode)k));
}

/* No refusal leaves the user without a next step. */
static void every_refusal_has_a_next_step(void **state) {
  (void)state;
  const char *nothing = cored_advice(CORED_REFUSAL_NONE);
  for (int i = CORED_REFUSAL_NONE + 1; i < CORED_N_REFUSAL_CODES; i++) {
    const char *advice = cored_advice((CoredRefusalCode)i);
    assert_true(strlen(advice) > 20);
    assert_string_not_equal(advice, nothing);
  }
  for (int i = CORED_ERROR_NONE + 1; i < CORED_N_ERROR_CODES; i++) {
    const CoredError error = {.code = (CoredErrorCode)i, .message = "x"};
    assert_true(strlen(cored_advice_for_error(&error)) > 20);
  }
}

/* A tensor of the shape of a parameter of `network`, for every parameter; the values are shared. */
static void fill(CoredLooseFile *file, const char *network, const char *prefix, float *values) {
  CoredGraph *graph = cored_network_graph(cored_network_find(network), 2, NULL);
  assert_non_null(graph);
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *param = &graph->params[i];
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, param->name);
    CoredLoose *tensor = cored_loose_add(file, name, strlen(name));
    assert_non_null(tensor);
    tensor->rank = param->rank;
    tensor->count = param->count;
    tensor->data = (const uint8_t *)values;
    int64_t stride = 1;
    for (int d = param->rank - 1; d >= 0; stride *= param->dims[d--]) {
      tensor->dims[d] = param->dims[d];
      tensor->strides[d] = stride;
    }
  }
  cored_graph_free(graph);
}

/* Edits and matching with every allocation failing in turn: reported, nothing lost. */
static void matching_survives_failing_allocations(void **state) {
  (void)state;
  float *values = calloc(16 * 1024, sizeof *values); /* meso4's largest parameter */
  const char *const strip[] = {"outer", NULL}, *const rename[] = {"outer.a.fc2=outer.a.head", NULL},
                    *const drop[] = {"b.*", NULL};
  const CoredNameEdits edits = {.strip = strip, .rename = rename, .drop = drop};
  bool ok = false;
  long n = 0;
  while (!ok) {
    CoredLooseFile file = {0};
    CoredImportMatch match = {0};
    CoredRefusal refusal = {0};
    fill(&file, "meso4", "outer.a.module.", values);
    fill(&file, "meso4", "b.", values);
    for (size_t i = 0; i < file.n_tensors; i++) /* an edit of its own for the classifier */
      if (strstr(file.tensors[i].name, "module.fc2"))
        memmove(strstr(file.tensors[i].name, "module."), strstr(file.tensors[i].name, "fc2"),
                strlen(strstr(file.tensors[i].name, "fc2")) + 1);
    countdown = ++n;
    ok = cored_names_edit(&file, &edits, &file.notes, &refusal) &&
         cored_import_match(&file, NULL, &match, &refusal);
    countdown = 0;
    assert_int_equal(refusal.code, ok ? CORED_REFUSAL_NONE : CORED_REFUSAL_NO_MEMORY);
    if (ok)
      assert_int_equal(match.n_views, 28);
    cored_import_match_clear(&match);
    cored_loose_clear(&file);
    assert_true(n < 20000);
  }
  free(values);
  assert_true(n > 50);
}

static void a_network_that_does_not_exist_is_refused(void **state) {
  (void)state;
  CoredLooseFile file = {0};
  CoredImportMatch match = {0};
  CoredRefusal refusal = {0};
  float *values = calloc(16 * 1024, sizeof *values);
  fill(&file, "meso4", "", values);
  assert_false(cored_import_match(&file, "meso\x1b", &match, &refusal));
  assert_int_equal(refusal.code, CORED_REFUSAL_NETWORK_UNKNOWN);
  assert_string_equal(refusal.message, "there is no network 'meso\\x1b'");
  cored_import_match_clear(&match);
  cored_loose_clear(&file);
  free(values);
}

static void good_files_are_read(void **state) {
  (void)state;
  static const size_t tensors[] = {1, 3, 1, 1, 1, 0, 1, 1, 0, 0};
  for (size_t seed = 0; seed < sizeof tensors / sizeof *tensors; seed++)
    for (int legacy = 0; legacy < 2; legacy++) {
      File file = make(seed, legacy);
      CoredRefusal refusal;
      uint64_t found = read_copy(file.bytes, file.size, &refusal);
      bool counts_differ = legacy && seed >= 2 && seed <= 3; /* 6 elements in the stream's record */
      if (tensors[seed] > 0 && !counts_differ)
        assert_int_equal(refusal.code, CORED_REFUSAL_NONE);
      assert_int_equal(found != 0, tensors[seed] > 0 && !counts_differ);
    }
}

/* M04, M06 */
static void every_length_but_the_right_one_is_refused(void **state) {
  (void)state;
  for (int legacy = 0; legacy < 2; legacy++) {
    File file = make(1, legacy);
    CoredRefusal refusal;
    for (size_t size = 8; size < file.size; size++)
      assert_int_equal(read_copy(file.bytes, size, &refusal), 0);
    for (size_t more = 1; more <= 64; more++) {
      file.bytes[file.size + more - 1] = (uint8_t)(more % 3);
      assert_int_equal(read_copy(file.bytes, file.size + more, &refusal), 0);
    }
  }
}

/* M05: an archive has checksums, so that a changed byte is found or changes nothing (dates, file
 * attributes); a legacy stream has none, and only has to be survived. */
static void every_changed_byte_is_found_or_harmless(void **state) {
  (void)state;
  static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x20};
  for (int legacy = 0; legacy < 2; legacy++) {
    File file = make(1, legacy);
    CoredRefusal refusal;
    uint64_t right = read_copy(file.bytes, file.size, &refusal);
    size_t accepted = 0;
    for (size_t i = 0; i < file.size; i++)
      for (size_t c = 0; c < sizeof changes; c++) {
        file.bytes[i] ^= changes[c];
        uint64_t found = read_copy(file.bytes, file.size, &refusal);
        file.bytes[i] ^= changes[c];
        accepted += found != 0;
        if (found != 0 && !legacy)
          assert_int_equal(found, right);
      }
    /* Of an archive: times, dates and attributes of 5 entries. */
    assert_in_range(accepted, 1, legacy ? 4 * file.size / 2 : 5 * 4 * 20);
  }
}

/* M79 */
static void every_failing_allocation_is_reported(void **state) {
  (void)state;
  for (int legacy = 0; legacy < 2; legacy++) {
    File file = make(1, legacy);
    CoredRefusal refusal;
    uint64_t found = 0;
    long n = 0;
    while (found == 0) {
      countdown = ++n;
      found = read_copy(file.bytes, file.size, &refusal);
      if (found == 0)
        assert_int_equal(refusal.code, CORED_REFUSAL_NO_MEMORY);
      countdown = 0;
      assert_true(n < 1000);
    }
    assert_true(n > 8);
  }
}

/* ---- ONNX ------------------------------------------------------------------------------------ */

/* A tensor with two values in the field of their type. */
static void put_tensor(CoredProtoOut *out, uint32_t field, const char *name, unsigned type,
                       uint32_t values, const void *data, size_t size) {
  CoredProtoOut tensor = {0};
  cored_proto_put_number(&tensor, TENSOR_DIMS, 2);
  cored_proto_put_number(&tensor, TENSOR_DATA_TYPE, type);
  cored_proto_put_text(&tensor, TENSOR_NAME, name);
  cored_proto_put_bytes(&tensor, values, data, size);
  cored_proto_put_message(out, field, &tensor);
}

static void put_node(CoredProtoOut *graph) {
  CoredProtoOut node = {0}, pads = {0}, value = {0};
  cored_proto_put_text(&pads, ATTRIBUTE_NAME, "pads");
  for (unsigned i = 0; i < 4; i++)
    cored_proto_put_number(&pads, ATTRIBUTE_INTS, i);
  cored_proto_put_text(&value, ATTRIBUTE_NAME, "value");
  put_tensor(&value, ATTRIBUTE_T, "", DATA_INT64, TENSOR_INT64_DATA, "\5\377\1", 3);
  cored_proto_put_message(&node, NODE_ATTRIBUTE, &pads); /* before what they are attributes of */
  cored_proto_put_text(&node, NODE_OUTPUT, "y");
  cored_proto_put_text(&node, NODE_INPUT, "x");
  cored_proto_put_message(&node, NODE_ATTRIBUTE, &value);
  cored_proto_put_text(&node, NODE_OP_TYPE, "Conv");
  cored_proto_put_text(&node, NODE_INPUT, "w");
  cored_proto_put_message(graph, GRAPH_NODE, &node);
}

/* A whole file; the caller clears it. */
static CoredProtoOut make_onnx(void) {
  CoredProtoOut file = {0}, graph = {0}, entry = {0}, input = {0};
  put_node(&graph);
  put_tensor(&graph, GRAPH_INITIALIZER, "w", DATA_FLOAT, TENSOR_RAW_DATA, "12345678", 8);
  put_tensor(&graph, GRAPH_INITIALIZER, "i", DATA_INT32, TENSOR_INT32_DATA, "\1\200\1", 3);
  cored_proto_put_text(&input, VALUE_NAME, "x");
  cored_proto_put_message(&graph, GRAPH_INPUT, &input);
  cored_proto_put_text(&entry, ENTRY_KEY, "cored.format");
  cored_proto_put_text(&entry, ENTRY_VALUE, "1");
  cored_proto_put_number(&file, MODEL_IR_VERSION, 8);
  cored_proto_put_text(&file, MODEL_PRODUCER_NAME, "test");
  cored_proto_put_message(&file, MODEL_METADATA_PROPS, &entry);
  cored_proto_put_message(&file, MODEL_GRAPH, &graph);
  assert_false(file.failed);
  return file;
}

static void an_onnx_graph_is_read_as_it_is(void **state) {
  (void)state;
  CoredProtoOut made = make_onnx();
  CoredOnnx onnx = {0};
  CoredRefusal refusal = {0};
  int64_t pads[4], too_few[3];
  assert_true(cored_onnx_read(&(CoredBytes){made.data, made.size}, &onnx, &refusal));
  assert_int_equal(onnx.n_nodes, 1);
  const CoredOnnxNode *node = &onnx.nodes[0];
  assert_true(cored_onnx_is(node->op, "Conv") && cored_onnx_is(node->domain, ""));
  assert_int_equal(node->n_inputs, 2);
  assert_true(cored_onnx_is(node->inputs[0], "x") && cored_onnx_is(node->inputs[1], "w"));
  assert_true(node->n_outputs == 1 && cored_onnx_is(node->outputs[0], "y"));
  assert_true(cored_onnx_ints(node, "pads", pads, 4) && pads[0] == 0 && pads[3] == 3);
  assert_false(cored_onnx_ints(node, "pads", too_few, 3));
  assert_int_equal(cored_onnx_int(node, "group", 7), 7);
  /* The constant is known by what its node makes; its integers were spread out. */
  const CoredLoose *value = cored_onnx_attribute(node, "value")->tensor;
  assert_string_equal(value->name, "y");
  assert_ptr_equal(value, cored_onnx_tensor(&onnx, node->outputs[0]));
  const int64_t expected[2] = {5, 255};
  assert_memory_equal(value->data, expected, sizeof expected);
  const CoredLoose *integers = cored_onnx_tensor(&onnx, (CoredOnnxText){"i", 1});
  const int32_t spread[2] = {1, 128};
  assert_memory_equal(integers->data, spread, sizeof spread);
  assert_null(cored_onnx_tensor(&onnx, (CoredOnnxText){"x", 1}));
  assert_true(cored_onnx_is(cored_onnx_metadata(&onnx, "cored.format")->value, "1"));
  assert_true(onnx.n_inputs == 1 && onnx.inputs[0].rank == -1);
  cored_onnx_clear(&onnx);
  cored_proto_clear(&made);
}

static void reading_onnx_survives_failing_allocations(void **state) {
  (void)state;
  CoredProtoOut made = make_onnx();
  CoredRefusal refusal;
  uint64_t found = 0;
  for (long n = 1; found == 0; n++) {
    countdown = n;
    found = read_copy(made.data, made.size, &refusal);
    countdown = 0;
    assert_true(found != 0 || refusal.code == CORED_REFUSAL_NO_MEMORY);
    assert_in_range(n, 1, 1000);
  }
  cored_proto_clear(&made);
}

/* Nothing is written before all of it is there. */
static void writing_onnx_survives_failing_allocations(void **state) {
  (void)state;
  static const char *const beside[] = {"", ".modelinfo", ".labels.txt"};
  char folder[] = "/tmp/test-convert-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.onnx", folder);
  CoredModelInfo info;
  CoredError error = {0};
  assert_true(cored_model_info_init(&info, "meso4", 2, &error));
  info.temperature = 2.0;
  CoredModel *model = cored_model_new_random(&info, 1, &error);
  assert_non_null(model);
  bool ok = false;
  for (long n = 1; !ok; n += n < 300 ? 1 : 7) {
    error = (CoredError){0};
    countdown = n;
    ok = cored_onnx_write(model, path, false, &error);
    countdown = 0;
    assert_true(ok || (error.code == CORED_ERROR_NO_MEMORY && access(path, F_OK) != 0));
    assert_in_range(n, 1, 100000);
  }
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
    snprintf(path, sizeof path, "%s/m.onnx%s", folder, beside[i]);
    assert_int_equal(unlink(path), 0);
  }
  assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
  cored_model_unref(model);
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static void views_are_read_in_their_own_order(void **state) {
  (void)state;
  const float storage[6] = {0, 1, 2, 3, 4, 5};
  CoredLoose transposed = {.scalar = CORED_SCALAR_F32,
                           .rank = 2,
                           .dims = {2, 3},
                           .strides = {1, 2},
                           .count = 6,
                           .data = (const uint8_t *)storage};
  assert_false(cored_loose_is_plain(&transposed));
  float *values = cored_loose_copy(&transposed);
  const float expected[6] = {0, 2, 4, 1, 3, 5};
  assert_memory_equal(values, expected, sizeof expected);
  free(values);
  const uint8_t big[4] = {0x3f, 0x80, 0, 0};
  CoredLoose swapped = {.count = 1, .data = big, .swapped = true};
  assert_false(cored_loose_is_plain(&swapped));
  values = cored_loose_copy(&swapped);
  assert_true(values[0] == 1.0f);
  free(values);
}

static void shapes_are_counted_without_wrapping(void **state) {
  (void)state;
  size_t count;
  assert_true(cored_loose_count((int64_t[]){2, 3, 4}, 3, &count));
  assert_int_equal(count, 24);
  assert_true(cored_loose_count(NULL, 0, &count));
  assert_int_equal(count, 1);
  assert_false(cored_loose_count((int64_t[]){2, 0}, 2, &count));
  assert_false(cored_loose_count((int64_t[]){-1}, 1, &count));
  assert_false(cored_loose_count((int64_t[]){(int64_t)1 << 31}, 1, &count));
  assert_false(cored_loose_count((int64_t[]){2147483647, 2147483647, 2147483647}, 3, &count));
  assert_false(cored_loose_count((int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, &count));
}

static void text_is_shown_safely(void **state) {
  (void)state;
  char out[32];
  assert_string_equal(cored_escape("a\x1b[2J\n\xc3\xa9\xff\xc2\x85", 11, out, sizeof out),
                      "a\\x1b[2J\\x0a\xc3\xa9\\xff\\xc2\\x85");
  assert_string_equal(cored_escape("0123456789", 10, out, 8), "0123...");
  assert_string_equal(cored_escape("0123456", 7, out, 8), "0123456");
  assert_true(cored_utf8_is_valid("\xf0\x9f\x98\x80", 4));
  static const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xed\xa0\x80",
                                    "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
                                    "\xc3",         "\xf0\x80\x80\x80"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(cored_utf8_is_valid(bad[i], strlen(bad[i])));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(allow_lists_are_as_long_as_documented),
      cmocka_unit_test(every_refusal_has_a_next_step),
      cmocka_unit_test(matching_survives_failing_allocations),
      cmocka_unit_test(a_network_that_does_not_exist_is_refused),
      cmocka_unit_test(good_files_are_read),
      cmocka_unit_test(every_length_but_the_right_one_is_refused),
      cmocka_unit_test(every_changed_byte_is_found_or_harmless),
      cmocka_unit_test(every_failing_allocation_is_reported),
      cmocka_unit_test(an_onnx_graph_is_read_as_it_is),
      cmocka_unit_test(reading_onnx_survives_failing_allocations),
      cmocka_unit_test(writing_onnx_survives_failing_allocations),
      cmocka_unit_test(views_are_read_in_their_own_order),
      cmocka_unit_test(shapes_are_counted_without_wrapping),
      cmocka_unit_test(text_is_shown_safely),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
