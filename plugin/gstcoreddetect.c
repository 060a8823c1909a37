/* SPDX-License-Identifier: MIT
 * coreddetect: judges the faces in raw video and attaches the probability that they are forged.
 *
 * SECTION:element-coreddetect
 *
 * The element never changes, drops or copies a picture: it maps frames for reading only and adds
 * metadata (gstcoredmeta.h) to the buffers. It looks at regions that upstream elements marked, else
 * at faces that it finds itself, else at the whole frame.
 *
 * |[
 * gst-launch-1.0 -m filesrc location=talk.mp4 ! decodebin ! coreddetect model=m.safetensors !
 * fakesink gst-launch-1.0 -m v4l2src ! videoconvert ! facedetect display=false ! coreddetect
 * model=m.safetensors ! fakesink
 * ]|
 *
 * Threads: properties are stored under the object lock; the streaming thread takes a copy of them
 * per frame. Everything under "streaming thread" in the struct belongs to that thread alone, and to
 * start() and stop() when it does not run. No message is posted with the lock held.
 */
#include "gstcoreddetect.h"

#include "coredanalyser.h"
#include "coredcarriers.h"
#include "coredframe.h"
#include "coredpace.h"
#include "coredstats.h"
#include "gstcoredmeta.h"

GST_DEBUG_CATEGORY_STATIC(cored_detect_debug);
#define GST_CAT_DEFAULT cored_detect_debug

enum {
  PROP_0,
  PROP_MODEL,
  PROP_MODEL_ID,
  PROP_MODEL_GENERATION,
  PROP_FACE_CASCADE,
  PROP_THREADS,
  PROP_STREAM_ID,
  PROP_STATS,
  PROP_PARAMS /* and on: coredparams.c */
};

#define DEFAULT_THREADS 0

/* Where Debian's opencv-data has frontal face cascades, the quickest first. */
static const char *const default_cascades[] = {
    "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml",
    "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface.xml",
    "/usr/share/opencv4/haarcascades/haarcascade_frontalface_default.xml"};

struct _CoredDetect {
  GstBaseTransform parent;

  /* Under the object lock. */
  char *model_path, *cascade_path, *stream_id;
  guint threads;
  CoredParams params;
  CoredStats stats;
  CoredNet *net; /* kept from NULL to PLAYING and back while its file does not change */

  /* Streaming thread. */
  GstVideoInfo info;
  CoredAnalyser *analyser;
  CoredPace pace;
  gboolean has_last;
  CoredResult last, current;
  char *pad_stream_id;
  gboolean locator_failed, analysis_failed;
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(CORED_VIDEO_FORMATS)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(CORED_VIDEO_FORMATS)));

G_DEFINE_FINAL_TYPE(CoredDetect, cored_detect, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(coreddetect, "coreddetect", GST_RANK_NONE, CORED_TYPE_DETECT)

/* ---- Properties ----------------------------------------------------------------------------- */

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  CoredDetect *self = CORED_DETECT(object);
  gboolean known = TRUE;
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_MODEL:
    g_free(self->model_path);
    self->model_path = g_value_dup_string(value);
    break;
  case PROP_FACE_CASCADE:
    g_free(self->cascade_path);
    self->cascade_path = g_value_dup_string(value);
    break;
  case PROP_THREADS:
    self->threads = g_value_get_uint(value);
    break;
  case PROP_STREAM_ID:
    g_free(self->stream_id);
    self->stream_id = g_value_dup_string(value);
    break;
  default:
    known = id >= PROP_PARAMS && cored_params_set(&self->params, id - PROP_PARAMS, value);
    break;
  }
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  CoredDetect *self = CORED_DETECT(object);
  gboolean known = TRUE;
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_MODEL:
    g_value_set_string(value, self->model_path);
    break;
  case PROP_MODEL_ID:
    g_value_set_string(value, self->net ? self->net->id : NULL);
    break;
  case PROP_MODEL_GENERATION:
    g_value_set_uint64(value, self->net ? self->net->info->generation : 0);
    break;
  case PROP_FACE_CASCADE:
    g_value_set_string(value, self->cascade_path);
    break;
  case PROP_THREADS:
    g_value_set_uint(value, self->threads);
    break;
  case PROP_STREAM_ID:
    g_value_set_string(value, self->stream_id);
    break;
  case PROP_STATS:
    g_value_take_boxed(value, cored_stats_to_structure(&self->stats));
    break;
  default:
    known = id >= PROP_PARAMS && cored_params_get(&self->params, id - PROP_PARAMS, value);
    break;
  }
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* An engine error as error or warning: what happened, what to do, and `cored-code` in the details
 * for programs. */
