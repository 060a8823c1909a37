/* SPDX-License-Identifier: MIT
 * New models while frames flow: which one evaluated a frame is always said and always true, a bad
 * one changes nothing. */
#include "support.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#ifdef __SANITIZE_ADDRESS__ /* every start tests the network that finds faces, ever so slowly */
#define TROUBLES 80
#else
#define TROUBLES 400
#endif
#define A 3
#define B 4

static double p_of_model(Rig *rig, guint64 generation) {
  const CoredBox box = {0, 0, 160, 120};
  GstBuffer *frame = frame_new(&rig->info, 1, 0);
  const double p = reference_p_fake(support_model(generation), &rig->info, frame, &box);
  gst_buffer_unref(frame);
  return p;
}

/* One frame; its generation, after checking that the value is that model's. */
static guint64 push_one(Rig *rig, guint number, const double *p_by_generation) {
  const GstStructure *result;
  GstBuffer *out = rig_frame(rig, frame_new(&rig->info, 1, number), &result);
  const guint64 generation = result_uint64(result, "model-generation");
  const double p = result_double(result, "p-fake");
  if (!(fabs(p - p_by_generation[generation]) < 1e-6))
    fail_msg("frame %u: generation %u with p-fake %f", number, (guint)generation, p);
  gst_buffer_unref(out);
  return generation;
}

static void push_until(Rig *rig, guint *number, guint64 generation, const double *p) {
  for (guint i = 0; push_one(rig, (*number)++, p) != generation; i++) {
    if (i == 10000)
      fail_msg("generation %u never came", (guint)generation);
    g_usleep(1000);
  }
}

typedef struct Told {
  guint loaded, failed, warnings;
  char code[64];
} Told;

static void hear_models(Rig *rig, Told *told) {
  GstMessage *message;
  *told = (Told){0};
  while ((message = rig_message(rig, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING))) {
    const GstStructure *model = gst_message_get_structure(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
      told->warnings++;
    } else if (gst_structure_has_name(model, CORED_MESSAGE_MODEL)) {
      const char *status = gst_structure_get_string(model, "status");
      told->loaded += g_str_equal(status, "loaded");
      told->failed += g_str_equal(status, "failed");
      if (gst_structure_has_field(model, "code"))
        g_strlcpy(told->code, gst_structure_get_string(model, "code"), sizeof told->code);
    }
    gst_message_unref(message);
  }
}

static void note_signal(GstElement *element, gint status, const char *path, gint *statuses) {
  (void)element;
  (void)path;
  g_atomic_int_inc(&statuses[status == 0 ? 0 : 1]);
}

static void wait_told(Rig *rig, guint failed, Told *sum) {
  *sum = (Told){0};
  for (guint i = 0; sum->failed < failed || sum->warnings < failed; i++) {
    Told told;
    if (i == 10000)
      fail_msg("no failure was told");
    g_usleep(1000);
    hear_models(rig, &told);
    sum->loaded += told.loaded;
    sum->failed += told.failed;
    sum->warnings += told.warnings;
    if (*told.code)
      g_strlcpy(sum->code, told.code, sizeof sum->code);
  }
}

static void open_at(Rig *rig, const char *path, double p[8]) {
  rig_open(rig, path, CAPS, "inference-region", "full-frame", "smoothing", "0", "message-interval",
           "0", NULL);
  p[A] = p_of_model(rig, A);
  p[B] = p_of_model(rig, B);
  assert_true(fabs(p[A] - p[B]) > 0.01);
}

static void the_model_property_is_live(void **state) {
  (void)state;
  double p[8] = {0};
  guint number = 0;
  gint statuses[2] = {0, 0};
  Told told;
  char *text;
  Rig rig;
  open_at(&rig, support_model(A), p);
  g_signal_connect(rig.element, "model-updated", G_CALLBACK(note_signal), statuses);
  assert_int_equal(push_one(&rig, number++, p), A);
  hear_models(&rig, &told);
  assert_int_equal(told.loaded, 1);
  for (guint i = 0; i < 5; i++) {
    g_object_set(rig.element, "model", support_model(i % 2 ? A : B), NULL);
    push_until(&rig, &number, i % 2 ? A : B, p);
  }
  hear_models(&rig, &told);
  assert_int_equal(told.loaded, 5);
  assert_int_equal(told.failed + told.warnings, 0);
  assert_int_equal(rig_stat(&rig, "model-swaps"), 5);
  assert_int_equal(rig_stat(&rig, "inferred"), number);
  assert_int_equal(g_atomic_int_get(&statuses[0]), 5);

  char *missing = support_path("missing.safetensors");
  g_object_set(rig.element, "model", missing, NULL);
  wait_told(&rig, 1, &told);
  assert_int_equal(told.failed, 1);
  assert_int_equal(told.warnings, 1);
  assert_string_equal(told.code, "NOT_FOUND");
  assert_int_equal(push_one(&rig, number++, p), B); /* the old one stays */
  for (guint i = 0; g_atomic_int_get(&statuses[1]) == 0 && i < 10000; i++)
    g_usleep(1000); /* the signal follows the messages, from the thread that loads */
  assert_int_equal(g_atomic_int_get(&statuses[1]), 1);
  g_object_get(rig.element, "model-status", &text, NULL);
  assert_string_equal(text, "failed");
  g_free(text);
  g_free(missing);
  rig_close(&rig);
}

