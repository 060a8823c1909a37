/* SPDX-License-Identifier: MIT
 * What coreddetect tells: errors, results, alerts, models. */
#include "detect/detect-private.h"

#include "base/escape.h"

#include "meta/meta-writer.h"
#include "gstcoredmeta.h"

#define GST_CAT_DEFAULT cored_detect_debug

static guint model_updated_signal, alert_signal;

void cored_detect_class_init_report(GObjectClass *klass) {
  /* status: 0 loaded, else the loader's error code. As in nvinfer. */
  model_updated_signal =
      g_signal_new("model-updated", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                   NULL, G_TYPE_NONE, 2, G_TYPE_INT, G_TYPE_STRING);
  /* The structure of the message 'cored-alert', also where no messages are posted. */
  alert_signal = g_signal_new("alert", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                              NULL, G_TYPE_NONE, 1, GST_TYPE_STRUCTURE);
}

void cored_detect_post_error(CoredDetect *self, GstMessageType type, const char *what,
                             const CoredError *error) {
  const char *code = cored_error_code_name(error->code);
  gint gst_code;
  const GQuark domain = cored_error_gst_domain(error->code, &gst_code);
  gst_element_message_full_with_details(
      GST_ELEMENT(self), type, domain, gst_code,
      g_strdup_printf("%s: %s. %s", what, error->message, cored_error_hint(error->code)),
      g_strdup_printf("%s: %s", code, cored_error_code_text(error->code)), __FILE__, GST_FUNCTION,
      __LINE__, gst_structure_new("cored", "cored-code", G_TYPE_STRING, code, NULL));
}

char *cored_detect_dup_stream_id(CoredDetect *self) {
  GST_OBJECT_LOCK(self);
  char *id = g_strdup(self->stream_id ? self->stream_id : self->pad_stream_id);
  GST_OBJECT_UNLOCK(self);
  return id;
}

void cored_detect_count(CoredDetect *self, CoredSkip skip, guint n) {
  GST_OBJECT_LOCK(self);
  self->stats.frames[skip] += n;
  GST_OBJECT_UNLOCK(self);
}

/* ---- Models --------------------------------------------------------------------------------- */

static const char *note_model(CoredDetect *self, const CoredModelSlotReport *report) {
  const char *status = "degraded";
  GST_OBJECT_LOCK(self);
  switch (report->status) {
  case CORED_MODEL_SLOT_LOADED:
    status = self->model_status = "loaded";
    self->stats.model_swaps += *report->old_id != '\0';
    self->stats.last_swap_us = report->swap_us;
    self->stats.max_swap_us = MAX(self->stats.max_swap_us, report->swap_us);
    break;
  case CORED_MODEL_SLOT_KEPT:
    status = self->model_status = "loaded";
    break;
  case CORED_MODEL_SLOT_FAILED:
    status = self->model_status = "failed";
    self->stats.swap_failures++;
    break;
  case CORED_MODEL_SLOT_UNWATCHED:
    break;
  }
  GST_OBJECT_UNLOCK(self);
  return status;
}

void cored_detect_report_model(gpointer user, const CoredModelSlotReport *report) {
  CoredDetect *self = user;
  const char *status = note_model(self, report);
  GstStructure *structure = gst_structure_new(
      CORED_MESSAGE_MODEL, "status", G_TYPE_STRING, status, "path", G_TYPE_STRING, report->path,
      "old-id", G_TYPE_STRING, report->old_id, "new-id", G_TYPE_STRING, report->new_id,
      "generation", G_TYPE_UINT64, report->generation, "load-ms", G_TYPE_DOUBLE,
      (double)report->load_us / 1000.0, "swap-us", G_TYPE_UINT64, report->swap_us, NULL);
  if (report->error)
    gst_structure_set(structure, "code", G_TYPE_STRING, cored_error_code_name(report->error->code),
                      "reason", G_TYPE_STRING, report->error->message, NULL);
  GST_CAT_INFO_OBJECT(cored_model_debug, self, "%" GST_PTR_FORMAT, structure);
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), structure));
  if (report->error)
    cored_detect_post_error(self, GST_MESSAGE_WARNING,
                            report->status == CORED_MODEL_SLOT_UNWATCHED
                                ? "Changes of the model file are not noticed"
                                : "The new model cannot be used, the old one stays",
                            report->error);
  if (report->status != CORED_MODEL_SLOT_UNWATCHED)
    g_signal_emit(self, model_updated_signal, 0, report->error ? (gint)report->error->code : 0,
                  report->path);
}

/* ---- The shadow model ----------------------------------------------------------------------- */

void cored_detect_report_shadow(gpointer user, const CoredModelSlotReport *report) {
  CoredDetect *self = user;
  if (report->error)
    cored_detect_post_error(self, GST_MESSAGE_WARNING,
                            report->status == CORED_MODEL_SLOT_UNWATCHED
                                ? "Changes of the shadow model's file are not noticed"
                                : "The shadow model cannot be used",
                            report->error);
  if (report->status != CORED_MODEL_SLOT_LOADED)
    return;
  memset(&self->comparison, 0, sizeof self->comparison);
  GST_CAT_INFO_OBJECT(cored_model_debug, self, "shadow model %s, generation %" G_GUINT64_FORMAT,
                      cored_show(report->new_id).text, report->generation);
}