static void post_engine_error(CoredDetect *self, GstMessageType type, const char *what,
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

static CoredTimes times_of(CoredDetect *self, const GstBuffer *buffer) {
  const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
  CoredTimes times = {GST_BUFFER_PTS(buffer), GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
                      GST_BUFFER_DURATION(buffer)};
  if (GST_CLOCK_TIME_IS_VALID(times.timestamp) && segment->format == GST_FORMAT_TIME) {
    times.stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, times.timestamp);
    times.running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, times.timestamp);
  }
  return times;
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static gboolean load_net(CoredDetect *self, const char *path) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredNet *net = cored_net_load(path, &error);
  if (!net) {
    post_engine_error(self, GST_MESSAGE_ERROR, "The model cannot be used", &error);
    return FALSE;
  }
  GST_INFO_OBJECT(self,
                  "model %s, generation %" G_GUINT64_FORMAT ", from %s in %" G_GUINT64_FORMAT " us",
                  net->id, net->info->generation, path, net->load_us);
  GST_OBJECT_LOCK(self);
  CoredNet *old = self->net;
  self->net = net;
  GST_OBJECT_UNLOCK(self);
  cored_net_unref(old);
  return TRUE;
}

static gboolean prepare_judge(CoredDetect *self, guint threads) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredJudge *judge = cored_judge_new(self->net, threads, &error);
  if (!judge) {
    post_engine_error(self, GST_MESSAGE_ERROR, "The model cannot be run", &error);
    return FALSE;
  }
  cored_analyser_set_judge(self->analyser, judge);
  return TRUE;
}

static CoredLocator *open_default_cascade(CoredError *error) {
  CoredLocator *locator = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(default_cascades) && !locator; i++)
    locator = cored_locator_new_cascade(default_cascades[i], error);
  return locator;
}

/* No cascade is no reason to stop: the whole frame is judged then, and the user told. */
static void prepare_locator(CoredDetect *self) {
  CoredError error = {CORED_ERROR_NONE, ""};
  GST_OBJECT_LOCK(self);
  char *path = g_strdup(self->cascade_path);
  GST_OBJECT_UNLOCK(self);
  CoredLocator *locator =
      path && *path ? cored_locator_new_cascade(path, &error) : open_default_cascade(&error);
  g_free(path);
  if (locator) {
    cored_analyser_set_locator(self->analyser, locator);
    return;
  }
  self->locator_failed = TRUE;
  post_engine_error(self, GST_MESSAGE_WARNING,
                    "No face detector, so the full frame is judged where upstream marks no regions "
                    "(install opencv-data or set face-cascade)",
                    &error);
}

static gboolean wants_locator(const CoredParams *params) {
  return params->region_mode == CORED_REGION_MODE_AUTO &&
         params->face_detector == CORED_FACE_DETECTOR_CASCADE;
}

static void forget_stream(CoredDetect *self) {
  cored_pace_reset(&self->pace);
  cored_analyser_reset(self->analyser);
  self->has_last = FALSE;
}

static gboolean start(GstBaseTransform *base) {
  CoredDetect *self = CORED_DETECT(base);
  GST_OBJECT_LOCK(self);
  char *path = g_strdup(self->model_path);
  const guint threads = self->threads;
  const CoredParams params = self->params;
  memset(&self->stats, 0, sizeof self->stats);
  GST_OBJECT_UNLOCK(self);

  self->pace.number = 0;
  self->locator_failed = self->analysis_failed = FALSE;
  forget_stream(self);
  gboolean ok = TRUE;
  if (path && *path)
    ok = load_net(self, path) && prepare_judge(self, threads);
  else
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("No model is set: frames pass without a verdict. Set the 'model' property "
                         "to a file made by cored-train or 'cored-convert import'."),
                        (NULL));
  g_free(path);
  if (ok && wants_locator(&params))
    prepare_locator(self);
  return ok;
}

static gboolean stop(GstBaseTransform *base) {
  CoredDetect *self = CORED_DETECT(base);
  cored_analyser_set_judge(self->analyser, NULL);
  cored_analyser_set_locator(self->analyser, NULL);
  GST_OBJECT_LOCK(self);
  CoredNet *net = self->net;
  self->net = NULL;
  GST_OBJECT_UNLOCK(self);
  cored_net_unref(net);
  g_clear_pointer(&self->pad_stream_id, g_free);
  return TRUE;
}