/* Publish a model, without its last bytes. */
static void put(guint64 generation, const char *path, gsize cut) {
  char *bytes, *temporary = g_strconcat(path, ".tmp", NULL);
  gsize length;
  assert_true(g_file_get_contents(support_model(generation), &bytes, &length, NULL));
  FILE *file = fopen(temporary, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length - cut, file), length - cut);
  fclose(file);
  assert_int_equal(g_rename(temporary, path), 0);
  g_free(bytes);
  g_free(temporary);
}

static void a_replaced_file_is_taken_over_and_a_bad_one_is_not(void **state) {
  (void)state;
  double p[8] = {0};
  guint number = 0;
  Told told;
  Rig rig;
  char *path = support_path("watched.safetensors");
  put(A, path, 0);
  open_at(&rig, path, p);
  assert_int_equal(push_one(&rig, number++, p), A);
  put(B, path, 0);
  push_until(&rig, &number, B, p);
  hear_models(&rig, &told);

  put(A, path, 100);
  wait_told(&rig, 1, &told);
  assert_int_equal(told.failed, 1);
  assert_int_equal(told.warnings, 1);
  assert_string_equal(told.code, "TRUNCATED");
  for (guint i = 0; i < 20; i++)
    assert_int_equal(push_one(&rig, number++, p), B);
  hear_models(&rig, &told);
  assert_int_equal(told.failed + told.warnings, 0); /* once per bad version */

  put(A, path, 0);
  push_until(&rig, &number, A, p);
  assert_int_equal(rig_stat(&rig, "swap-failures"), 1);
  rig_close(&rig);
  g_free(path);
}

static void without_the_watch_only_the_action_reloads(void **state) {
  (void)state;
  double p[8] = {0};
  guint number = 0;
  Rig rig;
  char *path = support_path("unwatched.safetensors");
  put(A, path, 0);
  rig_open(&rig, path, CAPS, "inference-region", "full-frame", "model-watch", "false", NULL);
  p[A] = p_of_model(&rig, A);
  p[B] = p_of_model(&rig, B);
  put(B, path, 0);
  for (guint i = 0; i < 100; i++) {
    assert_int_equal(push_one(&rig, number++, p), A);
    g_usleep(5000);
  }
  g_signal_emit_by_name(rig.element, "reload-model");
  push_until(&rig, &number, B, p);
  rig_close(&rig);
  g_free(path);
}

