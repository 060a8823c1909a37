/* SPDX-License-Identifier: MIT
 * Model files that are well formed and still no model: what is in them does not fit the network,
 * or cannot be right. The numbers M30.. are those of the list of cases in cored.h. */
#include "model-file.h"

#include "model/format.h"

static Blob base; /* a valid file; see setup */

static void check_edit(const char *from, const char *to, CoredErrorCode code, const char *message) {
  Blob blob = blob_edit(&base, from, to);
  assert_load_fails(&blob, code, message, NULL);
  blob_free(&blob);
}

/* Another kind of model is refused for what it is, whatever else it lacks. */
static void kinds(void **state) {
  (void)state;
  check_edit("\"cored.labels\"", "\"cored.kind\":\"locator\",\"cored.lebals\"",
             CORED_ERROR_MODEL_KIND,
             "cored.kind: expected a model of kind 'classifier', found 'locator'");
  check_edit("\"cored.labels\"", "\"cored.kind\":\"\",\"cored.labels\"", CORED_ERROR_METADATA_VALUE,
             "found ''");
  Blob blob =
      blob_edit(&base, "\"cored.labels\"", "\"cored.kind\":\"classifier\",\"cored.labels\"");
  CoredError error = {0};
  CoredModel *const model =
      cored_model_load_memory(blob.data, blob.size, "classifier", NULL, &error);
  assert_non_null(model);
  Blob saved = blob_save(model);
  CoredModel *const again = cored_model_load_memory(saved.data, saved.size, "again", NULL, &error);
  assert_non_null(again);
  assert_string_equal(cored_model_metadata(again, "cored.kind"), "classifier");
  cored_model_unref(again);
  cored_model_unref(model);
  blob_free(&saved);
  blob_free(&blob);
}

static void m30_names_of_the_network(void **state) {
  (void)state;
  check_edit("\"bn1.bias\"", "\"bn1.bais\"", CORED_ERROR_PARAMETER_MISSING, "'bn1.bias'");
  check_edit("\"bn1.bias\"", "\"bn1.bais\"", CORED_ERROR_PARAMETER_MISSING, "'bn1.bais'");
  check_edit("\"fc1.weight\"", "\"Fc1.weight\"", CORED_ERROR_PARAMETER_MISSING, "'fc1.weight'");
  check_edit("\"fc1.weight\"", "\"module.fc1.weight\"", CORED_ERROR_PARAMETER_MISSING, "module.");
  check_edit("\"meso4\"", "\"xception\"", CORED_ERROR_PARAMETER_MISSING,
             "more; tensors that are no");
}

/* n zero bytes more at the end, sealed. */
static Blob with_more_data(const Blob *blob, size_t n) {
  Blob more = {calloc(1, blob->size + n), blob->size + n};
  assert_non_null(more.data);
  memcpy(more.data, blob->data, blob->size);
  blob_seal(&more);
  return more;
}

static void m31_m32_shapes_and_dtypes_of_the_network(void **state) {
  (void)state;
  check_edit("[16,1024]", "[1024,16]", CORED_ERROR_PARAMETER_SHAPE,
             "'fc1.weight': expected shape [16, 1024], found [1024, 16]");
  check_edit("[1,16]", "[16]", CORED_ERROR_PARAMETER_SHAPE, "expected shape [1, 16], found [16]");
  check_edit("\"shape\":[8]", "\"shape\":[8,1]", CORED_ERROR_PARAMETER_SHAPE, "found [8, 1]");
  check_edit("{\"dtype\":\"F32\",\"shape\":[8,8,5,5]", "{\"dtype\":\"I64\",\"shape\":[8,4,5,5]",
             CORED_ERROR_PARAMETER_SHAPE, "[8, 4, 5, 5]");
  Blob edited = blob_replace(&base, T("F32", "[1,16]", "[112228,112292]"),
                             T("I64", "[1,16]", "[112228,112356]"));
  Blob blob = with_more_data(&edited, 64);
  assert_load_fails(&blob, CORED_ERROR_PARAMETER_DTYPE, "'fc2.weight'", "found I64", NULL);
  blob_free(&edited);
  blob_free(&blob);
}

/* Set element i of the data part and seal. */
static Blob with_value(uint64_t offset, float value) {
  Blob blob = blob_of(base.data, base.size);
  memcpy(blob.data + 8 + blob_header(&blob) + offset, &value, sizeof value);
  blob_seal(&blob);
  return blob;
}

static void check_value(uint64_t offset, float value, const char *message) {
  Blob blob = with_value(offset, value);
  assert_load_fails(&blob, CORED_ERROR_PARAMETER_VALUE, message, NULL);
  blob_free(&blob);
}

