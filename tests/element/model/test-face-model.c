/* SPDX-License-Identifier: MIT
 * The file of the network that finds faces (face-model) while frames flow: new versions of it, ones
 * that cannot be used, and several elements that name it. */
#include "support.h"

#include "model/face-model.h"

#include <glib/gstdio.h>

#define MODEL 3
#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define PATIENCE 3000 /* frames, of 10 ms at least */
#define QUIET 100     /* frames: longer than a watch takes to load a version */

/* A copy of the network that is built in, which takes for a face what has at least this score:
 * nearly everything or nothing at all. */
static void publish(const char *path, double threshold) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredModel *built_in = cored_model_built_in_locator(&error);
  assert_non_null(built_in);
  CoredModelInfo info = *cored_model_info(built_in);
  info.threshold = threshold;
  CoredModel *model = cored_model_with_info(built_in, &info, &error);
  if (!model || !cored_model_save(model, path, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
  cored_model_unref(built_in);
}

#define EVERYTHING 1e-6
#define NOTHING 0.9999

static void publish_rubbish(const char *path) {
  char *beside = g_strconcat(path, ".new", NULL);
  assert_true(g_file_set_contents(beside, "rubbish", -1, NULL));
  assert_int_equal(g_rename(beside, path), 0);
  g_free(beside);
}

typedef struct Stream {
  Rig rig;
  guint number;
  guint loaded, failed, warnings; /* that were told */
  char *new_id;                   /* of the last message */
} Stream;

static void open_stream(Stream *stream, const char *face_model, const char *watch) {
  *stream = (Stream){0};
  rig_open(&stream->rig, support_model(MODEL), CAPS, "face-detector", "network", "detect-interval",
           "1", "min-object-size", "16", "min-sharpness", "0", "max-absence", "0", "max-objects",
           "2", "model-watch", watch, "face-model", face_model, NULL);
}

static void hear(Stream *stream) {
  GstMessage *message;
  while ((message = rig_message(&stream->rig, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING))) {
    const GstStructure *s = gst_message_get_structure(message);
    stream->warnings += GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING;
    if (gst_message_has_name(message, CORED_MESSAGE_FACE_MODEL)) {
      const char *status = gst_structure_get_string(s, "status");
      stream->loaded += g_str_equal(status, "loaded");
      stream->failed += g_str_equal(status, "failed");
      g_free(stream->new_id);
      stream->new_id = g_strdup(gst_structure_get_string(s, "new-id"));
    }
    gst_message_unref(message);
  }
}

static void close_stream(Stream *stream) {
  rig_close(&stream->rig);
  g_free(stream->new_id);
}

static gboolean finds_faces(Stream *stream) {
  const GstStructure *result;
  gboolean present = FALSE, full = FALSE;
  GstBuffer *out =
      rig_frame(&stream->rig, frame_new(&stream->rig.info, 5, stream->number++), &result);
  if (result_uint(result, "n-faces") > 0) {
    gst_structure_get_boolean(result_face(result, 0), "present", &present);
    gst_structure_get_boolean(result_face(result, 0), "full-frame", &full);
  }
  assert_false(full);
  gst_buffer_unref(out);
  hear(stream);
  return present;
}

/* Frames until what is found is that of the new version. */
static void pass_until(Stream *stream, gboolean found) {
  for (guint n = 0; n < PATIENCE; n++) {
    if (finds_faces(stream) == found)
      return;
    g_usleep(10000);
  }
  fail_msg("the new version is not used");
}

static void pass_quietly(Stream *stream, gboolean found) {
  for (guint n = 0; n < QUIET; n++) {
    assert_int_equal(finds_faces(stream), found);
    g_usleep(10000);
  }
}

static void new_versions_are_used_between_frames(void **state) {
  (void)state;
  Stream stream;
  char *path = support_path("faces.safetensors");
  publish(path, EVERYTHING);
  open_stream(&stream, path, "true");
  assert_true(finds_faces(&stream));
  publish(path, NOTHING);
  pass_until(&stream, FALSE);
  publish(path, EVERYTHING);
  pass_until(&stream, TRUE);
  assert_int_equal(stream.loaded, 2);
  assert_int_equal(stream.failed + stream.warnings, 0);
  assert_true(g_str_has_prefix(stream.new_id, "yunet-n-"));
  close_stream(&stream);
  g_free(path);
}

/* Refused once with a warning; the version in use stays until the next good one. */
static void what_cannot_be_used_is_refused(void **state) {
  (void)state;
  Stream stream;
  char *path = support_path("faces.safetensors");
  publish(path, EVERYTHING);
  open_stream(&stream, path, "true");
  assert_true(finds_faces(&stream));
  publish_rubbish(path);
  for (guint n = 0; n < PATIENCE && stream.failed == 0; n++) {
    assert_true(finds_faces(&stream));
    g_usleep(10000);
  }
  pass_quietly(&stream, TRUE);
  assert_int_equal(stream.failed, 1);
  assert_int_equal(stream.warnings, 1);
  publish(path, NOTHING);
  pass_until(&stream, FALSE);
  assert_int_equal(stream.loaded, 1);
  close_stream(&stream);
  g_free(path);
}

static void without_model_watch_it_stays(void **state) {
  (void)state;
  Stream stream;
  char *path = support_path("faces.safetensors");
  publish(path, EVERYTHING);
  open_stream(&stream, path, "false");
  assert_true(finds_faces(&stream));
  publish(path, NOTHING);
  pass_quietly(&stream, TRUE);
  assert_int_equal(stream.loaded + stream.failed + stream.warnings, 0);
  close_stream(&stream);
  g_free(path);
}

/* A new version comes to all elements that name the file. */
static void elements_share_it(void **state) {
  (void)state;
  Stream first, second;
  char *path = support_path("faces.safetensors");
  publish(path, EVERYTHING);
  open_stream(&first, path, "true");
  open_stream(&second, path, "true");
  assert_true(finds_faces(&first) && finds_faces(&second));
  publish(path, NOTHING);
  pass_until(&first, FALSE);
  pass_until(&second, FALSE);
  close_stream(&first);
  publish(path, EVERYTHING);
  pass_until(&second, TRUE);
  close_stream(&second);
  g_free(path);
}

/* What the detector's warnings say is wrong with the face model in a first frame; NULL: nothing. */
static char *code_of_start(const char *model, const char *keys, const char *face_model) {
  const GstStructure *result, *details;
  char *code = NULL;
  GstMessage *message;
  Rig rig;
  rig_open(&rig, model, CAPS, "trusted-keys", keys, "face-model", face_model, NULL);
  GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 5, 0), &result);
  while ((message = rig_message(&rig, GST_MESSAGE_WARNING))) {
    gst_message_parse_warning_details(message, &details);
    g_free(code);
    code = g_strdup(gst_structure_get_string(details, "cored-code"));
    gst_message_unref(message);
  }
  gst_buffer_unref(out);
  rig_close(&rig);
  return code;
}

