/* SPDX-License-Identifier: MIT
 * Alerts: from single results to "this face looked fake from here to there". A face's alert begins
 * when its smoothed probability stays at or above the threshold for the minimum duration (and then
 * counts from the first such frame), and ends when it stays below the lower threshold for as long,
 * or when the face is gone. */
#ifndef CORED_DETECT_ALERTS_H
#define CORED_DETECT_ALERTS_H

#include "analysis/result.h"

typedef enum CoredAlertState {
  CORED_ALERT_BEGIN,
  CORED_ALERT_UPDATE,
  CORED_ALERT_END
} CoredAlertState;

#define CORED_ALERT_EVIDENCE 3

typedef struct CoredAlertEvidence { /* a frame */
  double p_fake;                    /* as judged in it */
  GstClockTime time;
  CoredBox box;
} CoredAlertEvidence;

typedef struct CoredAlert {
  guint64 id; /* of the event: the same from begin to end, never used twice */
  guint64 track_id;
  GstClockTime since;     /* running time of the first frame */
  GstClockTime last;      /* of the last frame at or above the lower threshold */
  GstClockTime last_seen; /* of the last judgement of this face */
  GstClockTime last_told;
  gboolean active;
  double peak, sum; /* of p-fake-smoothed */
  guint64 n;
  GstClockTime peak_time;
  CoredBox peak_box;
  guint n_evidence; /* the frames that speak most for it, a second apart, the surest first */
  CoredAlertEvidence evidence[CORED_ALERT_EVIDENCE];
} CoredAlert;

typedef struct CoredAlerts {
  guint64 next_id;
  guint n;
  CoredAlert item[2 * CORED_MAX_OBJECTS];
} CoredAlerts;

typedef struct CoredAlertSettings {
  double off;                /* the lower threshold */
  GstClockTime min_duration; /* to begin, and to end */
  GstClockTime interval;     /* between updates, 0: every result */
} CoredAlertSettings;

/* Called for every change; of the alerts it may only end all. */
typedef void (*CoredAlertFunc)(gpointer user, CoredAlertState state, const CoredAlert *alert,
                               GstClockTime now);

/* A result at a running time. */
void cored_alerts_feed(CoredAlerts *alerts, const CoredResult *result, GstClockTime now,
                       const CoredAlertSettings *settings, CoredAlertFunc func, gpointer user);
/* The stream is cut or over: end what is active. */
void cored_alerts_end_all(CoredAlerts *alerts, CoredAlertFunc func, gpointer user);
/* Set CoredFaceResult.alert of the faces whose alert has begun and not ended. */
void cored_alerts_mark(const CoredAlerts *alerts, CoredResult *result);

#endif /* CORED_DETECT_ALERTS_H */