static void m33_values(void **state) {
  (void)state;
  /* Offsets as in the header: bn1.running_var [64, 96], fc1.weight [46688, 112224]. */
  check_value(46688 + 4 * 5000, __builtin_nanf(""), "'fc1.weight': element 5000");
  check_value(46688, __builtin_inff(), "'fc1.weight': element 0");
  check_value(112224 - 4, -__builtin_inff(), "element 16383");
  check_value(64 + 8, -1e-30f, "'bn1.running_var': element 2: expected a variance");
  check_value(64, __builtin_nanf(""), "'bn1.running_var'");
  Blob zero = with_value(64, 0.0f); /* a channel that never fires; epsilon is added */
  CoredError error;
  const CoredModelLoadParams skip = {.skip_self_test = true};
  CoredModel *const model = cored_model_load_memory(zero.data, zero.size, "m", &skip, &error);
  assert_non_null(model);
  cored_model_unref(model);
  blob_free(&zero);
}

static void m34_constant_output(void **state) {
  (void)state;
  Blob blob = blob_of(base.data, base.size);
  uint8_t *const weight = blob.data + 8 + blob_header(&blob) + 112228; /* fc2.weight */
  memset(weight, 0, 64);
  blob_seal(&blob);
  assert_load_fails(&blob, CORED_ERROR_CONSTANT_OUTPUT, "of two pictures to differ", NULL);
  for (size_t i = 0; i < 16; i++)
    weight[4 * i] = 1; /* denormal numbers */
  blob_seal(&blob);
  assert_load_fails(&blob, CORED_ERROR_CONSTANT_OUTPUT, "does not look at its input", NULL);
  blob_free(&blob);
  /* A sound head scaled down to nothing: no probability moves. */
  blob = blob_of(base.data, base.size);
  uint8_t *const head = blob.data + 8 + blob_header(&blob) + 112228;
  for (size_t i = 0; i < 16; i++) {
    float x;
    memcpy(&x, head + 4 * i, sizeof x);
    x *= 1e-12f;
    memcpy(head + 4 * i, &x, sizeof x);
  }
  blob_seal(&blob);
  assert_load_fails(&blob, CORED_ERROR_CONSTANT_OUTPUT, "does not look at its input", NULL);
  blob_free(&blob);
}

static void m35_networks_and_sizes(void **state) {
  (void)state;
  check_edit("\"meso4\"", "\"meso5\"", CORED_ERROR_NETWORK_UNKNOWN, "'meso5'");
  check_edit("\"meso4\"", "\"\"", CORED_ERROR_NETWORK_UNKNOWN, "''");
  check_edit("\"meso4\"", "\"a-network-with-a-very-long-name-indeed\"", CORED_ERROR_NETWORK_UNKNOWN,
             "very-long-name");
  static const char *const sizes[] = {
      "[0,0]",      "[65536,65536]", "[256]",     "[256,256,3]",       "[-256,256]",
      "[25.6,256]", "256",           "[1e9,256]", "[\\\"256\\\",256]", "[256,256"};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    check_edit("[256,256]", sizes[i], CORED_ERROR_METADATA_VALUE, "cored.input-size");
  }
  check_edit("[256,256]", "[320,256]", CORED_ERROR_INPUT_SIZE, "320x256");
}

