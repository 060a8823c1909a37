/* SPDX-License-Identifier: MIT
 * Alerts: from single results to "this face looked fake from here to there". A face's alert begins
 * when its smoothed probability was at or above the threshold for the minimum duration (and then
 * counts from the first such frame), and ends when it was below the lower threshold for as long, or
 * when the face is gone. Times are running times. */
#ifndef CORED_DETECT_ALERTS_H
#define CORED_DETECT_ALERTS_H

#include "analysis/result.h"

typedef enum CoredAlertState {
  CORED_ALERT_BEGIN,
  CORED_ALERT_UPDATE,
  CORED_ALERT_END
} CoredAlertState;

#define CORED_ALERT_EVIDENCE 3

typedef struct CoredAlertEvidence { /* one frame */
  double p_fake;                    /* of the face in it */
  GstClockTime time;
  CoredBox box;
} CoredAlertEvidence;

typedef struct CoredAlert {
  guint64 id; /* the same from begin to end, never used twice */
  guint64 track_id;
  GstClockTime since;         /* running time of the first frame */
  GstClockTime last;          /* of the last frame at or above the lower threshold */
  GstClockTime last_result;   /* of the last result with this face */
  GstClockTime last_reported; /* when the callback was called last */
  gboolean active;
  double peak, sum; /* of p-fake-smoothed */
  guint64 n;
  GstClockTime peak_time;
  CoredBox peak_box;
  guint n_evidence; /* frames with the highest p-fake, a second apart, the highest first */
  CoredAlertEvidence evidence[CORED_ALERT_EVIDENCE];
} CoredAlert;

typedef struct CoredAlerts {
  guint64 next_id;
  guint n;
  CoredAlert item[2 * CORED_MAX_OBJECTS]; /* those not active are about to begin */
} CoredAlerts;

typedef struct CoredAlertSettings {
  double off;                /* the lower threshold */
  GstClockTime min_duration; /* to begin, and to end */
  GstClockTime interval;     /* between updates, 0: every result */
} CoredAlertSettings;

/* Called for every change. Of the functions below it may only call cored_alerts_end_all. */
typedef void (*CoredAlertFunc)(gpointer user, CoredAlertState state, const CoredAlert *alert,
                               GstClockTime now);

/* Take in a result at a running time. */
void cored_alerts_update(CoredAlerts *alerts, const CoredResult *result, GstClockTime now,
                         const CoredAlertSettings *settings, CoredAlertFunc func, gpointer user);
/* After a cut, or when the stream is over: end those that are active. */
void cored_alerts_end_all(CoredAlerts *alerts, CoredAlertFunc func, gpointer user);
/* Set CoredFaceResult.alert of the faces whose alert has begun and not ended. */
void cored_alerts_mark(const CoredAlerts *alerts, CoredResult *result);

#endif /* CORED_DETECT_ALERTS_H */
