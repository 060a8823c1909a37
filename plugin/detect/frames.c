/* SPDX-License-Identifier: MIT
 * How frames pass through coreddetect: which are evaluated, which result they get, when they leave.
 * The route of a frame is before_transform (time), transform_ip (evaluation, and in modes sync and
 * latest its metadata), generate_output (in mode delay it leaves here, later, with its metadata).
 */
#include "detect/detect-private.h"

#include "analysis/frame.h"
#include "gstcoredmeta.h"
#include "meta/meta-reader.h"
#include "meta/meta-writer.h"

#define GST_CAT_DEFAULT cored_detect_debug

static GstBaseTransformClass *parent_class;

/* Duration of a frame where the caps do not say: at least so long. */
#define MIN_FRAME_DURATION (GST_SECOND / 60)

struct CoredPendingFrame {
  GstBuffer *buffer; /* while it is delayed */
  CoredFrameTimes times;
  CoredFrameTask *task; /* NULL when it is not evaluated */
  CoredSkip skip;       /* why it is not */
  guint epoch;
  CoredParams params;
  CoredRegions upstream;
};

/* ---- Negotiation ---------------------------------------------------------------------------- */

/* Does the stream go on in pictures as they were? Of a fragmented file a decoder may state another
 * frame rate at the end of each fragment. */
static gboolean is_alike(const GstVideoInfo *a, const GstVideoInfo *b) {
  return a->finfo == b->finfo && a->width == b->width && a->height == b->height &&
         a->interlace_mode == b->interlace_mode && a->par_n == b->par_n && a->par_d == b->par_d &&
         a->chroma_site == b->chroma_site &&
         gst_video_colorimetry_is_equal(&a->colorimetry, &b->colorimetry);
}

static gboolean set_caps(GstBaseTransform *base, GstCaps *in, GstCaps *out) {
  CoredDetect *self = CORED_DETECT(base);
  GstVideoInfo info;
  CoredPixelFormat format;
  (void)out;
  const gboolean readable = cored_video_info_from_caps(&info, in) &&
                            cored_pixel_format_from_gst(GST_VIDEO_INFO_FORMAT(&info), &format);
  if (!readable) {
    GST_WARNING_OBJECT(self, "cannot read %" GST_PTR_FORMAT, in);
    gst_video_info_init(&info);
  }
  g_rec_mutex_lock(&self->frame_lock);
  const gboolean other = !is_alike(&self->info, &info);
  self->info = info;
  if (readable) {
    if (other)
      cored_detect_reset_stream(self);
    self->mode_known = FALSE; /* the frame rate, and so the latency, may be another */
  }
  g_rec_mutex_unlock(&self->frame_lock);
  return readable;
}

/* ---- Mode and latency ----------------------------------------------------------------------- */

static gboolean upstream_is_live(CoredDetect *self) {
  GstQuery *query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query))
    gst_query_parse_latency(query, &live, NULL, NULL);
  gst_query_unref(query);
  return live;
}

/* Whole frames where their rate is known: a frame leaves when a later one comes. */
static GstClockTime latency_of(const CoredDetect *self, CoredMode mode, GstClockTime delay) {
  const GstClockTime frame = cored_frame_duration(&self->info);
  if (mode != CORED_MODE_DELAY)
    return 0;
  return frame ? (delay + frame - 1) / frame * frame : delay;
}

/* The mode and latency that hold now. With frame_lock held. */
static CoredMode decide_mode(CoredDetect *self, GstClockTime *latency) {
  GST_OBJECT_LOCK(self);
  CoredMode mode = self->started_mode;
  const GstClockTime delay = self->delay;
  GST_OBJECT_UNLOCK(self);
  if (mode == CORED_MODE_AUTO)
    mode = upstream_is_live(self) ? CORED_MODE_LATEST : CORED_MODE_SYNC;
  *latency = latency_of(self, mode, delay);
  return mode;
}

