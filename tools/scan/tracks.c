/* SPDX-License-Identifier: MIT
 * Tracks and their verdict. */
#include "scan/tracks.h"

#include <math.h>

/* Keeps one frame at exactly 0 or 1 from outvoting all others. */
#define P_MIN 1e-6

double scan_logit(double p) {
  p = CLAMP(p, P_MIN, 1 - P_MIN);
  return log(p / (1 - p));
}

double scan_sigmoid(double logit) {
  return 1 / (1 + exp(-logit));
}

static void track_free(gpointer data) {
  ScanTrack *track = data;
  g_array_unref(track->samples);
  g_free(track);
}

ScanTracks *scan_tracks_new(void) {
  ScanTracks *tracks = g_new0(ScanTracks, 1);
  tracks->tracks = g_ptr_array_new_with_free_func(track_free);
  return tracks;
}

void scan_tracks_free(ScanTracks *tracks) {
  if (!tracks)
    return;
  g_ptr_array_unref(tracks->tracks);
  g_free(tracks);
}

static ScanTrack *track_of(ScanTracks *tracks, const ScanFace *face) {
  /* The newest tracks are the ones that go on. */
  for (guint i = tracks->tracks->len; i > 0; i--) {
    ScanTrack *track = g_ptr_array_index(tracks->tracks, i - 1);
    if (track->id == face->track && track->full_frame == face->full_frame)
      return track;
  }
  ScanTrack *track = g_new0(ScanTrack, 1);
  track->id = face->track;
  track->full_frame = face->full_frame;
  track->samples = g_array_new(FALSE, FALSE, sizeof(ScanSample));
  g_ptr_array_add(tracks->tracks, track);
  return track;
}

void scan_tracks_add(ScanTracks *tracks, double time, const ScanFace *faces, guint n) {
  for (guint i = 0; i < n; i++) {
    ScanTrack *track = track_of(tracks, &faces[i]);
    ScanSample sample = {time, faces[i].p_fake};
    g_array_append_val(track->samples, sample);
    track->logit_mean += (scan_logit(sample.p_fake) - track->logit_mean) / track->samples->len;
  }
  tracks->judged += n > 0;
}

double scan_track_p_fake(const ScanTrack *track) {
  return scan_sigmoid(track->logit_mean);
}

gboolean scan_track_counts(const ScanTracks *tracks, const ScanTrack *track) {
  guint n = track->samples->len;
  const ScanSample *samples = &g_array_index(track->samples, ScanSample, 0);
  if (n == tracks->judged)
    return TRUE;
  return n >= SCAN_MIN_JUDGED && samples[n - 1].time - samples[0].time >= SCAN_MIN_SECONDS;
}

ScanVerdict scan_tracks_verdict(const ScanTracks *tracks, double threshold, gboolean complete) {
  ScanVerdict verdict = {SCAN_UNKNOWN, 0, NULL};
  for (guint i = 0; i < tracks->tracks->len; i++) {
    const ScanTrack *track = g_ptr_array_index(tracks->tracks, i);
    if (!scan_track_counts(tracks, track))
      continue;
    double p_fake = scan_track_p_fake(track);
    if (!verdict.worst || p_fake > verdict.p_fake) {
      verdict.worst = track;
      verdict.p_fake = p_fake;
    }
  }
  if (verdict.worst && verdict.p_fake >= threshold)
    verdict.outcome = SCAN_FAKE;
  else if (verdict.worst && complete)
    verdict.outcome = SCAN_REAL;
  return verdict;
}

const char *scan_outcome_name(ScanOutcome outcome) {
  static const char *const names[] = {"unknown", "real", "fake"};
  return names[outcome];
}

/* The second that begins with samples[*index]: its mean logit; *index moves behind it. */
static double second_mean(const GArray *samples, guint *index, int *second) {
  double sum = 0;
  guint n = 0;
  *second = (int)floor(g_array_index(samples, ScanSample, *index).time);
  while (*index < samples->len) {
    const ScanSample *sample = &g_array_index(samples, ScanSample, *index);
    if ((int)floor(sample->time) != *second)
      break;
    sum += scan_logit(sample->p_fake);
    n++;
    (*index)++;
  }
  return sum / n;
}

GArray *scan_track_spans(const ScanTrack *track, double threshold) {
  GArray *spans = g_array_new(FALSE, FALSE, sizeof(ScanSpan));
  gboolean open = FALSE; /* the second judged last was fake: the next one continues its span */
  for (guint i = 0; i < track->samples->len;) {
    int second;
    double p_fake = scan_sigmoid(second_mean(track->samples, &i, &second));
    gboolean fake = p_fake >= threshold;
    if (fake && open) {
      ScanSpan *span = &g_array_index(spans, ScanSpan, spans->len - 1);
      span->last = second;
      span->p_fake = MAX(span->p_fake, p_fake);
    } else if (fake) {
      ScanSpan span = {second, second, p_fake};
      g_array_append_val(spans, span);
    }
    open = fake;
  }
  return spans;
}
