/* SPDX-License-Identifier: MIT
 * Which model runs when several are asked for: what the user set last, whatever was under way;
 * who is told of a bad file; and the element stopped in the middle of its own swap. */
#include "twins.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 600 /* longer than a new version takes to be seen and loaded */

static const char no_model[] = "this is no model at all, whoever looks at it";

static void put_text(const char *path, const char *text) {
  char *beside = g_strconcat(path, ".txt", NULL);
  assert_true(g_file_set_contents(beside, text, -1, NULL));
  assert_int_equal(g_rename(beside, path), 0);
  g_free(beside);
}

static char *status_of(GstElement *element) {
  char *status;
  g_object_get(element, "model-status", &status, NULL);
  return status;
}

static void expect_status(Twins *twins, const char *expected) {
  char *status = status_of(twins->rig.element);
  for (guint i = 0; !g_str_equal(status, expected); i++) {
    if (i == 20000)
      fail_msg("expected model-status %s, found %s", expected, status);
    g_free(status);
    twins_pass(twins);
    g_usleep(1000);
    status = status_of(twins->rig.element);
  }
  g_free(status);
}

/* ---- Late model events ---------------------------------------------------------------------- */

typedef struct Holdup { /* keeps a reload job in its first report of a failure */
  gint failures;        /* atomic */
  gint released;        /* atomic */
  char *paths[8];       /* of the failures */
} Holdup;

static GstBusSyncReply hold_up(GstBus *bus, GstMessage *message, gpointer user) {
  Holdup *holdup = user;
  const GstStructure *said = gst_message_get_structure(message);
  (void)bus;
  if (!said || !gst_structure_has_name(said, CORED_MESSAGE_MODEL) ||
      !g_str_equal(gst_structure_get_string(said, "status"), "failed"))
    return GST_BUS_PASS;
  const gint n = g_atomic_int_get(&holdup->failures);
  holdup->paths[n] = g_strdup(gst_structure_get_string(said, "path"));
  g_atomic_int_inc(&holdup->failures);
  while (!g_atomic_int_get(&holdup->released))
    g_usleep(1000);
  return GST_BUS_PASS;
}

static void wait_for(Twins *twins, const gint *counter, gint value) {
  for (guint i = 0; g_atomic_int_get(counter) < value; i++) {
    if (i == 20000)
      fail_msg("expected %d failures, heard %d", value, g_atomic_int_get(counter));
    twins_pass(twins);
    g_usleep(1000);
  }
}

typedef struct Crossing { /* three elements, of which one hears late of its file */
  char *watched;          /* the file of `slow` and `witness` */
  Twins slow, witness, other;
  Holdup holdup;
} Crossing;

/* `slow` is held up and has not read that `watched` is generation 2 now, and then bad once more. */
static void crossing_open(Crossing *crossing) {
  *crossing = (Crossing){.watched = support_path("crossing.safetensors")};
  model_publish(twin(1), crossing->watched);
  twins_open(&crossing->slow, twin(1)); /* so that it can go back */
  twins_pass(&crossing->slow);
  g_object_set(crossing->slow.rig.element, "model", crossing->watched, NULL);
  while (rig_stat(&crossing->slow.rig, "model-swaps") == 0)
    twins_pass(&crossing->slow);
  twins_open(&crossing->witness, crossing->watched);
  twins_open(&crossing->other, twin(1));
  twins_pass(&crossing->other);
  twins_pass_until(&crossing->slow, 1);
  gst_bus_set_sync_handler(crossing->slow.rig.bus, hold_up, &crossing->holdup, NULL);
  put_text(crossing->watched, no_model);
  wait_for(&crossing->slow, &crossing->holdup.failures, 1);
  model_publish(twin(2), crossing->watched);
  twins_pass_until(&crossing->witness, 2);
  put_text(crossing->watched, no_model);
  expect_status(&crossing->witness, "failed");
  assert_int_equal(twins_pass(&crossing->slow), 1);
}

static void crossing_close(Crossing *crossing) {
  gst_bus_set_sync_handler(crossing->slow.rig.bus, NULL, NULL, NULL);
  twins_close(&crossing->slow);
  twins_close(&crossing->witness);
  twins_close(&crossing->other);
  for (guint i = 0; i < G_N_ELEMENTS(crossing->holdup.paths); i++)
    g_free(crossing->holdup.paths[i]);
  g_free(crossing->watched);
}

/* The model that the user sets is not overruled by late events of the old file, and what was wrong
 * with the old file is told as being of that file. */