static GstStructure *describe_comparison(const CoredComparison *seen, const CoredModelVersion *net,
                                         const CoredModelVersion *shadow) {
  const double n = (double)seen->faces;
  return gst_structure_new(CORED_MESSAGE_SHADOW, "faces", G_TYPE_UINT64, seen->faces, "agreement",
                           G_TYPE_DOUBLE, (double)seen->agree / n, "mean-shift", G_TYPE_DOUBLE,
                           seen->shift / n, "mean-abs-shift", G_TYPE_DOUBLE, seen->abs_shift / n,
                           "max-abs-shift", G_TYPE_DOUBLE, seen->max_shift, "model-id",
                           G_TYPE_STRING, net->id, "model-generation", G_TYPE_UINT64,
                           net->info->generation, "shadow-id", G_TYPE_STRING, shadow->id,
                           "shadow-generation", G_TYPE_UINT64, shadow->info->generation, NULL);
}

void cored_detect_post_comparison(CoredDetect *self) {
  CoredModelVersion *shadow = cored_model_slot_version(self->shadow_slot),
                    *net = cored_model_slot_version(self->model_slot);
  if (self->comparison.faces > 0 && shadow && net)
    gst_element_post_message(
        GST_ELEMENT(self),
        gst_message_new_element(GST_OBJECT(self),
                                describe_comparison(&self->comparison, net, shadow)));
  cored_model_version_unref(shadow);
  cored_model_version_unref(net);
}

/* Single values, not smoothed ones: the shadow has no tracks of its own. */
static void compare(CoredDetect *self, const CoredResult *result) {
  CoredComparison *seen = &self->comparison;
  for (guint i = 0; i < result->n_faces; i++) {
    const CoredFaceResult *face = &result->faces[i];
    if (face->p_shadow < 0.0 || face->p_fake < 0.0)
      continue;
    const double shift = face->p_shadow - face->p_fake;
    seen->faces++;
    seen->agree += (face->p_shadow >= result->threshold) == (face->p_fake >= result->threshold);
    seen->shift += shift;
    seen->abs_shift += ABS(shift);
    seen->max_shift = MAX(seen->max_shift, ABS(shift));
  }
}

/* ---- Alerts --------------------------------------------------------------------------------- */

static void set_evidence(GstStructure *structure, const CoredAlert *alert) {
  GValue frames = G_VALUE_INIT, frame = G_VALUE_INIT;
  g_value_init(&frames, GST_TYPE_ARRAY);
  for (guint i = 0; i < alert->n_evidence; i++) {
    const CoredAlertEvidence *item = &alert->evidence[i];
    g_value_init(&frame, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &frame, gst_structure_new("frame", "running-time", G_TYPE_UINT64, item->time, "p-fake",
                                  G_TYPE_DOUBLE, item->p_fake, "x", G_TYPE_UINT, (guint)item->box.x,
                                  "y", G_TYPE_UINT, (guint)item->box.y, "w", G_TYPE_UINT,
                                  (guint)item->box.w, "h", G_TYPE_UINT, (guint)item->box.h, NULL));
    gst_value_array_append_and_take_value(&frames, &frame);
  }
  gst_structure_take_value(structure, "evidence", &frames);
}

/* The caller owns the structure. */
static GstStructure *describe_alert(CoredDetect *self, CoredAlertState state,
                                    const CoredAlert *alert, GstClockTime now) {
  static const char *const names[] = {"begin", "update", "end"};
  char *stream_id = cored_detect_dup_stream_id(self);
  CoredModelVersion *net = cored_model_slot_version(self->model_slot);
  const CoredBox *box = &alert->peak_box;
  GstStructure *structure = gst_structure_new(
      CORED_MESSAGE_ALERT, "state", G_TYPE_STRING, names[state], "alert-id", G_TYPE_UINT64,
      alert->id, "track-id", G_TYPE_UINT64, alert->track_id, "peak", G_TYPE_DOUBLE, alert->peak,
      "mean", G_TYPE_DOUBLE, alert->sum / (double)MAX(1, alert->n), "results", G_TYPE_UINT64,
      alert->n, "begin-running-time", G_TYPE_UINT64, alert->since, "running-time", G_TYPE_UINT64,
      now, "duration", G_TYPE_UINT64, alert->last - alert->since, "peak-running-time",
      G_TYPE_UINT64, alert->peak_time, "x", G_TYPE_UINT, (guint)box->x, "y", G_TYPE_UINT,
      (guint)box->y, "w", G_TYPE_UINT, (guint)box->w, "h", G_TYPE_UINT, (guint)box->h, "model-id",
      G_TYPE_STRING, net ? net->id : "", "model-generation", G_TYPE_UINT64,
      net ? net->info->generation : (guint64)0, "stream-id", G_TYPE_STRING,
      stream_id ? stream_id : "", NULL);
  set_evidence(structure, alert);
  cored_model_version_unref(net);
  g_free(stream_id);
  return structure;
}

