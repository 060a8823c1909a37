/* SPDX-License-Identifier: MIT
 * Tracks and the verdict over them. */
#include "tools/common/track-verdict.h"

#include <math.h>

/* Keeps one frame at exactly 0 or 1 from outvoting all others. */
#define P_MIN 1e-6

double cored_track_logit(double p) {
  p = CLAMP(p, P_MIN, 1 - P_MIN);
  return log(p / (1 - p));
}

double cored_track_sigmoid(double logit) {
  return 1 / (1 + exp(-logit));
}

static void track_free(gpointer data) {
  CoredJudgedTrack *track = data;
  g_array_unref(track->samples);
  g_free(track);
}

CoredJudgedTracks *cored_tracks_new(void) {
  CoredJudgedTracks *tracks = g_new0(CoredJudgedTracks, 1);
  tracks->tracks = g_ptr_array_new_with_free_func(track_free);
  return tracks;
}

void cored_tracks_free(CoredJudgedTracks *tracks) {
  if (!tracks)
    return;
  g_ptr_array_unref(tracks->tracks);
  g_free(tracks);
}

static CoredJudgedTrack *track_of(CoredJudgedTracks *tracks, const CoredJudgedFace *face) {
  /* The newest tracks are the ones that go on. */
  for (guint i = tracks->tracks->len; i > 0; i--) {
    CoredJudgedTrack *track = g_ptr_array_index(tracks->tracks, i - 1);
    if (track->id == face->track && track->full_frame == face->full_frame)
      return track;
  }
  CoredJudgedTrack *track = g_new0(CoredJudgedTrack, 1);
  track->id = face->track;
  track->full_frame = face->full_frame;
  track->samples = g_array_new(FALSE, FALSE, sizeof(CoredTrackSample));
  g_ptr_array_add(tracks->tracks, track);
  return track;
}

void cored_tracks_add(CoredJudgedTracks *tracks, double time, const CoredJudgedFace *faces,
                      guint n) {
  for (guint i = 0; i < n; i++) {
    CoredJudgedTrack *track = track_of(tracks, &faces[i]);
    CoredTrackSample sample = {time, faces[i].p_fake};
    g_array_append_val(track->samples, sample);
    track->logit_mean +=
        (cored_track_logit(sample.p_fake) - track->logit_mean) / track->samples->len;
  }
  tracks->judged += n > 0;
}

double cored_track_p_fake(const CoredJudgedTrack *track) {
  return cored_track_sigmoid(track->logit_mean);
}

gboolean cored_track_counts(const CoredJudgedTracks *tracks, const CoredJudgedTrack *track) {
  guint n = track->samples->len;
  const CoredTrackSample *samples = &g_array_index(track->samples, CoredTrackSample, 0);
  if (n == tracks->judged)
    return TRUE;
  return n >= CORED_TRACK_MIN_JUDGED &&
         samples[n - 1].time - samples[0].time >= CORED_TRACK_MIN_SECONDS;
}

CoredTrackVerdict cored_tracks_verdict(const CoredJudgedTracks *tracks, double threshold,
                                       gboolean complete) {
  CoredTrackVerdict verdict = {CORED_OUTCOME_UNKNOWN, 0, NULL};
  for (guint i = 0; i < tracks->tracks->len; i++) {
    const CoredJudgedTrack *track = g_ptr_array_index(tracks->tracks, i);
    if (!cored_track_counts(tracks, track))
      continue;
    double p_fake = cored_track_p_fake(track);
    if (!verdict.worst || p_fake > verdict.p_fake) {
      verdict.worst = track;
      verdict.p_fake = p_fake;
    }
  }
  if (verdict.worst && verdict.p_fake >= threshold)
    verdict.outcome = CORED_OUTCOME_FAKE;
  else if (verdict.worst && complete)
    verdict.outcome = CORED_OUTCOME_REAL;
  return verdict;
}

const char *cored_outcome_name(CoredOutcome outcome) {
  static const char *const names[] = {"unknown", "real", "fake"};
  return names[outcome];
}

/* The second that begins with samples[*index]: its mean logit; *index moves behind it. */
static double second_mean(const GArray *samples, guint *index, int *second) {
  double sum = 0;
  guint n = 0;
  *second = (int)floor(g_array_index(samples, CoredTrackSample, *index).time);
  while (*index < samples->len) {
    const CoredTrackSample *sample = &g_array_index(samples, CoredTrackSample, *index);
    if ((int)floor(sample->time) != *second)
      break;
    sum += cored_track_logit(sample->p_fake);
    n++;
    (*index)++;
  }
  return sum / n;
}

GArray *cored_track_spans(const CoredJudgedTrack *track, double threshold) {
  GArray *spans = g_array_new(FALSE, FALSE, sizeof(CoredTrackSpan));
  gboolean open = FALSE; /* the second judged last was fake: the next one continues its span */
  for (guint i = 0; i < track->samples->len;) {
    int second;
    double p_fake = cored_track_sigmoid(second_mean(track->samples, &i, &second));
    gboolean fake = p_fake >= threshold;
    if (fake && open) {
      CoredTrackSpan *span = &g_array_index(spans, CoredTrackSpan, spans->len - 1);
      span->last = second;
      span->p_fake = MAX(span->p_fake, p_fake);
    } else if (fake) {
      CoredTrackSpan span = {second, second, p_fake};
      g_array_append_val(spans, span);
    }
    open = fake;
  }
  return spans;
}