static void update_mode(CoredDetect *self) {
  GstClockTime latency;
  const CoredMode mode = decide_mode(self, &latency);
  GST_OBJECT_LOCK(self);
  const gboolean changed = latency != self->latency;
  self->running_mode = mode;
  self->latency = latency;
  GST_OBJECT_UNLOCK(self);
  self->mode_known = TRUE;
  if (changed)
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

/* The most frames that mode=delay keeps. Time stamps may stand still or crawl; frames that come
 * twice as fast as the caps say are still kept for as long as they should be. */
static guint64 max_delayed(const CoredDetect *self, GstClockTime latency) {
  const GstClockTime frame = cored_frame_duration(&self->info);
  return 2 * (latency / (frame ? frame : MIN_FRAME_DURATION) + 4);
}

/* The most buffers that are kept while others pass. With frame_lock held. */
static guint max_kept_buffers(CoredDetect *self) {
  GstClockTime latency;
  const CoredMode mode = decide_mode(self, &latency);
  if (mode == CORED_MODE_SYNC)
    return 0;
  /* In mode latest one is being evaluated and the next one waits. */
  return 2 + (mode == CORED_MODE_DELAY ? (guint)MIN(max_delayed(self, latency), G_MAXUINT / 2) : 0);
}

static gboolean propose_allocation(GstBaseTransform *base, GstQuery *decide, GstQuery *query) {
  CoredDetect *self = CORED_DETECT(base);
  (void)decide;
  if (!parent_class->propose_allocation(base, NULL, query))
    return FALSE;
  g_rec_mutex_lock(&self->frame_lock);
  const guint kept = max_kept_buffers(self);
  g_rec_mutex_unlock(&self->frame_lock);
  cored_frame_restrict_allocation(query, kept);
  return TRUE;
}

static gboolean query(GstBaseTransform *base, GstPadDirection direction, GstQuery *asked) {
  CoredDetect *self = CORED_DETECT(base);
  gboolean live;
  GstClockTime min, max;
  if (!parent_class->query(base, direction, asked))
    return FALSE;
  if (GST_QUERY_TYPE(asked) != GST_QUERY_LATENCY || direction != GST_PAD_SRC)
    return TRUE;
  GST_OBJECT_LOCK(self);
  const GstClockTime own = self->latency;
  GST_OBJECT_UNLOCK(self);
  gst_query_parse_latency(asked, &live, &min, &max);
  min += own;
  if (GST_CLOCK_TIME_IS_VALID(max))
    max += own;
  gst_query_set_latency(asked, live, min, max);
  return TRUE;
}

/* ---- Throttle ------------------------------------------------------------------------------- */

/* The next frame is due; the frame number goes on. */
static void throttle_reset(CoredThrottle *throttle) {
  throttle->since_due = 0;
  throttle->last_due = GST_CLOCK_TIME_NONE;
}

/* Is this frame due by inference-interval? Once for each frame. */
static gboolean throttle_is_due(CoredThrottle *throttle, guint interval) {
  const gboolean due = throttle->since_due == 0 || throttle->since_due >= interval;
  throttle->since_due = due ? 1 : throttle->since_due + 1;
  return due;
}

/* Is it due by max-fps (0: always)? If so that is remembered. */
static gboolean throttle_is_within_fps(CoredThrottle *throttle, GstClockTime now, double max_fps) {
  const GstClockTime last = throttle->last_due;
  if (max_fps <= 0.0)
    return TRUE;
  /* A millisecond of tolerance: time stamps of 30 fps are rounded, and 15 must take every other. */
  if (GST_CLOCK_TIME_IS_VALID(last) && now >= last &&
      (double)(now - last + GST_MSECOND) < GST_SECOND / max_fps)
    return FALSE;
  throttle->last_due = now;
  return TRUE;
}

/* ---- A frame comes in ----------------------------------------------------------------------- */

static void update_clock(CoredDetect *self, const GstBuffer *buffer) {
  const GstSegment segment = cored_frame_segment(GST_BASE_TRANSFORM(self));
  g_rec_mutex_lock(&self->frame_lock);
  self->cut = cored_clock_update(&self->clock, buffer, &segment, &self->info);
  self->times =
      (CoredFrameTimes){GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), self->clock.position,
                        self->clock.stream_time, self->clock.running_time};
  g_rec_mutex_unlock(&self->frame_lock);
}

/* Bring controlled properties to the frame's time, and decide whether buffers pass untouched. */
static void before_transform(GstBaseTransform *base, GstBuffer *buffer) {
  CoredDetect *self = CORED_DETECT(base);
  update_clock(self, buffer);
  if (GST_CLOCK_TIME_IS_VALID(self->times.stream_time))
    gst_object_sync_values(GST_OBJECT(self), self->times.stream_time);
  GST_OBJECT_LOCK(self);
  const gboolean attach = self->params.metadata != 0;
  GST_OBJECT_UNLOCK(self);
  gst_base_transform_set_passthrough(base, !attach);
}

