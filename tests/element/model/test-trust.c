/* SPDX-License-Identifier: MIT
 * Where signatures count nobody brings back a model that was signed once: not at another path, not
 * after the element was stopped, and with trust-state not after a restart. */
#include "twins.h"

#include <glib/gstdio.h>

#include "detect/gstcoreddetect.h"
#include "gstcoredmeta.h"
#include "model/classifier.h"

#define QUIET_MS 600

static char *keys, *secret, *state_file;
static char *signed_twins[3]; /* by generation, each at a path of its own */

static void sign(const char *from, const char *to) {
  CoredError error;
  CoredModel *model = cored_model_load(from, NULL, &error);
  if (!model || !cored_model_save_signed(model, to, secret, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
}

static int setup(void **state) {
  CoredError error;
  if (twins_setup(state) != 0 || !cored_meta_register() || !GST_ELEMENT_REGISTER(coreddetect, NULL))
    return -1;
  keys = support_path("trusted.keys");
  secret = support_path("secret.key");
  state_file = support_path("trust.state");
  if (!cored_keys_new(secret, keys, "test", &error))
    return -1;
  for (guint i = 1; i <= 2; i++) {
    signed_twins[i] = support_path(i == 1 ? "first.safetensors" : "second.safetensors");
    sign(twin(i), signed_twins[i]);
  }
  return 0;
}

static int teardown(void **state) {
  g_free(keys);
  g_free(secret);
  g_free(state_file);
  for (guint i = 1; i <= 2; i++)
    g_free(signed_twins[i]);
  return twins_teardown(state);
}

static GstElement *detector_new(const char *model, const char *state) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  g_object_set(element, "model", model, "trusted-keys", keys, "trust-state", state, "threads", 1,
               NULL);
  return element;
}

static void expect_start(GstElement *element, gboolean works, const char *code) {
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  const GstStateChangeReturn change = gst_element_set_state(element, GST_STATE_PAUSED);
  assert_int_equal(change != GST_STATE_CHANGE_FAILURE, works);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  assert_int_equal(message == NULL, works);
  if (message) {
    const GstStructure *details;
    gst_message_parse_error_details(message, &details);
    assert_string_equal(gst_structure_get_string(details, "cored-code"), code);
    gst_message_unref(message);
  }
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, NULL);
  gst_object_unref(bus);
}

static void open_trusting(Twins *twins, guint generation, const char *state) {
  *twins = (Twins){.pause_us = 2000};
  rig_open(&twins->rig, signed_twins[generation], TWINS_CAPS, "inference-region", "full-frame",
           "smoothing", "0", "message-interval", "0", "trusted-keys", keys, "trust-state", state,
           NULL);
  twins->frame = frame_new(&twins->rig.info, 1, 0);
  twins_pass_until(twins, generation);
}

/* Without a file, too: the element itself knows. */
static void another_path_with_an_older_model(void **state) {
  (void)state;
  for (guint i = 0; i < 2; i++) {
    Twins twins;
    Told told = {0};
    open_trusting(&twins, 2, i ? state_file : "");
    g_object_set(twins.rig.element, "model", signed_twins[1], NULL);
    twins_pass_until_warned(&twins, &told, 1);
    assert_string_equal(told.code, "GENERATION");
    twins_stay(&twins, 2, QUIET_MS);
    GstElement *element = gst_object_ref(twins.rig.element);
    twins_close(&twins);
    expect_start(element, FALSE, "GENERATION"); /* once stopped neither */
    g_object_set(element, "model", signed_twins[2], NULL);
    expect_start(element, TRUE, NULL);
    gst_object_unref(element);
  }
  g_unlink(state_file);
}

/* Going back by one is what the application may do, and a newer one is taken as ever. */
static void going_back_and_on(void **state) {
  (void)state;
  Twins twins;
  Told told = {0};
  open_trusting(&twins, 1, state_file);
  g_object_set(twins.rig.element, "model", signed_twins[2], NULL);
  twins_pass_until(&twins, 2);
  g_signal_emit_by_name(twins.rig.element, "previous-model");
  twins_pass_until(&twins, 1);
  g_object_set(twins.rig.element, "model", signed_twins[1], NULL);
  twins_pass_until_warned(&twins, &told, 1);
  assert_string_equal(told.code, "GENERATION");
  g_object_set(twins.rig.element, "model", signed_twins[2], NULL);
  twins_pass_until(&twins, 2);
  twins_close(&twins);
  g_unlink(state_file);
}