static void m36_calibration(void **state) {
  (void)state;
  static const struct {
    const char *key, *value;
  } cases[] = {
      {"std\":\"[1,1,1]", "std\":\"[1,0,1]"},
      {"std\":\"[1,1,1]", "std\":\"[1,NaN,1]"},
      {"std\":\"[1,1,1]", "std\":\"[1,1e400,1]"},
      {"std\":\"[1,1,1]", "std\":\"[1,-1,1]"},
      {"mean\":\"[0,0,0]", "mean\":\"[1e30,0,0]"},
      {"mean\":\"[0,0,0]", "mean\":\"[0,0]"},
      {"mean\":\"[0,0,0]", "mean\":\"[0,0,0,0]"},
      {"mean\":\"[0,0,0]", "mean\":\"{}"},
      {"threshold\":\"0.5", "threshold\":\"1.5"},
      {"threshold\":\"0.5", "threshold\":\"-0.5"},
      {"threshold\":\"0.5", "threshold\":\"nan"},
      {"threshold\":\"0.5", "threshold\":\"0,5"},
      {"threshold\":\"0.5", "threshold\":\""},
      {"threshold\":\"0.5", "threshold\":\" 0.5"},
      {"temperature\":\"1", "temperature\":\"0"},
      {"temperature\":\"1", "temperature\":\"-1"},
      {"temperature\":\"1", "temperature\":\"inf"},
      {"generation\":\"0", "generation\":\"-1"},
      {"generation\":\"0", "generation\":\"1.0"},
      {"generation\":\"0", "generation\":\"9223372036854775808"},
      {"tasks\":\"[]", "tasks\":\"[1]"},
      {"tasks\":\"[]", "tasks\":\"[{}]"},
      {"tasks\":\"[]", "tasks\":\"[{\\\"name\\\":\\\"x\\\"}]"},
      {"tasks\":\"[]", "tasks\":\"[{\\\"name\\\":\\\"x\\\",\\\"auc\\\":1.5}]"},
      {"tasks\":\"[]", "tasks\":\"[{\\\"name\\\":\\\"\\\",\\\"auc\\\":null}]"},
      {"tasks\":\"[]", "tasks\":\"[{\\\"name\\\":\\\"x\\\",\\\"name\\\":\\\"y\\\",\\\"auc\\\":1}]"},
      {"tolerance\\\":0.001", "tolerance\\\":1"},
      {"tolerance\\\":0.001", "tolerance\\\":0"},
      {"\\\"seed\\\":2020,", ""},
      {"\\\"seed\\\":2020,", "\\\"seed\\\":-1,"},
      {"\\\"logits\\\":[0,", "\\\"logits\\\":["},
      {"\\\"logits\\\":[0,", "\\\"logits\\\":[0,0,"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_edit(cases[i].key, cases[i].value, CORED_ERROR_METADATA_VALUE, "metadata: cored.");
}

static void crops(void **state) {
  (void)state;
  static const struct {
    const char *crop, *message;
  } cases[] = {
      {"", "expected '{'"},
      {"null", "expected '{'"},
      {"{}", "expected a crop with margin, align and locator"},
      {"{\\\"margin\\\":0.3,\\\"align\\\":\\\"none\\\"}", "expected a crop with margin, align and"},
      {"{\\\"margin\\\":0.3,\\\"margin\\\":0.3}", "once each"},
      {"{\\\"side\\\":0.3}", "margin, align and locator, once each"},
      {"{\\\"margin\\\":\\\"0.3\\\"}", "a number"},
      {"{\\\"margin\\\":0.3,\\\"align\\\":\\\"mouth\\\"}", "\"none\" or \"eyes\""},
      {"{\\\"margin\\\":0.3,\\\"align\\\":0}", "\"none\" or \"eyes\""},
      {"{\\\"locator\\\":\\\"\\\"}", "1..63 bytes"},
      {"{\\\"margin\\\":4.5,\\\"align\\\":\\\"none\\\",\\\"locator\\\":\\\"x\\\"}",
       "cored.crop: margin: expected a number in 0..4, found 4.5"},
      {"{\\\"margin\\\":0.3,\\\"align\\\":\\\"none\\\",\\\"locator\\\":\\\"x\\\"} 1",
       "nothing after the JSON"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[256];
    snprintf(text, sizeof text, "\"cored.crop\":\"%s\",\"cored.labels\"", cases[i].crop);
    check_edit("\"cored.labels\"", text, CORED_ERROR_METADATA_VALUE, "metadata: cored.crop");
    check_edit("\"cored.labels\"", text, CORED_ERROR_METADATA_VALUE, cases[i].message);
  }
}

static void m37_classes(void **state) {
  (void)state;
  check_edit("classes\":\"2", "classes\":\"3", CORED_ERROR_METADATA_VALUE, "a label for every");
  check_edit("classes\":\"2", "classes\":\"1", CORED_ERROR_METADATA_VALUE, "no more labels");
  check_edit("classes\":\"2", "classes\":\"1000000000", CORED_ERROR_METADATA_VALUE, "in range");
  check_edit("fake-class\":\"0", "fake-class\":\"2", CORED_ERROR_METADATA_VALUE, "fake-class");
  check_edit("fake-class\":\"0", "fake-class\":\"1", CORED_ERROR_METADATA_VALUE, "another class");
  check_edit("\\\"fake\\\",", "", CORED_ERROR_METADATA_VALUE, "a label for every class");
  check_edit("\\\"fake\\\"", "\\\"\\\"", CORED_ERROR_METADATA_VALUE, "1..63 bytes");
  check_edit("\\\"fake\\\"", "\\\"a\\\\u001bb\\\"", CORED_ERROR_METADATA_VALUE, "control");
  check_edit("\\\"fake\\\"", "0", CORED_ERROR_METADATA_VALUE, "a string");
  char *const label = malloc((1 << 20) + 16);
  memset(label, 'x', 1 << 20);
  memcpy(label, "\\\"", 2);
  memcpy(label + (1 << 20), "\\\"", 3);
  check_edit("\\\"fake\\\"", label, CORED_ERROR_METADATA_VALUE, "1..63 bytes");
  free(label);
}

static void m38_hashes(void **state) {
  (void)state;
  Blob blob = blob_of(base.data, base.size);
  blob.data[blob.size - 1] ^= 1;
  assert_load_fails(&blob, CORED_ERROR_HASH, "data part", NULL);
  blob_free(&blob);
  blob = blob_replace(&base, "threshold\":\"0.5", "threshold\":\"0.6");
  assert_load_fails(&blob, CORED_ERROR_HASH, "header", NULL);
  blob_free(&blob);
  static const char *const keys[] = {"cored.sha256", "cored.header-sha256"};
  for (int i = 0; i < 2; i++) {
    char from[40], to[48];
    snprintf(from, sizeof from, "\"%s\":\"", keys[i]);
    snprintf(to, sizeof to, "\"%s\":\"0", keys[i]);
    blob = blob_replace(&base, from, to); /* 65 digits */
    assert_load_fails(&blob, CORED_ERROR_METADATA_VALUE, "64 lower-case hex digits", NULL);
    blob_free(&blob);
    snprintf(to, sizeof to, "\"x%s\":\"", keys[i]);
    blob = blob_replace(&base, from, to);
    assert_load_fails(&blob, CORED_ERROR_METADATA_MISSING, keys[i], NULL);
    blob_free(&blob);
    snprintf(to, sizeof to, "\"%s\":\"\\u0030", keys[i]); /* escaped: no fixed place */
    blob = blob_replace(&base, from, to);
    assert_load_fails(&blob, CORED_ERROR_METADATA_VALUE, "lower-case hex", NULL);
    blob_free(&blob);
  }
}

static void every_entry_is_required(void **state) {
  (void)state;
  static const char *const keys[] = {
      CORED_KEY_NETWORK,    CORED_KEY_CLASSES,     CORED_KEY_LABELS,     CORED_KEY_FAKE_CLASS,
      CORED_KEY_REAL_CLASS, CORED_KEY_INPUT_SIZE,  CORED_KEY_MEAN,       CORED_KEY_STD,
      CORED_KEY_THRESHOLD,  CORED_KEY_TEMPERATURE, CORED_KEY_GENERATION, CORED_KEY_TASKS,
      CORED_KEY_SELF_TEST,
  };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    char from[64], to[64];
    snprintf(from, sizeof from, "\"%s\":", keys[i]);
    snprintf(to, sizeof to, "\"x%s\":", keys[i]);
    check_edit(from, to, CORED_ERROR_METADATA_MISSING, keys[i]);
  }
  static const Case cases[] = {
      {"{}", 0, CORED_ERROR_METADATA_MISSING, "cored-convert import"},
      {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, CORED_ERROR_METADATA_MISSING, "plain"},
  };
  CHECK(cases);
}

/* What PyTorch puts beside the parameters, and other float types. */
static void batch_counters_are_left_out(void **state) {
  (void)state;
  static const char end[] = "\"data_offsets\":[112228,112292]}";
  static const struct {
    const char *tensor;
    CoredErrorCode code;
  } cases[] = {
      {"\"bn1.num_batches_tracked\":" T("I64", "[]", "[112292,112300]"), CORED_ERROR_NONE},
      {"\"bn1.num_batches_tracked\":" T("I64", "[1]", "[112292,112300]"), CORED_ERROR_NONE},
      {"\"bn1.num_batches_tracked\":" T("F64", "[]", "[112292,112300]"),
       CORED_ERROR_PARAMETER_DTYPE},
      {"\"bn9.num_batches_tracked\":" T("I64", "[]", "[112292,112300]"),
       CORED_ERROR_PARAMETER_EXTRA},
      {"\".num_batches_tracked\":" T("I64", "[]", "[112292,112300]"), CORED_ERROR_PARAMETER_EXTRA},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char to[256];
    snprintf(to, sizeof to, "%s,%s", end, cases[i].tensor);
    Blob edited = blob_replace(&base, end, to);
    Blob blob = with_more_data(&edited, 8);
    if (cases[i].code == CORED_ERROR_NONE)
      assert_loads(&blob);
    else
      assert_load_fails(&blob, cases[i].code, "num_batches_tracked", NULL);
    blob_free(&edited);
    blob_free(&blob);
  }
}

static int setup(void **state) {
  (void)state;
  base = blob_meso4();
  assert_loads(&base);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  blob_free(&base);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinds),
      cmocka_unit_test(m30_names_of_the_network),
      cmocka_unit_test(m31_m32_shapes_and_dtypes_of_the_network),
      cmocka_unit_test(m33_values),
      cmocka_unit_test(m34_constant_output),
      cmocka_unit_test(m35_networks_and_sizes),
      cmocka_unit_test(m36_calibration),
      cmocka_unit_test(crops),
      cmocka_unit_test(m37_classes),
      cmocka_unit_test(m38_hashes),
      cmocka_unit_test(every_entry_is_required),
      cmocka_unit_test(batch_counters_are_left_out),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
