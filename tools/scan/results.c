/* SPDX-License-Identifier: MIT
 * Reading the custom metadata of coreddetect, in the streaming thread. */
#include "tools/scan/results.h"

#include "gstcoredmeta.h"

#include <gst/video/video.h>
#include <math.h>

#define N_REASONS 8
#define MAX_FACES 64

typedef struct Reason { /* why a frame was not judged, and how often */
  char name[24];
  guint n;
} Reason;

typedef struct Decoder { /* of video; what went in and what came out */
  GstElement *element;
  guint in, out;
  GArray *waiting;    /* time stamps of what went in before anything came out */
  GstClockTime first; /* time stamp of what came out first */
  GstClockTime key;   /* of the picture that decoding began with, if it needs no other; else NONE */
  gboolean begun;     /* a picture went in */
} Decoder;

struct ScanResults {
  ScanReport *report;
  CoredJsonLines *json;
  GMutex lock; /* streaming threads write, the main thread reads */
  gboolean begun;
  double first;         /* stream time of the first frame, from which times count */
  double position;      /* the end of the last frame, counted from the first */
  double earliest, end; /* stream times of all streams, sound as well */
  guint frames;         /* that left the detector */
  guint entered;        /* that came to it */
  guint others;         /* streams that are thrown away */
  guint corrupt;        /* frames that the decoder marked */
  GstClockTime next;    /* time stamp that a frame without one gets */
  Reason reasons[N_REASONS];
  GPtrArray *decoders; /* of Decoder */
  ScanRange range;     /* of the colours, as the detector is told */
};

static gboolean read_face(const GstStructure *structure, CoredJudgedFace *face) {
  guint64 age = 0;
  *face = (CoredJudgedFace){0};
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

static guint read_faces(const GstStructure *result, CoredJudgedFace faces[MAX_FACES]) {
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
  CoredJudgedFace faces[MAX_FACES];
  gboolean inferred = FALSE;
  gst_structure_get_boolean(result, "inferred", &inferred);
  if (!inferred)
    return;
  take_model(report, result);
  guint n = read_faces(result, faces);
  cored_tracks_add(report->tracks, time, faces, n);
  if (n == 0)
    count_reason(results, gst_structure_get_string(result, "reason"));
  else if (results->json)
    cored_json_lines_frame(results->json, report->uri, time, report->frames - 1, faces, n);
}

/* Seconds of the stream at which a buffer begins, -1 where it does not say so. */
static double stream_time(const GstSegment *segment, const GstBuffer *buffer) {
  const GstClockTime time =
      gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) ? (double)time / GST_SECOND : -1;
}

/* Seconds of the stream by the detector's clock. */
static double detector_time(const GstStructure *result) {
  guint64 time;
  return result && gst_structure_get_uint64(result, "stream-time", &time)
             ? (double)time / GST_SECOND
             : -1;
}

static double length_of(const GstBuffer *buffer) {
  return GST_BUFFER_DURATION_IS_VALID(buffer) ? (double)GST_BUFFER_DURATION(buffer) / GST_SECOND
                                              : 0;
}

static void take_span(ScanResults *results, double begin, double end) {
  results->earliest = results->end < 0 ? begin : MIN(results->earliest, begin);
  results->end = MAX(results->end, end);
}

/* Times count from the first frame, as in the annotated video; where a file's own begin (MPEG-TS:
 * anywhere) is of no use to anybody. */