/* ---- Negotiation and events ----------------------------------------------------------------- */

static gboolean set_caps(GstBaseTransform *base, GstCaps *in, GstCaps *out) {
  CoredDetect *self = CORED_DETECT(base);
  CoredPixelFormat format;
  (void)out;
  if (!gst_video_info_from_caps(&self->info, in) ||
      !cored_pixel_format_from_gst(GST_VIDEO_INFO_FORMAT(&self->info), &format)) {
    GST_WARNING_OBJECT(self, "cannot read %" GST_PTR_FORMAT, in);
    return FALSE;
  }
  forget_stream(self);
  return TRUE;
}

/* Buffers go on as they came, so upstream may only use what downstream understands (strides of a
 * GstVideoMeta, a pool, alignment): downstream's answer is ours, as if we were not there. */
static gboolean propose_allocation(GstBaseTransform *base, GstQuery *decide, GstQuery *query) {
  (void)decide;
  return GST_BASE_TRANSFORM_CLASS(cored_detect_parent_class)->propose_allocation(base, NULL, query);
}

static gboolean sink_event(GstBaseTransform *base, GstEvent *event) {
  CoredDetect *self = CORED_DETECT(base);
  const gchar *stream_id;
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_STREAM_START:
    gst_event_parse_stream_start(event, &stream_id);
    g_free(self->pad_stream_id);
    self->pad_stream_id = g_strdup(stream_id);
    forget_stream(self);
    break;
  case GST_EVENT_SEGMENT:
  case GST_EVENT_FLUSH_STOP:
    forget_stream(self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS(cored_detect_parent_class)->sink_event(base, event);
}

/* ---- Frames --------------------------------------------------------------------------------- */

/* Bring controlled properties to the frame's time, and decide whether buffers can pass untouched.
 */
static void before_transform(GstBaseTransform *base, GstBuffer *buffer) {
  CoredDetect *self = CORED_DETECT(base);
  const CoredTimes times = times_of(self, buffer);
  if (GST_CLOCK_TIME_IS_VALID(times.stream_time))
    gst_object_sync_values(GST_OBJECT(self), times.stream_time);
  GST_OBJECT_LOCK(self);
  const gboolean attach = self->params.metadata != 0;
  GST_OBJECT_UNLOCK(self);
  gst_base_transform_set_passthrough(base, !attach);
}

static CoredSkip why_skip(CoredDetect *self, const CoredParams *params, const GstBuffer *buffer) {
  if (!cored_analyser_has_judge(self->analyser))
    return CORED_SKIP_NO_MODEL;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) ||
      GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED))
    return CORED_SKIP_NO_SIGNAL;
  return cored_pace_due(&self->pace, params->inference_interval) ? CORED_SKIP_NONE
                                                                 : CORED_SKIP_INTERVAL;
}

static void describe_view(CoredView *view, CoredDetect *self, const GstVideoFrame *frame,
                          const CoredRegions *upstream) {
  const gint par_n = GST_VIDEO_INFO_PAR_N(&self->info), par_d = GST_VIDEO_INFO_PAR_D(&self->info);
  cored_frame_to_image(frame, &view->image);
  view->interlaced =
      GST_VIDEO_INFO_IS_INTERLACED(&self->info) && GST_VIDEO_FRAME_IS_INTERLACED(frame);
  view->par = par_n > 0 && par_d > 0 ? (double)par_n / par_d : 1.0;
  view->number = self->pace.number;
  view->pts = GST_BUFFER_PTS(frame->buffer);
  view->upstream = upstream;
}

/* Evaluate the frame into self->last. An error posted here is fatal: the buffer is not what its
 * caps say. Trouble inside the engine is not: the frame is unknown, and the user told once. */
