/* SPDX-License-Identifier: MIT
 * Tracks: identities over motion, crossings, gaps and resets; the assignment against all
 * permutations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vision/track/assign.h"
#include "vision/track/track.h"

#include <math.h>
#include <stdlib.h>

static CoredTracker *tracker_new(const CoredTrackerParams *params) {
  CoredError error;
  CoredTracker *const t = cored_tracker_new(params, &error);
  if (!t)
    fail_msg("%s", error.message);
  return t;
}

static CoredSighting face_at(double x, double y, double side) {
  return (CoredSighting){.box = {x, y, side, side}, .score = 5};
}

static const CoredTrackedFace *only(const CoredTracker *t) {
  int n;
  const CoredTrackedFace *const faces = cored_tracker_faces(t, &n);
  assert_int_equal(n, 1);
  return faces;
}

static void test_follows_motion(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  for (int i = 0; i < 50; i++) {
    const CoredSighting face = face_at(10 + 12 * i, 20 + 3 * i, 60);
    cored_tracker_update(t, i / 25., &face, 1);
    const CoredTrackedFace *const f = only(t);
    assert_int_equal(f->id, 1);
    assert_int_equal(f->hits, i + 1);
    assert_int_equal(f->sighting, 0);
    assert_int_equal(f->confirmed, i >= 1);
    assert_true(f->box.x == face.box.x && f->score == 5);
  }
  assert_true(only(t)->first_seen == 0. && only(t)->last_seen == 49 / 25.);
  cored_tracker_free(t);
}

/* Scans at every fifth frame of a face that moves by its own width between them: only a predicted
 * box overlaps the next one. */
static void test_predicts(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  for (int i = 0; i < 60; i++) {
    const double x = 5. * i < 30 ? 5. * i : 30 + 12. * (i - 6), time = i / 25.;
    const CoredSighting face = face_at(x, 50, 60);
    if (i % 5 == 0) {
      cored_tracker_update(t, time, &face, 1);
      continue;
    }
    cored_tracker_advance(t, time);
    const CoredTrackedFace *const f = only(t);
    assert_int_equal(f->sighting, -1);
    if (i > 25) /* settled */
      assert_true(fabs(f->box.x - x) < 6 && fabs(f->box.w - 60) < 1);
  }
  assert_int_equal(only(t)->id, 1);
  cored_tracker_free(t);
}

/* A face that stops after a scan: its box slows down, and goes on by no more than half a second of
 * its speed nor 1.25 sides, however long no scan follows; from scan to scan less of it is left. */
static void test_stops(void **state) {
  (void)state;
  static const double speeds[] = {60, 150, 1000}; /* per second, of a face of 60 */
  for (size_t k = 0; k < sizeof speeds / sizeof *speeds; k++) {
    const double most = fmin(0.5 * speeds[k], 1.25 * 60) + 1e-9;
    CoredTracker *const t = tracker_new(NULL);
    double x = 0, last = 0, way = 0;
    for (int i = 0; i < 20; i++) {
      x = speeds[k] * 0.04 * i;
      const CoredSighting face = face_at(x, 50, 60);
      cored_tracker_update(t, 0.04 * i, &face, 1);
      assert_int_equal(only(t)->id, 1);
    }
    assert_true(fabs(only(t)->speed - speeds[k] / 60) < 0.1 * speeds[k] / 60);
    for (int i = 1; i <= 100; i++) {
      cored_tracker_advance(t, 0.76 + 0.04 * i);
      const double at = only(t)->box.x - x;
      assert_true(at >= way &&
                  at <= 1.1 * most); /* the estimate of the speed settles a bit above */
      assert_true(i < 3 || k == 2 || at - way <= last);
      last = at - way;
      way = at;
    }
    assert_true(only(t)->box.y == 50 && only(t)->box.w == 60);
    cored_tracker_free(t);
  }
}

/* The first scan that sees it stand ends its motion. */
static void test_stops_by_scans(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  for (int i = 0; i < 40; i++) {
    const CoredSighting face = face_at(15 * (i < 20 ? i : 19), 50, 60);
    cored_tracker_advance(t, 0.2 * i - 0.02);
    const double off = i == 0 ? 0 : fabs(only(t)->box.x - face.box.x);
    assert_true(i < 2 || i == 20 || off < (i < 20 ? 2 : 1e-9));
    cored_tracker_update(t, 0.2 * i, &face, 1);
    assert_true(i <= 20 || only(t)->speed < 1e-9);
  }
  cored_tracker_free(t);
}