static void late_events_of_the_old_file(void **state) {
  (void)state;
  static Crossing crossing;
  crossing_open(&crossing);
  g_object_set(crossing.slow.rig.element, "model", twin(1), NULL);
  g_atomic_int_set(&crossing.holdup.released, TRUE);
  wait_for(&crossing.slow, &crossing.holdup.failures, 2);
  for (guint i = 0; i < 2; i++)
    assert_string_equal(crossing.holdup.paths[i], crossing.watched);
  expect_status(&crossing.slow, "loaded");
  twins_stay(&crossing.slow, 1, QUIET_MS);
  assert_int_equal(crossing.slow.seen[2], 0);
  crossing_close(&crossing);
}

/* Nor is the wish to go back to the model before. */
static void a_late_version_and_going_back(void **state) {
  (void)state;
  static Crossing crossing;
  crossing_open(&crossing);
  g_signal_emit_by_name(crossing.slow.rig.element, "previous-model");
  g_atomic_int_set(&crossing.holdup.released, TRUE);
  wait_for(&crossing.slow, &crossing.holdup.failures, 2);
  twins_stay(&crossing.slow, 1, QUIET_MS);
  assert_int_equal(crossing.slow.seen[2], 0);
  assert_int_equal(rig_stat(&crossing.slow.rig, "model-swaps"), 2);
  crossing_close(&crossing);
}

/* ---- Files that others use ------------------------------------------------------------------ */

/* Whoever is switched to a bad file hears of it, and no one else hears of it again. */
static void a_file_known_to_be_bad(void **state) {
  (void)state;
  static const char *const watch[] = {"true", "false"};
  for (guint w = 0; w < 2; w++) {
    Twins twins[2];
    Told told[2] = {{0}, {0}};
    char *bad = support_path("bad.safetensors");
    put_text(bad, no_model);
    for (guint i = 0; i < 2; i++) {
      twins_open(&twins[i], twin(1));
      gst_element_set_state(twins[i].rig.element, GST_STATE_READY);
      gst_util_set_object_arg(G_OBJECT(twins[i].rig.element), "model-watch", watch[w]);
      gst_element_set_state(twins[i].rig.element, GST_STATE_PLAYING);
      rig_drop_messages(&twins[i].rig);
    }
    for (guint i = 0; i < 2; i++) {
      g_object_set(twins[i].rig.element, "model", bad, NULL);
      for (guint n = 0; told[i].failed == 0; n++) {
        if (n == 20000)
          fail_msg("element %u was not told", i);
        g_usleep(1000);
        twins_hear(&twins[i], &told[i]);
      }
      assert_string_equal(told[i].code, "HEADER_LENGTH");
    }
    g_usleep(QUIET_MS * 1000);
    for (guint i = 0; i < 2; i++) {
      twins_hear(&twins[i], &told[i]);
      assert_int_equal(told[i].failed, 1);
      assert_int_equal(told[i].warnings, 1);
      gst_buffer_unref(twins[i].frame);
      rig_close(&twins[i].rig);
    }
    g_free(bad);
  }
}

static void restart(Twins *twins, const char *watch) {
  gst_element_set_state(twins->rig.element, GST_STATE_READY);
  gst_util_set_object_arg(G_OBJECT(twins->rig.element), "model-watch", watch);
  gst_element_set_state(twins->rig.element, GST_STATE_PLAYING);
  gst_harness_play(twins->rig.harness);
  rig_set_caps(&twins->rig, TWINS_CAPS);
}

/* Whoever runs the last good version keeps it when the file goes bad; an element that is switched
 * to the file then is told why it cannot be had, and keeps its own. */
static void a_file_that_went_bad(void **state) {
  (void)state;
  static const char *const watch[] = {"true", "false"};
  for (guint w = 0; w < 2; w++) {
    Twins runs, comes;
    Told told = {0};
    char *path = support_path("went-bad.safetensors");
    model_publish(twin(2), path);
    twins_open(&runs, path);
    twins_open(&comes, twin(1));
    restart(&runs, watch[w]);
    restart(&comes, watch[w]);
    assert_int_equal(twins_pass(&runs), 2);
    put_text(path, no_model);
    if (w == 0)
      expect_status(&runs, "failed");
    twins_hear(&comes, &told);
    told = (Told){0};
    g_object_set(comes.rig.element, "model", path, NULL);
    comes.pause_us = 1000;
    twins_pass_until_warned(&comes, &told, 1);
    twins_stay(&comes, 1, QUIET_MS);
    twins_hear(&comes, &told);
    assert_int_equal(told.failed, 1);
    assert_int_equal(told.loaded, 0);
    assert_int_equal(twins_pass(&runs), 2);
    model_publish(twin(2), path);
    if (w == 1) /* no one notices that it is good again, but whoever asks once more gets it */
      g_object_set(comes.rig.element, "model", path, NULL);
    twins_pass_until(&comes, 2);
    twins_close(&runs);
    twins_close(&comes);
    g_free(path);
  }
}