static GstFlowReturn evaluate(CoredDetect *self, const CoredParams *params, GstBuffer *buffer,
                              const CoredRegions *upstream) {
  GstVideoFrame frame;
  CoredView view;
  CoredError error = {CORED_ERROR_NONE, ""};
  const char *why;
  if (!cored_frame_map(&frame, &self->info, buffer, &why)) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("A video frame cannot be read."),
                      ("%s: %" G_GSIZE_FORMAT " bytes, caps need %" G_GSIZE_FORMAT, why,
                       gst_buffer_get_size(buffer), GST_VIDEO_INFO_SIZE(&self->info)));
    return GST_FLOW_ERROR;
  }
  describe_view(&view, self, &frame, upstream);
  const gboolean ok = cored_analyser_run(self->analyser, params, &view, &self->last, &error);
  gst_video_frame_unmap(&frame);
  self->has_last = TRUE;
  GST_LOG_OBJECT(self, "frame %" G_GUINT64_FORMAT ": %s, p-fake %.4f, %u faces, %u us", view.number,
                 cored_verdict_name(self->last.verdict), self->last.p_fake, self->last.n_faces,
                 self->last.latency_us);
  if (!ok && !self->analysis_failed) {
    self->analysis_failed = TRUE;
    post_engine_error(self, GST_MESSAGE_WARNING, "A frame was not judged", &error);
  }
  return GST_FLOW_OK;
}

static GstClockTime age_of(CoredDetect *self, const GstBuffer *buffer) {
  const GstClockTime now = GST_BUFFER_PTS(buffer);
  if (!self->has_last || !GST_CLOCK_TIME_IS_VALID(now) ||
      !GST_CLOCK_TIME_IS_VALID(self->last.pts) || now < self->last.pts)
    return 0;
  return now - self->last.pts;
}

/* What is known about this frame, in self->current. */
static void settle(CoredDetect *self, CoredSkip skip, const GstBuffer *buffer,
                   const CoredRegions *upstream) {
  const gint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
  if (skip == CORED_SKIP_NONE)
    self->current = self->last;
  else if (skip == CORED_SKIP_NO_MODEL)
    cored_result_clear(&self->current, width, height, CORED_REASON_NO_MODEL);
  else if (skip == CORED_SKIP_NO_SIGNAL)
    cored_result_clear(&self->current, width, height, CORED_REASON_NO_SIGNAL);
  else
    cored_result_carry(&self->current, self->has_last ? &self->last : NULL, upstream, width, height,
                       age_of(self, buffer));
}

static void count(CoredDetect *self, CoredSkip skip) {
  GST_OBJECT_LOCK(self);
  self->stats.frames[skip]++;
  if (skip == CORED_SKIP_NONE) {
    self->stats.faces += self->last.n_faces;
    self->stats.skipped_small += self->last.n_small;
    self->stats.bad_regions += self->last.n_bad_regions;
    cored_stats_add_latency(&self->stats, self->last.latency_us);
  }
  GST_OBJECT_UNLOCK(self);
}

static void publish(CoredDetect *self, const CoredParams *params, GstBuffer *buffer) {
  const CoredTimes times = times_of(self, buffer);
  const GstClockTime now = GST_CLOCK_TIME_IS_VALID(times.running_time)
                               ? times.running_time
                               : (GstClockTime)g_get_monotonic_time() * GST_USECOND;
  GST_OBJECT_LOCK(self);
  char *stream_id = g_strdup(self->stream_id ? self->stream_id : self->pad_stream_id);
  GST_OBJECT_UNLOCK(self);
  if (params->metadata && gst_buffer_is_writable(buffer))
    cored_carriers_attach(buffer, &self->current, params->metadata, params->object_class,
                          stream_id);
  if (params->post_messages && self->current.inferred &&
      cored_pace_message_due(&self->pace, now, params->message_interval)) {
    GST_OBJECT_LOCK(self);
    self->stats.messages++;
    GST_OBJECT_UNLOCK(self);
    gst_element_post_message(
        GST_ELEMENT(self),
        cored_carriers_message(GST_OBJECT(self), &self->current, &times, stream_id));
  }
  g_free(stream_id);
}

static GstFlowReturn transform_ip(GstBaseTransform *base, GstBuffer *buffer) {
  CoredDetect *self = CORED_DETECT(base);
  GstFlowReturn flow = GST_FLOW_OK;
  CoredRegions upstream;
  GST_OBJECT_LOCK(self);
  const CoredParams params = self->params;
  GST_OBJECT_UNLOCK(self);

  if (cored_pace_begin(&self->pace, buffer)) {
    GST_DEBUG_OBJECT(self, "cut before frame %" G_GUINT64_FORMAT, self->pace.number);
    cored_analyser_reset(self->analyser);
    self->has_last = FALSE;
    GST_OBJECT_LOCK(self);
    self->stats.resets++;
    GST_OBJECT_UNLOCK(self);
  }
  if (wants_locator(&params) && !cored_analyser_has_locator(self->analyser) &&
      !self->locator_failed)
    prepare_locator(self);
  cored_regions_clear(&upstream);
  if (params.region_mode != CORED_REGION_MODE_FULL_FRAME)
    cored_regions_from_buffer(&upstream, buffer, params.object_class,
                              GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info),
                              params.max_objects);

  const CoredSkip skip = why_skip(self, &params, buffer);
  if (skip == CORED_SKIP_NONE)
    flow = evaluate(self, &params, buffer, &upstream);
  if (flow != GST_FLOW_OK)
    return flow;
  settle(self, skip, buffer, &upstream);
  count(self, skip);
  publish(self, &params, buffer);
  return GST_FLOW_OK;
}