static struct { /* what the application sets when a model is as good as ready */
  GstElement *element;
  const char *model;
} overruling;

void __real_cored_classifier_warm_up(CoredClassifier *classifier);
void __wrap_cored_classifier_warm_up(CoredClassifier *classifier);

void __wrap_cored_classifier_warm_up(CoredClassifier *classifier) {
  GstElement *element = g_steal_pointer(&overruling.element);
  __real_cored_classifier_warm_up(classifier);
  if (element)
    g_object_set(element, "model", overruling.model, NULL);
}

/* A model that is overruled before it runs does not count as used. */
static void overruled_at_the_last_moment(void **state) {
  (void)state;
  Twins twins;
  Told told = {0};
  open_trusting(&twins, 1, state_file);
  twins_hear(&twins, &told);
  overruling.model = signed_twins[1];
  overruling.element = twins.rig.element;
  g_object_set(twins.rig.element, "model", signed_twins[2], NULL);
  for (guint loaded = told.loaded; told.loaded == loaded; twins_hear(&twins, &told)) {
    assert_int_equal(twins_pass(&twins), 1);
    assert_int_equal(told.failed, 0);
    g_usleep(twins.pause_us);
  }
  twins_stay(&twins, 1, QUIET_MS);
  twins_hear(&twins, &told);
  assert_int_equal(told.failed, 0);
  twins_close(&twins);
  GstElement *element = detector_new(signed_twins[1], state_file);
  expect_start(element, TRUE, NULL);
  gst_object_unref(element);
  g_unlink(state_file);
}

/* Another element stands for another process: both know by the file alone. */
static void after_a_restart(void **state) {
  (void)state;
  GstElement *element = detector_new(signed_twins[2], state_file);
  expect_start(element, TRUE, NULL);
  gst_object_unref(element);
  element = detector_new(signed_twins[1], state_file);
  expect_start(element, FALSE, "GENERATION");
  gst_object_unref(element);
  element = detector_new(signed_twins[1], NULL); /* what the documents say is not protected */
  expect_start(element, TRUE, NULL);
  gst_object_unref(element);
  g_unlink(state_file);
}

/* A candidate that only runs along may be older, and does not count as used. */
static void a_shadow_raises_nothing(void **state) {
  (void)state;
  GstElement *element = detector_new(signed_twins[1], state_file);
  g_object_set(element, "shadow-model", signed_twins[2], NULL);
  expect_start(element, TRUE, NULL);
  expect_start(element, TRUE, NULL);
  gst_object_unref(element);
  g_unlink(state_file);
}

static void a_damaged_state(void **state) {
  (void)state;
  Twins twins;
  Told told = {0};
  open_trusting(&twins, 1, state_file);
  assert_true(g_file_set_contents(state_file, "cored-trust-state-1\nnonsense\n", -1, NULL));
  g_object_set(twins.rig.element, "model", signed_twins[2], NULL);
  twins_pass_until_warned(&twins, &told, 1);
  assert_string_equal(told.code, "TRUST_STATE");
  twins_stay(&twins, 1, QUIET_MS);
  twins_close(&twins);
  GstElement *element = detector_new(signed_twins[2], state_file);
  expect_start(element, FALSE, "TRUST_STATE");
  gst_object_unref(element);
  g_unlink(state_file);
}

static void a_state_without_keys(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, twin(1), TWINS_CAPS, "trust-state", state_file, NULL);
  GstMessage *message = rig_message(&rig, GST_MESSAGE_WARNING);
  assert_non_null(message);
  gst_message_unref(message);
  assert_false(g_file_test(state_file, G_FILE_TEST_EXISTS));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(another_path_with_an_older_model),
      cmocka_unit_test(going_back_and_on),
      cmocka_unit_test(overruled_at_the_last_moment),
      cmocka_unit_test(after_a_restart),
      cmocka_unit_test(a_shadow_raises_nothing),
      cmocka_unit_test(a_damaged_state),
      cmocka_unit_test(a_state_without_keys),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