/* To set another model is not to go back from the one before: its file, asked for again while it is
 * bad, is taken once it is good, though it holds the very version that ran before. */
static void back_to_a_file_that_went_bad(void **state) {
  (void)state;
  Twins stays, returns;
  Told told = {0};
  char *path = support_path("good-again.safetensors");
  model_publish(twin(1), path);
  twins_open(&stays, path);
  twins_open(&returns, path);
  assert_int_equal(twins_pass(&returns), 1);
  returns.pause_us = 1000;
  g_object_set(returns.rig.element, "model", twin(2), NULL);
  twins_pass_until(&returns, 2);
  put_text(path, no_model);
  expect_status(&stays, "failed");
  twins_hear(&returns, &told);
  told = (Told){0};
  g_object_set(returns.rig.element, "model", path, NULL);
  twins_pass_until_warned(&returns, &told, 1);
  twins_stay(&returns, 2, QUIET_MS);
  model_publish(twin(1), path);
  twins_pass_until(&returns, 1);
  expect_status(&returns, "loaded");
  assert_int_equal(twins_pass(&stays), 1);
  twins_close(&stays);
  twins_close(&returns);
  g_free(path);
}

/* A new version that all have taken over is not taken over again because one more joins. */
static void joining_after_a_swap(void **state) {
  (void)state;
  Twins first, second;
  char *path = support_path("joined.safetensors");
  model_publish(twin(1), path);
  twins_open(&first, path);
  first.pause_us = 2000;
  twins_pass_until(&first, 1);
  model_publish(twin(2), path);
  twins_pass_until(&first, 2);
  twins_stay(&first, 2, QUIET_MS);
  assert_int_equal(rig_stat(&first.rig, "model-swaps"), 1);
  twins_open(&second, path);
  assert_int_equal(twins_pass(&second), 2);
  twins_stay(&first, 2, QUIET_MS);
  assert_int_equal(rig_stat(&first.rig, "model-swaps"), 1);
  model_publish(twin(2), path); /* the same bytes again */
  twins_stay(&first, 2, QUIET_MS);
  twins_stay(&second, 2, QUIET_MS);
  assert_int_equal(rig_stat(&first.rig, "model-swaps"), 1);
  assert_int_equal(rig_stat(&second.rig, "model-swaps"), 0);
  model_publish(twin(1), path); /* and they still hear of a new one */
  twins_pass_until(&first, 1);
  twins_pass_until(&second, 1);
  twins_close(&first);
  twins_close(&second);
  g_free(path);
}

/* The status is good again once the file is, whichever way it went bad. */
static void the_good_file_is_back(void **state) {
  (void)state;
  Twins twins;
  char *path = support_path("back.safetensors"), *missing = support_path("missing.safetensors");
  char *away = support_path("away.safetensors");
  model_publish(twin(1), path);
  twins_open(&twins, path);
  twins_pass_until(&twins, 1);
  put_text(path, no_model);
  expect_status(&twins, "failed");
  model_publish(twin(1), path);
  expect_status(&twins, "loaded");
  assert_int_equal(g_rename(path, away), 0);
  expect_status(&twins, "failed");
  assert_int_equal(g_rename(away, path), 0);
  expect_status(&twins, "loaded");
  assert_int_equal(rig_stat(&twins.rig, "model-swaps"), 0);
  assert_int_equal(rig_stat(&twins.rig, "swap-failures"), 2);
  g_object_set(twins.rig.element, "model", missing, NULL);
  expect_status(&twins, "failed");
  g_object_set(twins.rig.element, "model", path, NULL);
  expect_status(&twins, "loaded");
  twins_stay(&twins, 1, QUIET_MS);
  twins_close(&twins);
  g_free(path);
  g_free(missing);
  g_free(away);
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* A relative path is that of the time when it was set. */
static void another_working_folder(void **state) {
  (void)state;
  Twins twins;
  char *before = g_get_current_dir(), *folder = support_path("here"), *path;
  assert_int_equal(g_mkdir(folder, 0755), 0);
  path = g_build_filename(folder, "relative.safetensors", NULL);
  model_publish(twin(1), path);
  assert_int_equal(chdir(folder), 0);
  twins_open(&twins, "./relative.safetensors");
  twins_pass_until(&twins, 1);
  assert_int_equal(chdir("/"), 0);
  model_publish(twin(2), path);
  twins_pass_until(&twins, 2);
  gst_element_set_state(twins.rig.element, GST_STATE_READY);
  gst_element_set_state(twins.rig.element, GST_STATE_PLAYING);
  g_signal_emit_by_name(twins.rig.element, "reload-model");
  char *given;
  g_object_get(twins.rig.element, "model", &given, NULL);
  assert_string_equal(given, "./relative.safetensors");
  expect_status(&twins, "loaded");
  assert_int_equal(chdir(before), 0);
  gst_buffer_unref(twins.frame);
  rig_close(&twins.rig);
  g_free(given);
  g_free(before);
  g_free(folder);
  g_free(path);
}

/* Behind a link ".." leads elsewhere than the text says: two files, and two models. */
static void a_path_through_a_link(void **state) {
  (void)state;
  Twins twins[2];
  char *paths[2];
  static const char *const folders[] = {"link-a", "link-b", "link-b/inner"};
  for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
    char *folder = support_path(folders[i]);
    assert_int_equal(g_mkdir(folder, 0755), 0);
    g_free(folder);
  }
  char *link = support_path("link-a/link"), *target = support_path("link-b/inner");
  assert_int_equal(symlink(target, link), 0);
  for (guint i = 0; i < 2; i++) {
    char *real = support_path(i ? "link-b/m.safetensors" : "link-a/m.safetensors");
    model_publish(twin(i + 1), real);
    g_free(real);
  }
  paths[0] = support_path("link-a/m.safetensors");
  paths[1] = support_path("link-a/link/../m.safetensors");
  for (guint i = 0; i < 2; i++)
    twins_open(&twins[i], paths[i]);
  for (guint i = 0; i < 2; i++) {
    assert_int_equal(twins_pass(&twins[i]), i + 1);
    twins_close(&twins[i]);
    g_free(paths[i]);
  }
  g_free(link);
  g_free(target);
}