/* A face that stands still and is found a bit to the left and to the right by turns stays there. */
static void test_jitter(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  for (int i = 0; i < 40; i++) {
    const CoredSighting face = face_at(i % 2, 50, 60);
    cored_tracker_update(t, 0.2 * i, &face, 1);
    cored_tracker_advance(t, 0.2 * i + 0.18);
    assert_true(i < 2 || (only(t)->box.x > -0.5 && only(t)->box.x < 1.5));
  }
  cored_tracker_free(t);
}

/* Landmarks keep their place in the box while it moves and grows; as seen they stay beside it. */
static void test_landmarks(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  CoredSighting face = face_at(0, 0, 100);
  for (int i = 0; i < 30; i++) {
    const double side = 100 + 2 * i;
    face = face_at(4 * i, 50 + i, side);
    face.has_landmarks = true;
    for (int k = 0; k < CORED_LANDMARKS; k++)
      face.landmark[k] = (CoredPoint){face.box.x + 0.2 * k * side, face.box.y + 0.1 * k * side};
    face.landmark[4].x = face.box.x - 10; /* one may lie outside */
    cored_tracker_update(t, 0.04 * i, &face, 1);
    assert_memory_equal(only(t)->landmark, face.landmark, sizeof face.landmark);
  }
  cored_tracker_advance(t, 1.4);
  const CoredTrackedFace *const f = only(t);
  assert_true(f->has_landmarks && f->box.x > face.box.x + 10 && f->box.w > face.box.w + 5);
  for (int k = 0; k < CORED_LANDMARKS - 1; k++)
    assert_true(fabs(f->landmark[k].x - (f->box.x + 0.2 * k * f->box.w)) < 1e-9 &&
                fabs(f->landmark[k].y - (f->box.y + 0.1 * k * f->box.h)) < 1e-9);
  assert_true(f->landmark[4].x < f->box.x && f->landmark[4].x > face.landmark[4].x);
  assert_memory_equal(f->seen_landmark, face.landmark, sizeof face.landmark);
  face.has_landmarks = false; /* another locator */
  cored_tracker_update(t, 1.44, &face, 1);
  assert_false(only(t)->has_landmarks);
  cored_tracker_free(t);
}

static void test_holds(void **state) {
  (void)state;
  CoredTrackerParams params = cored_tracker_defaults;
  params.motion = CORED_MOTION_HOLD;
  CoredTracker *const t = tracker_new(&params);
  for (int i = 0; i < 10; i++) {
    const CoredSighting face = face_at(10 * i, 0, 60);
    cored_tracker_update(t, i, &face, 1);
    cored_tracker_advance(t, i + 0.5);
    assert_true(only(t)->box.x == 10 * i);
  }
  cored_tracker_free(t);
}

/* Two faces pass each other; by greedy choice the better overlap of one would take the other's. */
static void test_two_faces(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  CoredSighting faces[2] = {face_at(0, 0, 100), face_at(60, 0, 100)};
  cored_tracker_update(t, 0, faces, 2);
  /* 1 moved to where 2 was, 2 moved on by as much. */
  faces[0] = face_at(105, 0, 100);
  faces[1] = face_at(45, 0, 100);
  cored_tracker_update(t, 0.04, faces, 2);
  int n;
  const CoredTrackedFace *const f = cored_tracker_faces(t, &n);
  assert_int_equal(n, 2);
  assert_int_equal(f[0].id, 1);
  assert_int_equal(f[0].sighting, 1);
  assert_int_equal(f[1].id, 2);
  assert_int_equal(f[1].sighting, 0);
  cored_tracker_free(t);
}

