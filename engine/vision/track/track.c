/* SPDX-License-Identifier: MIT */
#include "vision/track/track.h"

#include "vision/track/assign.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How far a sighting pulls the velocity towards that since the sighting before. */
#define VELOCITY_GAIN 0.5
/* Sightings farther apart than this tell no velocity, seconds. */
#define MAX_INTERVAL 0.5
/* A face that is not looked for may have stopped: its velocity decays to 1/e of itself in so many
 * seconds, so that its box never gets farther than it would in that time at full speed. */
#define DECAY 0.5
/* A face that moved on a lot between two scans hardly overlaps: it may still continue a track when
 * its size is within MAX_GROWTH and its centre not farther away than NEAR_CENTRES of its side, or
 * than a head that is shaken gets (MAX_SPEED sides a second), but no farther than FAR_CENTRES:
 * there the next person sits. */
#define NEAR_CENTRES 0.75
#define FAR_CENTRES 1.25
#define MAX_SPEED 6.5
/* Such a match is worth less than any overlap that counts. */
#define NEAR_GAIN 0.01
/* A box may shrink or grow by at most this factor while unseen. */
#define MAX_GROWTH 1.5

const CoredTrackerParams cored_tracker_defaults = {.min_overlap = 0.25,
                                                   .max_gap = 1.,
                                                   .min_misses = 2,
                                                   .confirm_hits = 2,
                                                   .motion = CORED_MOTION_VELOCITY};

/* Centre and logarithms of the sides: sizes change by factors. */
typedef struct Motion {
  double x, y, log_w, log_h;
} Motion;

struct CoredTracker {
  CoredTrackerParams params;
  double time;
  uint64_t last_id;
  int n;
  CoredTrackedFace face[CORED_TRACKER_MAX];
  Motion velocity[CORED_TRACKER_MAX];              /* per second */
  double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX]; /* scratch: [track][sighting] */
};

_Static_assert(CORED_TRACKER_MAX <= CORED_ASSIGN_MAX, "one assignment takes all tracks");

CoredTracker *cored_tracker_new(const CoredTrackerParams *params, CoredError *error) {
  const CoredTrackerParams p = params ? *params : cored_tracker_defaults;
  if (!(p.min_overlap >= 0. && p.min_overlap <= 1.) || !(p.max_gap >= 0.) || p.min_misses < 0 ||
      p.confirm_hits < 1 || (unsigned)p.motion > CORED_MOTION_VELOCITY) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "tracker: overlap %g must be 0..1, gap %g and misses %d not negative, hits %d "
                    "positive, motion %d known",
                    p.min_overlap, p.max_gap, p.min_misses, p.confirm_hits, (int)p.motion);
    return NULL;
  }
  CoredTracker *const t = calloc(1, sizeof *t);
  if (!t) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "tracker: no memory");
    return NULL;
  }
  t->params = p;
  cored_tracker_reset(t);
  return t;
}

void cored_tracker_free(CoredTracker *tracker) {
  free(tracker);
}

void cored_tracker_reset(CoredTracker *tracker) {
  tracker->n = 0;
  tracker->time = -(double)INFINITY;
}

void cored_tracker_set_max_gap(CoredTracker *tracker, double seconds) {
  if (seconds >= 0.)
    tracker->params.max_gap = seconds;
}

const CoredTrackedFace *cored_tracker_faces(const CoredTracker *tracker, int *n) {
  *n = tracker->n;
  return tracker->face;
}

static bool is_box(const CoredBox *b) {
  return isfinite(b->x) && isfinite(b->y) && b->w > 0. && b->h > 0. && isfinite(b->w) &&
         isfinite(b->h);
}

static double overlap(const CoredBox *a, const CoredBox *b) {
  const double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
  const double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
  if (!(w > 0.) || !(h > 0.))
    return 0.;
  return w * h / (a->w * a->h + b->w * b->h - w * h);
}

static Motion between(const CoredBox *from, const CoredBox *to) {
  return (Motion){.x = to->x + to->w / 2 - from->x - from->w / 2,
                  .y = to->y + to->h / 2 - from->y - from->h / 2,
                  .log_w = log(to->w / from->w),
                  .log_h = log(to->h / from->h)};
}

static double growth(double log_rate, double seconds) {
  return exp(fmax(-log(MAX_GROWTH), fmin(log(MAX_GROWTH), log_rate * seconds)));
}

static double side_of(const CoredBox *b) {
  return 0.5 * (b->w + b->h);
}

