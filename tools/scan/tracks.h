/* SPDX-License-Identifier: MIT
 * What was judged in one file, per face track, and the verdict over the whole of it. */
#ifndef CORED_SCAN_TRACKS_H
#define CORED_SCAN_TRACKS_H

#include <glib.h>

/* To count, a track must have been judged this often and over this many seconds, or in every judged
 * frame of the file. What a face locator takes for a face by mistake rarely lasts so long. */
#define SCAN_MIN_JUDGED 5
#define SCAN_MIN_SECONDS 1

typedef struct ScanFace { /* one judged face of one frame */
  guint64 track;
  gboolean full_frame; /* no face: the whole picture was judged */
  double p_fake, p_fake_smoothed;
  guint x, y, w, h;
} ScanFace;

typedef struct ScanSample {
  double time; /* seconds of the file */
  double p_fake;
} ScanSample;

typedef struct ScanTrack {
  guint64 id;
  gboolean full_frame;
  GArray *samples;   /* of ScanSample, in the order judged */
  double logit_mean; /* of log(p / (1 - p)) over the samples */
} ScanTrack;

typedef struct ScanSpan { /* whole seconds in which a track looked fake, both ends included */
  int first, last;
  double p_fake; /* of the worst second among them */
} ScanSpan;

typedef enum ScanOutcome { SCAN_UNKNOWN, SCAN_REAL, SCAN_FAKE } ScanOutcome;

/* The rule. The score of a track is the mean of its logits over time, as a probability: sure frames
 * weigh more than undecided ones. The verdict is that of the worst track that counts, fake at or
 * above the threshold; with none it is unknown. So it is where that is below the threshold but not
 * all of the file was read: nobody knows what is in the rest. */
typedef struct ScanVerdict {
  ScanOutcome outcome;
  double p_fake;          /* of the worst track; meaningless where there is none */
  const ScanTrack *worst; /* NULL: none counts */
} ScanVerdict;

typedef struct ScanTracks {
  GPtrArray *tracks; /* of ScanTrack, in the order they appeared */
  guint judged;      /* frames in which at least one face was judged */
} ScanTracks;

ScanTracks *scan_tracks_new(void);
void scan_tracks_free(ScanTracks *tracks); /* NULL is fine */
/* Take the n judged faces of one frame at `time`; n = 0 is a frame in which nothing was judged. */
void scan_tracks_add(ScanTracks *tracks, double time, const ScanFace *faces, guint n);
/* Of one track, 0..1. */
double scan_track_p_fake(const ScanTrack *track);
gboolean scan_track_counts(const ScanTracks *tracks, const ScanTrack *track);
ScanVerdict scan_tracks_verdict(const ScanTracks *tracks, double threshold, gboolean complete);
/* "fake", "real", "unknown" */
const char *scan_outcome_name(ScanOutcome outcome);
/* Seconds whose mean logit reaches the threshold, neighbours merged. Free with g_array_unref. */
GArray *scan_track_spans(const ScanTrack *track, double threshold);

double scan_logit(double p);
double scan_sigmoid(double logit);

#endif