static void test_gaps(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  const CoredSighting face = face_at(100, 100, 80), elsewhere = face_at(600, 300, 80);
  int n;
  cored_tracker_update(t, 0, &face, 1);
  cored_tracker_update(t, 0.5, NULL, 0);
  assert_int_equal(only(t)->sighting, -1);
  cored_tracker_update(t, 0.9, &face, 1); /* back within the second */
  assert_int_equal(only(t)->id, 1);
  cored_tracker_advance(t, 10); /* no scan missed it */
  assert_int_equal(only(t)->id, 1);
  cored_tracker_update(t, 10.5, NULL, 0);
  cored_tracker_update(t, 11.4, NULL, 0);
  cored_tracker_advance(t, 11.5); /* for 1.0 s */
  assert_int_equal(only(t)->id, 1);
  assert_int_equal(only(t)->misses, 2);
  cored_tracker_advance(t, 11.6);
  cored_tracker_faces(t, &n);
  assert_int_equal(n, 0);
  cored_tracker_update(t, 12.1, &face, 1);
  assert_int_equal(only(t)->id, 2);
  cored_tracker_update(t, 12.2, &elsewhere, 1); /* a jump is another face */
  const CoredTrackedFace *const f = cored_tracker_faces(t, &n);
  assert_int_equal(n, 2);
  assert_int_equal(f[1].id, 3);
  cored_tracker_reset(t);
  cored_tracker_faces(t, &n);
  assert_int_equal(n, 0);
  cored_tracker_update(t, 0, &face, 1); /* time may begin anew after a reset */
  assert_int_equal(only(t)->id, 4);
  assert_true(only(t)->first_seen == 0.);
  cored_tracker_free(t);
}

/* Scans farther apart than the longest gap: one miss is not the end, two are. */
static void test_rare_scans(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  const CoredSighting face = face_at(100, 100, 80);
  int n;
  cored_tracker_update(t, 0, &face, 1);
  cored_tracker_update(t, 5, NULL, 0);
  cored_tracker_update(t, 10, &face, 1);
  assert_int_equal(only(t)->id, 1);
  assert_int_equal(only(t)->misses, 0);
  cored_tracker_update(t, 15, NULL, 0);
  cored_tracker_update(t, 20, NULL, 0);
  cored_tracker_faces(t, &n);
  assert_int_equal(n, 0);
  cored_tracker_set_max_gap(t, (double)NAN); /* left out, like what is negative */
  cored_tracker_set_max_gap(t, -1);
  cored_tracker_set_max_gap(t, 7);
  cored_tracker_update(t, 25, &face, 1);
  cored_tracker_update(t, 30, NULL, 0);
  cored_tracker_update(t, 35, NULL, 0); /* missed for 5 s only */
  assert_int_equal(only(t)->id, 2);
  cored_tracker_free(t);
}

/* The whole picture and a face as large as it are two things, in turns and at once. */
static void test_kinds(void **state) {
  (void)state;
  CoredTracker *const t = tracker_new(NULL);
  CoredSighting both[2] = {face_at(0, 0, 100), face_at(0, 0, 100)};
  int n;
  both[1].kind = 1;
  cored_tracker_update(t, 0, &both[0], 1);
  cored_tracker_update(t, 0.1, &both[1], 1);
  const CoredTrackedFace *const f = cored_tracker_faces(t, &n);
  assert_int_equal(n, 2);
  assert_true(f[1].id == 2 && f[1].kind == 1 && f[0].kind == 0);
  assert_int_equal(f[0].sighting, -1);
  cored_tracker_update(t, 0.2, both, 2);
  assert_true(f[0].id == 1 && f[0].sighting == 0 && f[1].id == 2 && f[1].sighting == 1);
  cored_tracker_free(t);
}

/* A face that moved by more than half its size is near enough to go on, after some time also one
 * that moved by all of it; one farther away or of another size is another face. */
static void test_jumps(void **state) {
  (void)state;
  static const struct {
    double time, x, y, side;
    uint64_t id;
  } jumps[] = {{.04, 145, 145, 100, 1}, {.04, 100, 100, 100, 1}, {.04, 170, 100, 100, 1},
               {.04, 100, 100, 110, 1}, {.04, 190, 100, 100, 2}, {.04, 100, 100, 250, 2},
               {.2, 210, 100, 100, 1},  {.1, 210, 100, 100, 2},  {.2, 190, 190, 100, 2},
               {.2, 210, 100, 160, 2},  {.9, 220, 100, 100, 1},  {.9, 230, 100, 100, 2}};
  CoredTrackerParams params = cored_tracker_defaults;
  params.motion = CORED_MOTION_HOLD;
  for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
    CoredTracker *const t = tracker_new(&params);
    const CoredSighting first = face_at(100, 100, 100);
    const CoredSighting next = face_at(jumps[i].x, jumps[i].y, jumps[i].side);
    int n;
    cored_tracker_update(t, 0, &first, 1);
    cored_tracker_update(t, jumps[i].time, &next, 1);
    const CoredTrackedFace *const f = cored_tracker_faces(t, &n);
    assert_int_equal(f[n - 1].id, jumps[i].id);
    cored_tracker_free(t);
  }
}