/* Too late by downstream's last QoS event. In the other modes every frame has its own result. */
static gboolean is_late(CoredDetect *self) {
  GST_OBJECT_LOCK(self);
  const gboolean late = self->running_mode == CORED_MODE_LATEST &&
                        GST_CLOCK_TIME_IS_VALID(self->qos_earliest) &&
                        self->times.running_time <= self->qos_earliest;
  GST_OBJECT_UNLOCK(self);
  return late;
}

static CoredSkip find_skip(CoredDetect *self, const CoredParams *params, const GstBuffer *buffer) {
  if (!cored_evaluator_has_model(self->evaluator))
    return CORED_SKIP_NO_MODEL;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) ||
      GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED))
    return CORED_SKIP_NO_SIGNAL;
  if (!throttle_is_due(&self->throttle, params->inference_interval))
    return CORED_SKIP_INTERVAL;
  if (is_late(self))
    return CORED_SKIP_QOS;
  return throttle_is_within_fps(&self->throttle, self->times.running_time, params->max_fps)
             ? CORED_SKIP_NONE
             : CORED_SKIP_FPS;
}

static GstFlowReturn post_unreadable(CoredDetect *self, GstBuffer *buffer, const char *why) {
  GST_ELEMENT_ERROR(self, STREAM, FAILED, ("A video frame cannot be read."),
                    ("%s: %" G_GSIZE_FORMAT " bytes, caps need %" G_GSIZE_FORMAT, why,
                     gst_buffer_get_size(buffer), GST_VIDEO_INFO_SIZE(&self->info)));
  return GST_FLOW_ERROR;
}

static void begin_frame(CoredDetect *self, CoredParams *params) {
  const gboolean reset = g_atomic_int_compare_and_exchange(&self->reset_requested, TRUE, FALSE);
  const gboolean cut = self->cut || reset;
  if (cut)
    throttle_reset(&self->throttle);
  self->throttle.number++;
  GST_OBJECT_LOCK(self);
  *params = self->params;
  self->stats.frames_in++;
  self->stats.resets += cut;
  GST_OBJECT_UNLOCK(self);
  if (cut) {
    GST_DEBUG_OBJECT(self, "cut before frame %" G_GUINT64_FORMAT, self->throttle.number);
    self->epoch++;
  }
}

static GstFlowReturn evaluate(CoredDetect *self, CoredPendingFrame *pending, GstBuffer *buffer) {
  GstVideoFrame frame;
  const char *why;
  /* Also when a worker maps it again: this very buffer has to fail when it cannot be read. */
  if (!cored_frame_map(&frame, &self->info, buffer, GST_MAP_READ, &why))
    return post_unreadable(self, buffer, why);
  gst_video_frame_unmap(&frame);
  pending->task = cored_task_new(buffer, &self->info, &pending->params, &pending->upstream,
                                 &self->times, self->throttle.number, pending->epoch);
  if (self->running_mode == CORED_MODE_DELAY)
    pending->task->deadline = g_get_monotonic_time() + (gint64)GST_TIME_AS_USECONDS(self->latency);
  if (self->running_mode == CORED_MODE_SYNC)
    cored_evaluator_run(self->evaluator, pending->task);
  else
    cored_detect_count(self, CORED_SKIP_BUSY,
                       cored_evaluator_submit(self->evaluator, pending->task,
                                              self->running_mode == CORED_MODE_LATEST));
  return GST_FLOW_OK;
}

/* ---- The result of a frame ------------------------------------------------------------------ */

static void pending_frame_free(CoredPendingFrame *pending) {
  gst_clear_buffer(&pending->buffer);
  cored_task_unref(pending->task);
  g_free(pending);
}

/* The frame gets the last finished result. */
static void reuse_last(CoredDetect *self, const CoredPendingFrame *pending) {
  const gint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
  CoredResult last;
  GstClockTime age = 0, now = pending->times.position;
  const gboolean known = cored_evaluator_last(self->evaluator, pending->epoch, &last);
  if (known && GST_CLOCK_TIME_IS_VALID(last.time) && now > last.time)
    age = now - last.time;
  cored_result_reuse(&self->current, known ? &last : NULL, &pending->upstream, width, height, age);
}

/* The frame is about to leave: put its result into self->current. Waits for its own result until
 * its deadline, except in mode latest. */
