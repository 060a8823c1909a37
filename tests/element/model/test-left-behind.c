/* SPDX-License-Identifier: MIT
 * What was under way when the user wanted otherwise: a load that going back overrules, and the
 * thread that called back and was left behind when the callback stopped the element. */
#include "twins.h"

#include <unistd.h>

#define PATIENCE_SECONDS 100
#define QUIET_MS 600 /* longer than a new version takes to be seen and loaded */

static void await(const gint *counter, gint value) {
  alarm(PATIENCE_SECONDS);
  while (g_atomic_int_get(counter) < value)
    g_usleep(200);
  alarm(0);
}

/* ---- Going back from what is being loaded --------------------------------------------------- */

static void pass_until_swapped(Twins *twins, guint64 swaps) {
  alarm(PATIENCE_SECONDS);
  while (rig_stat(&twins->rig, "model-swaps") < swaps) {
    twins_pass(twins);
    g_usleep(1000);
  }
  alarm(0);
}

/* `twins` runs generation 2 and can go back to 1. */
static void open_twice(Twins *twins, const char *watch) {
  twins_open(twins, twin(1));
  gst_element_set_state(twins->rig.element, GST_STATE_READY);
  gst_util_set_object_arg(G_OBJECT(twins->rig.element), "model-watch", watch);
  gst_element_set_state(twins->rig.element, GST_STATE_PLAYING);
  gst_harness_play(twins->rig.harness);
  rig_set_caps(&twins->rig, TWINS_CAPS);
  twins->pause_us = 1000;
  twins_pass_until(twins, 1);
  g_object_set(twins->rig.element, "model", twin(2), NULL);
  twins_pass_until(twins, 2);
}

static void close_twice(Twins *twins) {
  gst_buffer_unref(twins->frame);
  rig_close(&twins->rig);
}

/* The file that was set before does not come after all, only its next version does. */
static void going_back_from_another_file(void **state) {
  (void)state;
  Twins twins;
  char *path = support_path("overruled.safetensors");
  model_publish(twin(2), path);
  open_twice(&twins, "true");
  g_object_set(twins.rig.element, "model", path, NULL);
  g_signal_emit_by_name(twins.rig.element, "previous-model");
  twins_pass_until(&twins, 1);
  twins_stay(&twins, 1, QUIET_MS);
  assert_int_equal(rig_stat(&twins.rig, "model-swaps"), 2);
  model_publish(twin(1), path);
  pass_until_swapped(&twins, 3);
  model_publish(twin(2), path);
  twins_pass_until(&twins, 2);
  close_twice(&twins);
  g_free(path);
}

/* Nor does what was asked for again; asked for once more, it does. */
static void going_back_from_a_reload(void **state) {
  (void)state;
  static const char *const watch[] = {"true", "false"};
  for (guint i = 0; i < G_N_ELEMENTS(watch); i++) {
    Twins twins;
    open_twice(&twins, watch[i]);
    g_signal_emit_by_name(twins.rig.element, "reload-model");
    g_signal_emit_by_name(twins.rig.element, "previous-model");
    twins_pass_until(&twins, 1);
    twins_stay(&twins, 1, QUIET_MS);
    g_signal_emit_by_name(twins.rig.element, "reload-model");
    twins_pass_until(&twins, 2);
    close_twice(&twins);
  }
}

/* ---- Left behind ---------------------------------------------------------------------------- */

typedef enum Means { BY_SWAP, BY_RESULT } Means;

typedef struct Stopper {
  Means means;
  gboolean restart;                    /* the element is started again, too */
  gint armed, stopped, released, left; /* atomic */
} Stopper;

static gboolean is_cue(const Stopper *stopper, GstMessage *message) {
  const GstStructure *said = gst_message_get_structure(message);
  return said && gst_structure_has_name(said, stopper->means == BY_SWAP ? CORED_MESSAGE_MODEL
                                                                        : CORED_MESSAGE_RESULT);
}