static void test_odd_input(void **state) {
  (void)state;
  static const double nan_ = (double)NAN;
  CoredTracker *const t = tracker_new(NULL);
  CoredSighting faces[200];
  int n;
  const CoredSighting bad[] = {face_at(nan_, 0, 10), face_at(0, 0, 0), face_at(0, 0, -4),
                               face_at(0, (double)INFINITY, 3), face_at(0, 0, (double)INFINITY)};
  cored_tracker_update(t, nan_, bad, 5);
  cored_tracker_faces(t, &n);
  assert_int_equal(n, 0);
  for (int i = 0; i < 200; i++)
    faces[i] = face_at(1000 * i, 0, 50);
  cored_tracker_update(t, 1, faces, 200);
  cored_tracker_faces(t, &n);
  assert_int_equal(n, CORED_TRACKER_MAX);
  /* Seen ones stay, lost ones give way. */
  cored_tracker_update(t, 1.1, faces + 30, 20);
  const CoredTrackedFace *const f = cored_tracker_faces(t, &n);
  assert_int_equal(n, CORED_TRACKER_MAX);
  int seen = 0;
  for (int i = 0; i < n; i++)
    seen += f[i].sighting >= 0;
  assert_int_equal(seen, 20);
  cored_tracker_update(t, 0.2, faces + 30, 20); /* time does not go back */
  assert_true(cored_tracker_faces(t, &n)[30].last_seen == 1.1);
  for (int i = 0; i < n; i++)
    assert_true(isfinite(f[i].box.x) && f[i].box.w > 0);
  cored_tracker_free(t);
  cored_tracker_free(NULL);
}

static void test_refuses(void **state) {
  (void)state;
  CoredError error = {0};
  CoredTrackerParams p = cored_tracker_defaults;
  p.min_overlap = 1.5;
  assert_null(cored_tracker_new(&p, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  p = cored_tracker_defaults;
  p.max_gap = (double)NAN;
  assert_null(cored_tracker_new(&p, &error));
  p = cored_tracker_defaults;
  p.min_misses = -1;
  assert_null(cored_tracker_new(&p, &error));
  p = cored_tracker_defaults;
  p.confirm_hits = 0;
  assert_null(cored_tracker_new(&p, &error));
}

/* The largest sum over all ways to pair the rows from `row` on with columns not in `used`. */
static double best_sum(double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX], int n_rows, int n_columns,
                       int row, unsigned used) {
  if (row == n_rows)
    return 0;
  double best = best_sum(gain, n_rows, n_columns, row + 1, used);
  for (int c = 0; c < n_columns; c++)
    if (!(used >> c & 1))
      best = fmax(best, gain[row][c] + best_sum(gain, n_rows, n_columns, row + 1, used | 1u << c));
  return best;
}

static void test_assignment_is_best(void **state) {
  (void)state;
  uint32_t seed = 11;
  for (int round = 0; round < 500; round++) {
    static double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX];
    const int rows = round % 6, columns = round / 6 % 6;
    for (int r = 0; r < rows; r++)
      for (int c = 0; c < columns; c++) {
        seed = seed * 1664525u + 1013904223u;
        gain[r][c] = seed >> 30 ? (seed >> 8) % 1000 * 1e-3 : 0.;
      }
    int column[CORED_ASSIGN_MAX];
    unsigned used = 0;
    double sum = 0;
    cored_assign(gain, rows, columns, column);
    for (int r = 0; r < rows; r++) {
      assert_in_range(column[r] + 1, 0, columns);
      if (column[r] < 0)
        continue;
      assert_false(used >> column[r] & 1);
      assert_true(gain[r][column[r]] > 0);
      used |= 1u << column[r];
      sum += gain[r][column[r]];
    }
    assert_true(fabs(sum - best_sum(gain, rows, columns, 0, 0)) < 1e-9);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_follows_motion),
      cmocka_unit_test(test_predicts),
      cmocka_unit_test(test_stops),
      cmocka_unit_test(test_stops_by_scans),
      cmocka_unit_test(test_jitter),
      cmocka_unit_test(test_landmarks),
      cmocka_unit_test(test_holds),
      cmocka_unit_test(test_two_faces),
      cmocka_unit_test(test_gaps),
      cmocka_unit_test(test_rare_scans),
      cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_odd_input),
      cmocka_unit_test(test_jumps),
      cmocka_unit_test(test_refuses),
      cmocka_unit_test(test_assignment_is_best),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
