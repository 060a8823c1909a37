/* SPDX-License-Identifier: MIT
 * How often faces are searched for, in a time of the test's own: streams of several rates with
 * faces that come, rest, move and go. */
#include "support.h"

#include "analysis/search-schedule.h"

#include <math.h>

#define KIND 0

/* A stream of `rate` frames a second. face(k, t) is where face k is at second t, FALSE: nowhere. */
typedef struct Stream {
  guint rate;
  gboolean (*face)(guint k, double t, CoredBox *box);
  guint n_faces;
  guint interval; /* detect-interval */
} Stream;

#define SECONDS 6
#define MAX_FRAMES (SECONDS * 240)

/* Which frames are searched; reversed: time runs backwards. */
static void play_either_way(const Stream *stream, gboolean reversed,
                            gboolean searched[MAX_FRAMES]) {
  CoredError error;
  CoredTracker *tracker = cored_tracker_new(NULL, &error);
  CoredSearchSchedule schedule;
  assert_non_null(tracker);
  cored_search_schedule_reset(&schedule);
  for (guint n = 0; n < SECONDS * stream->rate; n++) {
    const guint place = reversed ? SECONDS * stream->rate - n : n;
    const GstClockTime time = gst_util_uint64_scale(place, GST_SECOND, stream->rate);
    const double t = (double)time / GST_SECOND;
    CoredSighting seen[4] = {{.score = 1}};
    int n_seen = 0, n_tracked;
    searched[n] = cored_search_schedule_is_due(&schedule, stream->interval, n + 1, time);
    if (!searched[n])
      continue;
    for (guint k = 0; k < stream->n_faces; k++)
      n_seen += stream->face(k, t, &seen[n_seen].box);
    cored_tracker_update(tracker, t, seen, n_seen);
    const CoredTrackedFace *faces = cored_tracker_faces(tracker, &n_tracked);
    cored_search_schedule_searched(&schedule, n + 1, time, faces, n_tracked, KIND);
  }
  cored_tracker_free(tracker);
}

static void play(const Stream *stream, gboolean searched[MAX_FRAMES]) {
  play_either_way(stream, FALSE, searched);
}

static guint count(const gboolean *searched, const Stream *stream, double from, double to) {
  guint n = 0;
  for (guint i = (guint)(from * stream->rate); i < (guint)(to * stream->rate); i++)
    n += searched[i];
  return n;
}

static const guint rates[] = {15, 24, 30, 60, 240};

static gboolean rests(guint k, double t, CoredBox *box) {
  (void)t;
  *box = (CoredBox){100 + 200 * k, 100, 80, 100};
  return TRUE;
}

/* As often as forwards. */
static void in_reverse_it_goes_on(void **state) {
  (void)state;
  gboolean searched[MAX_FRAMES];
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
    const Stream none = {rates[i], rests, 0, 0};
    play_either_way(&none, TRUE, searched);
    assert_in_range(count(searched, &none, 0, 2), 24, 30);
    const Stream two = {rates[i], rests, 2, 0};
    play_either_way(&two, TRUE, searched);
    assert_in_range(count(searched, &two, 4, 6), 5, 7);
  }
}

/* 12 to 15 times a second, whatever the rate. */
static void without_faces_it_is_quick(void **state) {
  (void)state;
  gboolean searched[MAX_FRAMES];
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
    const Stream stream = {rates[i], rests, 0, 0};
    play(&stream, searched);
    assert_in_range(count(searched, &stream, 0, 2), 24, 30);
    assert_in_range(count(searched, &stream, 4, 6), 24, 30);
  }
}

/* From 15 to 3 times a second, alike at every rate. */
static void with_resting_faces_it_slows_down(void **state) {
  (void)state;
  gboolean searched[MAX_FRAMES];
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
    const Stream stream = {rates[i], rests, 2, 0};
    guint last = 0, wait = 0;
    play(&stream, searched);
    assert_in_range(count(searched, &stream, 0, 0.3), 3, 5);
    assert_in_range(count(searched, &stream, 2, 5), 8, 9);
    for (guint n = 1; n < SECONDS * stream.rate; n++)
      if (searched[n]) {
        assert_true(n - last + 1 >= wait); /* times are rounded to frames */
        wait = n - last;
        last = n;
      }
    assert_true(wait >= stream.rate / 3);
  }
}

