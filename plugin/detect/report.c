/* SPDX-License-Identifier: MIT
 * What coreddetect reports: errors, models, alerts, results, statistics. */
#include "detect/detect-private.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "gstcoredmeta.h"
#include "meta/meta-writer.h"

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

char *cored_detect_dup_stream_id(CoredDetect *self) {
  GST_OBJECT_LOCK(self);
  char *id = g_strdup(self->stream_id ? self->stream_id : self->pad_stream_id);
  GST_OBJECT_UNLOCK(self);
  return id;
}

/* ---- Errors --------------------------------------------------------------------------------- */

/* Domain and code of a GStreamer message for an engine error. */
static GQuark gst_domain_of(CoredErrorCode code, gint *gst_code) {
  switch (code) {
  case CORED_ERROR_NOT_FOUND:
    *gst_code = GST_RESOURCE_ERROR_NOT_FOUND;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_OPEN:
  case CORED_ERROR_NOT_REGULAR:
    *gst_code = GST_RESOURCE_ERROR_OPEN_READ;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_READ:
  case CORED_ERROR_FILE_CHANGED:
    *gst_code = GST_RESOURCE_ERROR_READ;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_NO_MEMORY:
    *gst_code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_WRITE:
    *gst_code = GST_RESOURCE_ERROR_WRITE;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_ARGUMENT:
  case CORED_ERROR_TRUST_STATE:
  case CORED_ERROR_MODEL_KIND:
    *gst_code = GST_RESOURCE_ERROR_SETTINGS;
    return GST_RESOURCE_ERROR;
  default:
    *gst_code = GST_STREAM_ERROR_FORMAT;
    return GST_STREAM_ERROR;
  }
}

const char *cored_error_hint(CoredErrorCode code) {
  switch (code) {
  case CORED_ERROR_NOT_FOUND:
    return "Check the path.";
  case CORED_ERROR_OPEN:
  case CORED_ERROR_NOT_REGULAR:
    return "Check the permissions and that it is a file.";
  case CORED_ERROR_MAGIC:
    return "Convert it with 'cored-convert import'.";
  case CORED_ERROR_FILE_CHANGED:
    return "Write models beside the old one and rename them over it.";
  case CORED_ERROR_SIGNATURE:
  case CORED_ERROR_SIGNATURE_KEY:
  case CORED_ERROR_SIGNATURE_MISSING:
    return "Sign it with a key listed in 'trusted-keys'.";
  case CORED_ERROR_GENERATION:
    return "Publish it with a higher generation. (The action 'previous-model' takes an older "
           "version of 'model' only.)";
  case CORED_ERROR_IMAGE:
    return "Raise 'min-object-size' where the picture is large, else look at its caps.";
  case CORED_ERROR_ARGUMENT:
    return "Look at the properties of the element.";
  case CORED_ERROR_TRUST_STATE:
    return "Look at the file that 'trust-state' names.";
  case CORED_ERROR_WRITE:
    return "Check the permissions of the folder and the space on its disk.";
  case CORED_ERROR_MODEL_KIND:
    return "'model' and 'shadow-model' take classifiers, 'face-model' takes a model that finds "
           "faces.";
  case CORED_ERROR_CASCADE_FORMAT:
    return "Use a cascade of Debian's opencv-data, or face-detector=network.";
  case CORED_ERROR_NO_MEMORY:
    return "Free memory or use a smaller network.";
  case CORED_ERROR_VERSION:
  case CORED_ERROR_NETWORK_UNKNOWN:
  case CORED_ERROR_UNSUPPORTED:
    return "It needs another version of cored.";
  default:
    return "Look at it with 'cored-convert inspect', copy or export it again.";
  }
}

void cored_detect_post_error(CoredDetect *self, GstMessageType type, const char *what,
                             const CoredError *error) {
  const char *code = cored_error_code_name(error->code);
  gint gst_code;
  const GQuark domain = gst_domain_of(error->code, &gst_code);
  gst_element_message_full_with_details(
      GST_ELEMENT(self), type, domain, gst_code,
      g_strdup_printf("%s: %s. %s", what, error->message, cored_error_hint(error->code)),
      g_strdup_printf("%s: %s", code, cored_error_code_text(error->code)), __FILE__, GST_FUNCTION,
      __LINE__, gst_structure_new("cored", "cored-code", G_TYPE_STRING, code, NULL));
}

/* ---- Statistics ----------------------------------------------------------------------------- */

void cored_detect_count(CoredDetect *self, CoredSkip skip, guint n) {
  GST_OBJECT_LOCK(self);
  self->stats.frames[skip] += n;
  GST_OBJECT_UNLOCK(self);
}