/* A URI of this machine is taken, at the start and later; of another kind the error says what is
 * expected. */
static void a_uri_for_a_path(void **state) {
  (void)state;
  Twins twins;
  GstMessage *message = NULL;
  GError *error;
  char *uris[3] = {NULL};
  char *odd = support_path("a b%.safetensors");
  model_publish(twin(2), odd);
  uris[1] = g_filename_to_uri(twin(1), NULL, NULL);
  uris[2] = g_filename_to_uri(odd, NULL, NULL);
  twins_open(&twins, uris[1]);
  twins.pause_us = 2000;
  twins_pass_until(&twins, 1);
  g_object_set(twins.rig.element, "model", uris[2], NULL);
  twins_pass_until(&twins, 2);
  g_object_set(twins.rig.element, "model", "https://example.org/m.safetensors", NULL);
  while (!message) {
    twins_pass(&twins);
    g_usleep(1000);
    message = rig_message(&twins.rig, GST_MESSAGE_WARNING);
  }
  gst_message_parse_warning(message, &error, NULL);
  assert_non_null(strstr(error->message, "https://example.org/m.safetensors"));
  assert_non_null(strstr(error->message, "expected a path, found a URI"));
  g_error_free(error);
  gst_message_unref(message);
  twins_stay(&twins, 2, 100);
  twins_close(&twins);
  g_free(uris[1]);
  g_free(uris[2]);
  g_free(odd);
}

/* ---- While it starts ------------------------------------------------------------------------ */

static GstElement *starting; /* NULL: threads are made as always */

#pragma GCC visibility push(default) /* the plugin has to find it */
GThread *g_thread_new(const gchar *name, GThreadFunc func, gpointer data) {
  GError *error = NULL;
  GstElement *element = g_str_equal(name, "cored-jobs") ? g_steal_pointer(&starting) : NULL;
  if (element)
    g_object_set(element, "model", twin(2), NULL);
  GThread *thread = g_thread_try_new(name, func, data, &error);
  if (!thread)
    g_error("%s", error->message);
  return thread;
}
#pragma GCC visibility pop

/* Set when the element has begun to start with another: it holds all the same. */
static void set_while_starting(void **state) {
  (void)state;
  Twins twins;
  char *path;
  starting = NULL;
  twins_open(&twins, twin(1));
  gst_element_set_state(twins.rig.element, GST_STATE_READY);
  starting = twins.rig.element;
  gst_element_set_state(twins.rig.element, GST_STATE_PLAYING);
  assert_null(starting);
  g_object_get(twins.rig.element, "model", &path, NULL);
  assert_string_equal(path, twin(2));
  gst_harness_play(twins.rig.harness);
  rig_set_caps(&twins.rig, TWINS_CAPS);
  twins_pass_until(&twins, 2);
  gst_buffer_unref(twins.frame);
  rig_close(&twins.rig);
  g_free(path);
}