static void take_buffer(ScanResults *results, GstBuffer *buffer) {
  const GstStructure *result = cored_meta_get(buffer);
  const double time = detector_time(result), length = length_of(buffer);
  if (time >= 0)
    take_span(results, time, time + length);
  if (!results->begun && time >= 0)
    results->first = time;
  results->begun |= time >= 0;
  const double at = time >= 0 ? MAX(time - results->first, 0) : results->position;
  results->report->frames = ++results->frames;
  results->corrupt += GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
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

/* How long a frame is shown that does not say so itself. */
static GstClockTime usual_length(GstPad *pad) {
  GstVideoInfo info;
  GstCaps *caps = gst_pad_get_current_caps(pad);
  const gboolean known = caps && gst_video_info_from_caps(&info, caps) && info.fps_n > 0;
  g_clear_pointer(&caps, gst_caps_unref);
  return known ? gst_util_uint64_scale(GST_SECOND, (guint64)info.fps_d, (guint64)info.fps_n)
               : GST_SECOND / 25;
}

/* A stream of pictures without time stamps gets those of its rate, as the detector counts it: the
 * annotated video needs some. */
static void stamp(ScanResults *results, GstPad *pad, GstPadProbeInfo *info) {
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (!GST_BUFFER_PTS_IS_VALID(buffer)) {
    info->data = buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_PTS(buffer) = results->next;
  }
  if (!GST_BUFFER_DURATION_IS_VALID(buffer)) {
    info->data = buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_DURATION(buffer) = usual_length(pad);
  }
  results->next = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
}

/* What the caps say in words ("bt709") or numbers ("1:0:0:0": full range, the rest unknown), of
 * which GStreamer's own parser forgets the range. */
static ScanRange range_of(const GstCaps *caps) {
  GstVideoInfo info;
  const char *text = gst_structure_get_string(gst_caps_get_structure(caps, 0), "colorimetry");
  if (!gst_video_info_from_caps(&info, caps) || !GST_VIDEO_INFO_IS_YUV(&info))
    return SCAN_RANGE_UNKNOWN;
  if (text && (g_str_has_prefix(text, "1:") || g_str_has_prefix(text, "2:")))
    return text[0] == '1' ? SCAN_RANGE_FULL : SCAN_RANGE_LIMITED;
  return info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? SCAN_RANGE_FULL
                                                               : SCAN_RANGE_LIMITED;
}

static GstPadProbeReturn on_entered(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ScanResults *results = data;
  GstCaps *caps;
  g_mutex_lock(&results->lock);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    stamp(results, pad, info);
    results->entered++;
  } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_CAPS) {
    gst_event_parse_caps(GST_PAD_PROBE_INFO_EVENT(info), &caps);
    results->range = range_of(caps);
  }
  g_mutex_unlock(&results->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_other(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ScanResults *results = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  GstEvent *event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  if (!event)
    return GST_PAD_PROBE_OK;
  gst_event_parse_segment(event, &segment);
  const double time = segment->format == GST_FORMAT_TIME ? stream_time(segment, buffer) : -1;
  gst_event_unref(event);
  g_mutex_lock(&results->lock);
  if (time >= 0)
    take_span(results, time, time + length_of(buffer));
  g_mutex_unlock(&results->lock);
  return GST_PAD_PROBE_OK;
}

void scan_results_watch_other(ScanResults *results, GstPad *pad) {
  g_mutex_lock(&results->lock);
  results->others++;
  g_mutex_unlock(&results->lock);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_other, results, NULL);
}

/* ---- Decoders ------------------------------------------------------------------------------- */

static void decoder_free(gpointer data) {
  Decoder *decoder = data;
  gst_object_unref(decoder->element);
  g_array_unref(decoder->waiting);
  g_free(decoder);
}

static void begin(Decoder *decoder, const GstBuffer *buffer) {
  if (!decoder->begun && !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    decoder->key = GST_BUFFER_PTS(buffer);
  decoder->begun = TRUE;
}

static gboolean leads(const Decoder *decoder, GstClockTime time) {
  return GST_CLOCK_TIME_IS_VALID(decoder->key) && time < decoder->key;
}

/* Pictures that are shown before the first one that came out, or before the one that decoding
 * begins with, are no loss: a stream that was cut out of a longer one may begin with some that are
 * predicted from what is not there, of which a decoder may show a few. Containers that know no
 * times before 0 leave these without one. */
static void count_in(Decoder *decoder, GstClockTime time) {
  if (leads(decoder, time) || (decoder->out > 0 && time < decoder->first))
    return;
  decoder->in++;
  if (decoder->out == 0)
    g_array_append_val(decoder->waiting, time);
}

static void count_out(Decoder *decoder, GstClockTime time) {
  if (leads(decoder, time) || decoder->out++ > 0)
    return;
  decoder->first = GST_CLOCK_TIME_IS_VALID(time) ? time : 0;
  gboolean stamped = FALSE;
  for (guint i = decoder->waiting->len; i-- > 0;) {
    const GstClockTime shown = g_array_index(decoder->waiting, GstClockTime, i);
    stamped |= GST_CLOCK_TIME_IS_VALID(shown);
    decoder->in -= shown < decoder->first || (stamped && !GST_CLOCK_TIME_IS_VALID(shown));
  }
  g_array_set_size(decoder->waiting, 0);
}

/* What lies outside is decoded, if at all, to predict others from: an edit list may begin and end
 * anywhere. */
static gboolean is_shown(GstPad *pad, const GstBuffer *buffer) {
  GstEvent *event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  const GstClockTime begin = GST_BUFFER_PTS(buffer);
  gboolean shown = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DECODE_ONLY);
  guint64 from, to;
  if (!event)
    return shown;
  gst_event_parse_segment(event, &segment);
  if (segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(begin)) {
    const GstClockTime end = GST_BUFFER_DURATION_IS_VALID(buffer)
                                 ? begin + GST_BUFFER_DURATION(buffer)
                                 : GST_CLOCK_TIME_NONE;
    shown = shown && gst_segment_clip(segment, GST_FORMAT_TIME, begin, end, &from, &to);
  }
  gst_event_unref(event);
  return shown;
}

static GstPadProbeReturn on_decode(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  ScanResults *results = data;
  const GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  GstElement *element = gst_pad_get_parent_element(pad);
  const gboolean in = GST_PAD_IS_SINK(pad), shown = !in || is_shown(pad, buffer);
  g_mutex_lock(&results->lock);
  for (guint i = 0; i < results->decoders->len; i++) {
    Decoder *decoder = g_ptr_array_index(results->decoders, i);
    if (decoder->element == element && in)
      begin(decoder, buffer);
    if (decoder->element != element || !shown)
      continue;
    if (in)
      count_in(decoder, GST_BUFFER_PTS(buffer));
    else
      count_out(decoder, GST_BUFFER_PTS(buffer));
  }
  g_mutex_unlock(&results->lock);
  g_clear_pointer(&element, gst_object_unref);
  return GST_PAD_PROBE_OK;
}