static guint bucket_of(guint64 microseconds) {
  if (microseconds < 1)
    return 0;
  const double bucket = 8.0 * log2((double)microseconds);
  return (guint)MIN(bucket, CORED_LATENCY_BUCKETS - 1);
}

static void add_latency(CoredStats *stats, guint64 microseconds) {
  stats->n_latencies++;
  stats->latency_sum += microseconds;
  stats->latency_max = MAX(stats->latency_max, microseconds);
  stats->latency[bucket_of(microseconds)]++;
}

/* The value that share (0..1) of the latencies do not exceed; 0 without any. */
static guint64 latency_percentile(const CoredStats *stats, double share) {
  const double wanted = share * (double)stats->n_latencies;
  guint64 seen = 0;
  for (guint i = 0; i < CORED_LATENCY_BUCKETS && stats->n_latencies > 0; i++) {
    seen += stats->latency[i];
    if ((double)seen >= wanted) /* the bucket's upper end, but at most the largest seen */
      return MIN((guint64)ceil(exp2((i + 1) / 8.0)), stats->latency_max);
  }
  return 0;
}

static void set_counter(GstStructure *structure, const char *name, guint64 value) {
  gst_structure_set(structure, name, G_TYPE_UINT64, value, NULL);
}

static void set_latencies(GstStructure *structure, const CoredStats *stats) {
  set_counter(structure, "latency-us-avg",
              stats->n_latencies ? stats->latency_sum / stats->n_latencies : 0);
  set_counter(structure, "latency-us-p50", latency_percentile(stats, 0.50));
  set_counter(structure, "latency-us-p95", latency_percentile(stats, 0.95));
  set_counter(structure, "latency-us-p99", latency_percentile(stats, 0.99));
  set_counter(structure, "latency-us-max", stats->latency_max);
}

GstStructure *cored_stats_to_structure(const CoredStats *stats) {
  static const char *const names[CORED_N_SKIPS] = {
      [CORED_SKIP_NONE] = "inferred",
      [CORED_SKIP_INTERVAL] = "skipped-interval",
      [CORED_SKIP_NO_MODEL] = "skipped-no-model",
      [CORED_SKIP_NO_SIGNAL] = "skipped-no-signal",
      [CORED_SKIP_FPS] = "skipped-fps",
      [CORED_SKIP_BUSY] = "skipped-busy",
      [CORED_SKIP_QOS] = "skipped-qos",
      [CORED_SKIP_FLUSH] = "skipped-flush",
  };
  GstStructure *structure = gst_structure_new_empty("cored-stats");
  set_counter(structure, "frames-in", stats->frames_in);
  for (guint i = 0; i < CORED_N_SKIPS; i++)
    set_counter(structure, names[i], stats->frames[i]);
  set_counter(structure, "faces", stats->faces);
  set_counter(structure, "skipped-small", stats->skipped_small);
  set_counter(structure, "skipped-blurred", stats->skipped_blurred);
  set_counter(structure, "bad-regions", stats->bad_regions);
  set_counter(structure, "messages", stats->messages);
  set_counter(structure, "alerts", stats->alerts);
  set_counter(structure, "resets", stats->resets);
  set_latencies(structure, stats);
  set_counter(structure, "model-swaps", stats->model_swaps);
  set_counter(structure, "swap-failures", stats->swap_failures);
  set_counter(structure, "last-swap-us", stats->last_swap_us);
  set_counter(structure, "max-swap-us", stats->max_swap_us);
  return structure;
}

/* ---- The model ------------------------------------------------------------------------------- */

static CoredModelVersion *running_version(CoredDetect *self, CoredModelRole role) {
  return cored_model_slot_version(cored_evaluator_slot(self->evaluator, role));
}

static const char *count_model(CoredDetect *self, const CoredModelSlotReport *report) {
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

static void post_model(CoredDetect *self, const char *name, const char *status,
                       const CoredModelSlotReport *report) {
  GstStructure *structure = gst_structure_new(
      name, "status", G_TYPE_STRING, status, "path", G_TYPE_STRING, report->path, "old-id",
      G_TYPE_STRING, report->old_id, "new-id", G_TYPE_STRING, report->new_id, "generation",
      G_TYPE_UINT64, report->generation, "load-ms", G_TYPE_DOUBLE, (double)report->load_us / 1000.0,
      "swap-us", G_TYPE_UINT64, report->swap_us, NULL);
  if (report->error)
    gst_structure_set(structure, "code", G_TYPE_STRING, cored_error_code_name(report->error->code),
                      "reason", G_TYPE_STRING, report->error->message, NULL);
  GST_CAT_INFO_OBJECT(cored_model_debug, self, "%" GST_PTR_FORMAT, structure);
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), structure));
}