/* Stops the element that says the first such thing, and keeps the thread until it is released. */
static GstBusSyncReply stop_and_stay(GstBus *bus, GstMessage *message, gpointer user) {
  Stopper *stopper = user;
  GstElement *element = GST_ELEMENT(GST_MESSAGE_SRC(message));
  (void)bus;
  if (is_cue(stopper, message) && g_atomic_int_compare_and_exchange(&stopper->armed, TRUE, FALSE)) {
    gst_element_set_state(element, stopper->restart ? GST_STATE_READY : GST_STATE_NULL);
    if (stopper->restart)
      gst_element_set_state(element, GST_STATE_PLAYING);
    g_atomic_int_set(&stopper->stopped, TRUE);
    await(&stopper->released, TRUE);
    g_atomic_int_set(&stopper->left, TRUE);
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

static void push(Rig *rig, guint number) {
  GstBuffer *out, *frame = frame_new(&rig->info, 1, number);
  gst_harness_push(rig->harness, frame);
  while ((out = gst_harness_try_pull(rig->harness)))
    gst_buffer_unref(out);
}

static void push_until_stopped(Rig *rig, Stopper *stopper) {
  g_atomic_int_set(&stopper->armed, TRUE);
  if (stopper->means == BY_SWAP)
    g_object_set(rig->element, "model", twin(2), NULL);
  alarm(PATIENCE_SECONDS);
  for (guint i = 0; !g_atomic_int_get(&stopper->stopped); i++) {
    push(rig, i);
    g_usleep(1000);
  }
  alarm(0);
}

static void open_stoppable(Rig *rig, Stopper *stopper, const char *mode) {
  rig_open(rig, twin(1), TWINS_CAPS, "mode", mode, "delay", "0", "inference-region", "full-frame",
           "message-interval", "0", NULL);
  push(rig, 0);
  gst_bus_set_sync_handler(rig->bus, stop_and_stay, stopper, NULL);
}

/* What it was at is not mixed into the element's new life. */
static void the_new_life_is_left_alone(void **state) {
  (void)state;
  static const char *const modes[] = {"latest", "delay"};
  if (g_get_num_processors() == 1) {
    print_message("skipped: the only thread for frames is the one that is kept\n");
    skip();
  }
  for (guint i = 0; i < 2 * G_N_ELEMENTS(modes); i++) {
    Rig rig;
    Stopper stopper = {.means = i % 2 ? BY_RESULT : BY_SWAP, .restart = TRUE};
    open_stoppable(&rig, &stopper, modes[i / 2]);
    push_until_stopped(&rig, &stopper);
    gst_harness_play(rig.harness);
    rig_set_caps(&rig, TWINS_CAPS);
    for (guint n = 1; n <= 20; n++) {
      push(&rig, n);
      rig_wait_for(&rig, "inferred", n);
    }
    g_atomic_int_set(&stopper.released, TRUE);
    await(&stopper.left, TRUE);
    g_usleep(QUIET_MS * 100);
    assert_int_equal(rig_stat(&rig, "frames-in"), 20);
    assert_int_equal(rig_stat(&rig, "inferred"), 20);
    assert_int_equal(rig_stat(&rig, "messages"), 20);
    gst_bus_set_sync_handler(rig.bus, NULL, NULL, NULL);
    rig_close(&rig);
  }
}

static void note_end(gpointer ended, GObject *element) {
  (void)element;
  g_atomic_int_set((gint *)ended, TRUE);
}

/* Nor does it need what went with the last reference to the element. */
static void the_element_stays_until_its_thread_has_left(void **state) {
  (void)state;
  for (guint i = 0; i < 4; i++) {
    Rig rig;
    gint ended = FALSE;
    char *missing = support_path("missing.safetensors");
    Stopper stopper = {.means = i % 2 ? BY_RESULT : BY_SWAP};
    open_stoppable(&rig, &stopper, "latest");
    if (i < 2) {
      push_until_stopped(&rig, &stopper);
    } else {
      stopper.means = BY_SWAP; /* or that there is none */
      g_atomic_int_set(&stopper.armed, TRUE);
      g_object_set(rig.element, "model", missing, NULL);
      await(&stopper.stopped, TRUE);
    }
    g_object_weak_ref(G_OBJECT(rig.element), note_end, &ended);
    rig_close(&rig);
    assert_false(g_atomic_int_get(&ended));
    g_atomic_int_set(&stopper.released, TRUE);
    await(&ended, TRUE);
    g_free(missing);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(going_back_from_another_file),
      cmocka_unit_test(going_back_from_a_reload),
      cmocka_unit_test(the_new_life_is_left_alone),
      cmocka_unit_test(the_element_stays_until_its_thread_has_left),
  };
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