/* ---- Class ---------------------------------------------------------------------------------- */

static void finalize(GObject *object) {
  CoredDetect *self = CORED_DETECT(object);
  cored_analyser_free(self->analyser);
  cored_net_unref(self->net);
  g_free(self->model_path);
  g_free(self->cascade_path);
  g_free(self->stream_id);
  g_free(self->pad_stream_id);
  G_OBJECT_CLASS(cored_detect_parent_class)->finalize(object);
}

static void install_properties(GObjectClass *klass) {
  const GParamFlags ready =
      (GParamFlags)(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const GParamFlags live =
      (GParamFlags)(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  const GParamFlags readable = (GParamFlags)(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      klass, PROP_MODEL,
      g_param_spec_string("model", "Model", "Path of the model file (safetensors)", NULL, ready));
  g_object_class_install_property(klass, PROP_MODEL_ID,
                                  g_param_spec_string("model-id", "Model id",
                                                      "Network and hash of the running model", NULL,
                                                      readable));
  g_object_class_install_property(klass, PROP_MODEL_GENERATION,
                                  g_param_spec_uint64("model-generation", "Model generation",
                                                      "Published version of the running model", 0,
                                                      G_MAXUINT64, 0, readable));
  g_object_class_install_property(
      klass, PROP_FACE_CASCADE,
      g_param_spec_string("face-cascade", "Face cascade",
                          "OpenCV cascade file (XML); unset: that of Debian's opencv-data", NULL,
                          ready));
  g_object_class_install_property(klass, PROP_THREADS,
                                  g_param_spec_uint("threads", "Threads",
                                                    "Threads of an inference; 0: one per CPU", 0,
                                                    64, DEFAULT_THREADS, ready));
  g_object_class_install_property(
      klass, PROP_STREAM_ID,
      g_param_spec_string("stream-id", "Stream id",
                          "Name of the stream in results; unset: the pad's stream id", NULL, live));
  g_object_class_install_property(klass, PROP_STATS,
                                  g_param_spec_boxed("stats", "Statistics",
                                                     "Counters since start, see the README",
                                                     GST_TYPE_STRUCTURE, readable));
  cored_params_install(klass, PROP_PARAMS);
}

static void cored_detect_class_init(CoredDetectClass *klass) {
  GObjectClass *object = G_OBJECT_CLASS(klass);
  GstElementClass *element = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(klass);

  GST_DEBUG_CATEGORY_INIT(cored_detect_debug, "coreddetect", 0, "face-forgery detector");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);

  gst_element_class_set_static_metadata(
      element, "Face-forgery detector", "Filter/Analyzer/Video",
      "Judges faces in raw video and attaches the probability that they are forged",
      "the cored authors");
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);

  transform->start = GST_DEBUG_FUNCPTR(start);
  transform->stop = GST_DEBUG_FUNCPTR(stop);
  transform->set_caps = GST_DEBUG_FUNCPTR(set_caps);
  transform->propose_allocation = GST_DEBUG_FUNCPTR(propose_allocation);
  transform->sink_event = GST_DEBUG_FUNCPTR(sink_event);
  transform->before_transform = GST_DEBUG_FUNCPTR(before_transform);
  transform->transform_ip = GST_DEBUG_FUNCPTR(transform_ip);

  gst_type_mark_as_plugin_api(cored_region_mode_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_face_detector_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_metadata_flags_get_type(), (GstPluginAPIFlags)0);
}

static void cored_detect_init(CoredDetect *self) {
  GstBaseTransform *base = GST_BASE_TRANSFORM(self);
  self->threads = DEFAULT_THREADS;
  cored_params_init(&self->params);
  self->analyser = cored_analyser_new();
  gst_video_info_init(&self->info);
  forget_stream(self);
  gst_base_transform_set_in_place(base, TRUE);
  gst_base_transform_set_passthrough(base, FALSE);
  gst_base_transform_set_gap_aware(base, TRUE);
}