static void choose_result(CoredDetect *self, CoredPendingFrame *pending) {
  const gint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
  gboolean dropped;
  switch (pending->skip) {
  case CORED_SKIP_NO_MODEL:
    cored_result_clear(&self->current, width, height, CORED_REASON_NO_MODEL);
    return;
  case CORED_SKIP_NO_SIGNAL:
    cored_result_clear(&self->current, width, height, CORED_REASON_NO_SIGNAL);
    return;
  case CORED_SKIP_NONE:
    if (self->running_mode == CORED_MODE_LATEST)
      break;
    if (cored_evaluator_wait(self->evaluator, pending->task, &dropped)) {
      self->current = pending->task->result;
      return;
    }
    cored_detect_count(self, CORED_SKIP_BUSY, dropped);
    break;
  default:
    break;
  }
  reuse_last(self, pending);
}

/* By attach-when. In mode latest a frame has the result of an earlier one, which is new once. */
static gboolean should_attach(CoredDetect *self, CoredAttachWhen when) {
  const CoredResult *result = &self->current;
  gboolean alert = FALSE;
  const gboolean is_new = result->number != self->attached_number;
  self->attached_number = result->number;
  switch (when) {
  case CORED_ATTACH_INFERRED:
    return result->inferred ||
           (self->running_mode == CORED_MODE_LATEST && result->number && is_new);
  case CORED_ATTACH_ALERT:
    for (guint i = 0; i < result->n_faces; i++)
      alert |= result->faces[i].alert;
    return alert;
  case CORED_ATTACH_ALWAYS:
    break;
  }
  return TRUE;
}

static void attach(CoredDetect *self, const CoredPendingFrame *pending, GstBuffer *buffer) {
  const CoredParams *params = &pending->params;
  if (!params->metadata || !gst_buffer_is_writable(buffer) ||
      !should_attach(self, params->attach_when))
    return;
  char *stream_id = cored_detect_dup_stream_id(self);
  cored_meta_write(buffer, &self->current, &pending->times, params->metadata, params->object_class,
                   stream_id);
  g_free(stream_id);
}

static CoredPendingFrame *pending_frame_new(CoredDetect *self, GstBuffer *buffer) {
  CoredPendingFrame *pending = g_new0(CoredPendingFrame, 1);
  begin_frame(self, &pending->params);
  pending->times = self->times;
  pending->epoch = self->epoch;
  if (pending->params.region_mode != CORED_REGION_MODE_FULL_FRAME)
    cored_meta_read_regions(&pending->upstream, buffer, pending->params.object_class,
                            GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info),
                            pending->params.max_objects);
  pending->skip = find_skip(self, &pending->params, buffer);
  if (pending->skip != CORED_SKIP_NONE)
    cored_detect_count(self, pending->skip, 1);
  return pending;
}

static void attach_result(CoredDetect *self, CoredPendingFrame *pending, GstBuffer *buffer) {
  choose_result(self, pending);
  attach(self, pending, buffer);
}

static GstFlowReturn transform_ip(GstBaseTransform *base, GstBuffer *buffer) {
  CoredDetect *self = CORED_DETECT(base);
  GstFlowReturn flow = GST_FLOW_OK;
  if (!self->running)
    return GST_FLOW_OK;
  /* Where nothing is attached buffers pass, and then the base class does not ask for caps. */
  if (GST_VIDEO_INFO_FORMAT(&self->info) == GST_VIDEO_FORMAT_UNKNOWN)
    return GST_FLOW_NOT_NEGOTIATED;
  if (!self->mode_known)
    update_mode(self);
  CoredPendingFrame *pending = pending_frame_new(self, buffer);
  if (self->running_mode == CORED_MODE_LATEST) /* before a worker shares the buffer */
    attach_result(self, pending, buffer);
  if (pending->skip == CORED_SKIP_NONE)
    flow = evaluate(self, pending, buffer);
  if (flow == GST_FLOW_OK && self->running_mode == CORED_MODE_SYNC)
    attach_result(self, pending, buffer);
  if (flow == GST_FLOW_OK && self->running_mode == CORED_MODE_DELAY)
    self->pending = pending;
  else
    pending_frame_free(pending);
  return flow;
}

/* ---- Mode delay ----------------------------------------------------------------------------- */

