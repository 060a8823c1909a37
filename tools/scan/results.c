/* SPDX-License-Identifier: MIT
 * Reading the custom metadata of coreddetect, in the streaming thread. */
#include "scan/results.h"

#include "gstcoredmeta.h"

#include <gst/video/video.h>
#include <math.h>

#define N_REASONS 8
#define MAX_FACES 64

typedef struct Reason { /* why a frame was not judged, and how often */
  char name[24];
  guint n;
} Reason;

struct ScanResults {
  ScanReport *report;
  ScanJson *json;
  GMutex lock; /* the streaming thread writes, the main thread reads the position */
  double position;
  guint frames;  /* that left the detector */
  guint entered; /* that came to it */
  Reason reasons[N_REASONS];
};

static gboolean read_face(const GstStructure *structure, ScanFace *face) {
  guint64 age = 0;
  *face = (ScanFace){0};
  gst_structure_get_uint64(structure, "result-age-ns", &age);
  if (age > 0) /* an older frame's */
    return FALSE;
  if (!gst_structure_get_double(structure, "p-fake", &face->p_fake) || !isfinite(face->p_fake))
    return FALSE;
  face->p_fake_smoothed = face->p_fake;
  gst_structure_get_double(structure, "p-fake-smoothed", &face->p_fake_smoothed);
  gst_structure_get_uint64(structure, "track-id", &face->track);
  gst_structure_get_boolean(structure, "full-frame", &face->full_frame);
  gst_structure_get_uint(structure, "x", &face->x);
  gst_structure_get_uint(structure, "y", &face->y);
  gst_structure_get_uint(structure, "w", &face->w);
  gst_structure_get_uint(structure, "h", &face->h);
  return TRUE;
}

static guint read_faces(const GstStructure *result, ScanFace faces[MAX_FACES]) {
  const GValue *array = gst_structure_get_value(result, "faces");
  guint n = 0;
  for (guint i = 0; array && i < gst_value_array_get_size(array) && n < MAX_FACES; i++) {
    const GValue *value = gst_value_array_get_value(array, i);
    n += read_face(gst_value_get_structure(value), &faces[n]);
  }
  return n;
}

static void count_reason(ScanResults *results, const char *name) {
  if (!name)
    return;
  for (int i = 0; i < N_REASONS; i++) {
    Reason *reason = &results->reasons[i];
    if (!reason->n)
      g_strlcpy(reason->name, name, sizeof reason->name);
    if (g_str_equal(reason->name, name)) {
      reason->n++;
      return;
    }
  }
}

static void take_model(ScanReport *report, const GstStructure *result) {
  const char *id = gst_structure_get_string(result, "model-id");
  gst_structure_get_double(result, "threshold", &report->threshold);
  gst_structure_get_uint64(result, "model-generation", &report->generation);
  if (id && *id && g_strcmp0(id, report->model_id) != 0) {
    g_free(report->model_id);
    report->model_id = g_strdup(id);
  }
}

static void take_result(ScanResults *results, double time, const GstStructure *result) {
  ScanReport *report = results->report;
  ScanFace faces[MAX_FACES];
  gboolean inferred = FALSE;
  gst_structure_get_boolean(result, "inferred", &inferred);
  if (!inferred)
    return;
  take_model(report, result);
  guint n = read_faces(result, faces);
  scan_tracks_add(report->tracks, time, faces, n);
  if (n == 0)
    count_reason(results, gst_structure_get_string(result, "reason"));
  else if (results->json)
    scan_json_frame(results->json, report, time, faces, n);
}

static void take_buffer(ScanResults *results, GstBuffer *buffer) {
  const GstStructure *result = cored_meta_get(buffer);
  guint64 time;
  double at = result && gst_structure_get_uint64(result, "stream-time", &time)
                  ? (double)time / GST_SECOND
                  : results->position;
  double length =
      GST_BUFFER_DURATION_IS_VALID(buffer) ? (double)GST_BUFFER_DURATION(buffer) / GST_SECOND : 0;
  results->report->frames = ++results->frames;
  if (result)
    take_result(results, at, result);
  results->position = MAX(results->position, at + length);
}

static GstPadProbeReturn on_judged(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ScanResults *results = data;
  (void)pad;
  g_mutex_lock(&results->lock);
  take_buffer(results, GST_PAD_PROBE_INFO_BUFFER(info));
  g_mutex_unlock(&results->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_entered(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ScanResults *results = data;
  (void)pad, (void)info;
  g_mutex_lock(&results->lock);
  results->entered++;
  g_mutex_unlock(&results->lock);
  return GST_PAD_PROBE_OK;
}

static void watch(GstElement *detector, const char *name, GstPadProbeType type,
                  GstPadProbeCallback callback, ScanResults *results) {
  GstPad *pad = gst_element_get_static_pad(detector, name);
  gst_pad_add_probe(pad, type, callback, results, NULL);
  gst_object_unref(pad);
}

ScanResults *scan_results_new(GstElement *detector, ScanReport *report, ScanJson *json) {
  ScanResults *results = g_new0(ScanResults, 1);
  results->report = report;
  results->json = json;
  g_mutex_init(&results->lock);
  watch(detector, "sink", GST_PAD_PROBE_TYPE_BUFFER, on_entered, results);
  watch(detector, "src", GST_PAD_PROBE_TYPE_BUFFER, on_judged, results);
  return results;
}

void scan_results_free(ScanResults *results) {
  if (!results)
    return;
  g_mutex_clear(&results->lock);
  g_free(results);
}

double scan_results_position(ScanResults *results, guint *frames) {
  g_mutex_lock(&results->lock);
  double position = results->position;
  *frames = results->frames;
  g_mutex_unlock(&results->lock);
  return position;
}

gboolean scan_results_busy(ScanResults *results) {
  g_mutex_lock(&results->lock);
  gboolean busy = results->entered != results->frames;
  g_mutex_unlock(&results->lock);
  return busy;
}

const char *scan_results_reason(const ScanResults *results) {
  const Reason *most = &results->reasons[0];
  for (int i = 1; i < N_REASONS; i++)
    if (results->reasons[i].n > most->n)
      most = &results->reasons[i];
  return most->n ? most->name : NULL;
}