static gboolean moves(guint k, double t, CoredBox *box) {
  *box = (CoredBox){100 + 100 * t, 100 + 300 * k, 100, 100}; /* a side a second */
  return TRUE;
}

/* Every 0.15 s: a sixth to a seventh of the face. */
static void a_quick_face_is_searched_for_often(void **state) {
  (void)state;
  gboolean searched[MAX_FRAMES];
  for (guint i = 2; i < G_N_ELEMENTS(rates); i++) {
    const Stream stream = {rates[i], moves, 1, 0};
    play(&stream, searched);
    assert_in_range(count(searched, &stream, 1, 6), 29, 38);
  }
}

static gboolean grows(guint k, double t, CoredBox *box) {
  (void)k;
  *box = (CoredBox){500 - 30 * exp(0.8 * t), 300, 60 * exp(0.8 * t), 60 * exp(0.8 * t)};
  return TRUE;
}

static void a_growing_face_is_searched_for_often(void **state) {
  (void)state;
  const Stream stream = {60, grows, 1, 0};
  gboolean searched[MAX_FRAMES];
  play(&stream, searched);
  assert_true(count(searched, &stream, 1, 5) > 4 * 4);
}

static gboolean goes_and_another_comes(guint k, double t, CoredBox *box) {
  rests(k, t, box);
  return k == 0 ? t < 3 : t >= 4.5;
}

/* One is missing from 3 s on, and after that nobody is there; from 4.5 s on another face rests. */
static void missing_and_new_faces_make_it_quick_again(void **state) {
  (void)state;
  gboolean searched[MAX_FRAMES];
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
    const Stream stream = {rates[i], goes_and_another_comes, 2, 0};
    play(&stream, searched);
    assert_in_range(count(searched, &stream, 2, 3), 2, 3);
    assert_in_range(count(searched, &stream, 3.4, 4.4), 11, 15);
    assert_in_range(count(searched, &stream, 4.5, 4.75), 3, 5);
    assert_in_range(count(searched, &stream, 5.4, 6), 1, 3);
  }
}

static void a_number_of_frames_is_that_number(void **state) {
  (void)state;
  static const guint intervals[] = {1, 5, 7};
  gboolean searched[MAX_FRAMES];
  for (guint i = 0; i < G_N_ELEMENTS(intervals); i++) {
    const Stream stream = {30, goes_and_another_comes, 2, intervals[i]};
    play(&stream, searched);
    for (guint n = 0; n < SECONDS * 30; n++)
      assert_int_equal(searched[n], n % intervals[i] == 0);
  }
}

/* Other kinds (the whole frame) are no faces. */
static void only_faces_count(void **state) {
  (void)state;
  const CoredTrackedFace whole = {.id = 1, .kind = KIND + 1, .hits = 99};
  CoredSearchSchedule schedule;
  cored_search_schedule_reset(&schedule);
  for (guint n = 1; n < 9; n++)
    cored_search_schedule_searched(&schedule, n, n * GST_SECOND, &whole, 1, KIND);
  assert_int_equal(schedule.wait, CORED_SEARCH_SHORTEST);
  assert_false(cored_search_schedule_is_due(&schedule, 0, 9, 8 * GST_SECOND + GST_SECOND / 30));
  cored_search_schedule_reset(&schedule);
  assert_true(cored_search_schedule_is_due(&schedule, 0, 9, 8 * GST_SECOND));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_faces_it_is_quick),
      cmocka_unit_test(in_reverse_it_goes_on),
      cmocka_unit_test(with_resting_faces_it_slows_down),
      cmocka_unit_test(a_quick_face_is_searched_for_often),
      cmocka_unit_test(a_growing_face_is_searched_for_often),
      cmocka_unit_test(missing_and_new_faces_make_it_quick_again),
      cmocka_unit_test(a_number_of_frames_is_that_number),
      cmocka_unit_test(only_faces_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