/* The oldest delayed frame, with its result; owned by the caller. NULL without one. */
static GstBuffer *release_oldest(CoredDetect *self) {
  CoredPendingFrame *pending = g_queue_pop_head(&self->delayed);
  if (!pending)
    return NULL;
  self->delayed_bytes -= gst_buffer_get_size(pending->buffer);
  choose_result(self, pending);
  GstBuffer *buffer = g_steal_pointer(&pending->buffer);
  if (pending->params.metadata)
    buffer = gst_buffer_make_writable(buffer);
  attach(self, pending, buffer);
  pending_frame_free(pending);
  return buffer;
}

/* Too many frames, or too many bytes: each may take twice its size. */
static gboolean are_too_many(const CoredDetect *self) {
  const guint64 max = max_delayed(self, self->latency);
  return self->delayed.length > max ||
         self->delayed_bytes / MAX(GST_VIDEO_INFO_SIZE(&self->info), 1) > 2 * max;
}

static gboolean oldest_is_due(CoredDetect *self) {
  const CoredPendingFrame *oldest = g_queue_peek_head(&self->delayed);
  const CoredPendingFrame *newest = g_queue_peek_tail(&self->delayed);
  if (!oldest)
    return FALSE;
  const GstClockTime from = oldest->times.running_time, to = newest->times.running_time;
  if (to < from || are_too_many(self))
    return TRUE;
  /* For rounded time stamps. */
  const GstClockTime half = cored_frame_duration(&self->info) / 2;
  const GstClockTime tolerance = half ? MIN(half, GST_MSECOND) : GST_MSECOND;
  return to - from + tolerance >= self->latency;
}

static void delay_frame(CoredDetect *self, GstBuffer *buffer) {
  self->delayed_bytes += gst_buffer_get_size(buffer);
  self->pending->buffer = buffer;
  g_queue_push_tail(&self->delayed, g_steal_pointer(&self->pending));
}

/* The base class calls this until it returns no buffer. */
static GstFlowReturn generate_output(GstBaseTransform *base, GstBuffer **output) {
  CoredDetect *self = CORED_DETECT(base);
  g_rec_mutex_lock(&self->frame_lock);
  const GstFlowReturn flow = parent_class->generate_output(base, output);
  if (self->pending)
    delay_frame(self, g_steal_pointer(output));
  if (flow == GST_FLOW_OK && !*output && self->running && oldest_is_due(self))
    *output = release_oldest(self);
  g_rec_mutex_unlock(&self->frame_lock);
  return flow;
}

/* Delayed frames go on before the event that comes now. */
static void push_delayed(CoredDetect *self) {
  GstBuffer *buffer;
  do {
    g_rec_mutex_lock(&self->frame_lock);
    buffer = self->running ? release_oldest(self) : NULL;
    g_rec_mutex_unlock(&self->frame_lock);
    if (buffer)
      gst_pad_push(GST_BASE_TRANSFORM_SRC_PAD(self), buffer);
  } while (buffer);
}

void cored_detect_drop_frames(CoredDetect *self) {
  CoredPendingFrame *pending;
  cored_detect_count(self, CORED_SKIP_FLUSH, cored_evaluator_cancel(self->evaluator));
  g_rec_mutex_lock(&self->frame_lock);
  GQueue delayed = self->delayed;
  g_queue_init(&self->delayed);
  self->delayed_bytes = 0;
  g_rec_mutex_unlock(&self->frame_lock);
  while ((pending = g_queue_pop_head(&delayed)))
    pending_frame_free(pending);
}

/* ---- Events --------------------------------------------------------------------------------- */

void cored_detect_reset_stream(CoredDetect *self) {
  throttle_reset(&self->throttle);
  cored_clock_resync(&self->clock);
  self->epoch++;
  GST_OBJECT_LOCK(self);
  self->qos_earliest = GST_CLOCK_TIME_NONE;
  GST_OBJECT_UNLOCK(self);
}

static void store_stream_id(CoredDetect *self, GstEvent *event) {
  const gchar *id;
  gst_event_parse_stream_start(event, &id);
  GST_OBJECT_LOCK(self);
  g_free(self->pad_stream_id);
  self->pad_stream_id = g_strdup(id);
  GST_OBJECT_UNLOCK(self);
}

/* CORED_EVENT_UPDATE_MODEL, which also goes on to other detectors downstream. */
static void update_model(CoredDetect *self, GstEvent *event) {
  const GstStructure *structure = gst_event_get_structure(event);
  const char *path = gst_structure_get_string(structure, "path");
  if (path && *path)
    g_object_set(self, "model", path, NULL);
  else if (!gst_structure_has_field(structure, "path"))
    g_signal_emit_by_name(self, "reload-model");
  else
    GST_ELEMENT_WARNING(self, STREAM, FAILED, ("An event with a new model names no file."),
                        ("%" GST_PTR_FORMAT, structure));
}

