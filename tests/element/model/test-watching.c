/* SPDX-License-Identifier: MIT
 * R06-R10, R16-R18: watching a model file where the system does not help, through the element. The
 * old model stays, each bad version is told once, and the new one is found in the end. The argument
 * is the number of bad versions of R10. */
#include "faults.h"
#include "process.h"
#include "twins.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET_MS 1500 /* longer than all a bad version is tried again after */

static guint n_bad = 2;

typedef struct Place {
  char *folder, *path;
  Twins twins;
  Told told;
} Place;

/* A stream that runs generation 1, which lies in a folder of its own. */
static void open_place(Place *place, const char *name) {
  *place = (Place){0};
  place->folder = support_path(name);
  place->path = g_build_filename(place->folder, "m.safetensors", NULL);
  assert_int_equal(g_mkdir(place->folder, 0755), 0);
  model_publish(twin(1), place->path);
  twins_open(&place->twins, place->path);
  place->twins.pause_us = 2000;
  twins_pass_until(&place->twins, 1);
}

static void close_place(Place *place) {
  faults_clear();
  twins_close(&place->twins);
  g_free(place->folder);
  g_free(place->path);
}

static void publish(Place *place, guint generation) {
  model_publish(twin(generation), place->path);
  twins_pass_until(&place->twins, generation);
}

static void expect_told(Place *place, guint failed, guint degraded, guint warnings) {
  twins_hear(&place->twins, &place->told);
  assert_int_equal(place->told.failed, failed);
  assert_int_equal(place->told.degraded, degraded);
  assert_int_equal(place->told.warnings, warnings);
}

/* R06-R08: without descriptors nothing can be seen of the file, which is no reason to warn. */
static void without_descriptors(void **state) {
  (void)state;
  Place place;
  open_place(&place, "no-descriptors");
  char *beside = g_strconcat(place.path, ".new", NULL);
  model_publish(twin(2), beside);
  faults.deny = EMFILE;
  twins_stay(&place.twins, 1, QUIET_MS);
  assert_int_equal(g_rename(beside, place.path), 0);
  twins_stay(&place.twins, 1, QUIET_MS);
  expect_told(&place, 0, 0, 0);
  faults.deny = 0;
  twins_pass_until(&place.twins, 2);
  expect_told(&place, 0, 0, 0);
  g_free(beside);
  close_place(&place);
}

/* R09: gone and back, with its folder, unreadable and readable. */
static void gone_and_back(void **state) {
  (void)state;
  Place place;
  char *moved = support_path("moved");
  open_place(&place, "coming-and-going");
  assert_int_equal(g_unlink(place.path), 0);
  twins_pass_until_warned(&place.twins, &place.told, 1);
  assert_string_equal(place.told.code, "NOT_FOUND");
  twins_stay(&place.twins, 1, QUIET_MS);
  expect_told(&place, 1, 0, 1);
  publish(&place, 2);

  assert_int_equal(g_rename(place.folder, moved), 0);
  twins_pass_until_warned(&place.twins, &place.told, 2);
  assert_int_equal(g_mkdir(place.folder, 0755), 0);
  twins_stay(&place.twins, 2, 300);
  publish(&place, 1);
  expect_told(&place, 2, 0, 2);

  faults.deny = EACCES; /* root may read everything */
  assert_int_equal(g_chmod(place.path, 0), 0);
  twins_pass_until_warned(&place.twins, &place.told, 3);
  assert_string_equal(place.told.code, "OPEN");
  twins_stay(&place.twins, 1, QUIET_MS);
  faults.deny = 0;
  assert_int_equal(g_chmod(place.path, 0644), 0);
  twins_stay(&place.twins, 1, 500);
  publish(&place, 2);
  expect_told(&place, 3, 0, 3);
  g_free(moved);
  close_place(&place);
}

static void publish_text(Place *place, guint number) {
  char *text = g_strdup_printf("version %u, which is no model at all", number);
  char *beside = g_strconcat(place->path, ".txt", NULL);
  assert_true(g_file_set_contents(beside, text, -1, NULL));
  assert_int_equal(g_rename(beside, place->path), 0);
  g_free(beside);
  g_free(text);
}

/* R10: one warning per bad version, the last good one runs. */
static void good_and_bad(void **state) {
  (void)state;
  Place place;
  guint good = 1;
  open_place(&place, "good-and-bad");
  for (guint i = 1; i <= n_bad; i++) {
    publish_text(&place, i);
    twins_pass_until_warned(&place.twins, &place.told, i);
    twins_stay(&place.twins, good, 20);
    expect_told(&place, i, 0, i);
    good = other_twin(good);
    publish(&place, good);
  }
  publish_text(&place, 0);
  twins_stay(&place.twins, good, QUIET_MS);
  expect_told(&place, n_bad + 1, 0, n_bad + 1);
  assert_int_equal(place.told.loaded, n_bad + 1);
  assert_int_equal(rig_stat(&place.twins.rig, "swap-failures"), n_bad + 1);
  close_place(&place);
}

/* R16: nothing but the content and the time of its change differ. */
static void same_size_and_time(void **state) {
  (void)state;
  Place place;
  char *bytes[3];
  gsize size[3];
  open_place(&place, "same-time");
  const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  for (guint i = 1; i <= 2; i++)
    assert_true(g_file_get_contents(twin(i), &bytes[i], &size[i], NULL));
  assert_int_equal(size[1], size[2]);
  for (guint i = 0; i < 4; i++) {
    const guint next = i % 2 ? 1 : 2;
    const int fd = g_open(place.path, O_WRONLY, 0);
    assert_int_equal(write(fd, bytes[next], size[next]), size[next]);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    twins_pass_until(&place.twins, next);
  }
  g_free(bytes[1]);
  g_free(bytes[2]);
  close_place(&place);
}