/* How long the way of `seconds` with decaying velocity takes at full speed. */
static double decayed(double seconds) {
  return DECAY * (1. - exp(-seconds / DECAY));
}

/* Where the face is taken to be at `time`. */
static CoredBox predicted(const CoredTracker *t, int i, double time) {
  const CoredTrackedFace *const f = &t->face[i];
  const Motion *const v = &t->velocity[i];
  const double seconds = decayed(fmax(0., time - f->last_seen));
  const CoredBox *const b = &f->seen_box;
  if (t->params.motion == CORED_MOTION_HOLD || !(seconds > 0.))
    return *b;
  const double way = hypot(v->x, v->y) * seconds, most = FAR_CENTRES * side_of(b);
  const double moved = way > most ? seconds * most / way : seconds;
  const double w = b->w * growth(v->log_w, seconds), h = b->h * growth(v->log_h, seconds);
  return (CoredBox){.x = b->x + b->w / 2 + v->x * moved - w / 2,
                    .y = b->y + b->h / 2 + v->y * moved - h / 2,
                    .w = w,
                    .h = h};
}

/* Box and landmarks at the tracker's time; what is fixed in the seen box stays so in the other. */
static void predict(CoredTracker *t, int i) {
  CoredTrackedFace *const f = &t->face[i];
  const CoredBox *const from = &f->seen_box;
  const CoredBox to = predicted(t, i, t->time);
  f->box = to;
  for (int k = 0; f->has_landmarks && k < CORED_LANDMARKS; k++)
    f->landmark[k] = (CoredPoint){.x = to.x + (f->seen_landmark[k].x - from->x) * (to.w / from->w),
                                  .y = to.y + (f->seen_landmark[k].y - from->y) * (to.h / from->h)};
}

static void remove_track(CoredTracker *t, int i) {
  const size_t behind = (size_t)(t->n - i - 1);
  memmove(&t->face[i], &t->face[i + 1], behind * sizeof *t->face);
  memmove(&t->velocity[i], &t->velocity[i + 1], behind * sizeof *t->velocity);
  t->n--;
}

/* What no scan missed is there, however long ago the last scan was. */
static bool is_lost(const CoredTracker *t, const CoredTrackedFace *f) {
  return f->misses > 0 && f->misses >= (unsigned)t->params.min_misses &&
         t->time - f->missed > t->params.max_gap;
}

static void end_lost(CoredTracker *t) {
  for (int i = t->n - 1; i >= 0; i--)
    if (is_lost(t, &t->face[i]))
      remove_track(t, i);
}

static void go_to(CoredTracker *t, double time) {
  if (isfinite(time) && time > t->time)
    t->time = time;
  end_lost(t);
  for (int i = 0; i < t->n; i++) {
    predict(t, i);
    t->face[i].sighting = -1;
  }
}

void cored_tracker_advance(CoredTracker *tracker, double time) {
  go_to(tracker, time);
}

static double speed_of(const CoredTracker *t, int i) {
  const Motion *const v = &t->velocity[i];
  return fmax(hypot(v->x, v->y) / side_of(&t->face[i].seen_box),
              fmax(fabs(v->log_w), fabs(v->log_h)));
}

/* From velocity v towards the observed one, but no farther from rest than that: what stopped is
 * taken to stand at once, and the jitter of a face at rest moves it little. */
static Motion pulled(const Motion *v, const Motion *observed, double gain) {
  Motion next = {.x = v->x + gain * (observed->x - v->x),
                 .y = v->y + gain * (observed->y - v->y),
                 .log_w = v->log_w + gain * (observed->log_w - v->log_w),
                 .log_h = v->log_h + gain * (observed->log_h - v->log_h)};
  if (hypot(observed->x, observed->y) < hypot(next.x, next.y)) {
    next.x = observed->x;
    next.y = observed->y;
  }
  if (fabs(observed->log_w) < fabs(next.log_w))
    next.log_w = observed->log_w;
  if (fabs(observed->log_h) < fabs(next.log_h))
    next.log_h = observed->log_h;
  return next;
}

