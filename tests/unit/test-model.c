/* SPDX-License-Identifier: MIT
 * The model object: making, saving, loading, copying. */
#include "model-file.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>

#include "serve/self-test.h"
#include "base/dtype.h"
#include "base/file.h"
#include "model/model.h"
#include "base/text.h"

#define assert_ok(condition, error)                                                                \
  do {                                                                                             \
    if (!(condition))                                                                              \
      fail_msg("%s: %s", cored_error_code_name((error).code), (error).message);                    \
  } while (0)

static CoredModel *load(const Blob *blob) {
  CoredError error = {0};
  CoredModel *const model = cored_model_load_memory(blob->data, blob->size, "m.st", NULL, &error);
  assert_ok(model, error);
  return model;
}

static CoredModelInfo rich_info(void) {
  CoredModelInfo info;
  CoredError error = {0};
  assert_ok(cored_model_info_init(&info, "meso4", 2, &error), error);
  snprintf(info.labels[0], CORED_LABEL_SIZE, "%s", "\"fälschung\\");
  snprintf(info.labels[1], CORED_LABEL_SIZE, "%s", "echt");
  info.mean[0] = 0.485f;
  info.mean[1] = 0.456f;
  info.mean[2] = 1.0f / 3;
  info.std[0] = 0.229f;
  info.threshold = 0.1 + 0.2;
  info.temperature = 1.0 / 3;
  info.generation = (uint64_t)INT64_MAX;
  info.n_tasks = 2;
  info.tasks[0] = (CoredTask){"Deepfakes", 0.99};
  info.tasks[1] = (CoredTask){"Face2Face \xe2\x82\xac", (double)NAN};
  info.crop = (CoredModelCrop){true, 0.1 + 0.2, CORED_CROP_ALIGN_EYES, "yunet-\"n\""};
  return info;
}

static void assert_same_info(const CoredModelInfo *a, const CoredModelInfo *b) {
  assert_string_equal(a->network, b->network);
  assert_int_equal(a->n_classes, b->n_classes);
  for (int i = 0; i < a->n_classes; i++)
    assert_string_equal(a->labels[i], b->labels[i]);
  assert_int_equal(a->fake_class, b->fake_class);
  assert_int_equal(a->real_class, b->real_class);
  assert_int_equal(a->input_width, b->input_width);
  assert_int_equal(a->input_height, b->input_height);
  assert_memory_equal(a->mean, b->mean, sizeof a->mean);
  assert_memory_equal(a->std, b->std, sizeof a->std);
  assert_memory_equal(&a->threshold, &b->threshold, sizeof a->threshold);
  assert_memory_equal(&a->temperature, &b->temperature, sizeof a->temperature);
  assert_true(a->generation == b->generation);
  assert_int_equal(a->n_tasks, b->n_tasks);
  for (int i = 0; i < a->n_tasks; i++) {
    assert_string_equal(a->tasks[i].name, b->tasks[i].name);
    assert_true(a->tasks[i].auc == b->tasks[i].auc ||
                (isnan(a->tasks[i].auc) && isnan(b->tasks[i].auc)));
  }
  assert_int_equal(a->crop.known, b->crop.known);
  assert_true(a->crop.margin == b->crop.margin);
  assert_int_equal(a->crop.align, b->crop.align);
  assert_string_equal(a->crop.locator, b->crop.locator);
}

static void assert_same_weights(const CoredModel *a, const CoredModel *b) {
  assert_int_equal(cored_model_n_tensors(a), cored_model_n_tensors(b));
  for (size_t i = 0; i < cored_model_n_tensors(a); i++) {
    CoredTensorView x, y;
    assert_true(cored_model_tensor(a, i, &x) && cored_model_tensor(b, i, &y));
    assert_string_equal(x.name, y.name);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
  }
}