/* E42: no memory for the n-th block of a new model, and none after it. */
static void out_of_memory(void **state) {
  (void)state;
#ifdef __SANITIZE_ADDRESS__
  skip(); /* blocks come from malloc then */
#endif
  Place place;
  guint failures = 0;
  open_place(&place, "no-memory");
  for (gint n = 1; n <= (gint)n_bad; n++) {
    faults.no_memory = n;
    model_publish(twin(2), place.path);
    while (twins_pass(&place.twins) == 1 && place.told.failed == failures) {
      twins_hear(&place.twins, &place.told);
      g_usleep(1000);
    }
    faults.no_memory = 0;
    if (place.told.failed > failures) {
      assert_string_equal(place.told.code, "NO_MEMORY");
      failures++;
    }
    twins_pass_until(&place.twins, 2); /* tried again by itself */
    publish(&place, 1);
  }
  print_message("%u blocks of a model failed, one after another\n", failures);
  assert_true(failures >= MIN(n_bad, 3));
  close_place(&place);
}

/* R17: what comes while no frames flow evaluates the first one that does. */
static void in_every_state(void **state) {
  (void)state;
  static const GstState states[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED};
  for (guint i = 0; i < G_N_ELEMENTS(states) * 2; i++) {
    const gboolean by_file = i % 2;
    char *path = support_path("states.safetensors");
    model_publish(twin(1), path);
    GstElement *element = gst_element_factory_make("coreddetect", NULL);
    g_object_set(element, "model", path, "threads", 1, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "mode", "sync");
    gst_util_set_object_arg(G_OBJECT(element), "inference-region", "full-frame");
    assert_int_equal(gst_element_set_state(element, states[i / 2]), GST_STATE_CHANGE_SUCCESS);
    if (by_file)
      model_publish(twin(2), path);
    else
      g_object_set(element, "model", twin(2), NULL);
    Twins twins = {.pause_us = 2000};
    twins.rig.element = element;
    twins.rig.bus = gst_bus_new();
    gst_element_set_bus(element, twins.rig.bus);
    twins.rig.harness = gst_harness_new_with_element(element, "sink", "src");
    rig_set_caps(&twins.rig, TWINS_CAPS);
    twins.frame = frame_new(&twins.rig.info, 1, 0);
    if (states[i / 2] < GST_STATE_PAUSED) /* loaded at start: no frame sees the old one */
      assert_int_equal(twins_pass(&twins), 2);
    twins_pass_until(&twins, 2);
    twins_close(&twins);
    g_free(path);
  }
}

/* R18: the end does not wait for a model that is being read. */
static void stopped_while_reading(void **state) {
  (void)state;
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  for (guint i = 0; i < 2; i++) {
    Place place;
    open_place(&place, i ? "stop-set" : "stop-published");
    faults.slow_read_us = 20000; /* 4 KiB at a time: the whole file takes seconds */
    if (i)
      g_object_set(place.twins.rig.element, "model", twin(2), NULL);
    else
      model_publish(twin(2), place.path);
    while (faults.slow_reads < 3)
      twins_stay(&place.twins, 1, 5);
    twins_stay(&place.twins, 1, 50);
    const gint64 start = g_get_monotonic_time();
    gst_element_set_state(place.twins.rig.element, GST_STATE_NULL);
    print_message("stopped after %u ms and %d reads\n",
                  (guint)((g_get_monotonic_time() - start) / 1000), faults.slow_reads);
    assert_true(faults.slow_reads < 100); /* of 300 */
    faults_clear();
    gst_buffer_unref(place.twins.frame);
    rig_close(&place.twins.rig);
    g_free(place.folder);
    g_free(place.path);
    assert_int_equal(process_settled_threads(), threads);
    assert_int_equal(process_descriptors(), descriptors);
  }
}

/* R18: nor for one that is read and being tried out, wherever that has got to. */
static void stopped_while_warming(void **state) {
  (void)state;
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  char *large = support_path("takes-long.safetensors");
  struct stat st;
  model_save_random(large, 2, 384); /* two inferences of it, and the layout before */
  assert_int_equal(stat(large, &st), 0);
  for (guint i = 0; i < 4; i++) {
    Place place;
    char *name = g_strdup_printf("stop-warming-%u", i);
    open_place(&place, name);
    faults.slow_read_us = 1; /* to count them */
    model_publish(large, place.path);
    while (faults.slow_reads * 4096 < st.st_size)
      assert_int_equal(twins_pass(&place.twins), 1);
    g_usleep(i * 25000);
    const gint64 start = g_get_monotonic_time();
    gst_element_set_state(place.twins.rig.element, GST_STATE_NULL);
    print_message("stopped after %u ms\n", (guint)((g_get_monotonic_time() - start) / 1000));
    faults_clear();
    gst_buffer_unref(place.twins.frame);
    rig_close(&place.twins.rig);
    g_free(place.folder);
    g_free(place.path);
    g_free(name);
    assert_int_equal(process_settled_threads(), threads);
    assert_int_equal(process_descriptors(), descriptors);
  }
  g_free(large);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_descriptors),   cmocka_unit_test(gone_and_back),
      cmocka_unit_test(good_and_bad),          cmocka_unit_test(same_size_and_time),
      cmocka_unit_test(in_every_state),        cmocka_unit_test(out_of_memory),
      cmocka_unit_test(stopped_while_reading), cmocka_unit_test(stopped_while_warming),
  };
  if (argc > 1)
    n_bad = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