static void tell_alert(gpointer user, CoredAlertState state, const CoredAlert *alert,
                       GstClockTime now) {
  CoredDetect *self = user;
  GstStructure *structure = describe_alert(self, state, alert, now);
  GST_OBJECT_LOCK(self);
  const gboolean post = self->params.post_messages;
  self->stats.alerts += state == CORED_ALERT_BEGIN;
  GST_OBJECT_UNLOCK(self);
  g_signal_emit(self, alert_signal, 0, structure);
  if (post)
    gst_element_post_message(GST_ELEMENT(self),
                             gst_message_new_element(GST_OBJECT(self), structure));
  else
    gst_structure_free(structure);
}

void cored_detect_end_alerts(CoredDetect *self) {
  cored_alerts_end_all(self->alerts, tell_alert, self);
}

static void feed_alerts(CoredDetect *self, CoredFrameTask *task) {
  const CoredParams *params = &task->params;
  const double off = params->threshold_off;
  const CoredAlertSettings settings = {.off = off < 0.0 ? task->result.threshold + off : off,
                                       .min_duration = params->min_duration,
                                       .interval = params->message_interval};
  cored_alerts_feed(self->alerts, &task->result, task->times.running_time, &settings, tell_alert,
                    self);
  if (cored_evaluator_goes_on(self->evaluator, task))
    cored_alerts_mark(self->alerts, &task->result);
}

/* ---- Results -------------------------------------------------------------------------------- */

static void count_result(CoredDetect *self, const CoredResult *result) {
  GST_OBJECT_LOCK(self);
  self->stats.frames[CORED_SKIP_NONE]++;
  self->stats.faces += result->n_faces;
  self->stats.skipped_small += result->n_small;
  self->stats.skipped_blurred += result->n_blurred;
  self->stats.bad_regions += result->n_bad_regions;
  cored_stats_add_latency(&self->stats, result->latency_us);
  GST_OBJECT_UNLOCK(self);
}

static gboolean message_due(CoredDetect *self, GstClockTime now, GstClockTime interval) {
  if (interval > 0 && GST_CLOCK_TIME_IS_VALID(self->last_message) && now >= self->last_message &&
      now - self->last_message < interval)
    return FALSE;
  self->last_message = now;
  return TRUE;
}

static void post_result(CoredDetect *self, const CoredFrameTask *task) {
  char *stream_id = cored_detect_dup_stream_id(self);
  GST_OBJECT_LOCK(self);
  self->stats.messages++;
  GST_OBJECT_UNLOCK(self);
  gst_element_post_message(GST_ELEMENT(self), cored_meta_message(GST_OBJECT(self), &task->result,
                                                                 &task->times, stream_id));
  g_free(stream_id);
}

static void begin_epoch(CoredDetect *self, guint epoch) {
  if (epoch == self->reported_epoch)
    return;
  g_atomic_int_set(&self->over, FALSE);
  self->reported_epoch = epoch;
  self->last_message = GST_CLOCK_TIME_NONE;
  cored_detect_end_alerts(self);
}

static void tell_failure(CoredDetect *self, const CoredError *error) {
  if (!error || self->analysis_failed)
    return;
  self->analysis_failed = TRUE;
  cored_detect_post_error(self, GST_MESSAGE_WARNING, "A frame was not judged", error);
}

static void tell_result(CoredDetect *self, const CoredFrameTask *task) {
  compare(self, &task->result);
  if (!task->params.post_messages ||
      !message_due(self, task->times.running_time, task->params.message_interval))
    return;
  post_result(self, task);
  if (cored_evaluator_goes_on(self->evaluator, task))
    cored_detect_post_comparison(self);
}

/* Each step may call the application, which may stop the element, and start it again: the next one
 * would meddle with another life. */
void cored_detect_report_result(gpointer user, CoredFrameTask *task, const CoredError *error) {
  CoredDetect *self = user;
  const CoredResult *result = &task->result;
  GST_LOG_OBJECT(self, "frame %" G_GUINT64_FORMAT ": %s, p-fake %.4f, %u faces, %u us",
                 task->number, cored_verdict_name(result->verdict), result->p_fake, result->n_faces,
                 result->latency_us);
  count_result(self, result);
  begin_epoch(self, task->epoch);
  if (cored_evaluator_goes_on(self->evaluator, task))
    tell_failure(self, error);
  if (cored_evaluator_goes_on(self->evaluator, task))
    feed_alerts(self, task);
  if (cored_evaluator_goes_on(self->evaluator, task))
    tell_result(self, task);
  if (cored_evaluator_goes_on(self->evaluator, task) &&
      g_atomic_int_compare_and_exchange(&self->over, TRUE, FALSE))
    cored_detect_end_alerts(self);
}