static void a_file_keeps_everything(void **state) {
  (void)state;
  const CoredModelInfo info = rich_info();
  CoredError error = {0};
  CoredModel *const plain = cored_model_new_random(&info, 7, &error);
  assert_ok(plain, error);
  CoredModel *const model =
      cored_model_with_metadata(plain, "cored.stores", "{\"k\":[1,2]}\n", &error);
  assert_ok(model, error);
  Blob blob = blob_save(model);
  CoredModel *const loaded = load(&blob);
  assert_same_info(&info, cored_model_info(loaded));
  assert_same_weights(model, loaded);
  assert_string_equal(cored_model_metadata(loaded, "cored.stores"), "{\"k\":[1,2]}\n");
  assert_string_equal(cored_model_metadata(loaded, "cored.threshold"), "0.30000000000000004");
  assert_string_equal(cored_model_metadata(loaded, "cored.mean"), "[0.485,0.456,0.33333334]");
  assert_string_equal(cored_model_metadata(loaded, "cored.input-size"), "[256,256]");
  assert_string_equal(cored_model_info(loaded)->sha256, cored_model_info(model)->sha256);
  assert_null(cored_model_metadata(loaded, "no.such"));
  CoredTensorView view;
  assert_false(cored_model_tensor(loaded, cored_model_n_tensors(loaded), &view));
  cored_model_unref(plain);
  cored_model_unref(model);
  cored_model_unref(loaded);
  blob_free(&blob);
}

/* What is not known is not written, nor is what was known before. */
static void crops_may_be_unknown(void **state) {
  (void)state;
  CoredModelInfo info = rich_info();
  CoredError error = {0};
  CoredModel *const known = cored_model_new_random(&info, 7, &error);
  assert_ok(known, error);
  Blob blob = blob_save(known);
  CoredModel *const loaded = load(&blob);
  assert_string_equal(cored_model_metadata(loaded, "cored.crop"),
                      "{\"margin\":0.30000000000000004,\"align\":\"eyes\",\"locator\":"
                      "\"yunet-\\\"n\\\"\"}");
  info.crop.known = false;
  CoredModel *const forgotten = cored_model_with_info(loaded, &info, &error);
  assert_ok(forgotten, error);
  Blob less = blob_save(forgotten);
  CoredModel *const again = load(&less);
  assert_null(cored_model_metadata(again, "cored.crop"));
  assert_false(cored_model_info(again)->crop.known);
  cored_model_unref(again);
  cored_model_unref(forgotten);
  cored_model_unref(loaded);
  cored_model_unref(known);
  blob_free(&less);
  blob_free(&blob);
}

static void crops_are_checked(void **state) {
  (void)state;
  static const struct {
    CoredModelCrop crop;
    const char *message;
  } cases[] = {
      {{true, 4.5, CORED_CROP_ALIGN_NONE, "x"}, "cored.crop: margin: expected a number in 0..4"},
      {{true, (double)NAN, CORED_CROP_ALIGN_NONE, "x"}, "not finite"},
      {{true, 0.3, (CoredCropAlign)2, "x"},
       "cored.crop: align: expected a number in 0..1, found 2"},
      {{true, 0.3, CORED_CROP_ALIGN_NONE, ""},
       "cored.crop: locator: expected names of 1..63 bytes"},
      {{true, 0.3, CORED_CROP_ALIGN_NONE, "a\nb"}, "without control characters"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CoredModelInfo info = rich_info();
    CoredError error = {0};
    info.crop = cases[i].crop;
    assert_null(cored_model_new_random(&info, 7, &error));
    assert_int_equal(error.code, CORED_ERROR_METADATA_VALUE);
    if (!strstr(error.message, cases[i].message))
      fail_msg("'%s' does not say '%s'", error.message, cases[i].message);
  }
}

static void crops_are_compared(void **state) {
  (void)state;
  const CoredModelCrop trained = {true, 0.3, CORED_CROP_ALIGN_NONE, "yunet-n"};
  static const struct {
    CoredModelCrop used;
    const char *text;
  } cases[] = {
      {{true, 0.3, CORED_CROP_ALIGN_NONE, "yunet-n"}, ""},
      {{true, (double)0.3f, CORED_CROP_ALIGN_NONE, ""}, ""},
      {{false, 4, CORED_CROP_ALIGN_EYES, "cascade"}, ""},
      {{true, 0.3, CORED_CROP_ALIGN_NONE, "cascade"}, "faces found by cascade instead of yunet-n"},
      {{true, 0.5, CORED_CROP_ALIGN_EYES, ""},
       "align eyes instead of none, margin 0.5 instead of 0.3"},
  };
  char text[CORED_CROP_TEXT_SIZE];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(cored_model_crop_differs(&trained, &cases[i].used, text), *cases[i].text != 0);
    assert_string_equal(text, cases[i].text);
  }
  const CoredModelCrop unknown = {.margin = 1};
  assert_false(cored_model_crop_differs(&unknown, &trained, text));
  CoredModelCrop a = trained, b = {true, 4, CORED_CROP_ALIGN_EYES, ""};
  memset(a.locator, 'a', CORED_LABEL_SIZE - 1);
  memset(b.locator, 'b', CORED_LABEL_SIZE - 1);
  assert_true(cored_model_crop_differs(&a, &b, text));
  assert_non_null(strstr(text, ", margin 4 instead of 0.3")); /* all of it has room */
}