/* A sighting at the tracker's time: a found box is taken as it is. */
static void sight(CoredTracker *t, int i, const CoredSighting *seen, int index) {
  CoredTrackedFace *const f = &t->face[i];
  Motion *const v = &t->velocity[i];
  const double seconds = t->time - f->last_seen;
  if (seconds > 0. && seconds <= MAX_INTERVAL) {
    const Motion way = between(&f->seen_box, &seen->box);
    const double time = decayed(seconds);
    const Motion observed = {way.x / time, way.y / time, way.log_w / time, way.log_h / time};
    *v = pulled(v, &observed, f->hits == 1 ? 1. : VELOCITY_GAIN);
  } else if (seconds > 0.) { /* too long ago to tell */
    *v = (Motion){0};
  }
  f->box = f->seen_box = seen->box;
  f->has_landmarks = seen->has_landmarks;
  memcpy(f->landmark, seen->landmark, sizeof f->landmark);
  memcpy(f->seen_landmark, seen->landmark, sizeof f->seen_landmark);
  f->speed = speed_of(t, i);
  f->score = seen->score;
  f->last_seen = t->time;
  f->hits++;
  f->misses = 0;
  f->sighting = index;
  f->confirmed = f->hits >= (unsigned)t->params.confirm_hits;
}

static void miss(CoredTracker *t, int i) {
  CoredTrackedFace *const f = &t->face[i];
  if (f->misses++ == 0)
    f->missed = t->time;
}

/* The track unseen for longest, -1 if all were seen just now. */
static int most_lost(const CoredTracker *t) {
  int worst = -1;
  for (int i = 0; i < t->n; i++)
    if (t->face[i].sighting < 0 && (worst < 0 || t->face[i].last_seen < t->face[worst].last_seen))
      worst = i;
  return worst;
}

static void begin(CoredTracker *t, const CoredSighting *seen, int index) {
  if (t->n == CORED_TRACKER_MAX) {
    const int lost = most_lost(t);
    if (lost < 0)
      return;
    remove_track(t, lost);
  }
  const int i = t->n++;
  t->velocity[i] = (Motion){0};
  t->face[i] = (CoredTrackedFace){.id = ++t->last_id,
                                  .kind = seen->kind,
                                  .first_seen = t->time,
                                  .last_seen = t->time,
                                  .seen_box = seen->box};
  sight(t, i, seen, index);
}

/* How much nearer than `reach` sides, 0: not a bit. */
static double nearness(const CoredBox *a, const CoredBox *b, double reach) {
  const double side = 0.5 * (side_of(a) + side_of(b));
  const Motion m = between(a, b);
  const double distance = hypot(m.x, m.y) / (reach * side);
  if (distance >= 1. || fabs(m.log_w) > log(MAX_GROWTH) || fabs(m.log_h) > log(MAX_GROWTH))
    return 0.;
  return NEAR_GAIN * (1. - distance);
}

/* Where the prediction went wrong the old place still counts. */
static double gain_of(const CoredTracker *t, const CoredTrackedFace *track,
                      const CoredSighting *seen) {
  if (seen->kind != track->kind || !is_box(&seen->box))
    return 0.;
  const double best = fmax(overlap(&track->box, &seen->box), overlap(&track->seen_box, &seen->box));
  if (best > 0. && best >= t->params.min_overlap)
    return best;
  const double way = MAX_SPEED * (t->time - track->last_seen);
  const double reach = fmin(fmax(way, NEAR_CENTRES), FAR_CENTRES);
  return fmax(nearness(&track->box, &seen->box, reach),
              nearness(&track->seen_box, &seen->box, reach));
}

void cored_tracker_update(CoredTracker *tracker, double time, const CoredSighting *sightings,
                          int n) {
  CoredTracker *const t = tracker;
  int column[CORED_ASSIGN_MAX];
  bool taken[CORED_ASSIGN_MAX] = {false};
  const int n_seen = n < CORED_ASSIGN_MAX ? n : CORED_ASSIGN_MAX;
  go_to(t, time);
  if (!isfinite(t->time)) /* the first time was no number */
    t->time = 0.;
  for (int i = 0; i < t->n; i++)
    for (int k = 0; k < n_seen; k++)
      t->gain[i][k] = gain_of(t, &t->face[i], &sightings[k]);
  cored_assign(t->gain, t->n, n_seen, column);
  for (int i = 0; i < t->n; i++) {
    if (column[i] < 0) {
      miss(t, i);
      continue;
    }
    taken[column[i]] = true;
    sight(t, i, &sightings[column[i]], column[i]);
  }
  end_lost(t);
  for (int k = 0; k < n_seen; k++)
    if (!taken[k] && is_box(&sightings[k].box))
      begin(t, &sightings[k], k);
}
