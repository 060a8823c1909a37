/* SPDX-License-Identifier: MIT
 * What was judged of one video, per face track, and the verdict over the whole of it. Belongs to
 * one thread at a time. */
#ifndef CORED_TOOLS_TRACK_VERDICT_H
#define CORED_TOOLS_TRACK_VERDICT_H

#include <glib.h>

/* To count, a track must have been judged this often and over this many seconds, or in every judged
 * frame of the file. What a face locator takes for a face by mistake rarely lasts so long. */
#define CORED_TRACK_MIN_JUDGED 5
#define CORED_TRACK_MIN_SECONDS 1

typedef struct CoredJudgedFace { /* one judged face of one frame */
  guint64 track;
  gboolean full_frame; /* no face: the whole picture was judged */
  double p_fake, p_fake_smoothed;
  guint x, y, w, h;
} CoredJudgedFace;

typedef struct CoredTrackSample {
  double time; /* seconds of the file */
  double p_fake;
} CoredTrackSample;

typedef struct CoredJudgedTrack {
  guint64 id;
  gboolean full_frame;
  GArray *samples;   /* of CoredTrackSample, in the order judged */
  double logit_mean; /* of log(p / (1 - p)) over the samples */
} CoredJudgedTrack;

typedef struct CoredTrackSpan { /* whole seconds in which a track looked fake, both ends included */
  int first, last;
  double p_fake; /* of the worst second among them */
} CoredTrackSpan;

typedef enum CoredOutcome {
  CORED_OUTCOME_UNKNOWN,
  CORED_OUTCOME_REAL,
  CORED_OUTCOME_FAKE
} CoredOutcome;

/* The rule. The score of a track is the mean of its logits over time, as a probability: sure frames
 * weigh more than undecided ones. The verdict is that of the worst track that counts, fake at or
 * above the threshold; with none it is unknown. So it is where that is below the threshold but not
 * all of the file was read: nobody knows what is in the rest. */
typedef struct CoredTrackVerdict {
  CoredOutcome outcome;
  double p_fake;                 /* of the worst track; meaningless where there is none */
  const CoredJudgedTrack *worst; /* NULL: none counts */
} CoredTrackVerdict;

typedef struct CoredJudgedTracks {
  GPtrArray *tracks; /* of CoredJudgedTrack, in the order they appeared */
  guint judged;      /* frames in which at least one face was judged */
} CoredJudgedTracks;

CoredJudgedTracks *cored_tracks_new(void);
void cored_tracks_free(CoredJudgedTracks *tracks); /* NULL is fine */
/* Take the n judged faces of one frame at `time`; n = 0 is a frame in which nothing was judged. */
void cored_tracks_add(CoredJudgedTracks *tracks, double time, const CoredJudgedFace *faces,
                      guint n);
/* Of one track, 0..1. */
double cored_track_p_fake(const CoredJudgedTrack *track);
gboolean cored_track_counts(const CoredJudgedTracks *tracks, const CoredJudgedTrack *track);
CoredTrackVerdict cored_tracks_verdict(const CoredJudgedTracks *tracks, double threshold,
                                       gboolean complete);
/* "fake", "real", "unknown" */
const char *cored_outcome_name(CoredOutcome outcome);
/* Seconds whose mean logit reaches the threshold, neighbours merged. Free with g_array_unref. */
GArray *cored_track_spans(const CoredJudgedTrack *track, double threshold);

double cored_track_logit(double p);
double cored_track_sigmoid(double logit);

#endif /* CORED_TOOLS_TRACK_VERDICT_H */