static void the_same_model_gives_the_same_bytes(void **state) {
  (void)state;
  static const char *const networks[] = {"meso4", "mesoinception4"};
  for (size_t i = 0; i < 2; i++) {
    CoredModel *const model = model_random(networks[i], 3 + i);
    Blob first = blob_save(model);
    CoredModel *const loaded = load(&first);
    Blob second = blob_save(loaded);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    assert_int_equal((8 + blob_header(&first)) % 64, 0);
    cored_model_unref(model);
    cored_model_unref(loaded);
    blob_free(&first);
    blob_free(&second);
  }
}

static void numbers_do_not_follow_the_locale(void **state) {
  (void)state;
  if (!setlocale(LC_ALL, "de_DE.UTF-8"))
    print_message("no de_DE locale here: checked in the C locale only\n");
  char out[CORED_NUMBER_SIZE];
  double value = 0;
  cored_number_format(0.1, false, out);
  assert_string_equal(out, "0.1");
  assert_true(cored_number_parse("0.25", &value) && value == 0.25);
  setlocale(LC_ALL, "C");
  cored_number_format((double)(1.0f / 3), true, out);
  assert_string_equal(out, "0.33333334");
  cored_number_format(300, false, out);
  assert_string_equal(out, "300");
  cored_number_format(5e-324, false, out);
  assert_string_equal(out, "5e-324");
  cored_number_format(-1.7976931348623157e308, false, out);
  assert_string_equal(out, "-1.7976931348623157e+308");
  static const char *const bad[] = {"",    " 1",  "1 ",  "01", "+1",    ".5",  "1.",
                                    "0x1", "inf", "nan", "1e", "1e400", "--1", "1,5"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(cored_number_parse(bad[i], &value));
  uint64_t whole;
  assert_true(cored_uint_parse("18446744073709551615", UINT64_MAX, &whole) && whole == UINT64_MAX);
  assert_false(cored_uint_parse("18446744073709551616", UINT64_MAX, &whole));
  assert_false(cored_uint_parse("10", 9, &whole));
  assert_false(cored_uint_parse("00", 9, &whole));
}

static float reference_f16(unsigned bits) {
  const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
  float value;
  if (exponent == 31)
    value = fraction ? NAN : INFINITY;
  else if (exponent == 0)
    value = (float)ldexp(fraction, -24);
  else
    value = (float)ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

static void all_halves_convert(void **state) {
  (void)state;
  for (unsigned bits = 0; bits < 65536; bits++) {
    const float expected = reference_f16(bits), found = cored_f16_to_f32((uint16_t)bits);
    if (isnan(expected)) {
      assert_true(isnan(found));
      continue;
    }
    assert_memory_equal(&expected, &found, sizeof found);
  }
  assert_true(cored_bf16_to_f32(0x3fc0) == 1.5f);
  assert_true(cored_bf16_to_f32(0xc040) == -3.0f);
  const double wide[2] = {0.1, 1e300};
  float out[2];
  assert_true(cored_convert_f32(CORED_DTYPE_F64, wide, 2, out));
  assert_true(out[0] == 0.1f && isinf(out[1]));
  assert_false(cored_convert_f32(CORED_DTYPE_I64, wide, 2, out));
}

/* The weights of a model as tensors in memory of the test, which may change them. */
typedef struct Tensors {
  CoredTensorView views[64];
  size_t n;
} Tensors;

static Tensors copy_tensors(const CoredModel *model) {
  Tensors t = {.n = cored_model_n_tensors(model)};
  for (size_t i = 0; i < t.n; i++) {
    cored_model_tensor(model, i, &t.views[i]);
    void *const copy = malloc(t.views[i].size);
    memcpy(copy, t.views[i].data, t.views[i].size);
    t.views[i].data = copy;
  }
  return t;
}

static void free_tensors(Tensors *t) {
  for (size_t i = 0; i < t->n; i++)
    free((void *)(uintptr_t)t->views[i].data);
}

static CoredErrorCode new_fails(const CoredModelInfo *info, const CoredTensorView *views, size_t n,
                                const char *text) {
  CoredError error = {0};
  assert_null(cored_model_new(info, views, n, &error));
  if (!strstr(error.message, text))
    fail_msg("expected '%s' in: %s", text, error.message);
  return error.code;
}

static void new_takes_tensors_in_any_order(void **state) {
  (void)state;
  CoredModel *const model = model_random("meso4", 5);
  const CoredModelInfo *const info = cored_model_info(model);
  Tensors t = copy_tensors(model);
  for (size_t i = 0; i < t.n / 2; i++) {
    const CoredTensorView swap = t.views[i];
    t.views[i] = t.views[t.n - 1 - i];
    t.views[t.n - 1 - i] = swap;
  }
  CoredError error = {0};
  CoredModel *const other = cored_model_new(info, t.views, t.n, &error);
  assert_ok(other, error);
  assert_same_weights(model, other);
  assert_string_equal(info->sha256, cored_model_info(other)->sha256);
  cored_model_unref(other);

  const CoredTensorView first = t.views[0];
  assert_int_equal(new_fails(info, t.views, t.n - 1, t.views[t.n - 1].name),
                   CORED_ERROR_PARAMETER_MISSING);
  t.views[0].name = "Conv1.weight";
  assert_int_equal(new_fails(info, t.views, t.n, "'Conv1.weight'"), CORED_ERROR_PARAMETER_MISSING);
  t.views[0] = first;
  t.views[t.n] = first;
  assert_int_equal(new_fails(info, t.views, t.n + 1, "twice"), CORED_ERROR_HEADER_DUPLICATE);
  t.views[t.n].name = "x";
  assert_int_equal(new_fails(info, t.views, t.n + 1, "'x'"), CORED_ERROR_PARAMETER_EXTRA);
  t.views[0].dims[0]++;
  assert_int_equal(new_fails(info, t.views, t.n, "expected shape"), CORED_ERROR_PARAMETER_SHAPE);
  t.views[0] = first;
  t.views[0].size -= 4;
  assert_int_equal(new_fails(info, t.views, t.n, "bytes"), CORED_ERROR_PARAMETER_SHAPE);
  t.views[0] = first;
  t.views[0].dtype = CORED_DTYPE_I64;
  assert_int_equal(new_fails(info, t.views, t.n, "I64"), CORED_ERROR_PARAMETER_DTYPE);
  t.views[0] = first;
  ((float *)(uintptr_t)first.data)[0] = NAN;
  assert_int_equal(new_fails(info, t.views, t.n, "element 0"), CORED_ERROR_PARAMETER_VALUE);
  assert_int_equal(new_fails(info, NULL, 0, "and"), CORED_ERROR_PARAMETER_MISSING);
  free_tensors(&t);
  cored_model_unref(model);
}

static void copies_share_weights_and_keep_the_original(void **state) {
  (void)state;
  Blob blob = blob_meso4();
  CoredModel *const model = load(&blob);
  CoredError error = {0};
  CoredModelInfo info = *cored_model_info(model);
  info.generation = 9;
  CoredModel *const next = cored_model_with_info(model, &info, &error);
  assert_ok(next, error);
  CoredTensorView a, b;
  cored_model_tensor(model, 0, &a);
  cored_model_tensor(next, 0, &b);
  assert_ptr_equal(a.data, b.data);
  assert_true(cored_model_info(model)->generation == 0 && cored_model_info(next)->generation == 9);
  assert_string_equal(cored_model_metadata(next, "cored.generation"), "9");
  assert_string_equal(cored_model_metadata(next, "cored.canary"),
                      cored_model_metadata(model, "cored.canary"));
  assert_null(cored_model_metadata(next, "cored.header-sha256"));
  info.mean[1] = 0.4f;
  CoredModel *const shifted = cored_model_with_info(model, &info, &error);
  assert_ok(shifted, error);
  assert_null(cored_model_metadata(shifted, "cored.canary"));
  cored_model_unref(model);

  Blob second = blob_save(shifted); /* computes a new self-test */
  assert_loads(&second);
  info.std[0] = 0;
  assert_null(cored_model_with_info(next, &info, &error));
  assert_int_equal(error.code, CORED_ERROR_METADATA_VALUE);
  info = *cored_model_info(next);
  info.n_classes = 3;
  assert_null(cored_model_with_info(next, &info, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  static const char *const own[] = {"cored.threshold", "cored.kind"};
  for (int i = 0; i < 2; i++) {
    error = (CoredError){0};
    assert_null(cored_model_with_metadata(next, own[i], "0.9", &error));
    assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, own[i]));
  }
  CoredModel *const noted = cored_model_with_metadata(next, "note", "x", &error);
  CoredModel *const bare = cored_model_with_metadata(noted, "note", NULL, &error);
  assert_string_equal(cored_model_metadata(noted, "note"), "x");
  assert_null(cored_model_metadata(bare, "note"));
  cored_model_unref(noted);
  cored_model_unref(bare);
  cored_model_unref(next);
  cored_model_unref(shifted);
  blob_free(&blob);
  blob_free(&second);
}

static void input_sizes_are_checked(void **state) {
  (void)state;
  CoredModelInfo info;
  CoredError error = {0};
  assert_true(cored_model_info_init(&info, "meso4", 2, &error));
  info.input_width = 320; /* its dense layer was made for 256 */
  assert_null(cored_model_new_random(&info, 1, &error));
  assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
  assert_non_null(strstr(error.message, "320x256"));
  assert_false(cored_model_info_init(&info, "meso4", 3, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_PARAMS);
  assert_false(cored_model_info_init(&info, "Meso4", 2, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_UNKNOWN);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void save_keeps_the_mode_and_follows_links(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", path[64], link[64], command[96];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.safetensors", folder);
  snprintf(link, sizeof link, "%s/link", folder);
  CoredModel *const model = model_random("meso4", 1);
  CoredError error = {0};
  assert_ok(cored_model_save(model, path, &error), error);
  assert_int_equal(chmod(path, 0640), 0);
  assert_int_equal(symlink("m.safetensors", link), 0);
  assert_ok(cored_model_save(model, link, &error), error);
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0640);
  assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
  assert_false(cored_model_save(model, folder, &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);
  snprintf(command, sizeof command, "%s/none/m", folder);
  assert_false(cored_model_save(model, command, &error));
  assert_int_equal(error.code, CORED_ERROR_WRITE);
  unlink(path);
  unlink(link);
  assert_int_equal(rmdir(folder), 0); /* no temporary file stayed */
  cored_model_unref(model);
}

static size_t size_of(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static void files_beside_do_not_go_through_links(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", precious[64], link[64], device[64];
  assert_non_null(mkdtemp(folder));
  snprintf(precious, sizeof precious, "%s/precious", folder);
  snprintf(link, sizeof link, "%s/report.html", folder);
  snprintf(device, sizeof device, "%s/null", folder);
  const CoredChunk old = {"precious", 8}, report = {"report", 6};
  CoredError error = {0};
  assert_ok(cored_file_write(precious, &old, 1, 0600, &error), error);
  assert_int_equal(symlink("precious", link), 0);
  assert_ok(cored_file_write(link, &report, 1, 0644, &error), error);
  struct stat st;
  assert_true(lstat(link, &st) == 0 && S_ISREG(st.st_mode));
  assert_int_equal(size_of(precious), 8);
  assert_int_equal(size_of(link), 6);
  CoredModel *const model = model_random("meso4", 1);
  unlink(link);
  assert_int_equal(symlink("precious", link), 0);
  assert_ok(cored_model_save_beside(model, link, &error), error);
  assert_int_equal(size_of(precious), 8);
  assert_true(lstat(link, &st) == 0 && S_ISREG(st.st_mode));
  unlink(link);
  assert_int_equal(symlink("precious", link), 0);
  int fd = cored_file_create(link, 0644, &error);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "line\n", 5), 5);
  assert_int_equal(size_of(link), 5); /* a reader may follow it */
  close(fd);
  assert_int_equal(size_of(precious), 8);
  fd = cored_file_create("/dev/null", 0644, &error);
  assert_true(fd >= 0);
  close(fd);
  assert_int_equal(cored_file_create(folder, 0644, &error), -1);
  assert_int_equal(error.code, CORED_ERROR_WRITE);
  assert_int_equal(symlink("/dev/null", device), 0);
  assert_false(cored_file_write(device, &report, 1, 0644, &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);
  unlink(device);
  /* The name of an open file stands for that file, even where it is a regular one. */
  const int open_file = open(precious, O_WRONLY);
  char descriptor[64], to_descriptor[64];
  snprintf(descriptor, sizeof descriptor, "/proc/self/fd/%d", open_file);
  snprintf(to_descriptor, sizeof to_descriptor, "%s/stdout", folder);
  assert_int_equal(symlink(descriptor, to_descriptor), 0);
  assert_false(cored_file_write(to_descriptor, &report, 1, 0644, &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);
  fd = cored_file_create(to_descriptor, 0644, &error);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "written", 7), 7);
  close(fd);
  close(open_file);
  assert_true(lstat(to_descriptor, &st) == 0 && S_ISLNK(st.st_mode));
  char content[8] = "";
  fd = open(precious, O_RDONLY);
  assert_int_equal(read(fd, content, 7), 7);
  assert_string_equal(content, "written");
  close(fd);
  unlink(to_descriptor);
  unlink(link);
  unlink(precious);
  assert_int_equal(rmdir(folder), 0);
  cored_model_unref(model);
}

static void generations_have_a_highest(void **state) {
  (void)state;
  CoredModel *const model = model_random("meso4", 1);
  CoredModelInfo info = *cored_model_info(model);
  CoredError error = {0};
  info.generation = (uint64_t)INT64_MAX + 1;
  assert_null(cored_model_with_info(model, &info, &error));
  assert_int_equal(error.code, CORED_ERROR_METADATA_VALUE);
  assert_non_null(strstr(error.message, "expected at most 9223372036854775807"));
  cored_model_unref(model);
}

static void a_full_disk_leaves_the_old_file(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.safetensors", folder);
  CoredModel *const old = model_random("meso4", 1), *const next = model_random("meso4", 2);
  CoredError error = {0};
  assert_ok(cored_model_save(old, path, &error), error);
  struct rlimit before, limit;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  limit = before;
  limit.rlim_cur = 60000; /* bytes; the file has about 120000 */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const bool saved = cored_model_save(next, path, &error);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  assert_false(saved);
  assert_int_equal(error.code, CORED_ERROR_WRITE);
  CoredModel *const loaded = cored_model_load(path, NULL, &error);
  assert_ok(loaded, error);
  assert_same_weights(old, loaded);
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
  cored_model_unref(old);
  cored_model_unref(next);
  cored_model_unref(loaded);
}

/* ---- Self-test ------------------------------------------------------------------------------ */

/* Values of an independent computation: format.h's text in Python, with unbounded integers. */
static void the_self_test_picture_is_what_the_format_says(void **state) {
  (void)state;
  assert_int_equal(cored_self_test_byte(2020, 0, 0, 0), 173);
  assert_int_equal(cored_self_test_byte(2020, 0, 0, 2), 117);
  assert_int_equal(cored_self_test_byte(2020, 17, 255, 1), 65);
  assert_int_equal(cored_self_test_byte(UINT64_MAX, 4095, 4095, 2), 141);
}

/* What the loader would refuse never takes the name of a file that it reads. */
static void assert_not_written(const CoredModel *model) {
  char folder[] = "/tmp/cored-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.safetensors", folder);
  CoredModel *const good = model_random("meso4", 1);
  CoredError error = {0};
  assert_ok(cored_model_save(good, path, &error), error);
  assert_false(cored_model_save(model, path, &error));
  assert_int_equal(error.code, CORED_ERROR_SELF_TEST);
  assert_non_null(strstr(error.message, "m.safetensors: not written, because it could not be"));
  assert_null(strstr(error.message, ".tmp"));
  CoredModel *const kept = cored_model_load(path, NULL, &error);
  assert_ok(kept, error);
  assert_same_weights(good, kept);
  unlink(path);
  assert_int_equal(rmdir(folder), 0); /* no temporary file stayed */
  cored_model_unref(kept);
  cored_model_unref(good);
}

static void a_wrong_self_test_is_refused(void **state) {
  (void)state;
  Blob base = blob_meso4();
  char from[64], to[64];
  const char *const logits = strstr((char *)base.data + 8, "\\\"logits\\\":[0,");
  assert_non_null(logits);
  const double z = strtod(logits + 14, NULL);
  const char *const end = strchr(logits, ']');
  snprintf(from, sizeof from, "%.*s", (int)(end - logits), logits);
  snprintf(to, sizeof to, "\\\"logits\\\":[0,%.9g", z + 0.01);
  Blob blob = blob_edit(&base, from, to);
  assert_load_fails(&blob, CORED_ERROR_SELF_TEST, "logit 1", "seed 2020", NULL);
  CoredError error;
  const CoredModelLoadParams skip = {.skip_self_test = true};
  CoredModel *const model = cored_model_load_memory(blob.data, blob.size, "m", &skip, &error);
  assert_ok(model, error);
  assert_not_written(model);
  cored_model_unref(model);
  blob_free(&blob);
  snprintf(to, sizeof to, "\\\"logits\\\":[0,%.9g", z + 0.0005);
  blob = blob_edit(&base, from, to);
  assert_loads(&blob);
  blob_free(&blob);
  blob_free(&base);
}

static void the_caller_can_give_up(void **state) {
  (void)state;
  const int cancel = 1;
  const CoredModelLoadParams load_params = {.cancel = &cancel};
  const CoredPlanParams plan_params = {.cancel = &cancel};
  Blob blob = blob_meso4();
  CoredError error = {0};
  assert_null(cored_model_load_memory(blob.data, blob.size, "m", &load_params, &error));
  assert_int_equal(error.code, CORED_ERROR_CANCELLED);
  assert_null(cored_model_load("/proc/self/exe", &load_params, &error));
  assert_int_equal(error.code, CORED_ERROR_CANCELLED);
  CoredModel *const model = load(&blob);
  assert_null(cored_plan_new(model, &plan_params, &error));
  assert_int_equal(error.code, CORED_ERROR_CANCELLED);
  cored_model_unref(model);
  blob_free(&blob);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_keeps_everything),
      cmocka_unit_test(crops_may_be_unknown),
      cmocka_unit_test(crops_are_checked),
      cmocka_unit_test(crops_are_compared),
      cmocka_unit_test(the_same_model_gives_the_same_bytes),
      cmocka_unit_test(numbers_do_not_follow_the_locale),
      cmocka_unit_test(all_halves_convert),
      cmocka_unit_test(new_takes_tensors_in_any_order),
      cmocka_unit_test(copies_share_weights_and_keep_the_original),
      cmocka_unit_test(input_sizes_are_checked),
      cmocka_unit_test(save_keeps_the_mode_and_follows_links),
      cmocka_unit_test(files_beside_do_not_go_through_links),
      cmocka_unit_test(generations_have_a_highest),
      cmocka_unit_test(a_full_disk_leaves_the_old_file),
      cmocka_unit_test(the_self_test_picture_is_what_the_format_says),
      cmocka_unit_test(a_wrong_self_test_is_refused),
      cmocka_unit_test(the_caller_can_give_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