static void sign(const char *from, CoredModelKind kind, const char *to, const char *secret) {
  const CoredModelLoadParams params = {.kind = kind};
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredModel *model = cored_model_load(from, &params, &error);
  if (!model || !cored_model_save_signed(model, to, secret, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
}

/* With trusted-keys its file must be signed, too; what is built in need not be. */
static void signatures_count(void **state) {
  (void)state;
  CoredError error = {CORED_ERROR_NONE, ""};
  char *keys = support_path("keys"), *secret = support_path("secret");
  char *model = support_path("model.safetensors"), *path = support_path("faces.safetensors");
  char *signed_path = support_path("signed.safetensors");
  assert_true(cored_keys_new(secret, keys, "test", &error));
  sign(support_model(MODEL), CORED_MODEL_CLASSIFIER, model, secret);
  publish(path, EVERYTHING);
  sign(path, CORED_MODEL_LOCATOR, signed_path, secret);
  char *code = code_of_start(model, keys, path);
  assert_string_equal(code, "SIGNATURE_MISSING");
  g_free(code);
  assert_null(code_of_start(model, keys, signed_path));
  assert_null(code_of_start(model, keys, ""));
  assert_null(code_of_start(model, "", path));
  g_free(keys);
  g_free(secret);
  g_free(model);
  g_free(path);
  g_free(signed_path);
}

static void ignore(gpointer user, CoredModelEvent *event) {
  (void)user;
  cored_model_event_free(event);
}

/* One copy of the weights, also of the network that is built in; another instance has its own, and
 * a classifier's source of the same path is another. */
static void the_weights_are_there_once(void **state) {
  (void)state;
  char *path = support_path("faces.safetensors");
  publish(path, EVERYTHING);
  const char *const paths[] = {"", path};
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    const CoredModelSourceSettings settings[] = {
        {.path = paths[i], .kind = CORED_MODEL_LOCATOR, .watch = TRUE},
        {.path = paths[i], .kind = CORED_MODEL_LOCATOR, .watch = TRUE},
        {.path = paths[i], .kind = CORED_MODEL_LOCATOR, .watch = TRUE, .instance = "own"}};
    CoredModelSource *source[3];
    CoredModelVersion *version[3];
    for (guint k = 0; k < 3; k++) {
      CoredError error = {CORED_ERROR_NONE, ""};
      source[k] = cored_model_source_join(&settings[k], TRUE, ignore, &source[k], &error);
      if (!source[k])
        fail_msg("%s", error.message);
      version[k] = cored_model_source_version(source[k]);
      assert_non_null(version[k]->model);
      assert_null(version[k]->plan);
    }
    assert_ptr_equal(version[0]->model, version[1]->model);
    assert_ptr_not_equal(version[0]->model, version[2]->model);
    for (guint k = 0; k < 3; k++) {
      cored_model_version_unref(version[k]);
      cored_model_source_leave(source[k], &source[k]);
    }
  }
  CoredError error = {CORED_ERROR_NONE, ""};
  const CoredModelSourceSettings classifier = {.path = path, .kind = CORED_MODEL_CLASSIFIER};
  assert_null(cored_model_source_join(&classifier, TRUE, ignore, &error, &error));
  assert_int_equal(error.code, CORED_ERROR_MODEL_KIND);
  g_free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(new_versions_are_used_between_frames),
      cmocka_unit_test(what_cannot_be_used_is_refused),
      cmocka_unit_test(without_model_watch_it_stays),
      cmocka_unit_test(elements_share_it),
      cmocka_unit_test(signatures_count),
      cmocka_unit_test(the_weights_are_there_once),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