/* With frame_lock held. */
static void handle_event(CoredDetect *self, GstEvent *event) {
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_STREAM_START:
    store_stream_id(self, event);
    self->mode_known = FALSE;
    cored_detect_reset_stream(self);
    break;
  case GST_EVENT_SEGMENT:
    cored_detect_reset_stream(self);
    break;
  case GST_EVENT_EOS:
    if (!self->running)
      break;
    if (cored_evaluator_drain(self->evaluator))
      cored_detect_end_alerts(self);
    else
      g_atomic_int_set(&self->end_of_stream, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    if (!self->running)
      break;
    cored_detect_drop_frames(self);
    cored_evaluator_drain(self->evaluator);
    cored_evaluator_set_flushing(self->evaluator, FALSE);
    cored_clock_init(&self->clock);
    cored_detect_reset_stream(self);
    break;
  default:
    break;
  }
}

static gboolean sink_event(GstBaseTransform *base, GstEvent *event) {
  CoredDetect *self = CORED_DETECT(base);
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) {
    /* The streaming thread may hold frame_lock and wait for a task that is dropped here. */
    cored_evaluator_set_flushing(self->evaluator, TRUE);
    cored_detect_count(self, CORED_SKIP_FLUSH, cored_evaluator_cancel(self->evaluator));
  } else if (GST_EVENT_IS_SERIALIZED(event)) {
    if (GST_EVENT_TYPE(event) != GST_EVENT_FLUSH_STOP)
      push_delayed(self);
    g_rec_mutex_lock(&self->frame_lock);
    handle_event(self, event);
    g_rec_mutex_unlock(&self->frame_lock);
  }
  if (gst_event_has_name(event, CORED_EVENT_UPDATE_MODEL))
    update_model(self, event);
  return parent_class->sink_event(base, event);
}

static void store_qos(CoredDetect *self, GstEvent *event) {
  GstQOSType type;
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  gst_event_parse_qos(event, &type, NULL, &diff, &timestamp);
  if (!GST_CLOCK_TIME_IS_VALID(timestamp))
    return;
  GST_OBJECT_LOCK(self);
  /* As in the base class: when late by diff, twice that is needed to catch up. */
  if (diff > 0)
    self->qos_earliest = timestamp + 2 * (GstClockTime)diff;
  else if ((GstClockTime)-diff > timestamp)
    self->qos_earliest = 0;
  else
    self->qos_earliest = timestamp - (GstClockTime)-diff;
  GST_OBJECT_UNLOCK(self);
}

/* The base class waits for the streaming thread before it stops, which must not wait for results
 * then. */
static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    cored_evaluator_set_flushing(CORED_DETECT(element)->evaluator, TRUE);
  return GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
}

static gboolean src_event(GstBaseTransform *base, GstEvent *event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
    store_qos(CORED_DETECT(base), event);
  return parent_class->src_event(base, event);
}

/* ---- Class ---------------------------------------------------------------------------------- */

void cored_detect_class_init_frames(GstBaseTransformClass *klass) {
  parent_class = g_type_class_peek_parent(klass);
  GST_ELEMENT_CLASS(klass)->change_state = GST_DEBUG_FUNCPTR(change_state);
  klass->set_caps = GST_DEBUG_FUNCPTR(set_caps);
  klass->propose_allocation = GST_DEBUG_FUNCPTR(propose_allocation);
  klass->query = GST_DEBUG_FUNCPTR(query);
  klass->sink_event = GST_DEBUG_FUNCPTR(sink_event);
  klass->src_event = GST_DEBUG_FUNCPTR(src_event);
  klass->before_transform = GST_DEBUG_FUNCPTR(before_transform);
  klass->transform_ip = GST_DEBUG_FUNCPTR(transform_ip);
  klass->generate_output = GST_DEBUG_FUNCPTR(generate_output);
}

void cored_detect_init_frames(CoredDetect *self) {
  GstBaseTransform *base = GST_BASE_TRANSFORM(self);
  g_queue_init(&self->delayed);
  gst_video_info_init(&self->info);
  gst_base_transform_set_in_place(base, TRUE);
  gst_base_transform_set_passthrough(base, FALSE);
  gst_base_transform_set_gap_aware(base, TRUE);
}