static void report_model(CoredDetect *self, const CoredModelSlotReport *report) {
  post_model(self, CORED_MESSAGE_MODEL, count_model(self, report), report);
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

/* Not that of the start. */
static void report_face_model(CoredDetect *self, const CoredModelSlotReport *report) {
  static const char *const status[] = {[CORED_MODEL_SLOT_LOADED] = "loaded",
                                       [CORED_MODEL_SLOT_KEPT] = "loaded",
                                       [CORED_MODEL_SLOT_FAILED] = "failed",
                                       [CORED_MODEL_SLOT_UNWATCHED] = "degraded"};
  post_model(self, CORED_MESSAGE_FACE_MODEL, status[report->status], report);
  if (report->error)
    cored_detect_post_error(self, GST_MESSAGE_WARNING,
                            report->status == CORED_MODEL_SLOT_UNWATCHED
                                ? "Changes of the face model's file are not noticed"
                                : "The new face model cannot be used, the old one stays",
                            report->error);
}

/* ---- The shadow model ----------------------------------------------------------------------- */

static void report_shadow_model(CoredDetect *self, const CoredModelSlotReport *report) {
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

static GstStructure *describe_comparison(const CoredComparison *seen,
                                         const CoredModelVersion *version,
                                         const CoredModelVersion *shadow) {
  const double n = (double)seen->faces;
  return gst_structure_new(CORED_MESSAGE_SHADOW, "faces", G_TYPE_UINT64, seen->faces, "agreement",
                           G_TYPE_DOUBLE, (double)seen->agree / n, "mean-shift", G_TYPE_DOUBLE,
                           seen->shift / n, "mean-abs-shift", G_TYPE_DOUBLE, seen->abs_shift / n,
                           "max-abs-shift", G_TYPE_DOUBLE, seen->max_shift, "model-id",
                           G_TYPE_STRING, version->id, "model-generation", G_TYPE_UINT64,
                           version->info->generation, "shadow-id", G_TYPE_STRING, shadow->id,
                           "shadow-generation", G_TYPE_UINT64, shadow->info->generation, NULL);
}

void cored_detect_post_comparison(CoredDetect *self) {
  CoredModelVersion *version = running_version(self, CORED_ROLE_MODEL);
  CoredModelVersion *shadow = running_version(self, CORED_ROLE_SHADOW);
  if (self->comparison.faces > 0 && shadow && version)
    gst_element_post_message(
        GST_ELEMENT(self),
        gst_message_new_element(GST_OBJECT(self),
                                describe_comparison(&self->comparison, version, shadow)));
  cored_model_version_unref(shadow);
  cored_model_version_unref(version);
}

/* By single values, not smoothed ones: the shadow model has no track scores. */
static void compare_models(CoredDetect *self, const CoredResult *result) {
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
  CoredModelVersion *version = running_version(self, CORED_ROLE_MODEL);
  const CoredBox *box = &alert->peak_box;
  GstStructure *structure = gst_structure_new(
      CORED_MESSAGE_ALERT, "state", G_TYPE_STRING, names[state], "alert-id", G_TYPE_UINT64,
      alert->id, "track-id", G_TYPE_UINT64, alert->track_id, "peak", G_TYPE_DOUBLE, alert->peak,
      "mean", G_TYPE_DOUBLE, alert->sum / (double)MAX(1, alert->n), "results", G_TYPE_UINT64,
      alert->n, "begin-running-time", G_TYPE_UINT64, alert->since, "running-time", G_TYPE_UINT64,
      now, "duration", G_TYPE_UINT64, alert->last - alert->since, "peak-running-time",
      G_TYPE_UINT64, alert->peak_time, "x", G_TYPE_UINT, (guint)box->x, "y", G_TYPE_UINT,
      (guint)box->y, "w", G_TYPE_UINT, (guint)box->w, "h", G_TYPE_UINT, (guint)box->h, "model-id",
      G_TYPE_STRING, version ? version->id : "", "model-generation", G_TYPE_UINT64,
      version ? version->info->generation : (guint64)0, "stream-id", G_TYPE_STRING,
      stream_id ? stream_id : "", NULL);
  set_evidence(structure, alert);
  cored_model_version_unref(version);
  g_free(stream_id);
  return structure;
}

static void report_alert(gpointer user, CoredAlertState state, const CoredAlert *alert,
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
  cored_alerts_end_all(self->alerts, report_alert, self);
}

static void update_alerts(CoredDetect *self, CoredFrameTask *task) {
  const CoredParams *params = &task->params;
  const double off = params->threshold_off;
  const CoredAlertSettings settings = {.off = off < 0.0 ? task->result.threshold + off : off,
                                       .min_duration = params->min_duration,
                                       .interval = params->message_interval};
  cored_alerts_update(self->alerts, &task->result, task->times.running_time, &settings,
                      report_alert, self);
  if (cored_evaluator_is_current(self->evaluator, task))
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
  add_latency(&self->stats, result->latency_us);
  GST_OBJECT_UNLOCK(self);
}

static gboolean is_message_due(CoredDetect *self, GstClockTime now, GstClockTime interval) {
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
  g_atomic_int_set(&self->end_of_stream, FALSE);
  self->reported_epoch = epoch;
  self->last_message = GST_CLOCK_TIME_NONE;
  cored_detect_end_alerts(self);
}

static void report_failure(CoredDetect *self, const CoredError *error) {
  if (!error || self->failure_reported)
    return;
  self->failure_reported = TRUE;
  cored_detect_post_error(self, GST_MESSAGE_WARNING, "A frame was not evaluated", error);
}

static void post_messages(CoredDetect *self, const CoredFrameTask *task) {
  compare_models(self, &task->result);
  if (!task->params.post_messages ||
      !is_message_due(self, task->times.running_time, task->params.message_interval))
    return;
  post_result(self, task);
  if (cored_evaluator_is_current(self->evaluator, task))
    cored_detect_post_comparison(self);
}

/* Each step may call the application, which may stop the element, and start it again: the next step
 * would then act on another run. */
static void report_result(CoredDetect *self, CoredFrameTask *task, const CoredError *error) {
  const CoredResult *result = &task->result;
  GST_LOG_OBJECT(self, "frame %" G_GUINT64_FORMAT ": %s, p-fake %.4f, %u faces, %u us",
                 task->number, cored_verdict_name(result->verdict), result->p_fake, result->n_faces,
                 result->latency_us);
  count_result(self, result);
  begin_epoch(self, task->epoch);
  if (cored_evaluator_is_current(self->evaluator, task))
    report_failure(self, error);
  if (cored_evaluator_is_current(self->evaluator, task))
    update_alerts(self, task);
  if (cored_evaluator_is_current(self->evaluator, task))
    post_messages(self, task);
  if (cored_evaluator_is_current(self->evaluator, task) &&
      g_atomic_int_compare_and_exchange(&self->end_of_stream, TRUE, FALSE))
    cored_detect_end_alerts(self);
}

/* ---- Crops ---------------------------------------------------------------------------------- */

/* It may still judge well, so the stream goes on. */
static void report_other_crops(CoredDetect *self, CoredModelRole role, const char *difference) {
  GST_ELEMENT_WARNING(
      self, RESOURCE, SETTINGS,
      ("The %s was trained on other crops: %s. Set 'face-detector' (to network, where a network "
       "found them), 'roi-padding' and 'align' as they were in training, or train it on such "
       "crops.",
       role == CORED_ROLE_MODEL ? "model" : "shadow model", cored_show(difference).text),
      (NULL));
}

/* A crop that is not turned is as good as align=none. */
static void report_no_eyes(CoredDetect *self, const char *why) {
  GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                      ("Crops stay as they are in the picture, although align=eyes: %s. Eyes "
                       "are known of faces that the network finds (face-detector=network, "
                       "inference-region=auto); set these, or align=none.",
                       cored_show(why).text),
                      (NULL));
}

/* ---- Events of the evaluator ---------------------------------------------------------------- */

void cored_detect_on_event(gpointer user, const CoredEvaluatorEvent *event) {
  CoredDetect *self = user;
  switch (event->kind) {
  case CORED_EVALUATOR_RESULT:
    report_result(self, event->task, event->error);
    break;
  case CORED_EVALUATOR_DROPPED:
    cored_detect_count(self, CORED_SKIP_BUSY, event->n_dropped);
    break;
  case CORED_EVALUATOR_MODEL:
    if (event->role == CORED_ROLE_MODEL)
      report_model(self, event->report);
    else
      report_shadow_model(self, event->report);
    break;
  case CORED_EVALUATOR_OTHER_CROPS:
    report_other_crops(self, event->role, event->text);
    break;
  case CORED_EVALUATOR_FACE_MODEL:
    report_face_model(self, event->report);
    break;
  case CORED_EVALUATOR_NO_EYES:
    report_no_eyes(self, event->text);
    break;
  case CORED_EVALUATOR_NO_LOCATOR:
    cored_detect_post_error(
        self, GST_MESSAGE_WARNING,
        "No face detector, so the whole frame is evaluated where upstream marks no regions "
        "(correct 'face-cascade' or 'face-model'; without 'face-cascade' face-detector=cascade "
        "needs "
        "the package opencv-data, and face-detector=network needs no file)",
        event->error);
    break;
  }
}