/* ---- Stopped in the middle ------------------------------------------------------------------ */

typedef struct Stopper {
  gint swaps; /* atomic: how many are heard of before the element is stopped */
  gint stops; /* atomic */
} Stopper;

static void count_down(Stopper *stopper, GstElement *element) {
  if (!g_atomic_int_dec_and_test(&stopper->swaps))
    return;
  gst_element_set_state(element, GST_STATE_READY);
  g_atomic_int_inc(&stopper->stops);
}

static GstBusSyncReply stop_by_message(GstBus *bus, GstMessage *message, gpointer user) {
  const GstStructure *said = gst_message_get_structure(message);
  (void)bus;
  if (said && gst_structure_has_name(said, CORED_MESSAGE_MODEL))
    count_down(user, GST_ELEMENT(GST_MESSAGE_SRC(message)));
  return GST_BUS_PASS;
}

static void stop_by_signal(GstElement *element, gint status, const char *path, gpointer user) {
  (void)status;
  (void)path;
  count_down(user, element);
}

/* In the thread that evaluates, which is in the middle of taking over the model. Then it goes on.
 */
static void stopped_by_its_own_swap(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  for (guint i = 0; i < 2 * G_N_ELEMENTS(modes); i++) {
    Rig rig;
    Stopper stopper = {.swaps = 2};
    const gboolean by_signal = i % 2;
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[i / 2], "inference-region", "full-frame",
             "shadow-model", twin(2), "delay", "0", NULL);
    if (by_signal)
      g_signal_connect(rig.element, "model-updated", G_CALLBACK(stop_by_signal), &stopper);
    else
      gst_bus_set_sync_handler(rig.bus, stop_by_message, &stopper, NULL);
    g_atomic_int_set(&stopper.swaps, 1); /* the first was at the start */
    g_object_set(rig.element, "model", twin(2), NULL);
    GstBuffer *frame = frame_new(&rig.info, 1, 0);
    for (guint n = 0; g_atomic_int_get(&stopper.stops) == 0; n++) {
      if (n == 20000)
        fail_msg("%s: no swap came", modes[i / 2]);
      gst_harness_push(rig.harness, gst_buffer_copy(frame));
      g_usleep(1000);
    }
    gst_buffer_unref(frame);
    gst_bus_set_sync_handler(rig.bus, NULL, NULL, NULL);
    assert_int_equal(gst_element_set_state(rig.element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    assert_int_equal(gst_element_set_state(rig.element, GST_STATE_PLAYING),
                     GST_STATE_CHANGE_SUCCESS);
    rig_close(&rig);
  }
}

/* The same from the job that reports a failure. */
static void stopped_by_its_own_failure(void **state) {
  (void)state;
  for (guint i = 0; i < 4; i++) {
    Rig rig;
    Stopper stopper = {.swaps = 1};
    char *missing = support_path("missing.safetensors");
    rig_open(&rig, twin(1), TWINS_CAPS, NULL);
    if (i % 2)
      g_signal_connect(rig.element, "model-updated", G_CALLBACK(stop_by_signal), &stopper);
    else
      gst_bus_set_sync_handler(rig.bus, stop_by_message, &stopper, NULL);
    g_object_set(rig.element, "model", missing, NULL);
    for (guint n = 0; g_atomic_int_get(&stopper.stops) == 0; n++) {
      if (n == 20000)
        fail_msg("no failure came");
      g_usleep(1000);
    }
    gst_bus_set_sync_handler(rig.bus, NULL, NULL, NULL);
    g_object_set(rig.element, "model", twin(2), NULL);
    assert_int_equal(gst_element_set_state(rig.element, GST_STATE_PLAYING),
                     GST_STATE_CHANGE_SUCCESS);
    rig_close(&rig);
    g_free(missing);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(late_events_of_the_old_file),
      cmocka_unit_test(a_late_version_and_going_back),
      cmocka_unit_test(a_file_known_to_be_bad),
      cmocka_unit_test(joining_after_a_swap),
      cmocka_unit_test(a_file_that_went_bad),
      cmocka_unit_test(back_to_a_file_that_went_bad),
      cmocka_unit_test(the_good_file_is_back),
      cmocka_unit_test(another_working_folder),
      cmocka_unit_test(a_path_through_a_link),
      cmocka_unit_test(a_uri_for_a_path),
      cmocka_unit_test(set_while_starting),
      cmocka_unit_test(stopped_by_its_own_swap),
      cmocka_unit_test(stopped_by_its_own_failure),
  };
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
