/* SPDX-License-Identifier: MIT */
#include "detect/alerts.h"

#include <string.h>

static CoredAlert *find(CoredAlerts *alerts, guint64 track_id) {
  for (guint i = 0; i < alerts->n; i++) {
    if (alerts->item[i].track_id == track_id)
      return &alerts->item[i];
  }
  return NULL;
}

static CoredAlert *open_alert(CoredAlerts *alerts, guint64 track_id, GstClockTime now) {
  if (alerts->n == G_N_ELEMENTS(alerts->item))
    return NULL;
  CoredAlert *alert = &alerts->item[alerts->n++];
  *alert = (CoredAlert){
      .id = ++alerts->next_id, .track_id = track_id, .since = now, .last = now, .peak = -1.0};
  return alert;
}

/* Of the frames within one second the one with the highest p-fake is kept. `now` never goes back.
 */
static void add_evidence(CoredAlert *alert, const CoredFaceResult *face, GstClockTime now) {
  CoredAlertEvidence *item = alert->evidence;
  guint at = 0;
  for (guint i = 0; i < alert->n_evidence; i++) {
    if (now - item[i].time >= GST_SECOND)
      continue;
    if (item[i].p_fake >= face->p_fake)
      return;
    alert->n_evidence--;
    memmove(&item[i], &item[i + 1], (alert->n_evidence - i) * sizeof *item);
    break;
  }
  while (at < alert->n_evidence && item[at].p_fake >= face->p_fake)
    at++;
  if (at == CORED_ALERT_EVIDENCE)
    return;
  alert->n_evidence = MIN(alert->n_evidence + 1, CORED_ALERT_EVIDENCE);
  memmove(&item[at + 1], &item[at], (alert->n_evidence - at - 1) * sizeof *item);
  item[at] = (CoredAlertEvidence){face->p_fake, now, face->box};
}

static void add_result(CoredAlert *alert, const CoredFaceResult *face, GstClockTime now) {
  alert->n++;
  alert->sum += face->p_fake_smoothed;
  add_evidence(alert, face, now);
  if (face->p_fake_smoothed > alert->peak) {
    alert->peak = face->p_fake_smoothed;
    alert->peak_time = now;
    alert->peak_box = face->box;
  }
}

static void update_face(CoredAlerts *alerts, const CoredFaceResult *face, double on,
                        GstClockTime now, const CoredAlertSettings *settings, CoredAlertFunc func,
                        gpointer user) {
  CoredAlert *alert = find(alerts, face->track_id);
  const double p = face->p_fake_smoothed;
  if (!alert && p >= on)
    alert = open_alert(alerts, face->track_id, now);
  if (!alert)
    return;
  alert->last_result = now;
  /* Before it begins, every frame has to reach the upper threshold. */
  if (p >= (alert->active ? settings->off : on)) {
    alert->last = now;
    if (face->age == 0 || alert->n == 0) /* values that are carried over do not count again */
      add_result(alert, face, now);
  } else if (!alert->active) {
    alert->last_result = GST_CLOCK_TIME_NONE; /* removed by the caller */
    return;
  }
  if (!alert->active && now - alert->since >= settings->min_duration) {
    alert->active = TRUE;
    alert->last_reported = now;
    func(user, CORED_ALERT_BEGIN, alert, now);
  } else if (alert->active && now - alert->last_reported >= settings->interval) {
    alert->last_reported = now;
    func(user, CORED_ALERT_UPDATE, alert, now);
  }
}

static void remove_at(CoredAlerts *alerts, guint index) {
  alerts->item[index] = alerts->item[--alerts->n];
}

/* The alert of a face that has no results any more ends like that of one that looks real. */
static gboolean is_over(const CoredAlert *alert, GstClockTime now,
                        const CoredAlertSettings *settings) {
  if (!GST_CLOCK_TIME_IS_VALID(alert->last_result))
    return TRUE;
  return alert->last != now && now - alert->last >= settings->min_duration;
}

void cored_alerts_update(CoredAlerts *alerts, const CoredResult *result, GstClockTime now,
                         const CoredAlertSettings *settings, CoredAlertFunc func, gpointer user) {
  for (guint i = 0; i < result->n_faces; i++) {
    if (result->faces[i].present && result->faces[i].p_fake_smoothed >= 0.0)
      update_face(alerts, &result->faces[i], result->threshold, now, settings, func, user);
  }
  for (guint i = alerts->n; i-- > 0;) {
    if (i >= alerts->n) /* the callback stopped the element, which ended them all */
      continue;
    const CoredAlert alert = alerts->item[i];
    if (!is_over(&alert, now, settings))
      continue;
    remove_at(alerts, i);
    if (alert.active)
      func(user, CORED_ALERT_END, &alert, now);
  }
}

void cored_alerts_end_all(CoredAlerts *alerts, CoredAlertFunc func, gpointer user) {
  while (alerts->n > 0) {
    const CoredAlert alert = alerts->item[alerts->n - 1];
    alerts->n--;
    if (alert.active)
      func(user, CORED_ALERT_END, &alert, alert.last_result);
  }
}

void cored_alerts_mark(const CoredAlerts *alerts, CoredResult *result) {
  for (guint f = 0; f < result->n_faces; f++)
    for (guint i = 0; i < alerts->n; i++)
      if (alerts->item[i].active && alerts->item[i].track_id == result->faces[f].track_id)
        result->faces[f].alert = TRUE;
}