static void sign(guint64 generation, const char *path, const char *secret) {
  CoredError error;
  CoredModel *model = cored_model_load(support_model(generation), NULL, &error);
  if (!cored_model_save_signed(model, path, secret, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
}

/* Where signatures count: unsigned files and older generations are refused, at start and later. */
static void only_trusted_models_run(void **state) {
  (void)state;
  double p[8] = {0};
  guint number = 0;
  Told told;
  CoredError error;
  Rig rig;
  char *path = support_path("signed.safetensors"), *secret = support_path("secret.key"),
       *keys = support_path("trusted.keys");
  assert_true(cored_keys_new(secret, keys, "test", &error));
  put(A, path, 0);
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  g_object_set(element, "model", path, "trusted-keys", keys, NULL);
  assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);

  sign(B, path, secret);
  rig_open(&rig, path, CAPS, "inference-region", "full-frame", "trusted-keys", keys, NULL);
  p[A] = p_of_model(&rig, A);
  p[B] = p_of_model(&rig, B);
  assert_int_equal(push_one(&rig, number++, p), B);
  hear_models(&rig, &told);
  put(A, path, 0);
  wait_told(&rig, 1, &told);
  assert_true(g_str_has_prefix(told.code, "SIGNATURE"));
  sign(A, path, secret); /* trusted, but older than B */
  wait_told(&rig, 1, &told);
  assert_string_equal(told.code, "GENERATION");
  assert_int_equal(push_one(&rig, number++, p), B);
  rig_close(&rig);
  g_free(path);
  g_free(secret);
  g_free(keys);
}

/* The shadow has no say; every second frame it is asked, and the sums are exact. */
static void a_shadow_model_is_compared(void **state) {
  (void)state;
  double p[8] = {0};
  GstMessage *message, *last = NULL;
  Rig rig;
  rig_open(&rig, support_model(A), CAPS, "inference-region", "full-frame", "shadow-model",
           support_model(B), "shadow-interval", "2", "message-interval", "0", NULL);
  p[A] = p_of_model(&rig, A);
  p[B] = p_of_model(&rig, B);
  for (guint number = 0; number < 10; number++)
    assert_int_equal(push_one(&rig, number, p), A);
  while ((message = rig_message(&rig, GST_MESSAGE_ELEMENT))) {
    if (gst_structure_has_name(gst_message_get_structure(message), CORED_MESSAGE_SHADOW))
      gst_message_replace(&last, message);
    gst_message_unref(message);
  }
  assert_non_null(last);
  const GstStructure *seen = gst_message_get_structure(last);
  assert_int_equal(result_uint64(seen, "faces"), 5);
  assert_true(fabs(result_double(seen, "mean-shift") - (p[B] - p[A])) < 1e-6);
  assert_true(fabs(result_double(seen, "max-abs-shift") - fabs(p[B] - p[A])) < 1e-6);
  assert_true(result_double(seen, "agreement") == ((p[A] >= 0.5) == (p[B] >= 0.5) ? 1.0 : 0.0));
  assert_int_equal(result_uint64(seen, "model-generation"), A);
  assert_int_equal(result_uint64(seen, "shadow-generation"), B);
  gst_message_unref(last);
  rig_close(&rig);
}

static void a_model_can_be_set_where_none_was(void **state) {
  (void)state;
  double p[8] = {0};
  Rig rig;
  rig_open(&rig, NULL, CAPS, "inference-region", "full-frame", NULL);
  p[A] = p_of_model(&rig, A);
  gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, 0), NULL));
  g_object_set(rig.element, "model", support_model(A), NULL);
  for (guint i = 1; rig_stat(&rig, "inferred") == 0; i++) {
    assert_true(i < 10000);
    gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, i), NULL));
    g_usleep(1000);
  }
  assert_int_equal(push_one(&rig, 20000, p), A);
  rig_close(&rig);
}

static gpointer trouble(gpointer data) {
  GstElement *element = data;
  GRand *rand = g_rand_new_with_seed(7);
  for (guint i = 0; i < TROUBLES; i++) {
    char *text;
    GstStructure *stats;
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
      g_object_set(element, "model", support_model(i % 2 ? A : B), NULL);
      break;
    case 1:
      g_signal_emit_by_name(element, "reload-model");
      break;
    case 2:
      g_signal_emit_by_name(element, "previous-model");
      break;
    case 3:
      g_object_get(element, "model-id", &text, NULL);
      g_free(text);
      break;
    case 4:
      g_object_get(element, "stats", &stats, NULL);
      gst_structure_free(stats);
      break;
    default:
      gst_element_set_state(element, i % 3 ? GST_STATE_READY : GST_STATE_NULL);
      gst_element_set_state(element, GST_STATE_PLAYING);
    }
  }
  g_rand_free(rand);
  return NULL;
}

/* State changes, settings and reads from two threads at once, then an end in the middle. */
static void reload_races_with_everything(void **state) {
  (void)state;
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  support_model(A);
  support_model(B);
  g_object_set(element, "model", support_model(A), "threads", 1, NULL);
  GThread *threads[2];
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new("trouble", trouble, element);
  for (guint i = 0; i < 2; i++)
    g_thread_join(threads[i]);
  g_object_set(element, "model", support_model(B), NULL);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_model_property_is_live),
      cmocka_unit_test(a_replaced_file_is_taken_over_and_a_bad_one_is_not),
      cmocka_unit_test(without_the_watch_only_the_action_reloads),
      cmocka_unit_test(only_trusted_models_run),
      cmocka_unit_test(a_shadow_model_is_compared),
      cmocka_unit_test(a_model_can_be_set_where_none_was),
      cmocka_unit_test(reload_races_with_everything),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