static void watch(GstElement *element, const char *name, GstPadProbeType type,
                  GstPadProbeCallback callback, ScanResults *results) {
  GstPad *pad = gst_element_get_static_pad(element, name);
  if (!pad)
    return;
  gst_pad_add_probe(pad, type, callback, results, NULL);
  gst_object_unref(pad);
}

void scan_results_watch_decoder(ScanResults *results, GstElement *element) {
  Decoder *decoder = g_new0(Decoder, 1);
  decoder->element = gst_object_ref(element);
  decoder->key = GST_CLOCK_TIME_NONE;
  decoder->waiting = g_array_new(FALSE, FALSE, sizeof(GstClockTime));
  g_mutex_lock(&results->lock);
  g_ptr_array_add(results->decoders, decoder);
  g_mutex_unlock(&results->lock);
  watch(element, "sink", GST_PAD_PROBE_TYPE_BUFFER, on_decode, results);
  watch(element, "src", GST_PAD_PROBE_TYPE_BUFFER, on_decode, results);
}

/* Formats in which every buffer is one picture that is shown. In others some pictures are there to
 * be predicted from only, and fields of interlaced video come one by one. */
static gboolean is_one_to_one(GstElement *element) {
  static const char *const names[] = {"video/x-h264", "video/x-h265", "video/mpeg", "image/jpeg"};
  GstPad *sink = gst_element_get_static_pad(element, "sink");
  GstPad *source = gst_element_get_static_pad(element, "src");
  GstCaps *in = sink ? gst_pad_get_current_caps(sink) : NULL;
  GstCaps *out = source ? gst_pad_get_current_caps(source) : NULL;
  GstVideoInfo info;
  gboolean plain = FALSE;
  int version;
  /* Whoever knows the size of the picture in front of the decoder has cut the stream into pictures;
   * of JPEG that is known from the first bytes, but not the rate. */
  const GstStructure *format = in ? gst_caps_get_structure(in, 0) : NULL;
  for (gsize i = 0; format && i < G_N_ELEMENTS(names); i++)
    plain |= gst_structure_has_name(format, names[i]) && gst_structure_has_field(format, "width");
  /* MPEG-4 part 2 has pictures that are not coded: the one before is shown on. */
  if (plain && gst_structure_get_int(format, "mpegversion", &version) && version >= 4)
    plain = FALSE;
  if (plain && gst_structure_has_name(format, "image/jpeg"))
    plain = gst_structure_has_field(format, "framerate");
  plain = plain && out && gst_video_info_from_caps(&info, out) &&
          info.interlace_mode == GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  g_clear_pointer(&in, gst_caps_unref);
  g_clear_pointer(&out, gst_caps_unref);
  g_clear_pointer(&sink, gst_object_unref);
  g_clear_pointer(&source, gst_object_unref);
  return plain;
}

guint scan_results_damaged(ScanResults *results) {
  const Decoder *used = NULL;
  guint n_used = 0;
  g_mutex_lock(&results->lock);
  for (guint i = 0; i < results->decoders->len; i++) {
    const Decoder *decoder = g_ptr_array_index(results->decoders, i);
    n_used += decoder->in > 0;
    used = decoder->in > 0 ? decoder : used;
  }
  guint damaged = results->corrupt;
  if (n_used == 1 && used->in > used->out && is_one_to_one(used->element))
    damaged += used->in - used->out;
  g_mutex_unlock(&results->lock);
  return damaged;
}

/* ---- From outside --------------------------------------------------------------------------- */

ScanResults *scan_results_new(GstElement *detector, ScanReport *report, CoredJsonLines *json) {
  ScanResults *results = g_new0(ScanResults, 1);
  results->report = report;
  results->json = json;
  g_mutex_init(&results->lock);
  results->decoders = g_ptr_array_new_with_free_func(decoder_free);
  results->end = -1;
  watch(detector, "sink", GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        on_entered, results);
  watch(detector, "src", GST_PAD_PROBE_TYPE_BUFFER, on_judged, results);
  return results;
}

void scan_results_free(ScanResults *results) {
  if (!results)
    return;
  g_ptr_array_unref(results->decoders);
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

double scan_results_span(ScanResults *results) {
  g_mutex_lock(&results->lock);
  const double span = MAX(results->end - results->earliest, 0);
  g_mutex_unlock(&results->lock);
  return span;
}

guint scan_results_others(ScanResults *results) {
  g_mutex_lock(&results->lock);
  const guint others = results->others;
  g_mutex_unlock(&results->lock);
  return others;
}

ScanRange scan_results_range(ScanResults *results) {
  g_mutex_lock(&results->lock);
  const ScanRange range = results->range;
  g_mutex_unlock(&results->lock);
  return range;
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
