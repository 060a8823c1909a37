/* SPDX-License-Identifier: MIT
 * R05, R14: models published faster than they can be loaded, and for many streams at once. The
 * argument is how many seconds the storm lasts. Times are printed, not judged: they are the
 * machine's. */
#include "twins.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RATE 1000 /* renames a second */
#define STREAMS 16
#ifdef __SANITIZE_ADDRESS__ /* slow */
#define PERIOD_US 100000
static guint n_seconds = 1;
#else
#define PERIOD_US 33333
static guint n_seconds = 2;
#endif

/* ---- R05: a storm of renames ---------------------------------------------------------------- */

typedef struct Storm {
  char *path;
  gint over; /* atomic */
  guint renames;
} Storm;

/* Link one of the two beside the path and rename it over it: a whole new file at each step. */
static void put(const char *path, guint generation, guint number) {
  char *beside = g_strdup_printf("%s.%u", path, number % 16);
  g_unlink(beside);
  if (link(twin(generation), beside) != 0 || g_rename(beside, path) != 0)
    g_error("cannot rename over %s", path);
  g_free(beside);
}

static gpointer rage(gpointer data) {
  Storm *storm = data;
  const gint64 start = g_get_monotonic_time();
  for (; g_get_monotonic_time() - start < (gint64)n_seconds * G_USEC_PER_SEC; storm->renames++) {
    const gint64 due = start + (gint64)storm->renames * G_USEC_PER_SEC / RATE;
    const gint64 early = due - g_get_monotonic_time();
    if (early > 0)
      g_usleep((gulong)early);
    put(storm->path, storm->renames % 2 + 1, storm->renames);
  }
  g_atomic_int_set(&storm->over, TRUE);
  return NULL;
}

/* The last one runs in the end, most of the others were never loaded, and none failed. */
static void the_last_of_a_storm_wins(void **state) {
  (void)state;
  for (guint last = 1; last <= 2; last++) {
    Twins twins;
    Told told = {0};
    Storm storm = {.path = support_path("storm.safetensors")};
    model_publish(twin(1), storm.path);
    twins_open(&twins, storm.path);
    twins.pause_us = 5000;
    twins_pass_until(&twins, 1);
    GThread *thread = g_thread_new("storm", rage, &storm);
    while (!g_atomic_int_get(&storm.over)) {
      twins_pass(&twins);
      twins_hear(&twins, &told);
      g_usleep(twins.pause_us);
    }
    g_thread_join(thread);
    put(storm.path, last, storm.renames);
    const gint64 end = g_get_monotonic_time();
    twins_pass_until(&twins, last);
    const guint ms = (guint)((g_get_monotonic_time() - end) / 1000);
    twins_stay(&twins, last, 500);
    twins_pass_until(&twins, last);
    twins_hear(&twins, &told);
    print_message("%u renames, %u loads, the last one runs after %u ms, %u frames\n", storm.renames,
                  told.loaded, ms, twins.number);
    assert_int_equal(told.failed + told.degraded + told.warnings, 0);
    assert_true(storm.renames > 100 * n_seconds);
    assert_true(told.loaded <= 5 * n_seconds + 5); /* a version settles for 200 ms */
    twins_close(&twins);
    g_unlink(storm.path);
    g_free(storm.path);
  }
}

/* ---- R14: sixteen streams ------------------------------------------------------------------- */

typedef struct Stream {
  Twins twins;
  gint stop, generation; /* atomic */
  gint64 since;          /* when the generation came */
  gint64 slowest;        /* microseconds that a frame took to come out */
  guint changes;
} Stream;

/* Thirty frames a second where the machine can; each comes out of its own push. */
static gpointer stream_frames(gpointer data) {
  Stream *stream = data;
  gint64 due = g_get_monotonic_time();
  for (; !g_atomic_int_get(&stream->stop); due += PERIOD_US) {
    const gint64 early = due - g_get_monotonic_time();
    if (early > 0)
      g_usleep((gulong)early);
    const gint64 begin = g_get_monotonic_time();
    const guint generation = twins_pass(&stream->twins);
    const gint64 end = g_get_monotonic_time();
    stream->slowest = MAX(stream->slowest, end - begin);
    if ((gint)generation == stream->generation)
      continue;
    stream->since = end;
    stream->changes++;
    g_atomic_int_set(&stream->generation, (gint)generation);
  }
  return NULL;
}

static gint64 wait_for_all(Stream *streams, gint generation) {
  gint64 latest = 0;
  for (guint i = 0; i < STREAMS; i++) {
    for (guint ms = 0; g_atomic_int_get(&streams[i].generation) != generation; ms += 2) {
      if (ms > 60000)
        fail_msg("stream %u never came to generation %d", i, generation);
      g_usleep(2000);
    }
    latest = MAX(latest, streams[i].since);
  }
  return latest;
}

/* A new model comes to each of them once, and to all. What frames say is checked by the twins. */
static void all_streams_change_over(void **state) {
  (void)state;
  static Stream streams[STREAMS];
  GThread *threads[STREAMS];
  gint64 slowest = 0;
  guint swaps = 0;
  char *path = support_path("for-all.safetensors");
  model_publish(twin(1), path);
  for (guint i = 0; i < STREAMS; i++) {
    twins_open(&streams[i].twins, path);
    threads[i] = g_thread_new("stream", stream_frames, &streams[i]);
  }
  wait_for_all(streams, 1);
  for (; swaps < 2 * n_seconds; swaps++) {
    const gint next = swaps % 2 ? 1 : 2;
    const gint64 published = g_get_monotonic_time();
    model_publish(twin((guint)next), path);
    const gint64 all = wait_for_all(streams, next);
    if (swaps < 4)
      print_message("all streams changed over after %u ms\n", (guint)((all - published) / 1000));
  }
  for (guint i = 0; i < STREAMS; i++)
    g_atomic_int_set(&streams[i].stop, TRUE);
  for (guint i = 0; i < STREAMS; i++) {
    g_thread_join(threads[i]);
    assert_int_equal(streams[i].changes, swaps + 1);
    slowest = MAX(slowest, streams[i].slowest);
    rig_drop_messages(&streams[i].twins.rig);
    twins_close(&streams[i].twins);
  }
  print_message("%u swaps of %d streams, the slowest frame took %.1f ms\n", swaps, STREAMS,
                (double)slowest / 1000.0);
  g_free(path);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_last_of_a_storm_wins),
      cmocka_unit_test(all_streams_change_over),
  };
  if (argc > 1)
    n_seconds = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
