/* SPDX-License-Identifier: MIT
 * coreddetect: classifies the faces in raw video and attaches the probability that they are forged.
 */

/* Lines to run must stay lines: */
// clang-format off
/**
 * SECTION:element-coreddetect
 *
 * The element never changes, drops or copies a picture: it maps frames for reading only and adds
 * metadata (gstcoredmeta.h) to the buffers. It classifies the regions that upstream elements marked,
 * else the faces that it finds itself, else the whole frame. A model file that is replaced while the
 * pipeline runs takes effect between two frames.
 *
 * |[
 * gst-launch-1.0 -m filesrc location=talk.mp4 ! decodebin ! coreddetect model=m.safetensors ! fakesink
 * gst-launch-1.0 -m v4l2src ! videoconvert ! coreddetect model=m.safetensors ! fakesink
 * ]|
 */
// clang-format on
#include "detect/detect-private.h"

#include <string.h>

#include "analysis/frame.h"

GST_DEBUG_CATEGORY(cored_detect_debug);
GST_DEBUG_CATEGORY(cored_model_debug);
#define GST_CAT_DEFAULT cored_detect_debug

enum {
  PROP_0,
  PROP_MODEL,
  PROP_MODEL_WATCH,
  PROP_MODEL_INSTANCE_ID,
  PROP_TRUSTED_KEYS,
  PROP_TRUST_STATE,
  PROP_SHADOW_MODEL,
  PROP_MODEL_ID,
  PROP_MODEL_GENERATION,
  PROP_MODEL_STATUS,
  PROP_FACE_CASCADE,
  PROP_FACE_MODEL,
  PROP_MODE,
  PROP_DELAY,
  PROP_THREADS,
  PROP_STREAM_ID,
  PROP_STATS,
  PROP_PARAMS /* and on: properties.c */
};

#define DEFAULT_MODEL_WATCH TRUE
#define DEFAULT_MODE CORED_MODE_AUTO
#define DEFAULT_DELAY (200 * GST_MSECOND)
#define DEFAULT_THREADS 0

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CORED_VIDEO_CAPS("")));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CORED_VIDEO_CAPS("")));

G_DEFINE_FINAL_TYPE(CoredDetect, cored_detect, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(coreddetect, "coreddetect", GST_RANK_NONE, CORED_TYPE_DETECT)

/* ---- Properties ----------------------------------------------------------------------------- */

static void set_string(char **field, const GValue *value) {
  g_free(*field);
  *field = g_value_dup_string(value);
}

/* Under the object lock: of two threads that set it, the element and the slot must not get the path
 * of one each. */
static void set_model_path(CoredDetect *self, CoredModelRole role, const GValue *value) {
  CoredPath *path = role == CORED_ROLE_MODEL ? &self->model_path : &self->shadow_path;
  cored_path_set(path, g_value_get_string(value));
  cored_model_slot_set_path(cored_evaluator_slot(self->evaluator, role), path->absolute);
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  CoredDetect *self = CORED_DETECT(object);
  gboolean known = TRUE;
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_MODEL:
    set_model_path(self, CORED_ROLE_MODEL, value);
    break;
  case PROP_MODEL_WATCH:
    self->model_watch = g_value_get_boolean(value);
    break;
  case PROP_MODEL_INSTANCE_ID:
    set_string(&self->model_instance, value);
    break;
  case PROP_TRUSTED_KEYS:
    cored_path_set(&self->trusted_keys, g_value_get_string(value));
    break;
  case PROP_TRUST_STATE:
    cored_path_set(&self->trust_state, g_value_get_string(value));
    break;
  case PROP_SHADOW_MODEL:
    set_model_path(self, CORED_ROLE_SHADOW, value);
    break;
  case PROP_FACE_CASCADE:
    cored_path_set(&self->cascade_path, g_value_get_string(value));
    break;
  case PROP_FACE_MODEL:
    cored_path_set(&self->face_model_path, g_value_get_string(value));
    break;
  case PROP_MODE:
    self->mode = (CoredMode)g_value_get_enum(value);
    break;
  case PROP_DELAY:
    self->delay = g_value_get_uint64(value);
    break;
  case PROP_THREADS:
    self->threads = g_value_get_uint(value);
    break;
  case PROP_STREAM_ID:
    set_string(&self->stream_id, value);
    break;
  default:
    known = id >= PROP_PARAMS && cored_params_set(&self->params, id - PROP_PARAMS, value);
    break;
  }
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void get_model_property(CoredDetect *self, guint id, GValue *value) {
  CoredModelVersion *version =
      cored_model_slot_version(cored_evaluator_slot(self->evaluator, CORED_ROLE_MODEL));
  if (id == PROP_MODEL_ID)
    g_value_set_string(value, version ? version->id : NULL);
  else
    g_value_set_uint64(value, version ? version->info->generation : 0);
  cored_model_version_unref(version);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  CoredDetect *self = CORED_DETECT(object);
  gboolean known = TRUE;
  if (id == PROP_MODEL_ID || id == PROP_MODEL_GENERATION) {
    get_model_property(self, id, value);
    return;
  }
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_MODEL:
    g_value_set_string(value, self->model_path.given);
    break;
  case PROP_MODEL_WATCH:
    g_value_set_boolean(value, self->model_watch);
    break;
  case PROP_MODEL_INSTANCE_ID:
    g_value_set_string(value, self->model_instance);
    break;
  case PROP_TRUSTED_KEYS:
    g_value_set_string(value, self->trusted_keys.given);
    break;
  case PROP_TRUST_STATE:
    g_value_set_string(value, self->trust_state.given);
    break;
  case PROP_SHADOW_MODEL:
    g_value_set_string(value, self->shadow_path.given);
    break;
  case PROP_MODEL_STATUS:
    g_value_set_static_string(value, self->model_status);
    break;
  case PROP_FACE_CASCADE:
    g_value_set_string(value, self->cascade_path.given);
    break;
  case PROP_FACE_MODEL:
    g_value_set_string(value, self->face_model_path.given);
    break;
  case PROP_MODE:
    g_value_set_enum(value, (gint)self->mode);
    break;
  case PROP_DELAY:
    g_value_set_uint64(value, self->delay);
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

#define FLAGS(more) ((GParamFlags)(G_PARAM_STATIC_STRINGS | (more)))
#define READABLE FLAGS(G_PARAM_READABLE)
#define READY FLAGS(G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY)
#define LIVE FLAGS(G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING)

static void install_model_properties(GObjectClass *klass) {
  g_object_class_install_property(
      klass, PROP_MODEL,
      g_param_spec_string("model", "Model",
                          "Path of the model file (safetensors); when it is set while running, the "
                          "new model takes over between two frames as soon as it is ready",
                          NULL, LIVE));
  g_object_class_install_property(
      klass, PROP_MODEL_WATCH,
      g_param_spec_boolean(
          "model-watch", "Watch the model",
          "Load every new version of the model file, and of face-model's, while running",
          DEFAULT_MODEL_WATCH, READY));
  g_object_class_install_property(
      klass, PROP_MODEL_INSTANCE_ID,
      g_param_spec_string(
          "model-instance-id", "Model instance id",
          "Elements that name the same model file share its weights, unless their ids differ", NULL,
          READY));
  g_object_class_install_property(
      klass, PROP_TRUSTED_KEYS,
      g_param_spec_string(
          "trusted-keys", "Trusted keys",
          "File of public keys: only models signed with one of them are used, and no generation "
          "older than the element has used before; unset: no signature is needed",
          NULL, READY));
  g_object_class_install_property(
      klass, PROP_TRUST_STATE,
      g_param_spec_string("trust-state", "Trust state",
                          "File that keeps the highest generation used of each trusted key, so "
                          "that older models are refused after a restart and by other processes as "
                          "well; unset: only this element remembers it",
                          NULL, READY));
  g_object_class_install_property(
      klass, PROP_SHADOW_MODEL,
      g_param_spec_string("shadow-model", "Shadow model",
                          "Path of a candidate model that runs along with the model "
                          "(shadow-interval) and does not affect results; 'cored-shadow' messages "
                          "report how the two compare. Unset while running, it stays",
                          NULL, LIVE));
  g_object_class_install_property(klass, PROP_MODEL_ID,
                                  g_param_spec_string("model-id", "Model id",
                                                      "Network and hash of the running model", NULL,
                                                      READABLE));
  g_object_class_install_property(
      klass, PROP_MODEL_GENERATION,
      g_param_spec_uint64("model-generation", "Model generation",
                          "Generation of the running model: its published version", 0, G_MAXUINT64,
                          0, READABLE));
  g_object_class_install_property(
      klass, PROP_MODEL_STATUS,
      g_param_spec_string("model-status", "Model status",
                          "Outcome of the last load: none, loaded or failed", "none", READABLE));
}

static void install_stream_properties(GObjectClass *klass) {
  g_object_class_install_property(
      klass, PROP_FACE_CASCADE,
      g_param_spec_string(
          "face-cascade", "Face cascade",
          "OpenCV cascade file (XML), as set when the element starts; face-detector=auto takes it "
          "then; unset: for face-detector=cascade the one in Debian's opencv-data",
          NULL, READY));
  g_object_class_install_property(
      klass, PROP_FACE_MODEL,
      g_param_spec_string(
          "face-model", "Face model",
          "Model file for face-detector=network, as set when the element starts; new "
          "versions of it are loaded while running (model-watch); unset: the one "
          "that is built in",
          NULL, READY));
  g_object_class_install_property(
      klass, PROP_MODE,
      g_param_spec_enum("mode", "Mode", "When frames are evaluated and when they are pushed",
                        cored_mode_get_type(), DEFAULT_MODE, READY));
  g_object_class_install_property(
      klass, PROP_DELAY,
      g_param_spec_uint64("delay", "Delay",
                          "mode=delay: how long frames wait for their result, in nanoseconds, "
                          "rounded up to whole frames",
                          0, 10 * GST_SECOND, DEFAULT_DELAY, READY));
  g_object_class_install_property(
      klass, PROP_THREADS,
      g_param_spec_uint("threads", "Threads",
                        "Threads of one inference; 0: one per CPU in mode sync, else one", 0, 64,
                        DEFAULT_THREADS, READY));
  g_object_class_install_property(
      klass, PROP_STREAM_ID,
      g_param_spec_string("stream-id", "Stream id",
                          "Name of the stream in results; unset: the stream id of the pad", NULL,
                          LIVE));
  g_object_class_install_property(
      klass, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics", "Counters since the start, see docs/element.md",
                         GST_TYPE_STRUCTURE, READABLE));
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static void report_trust_settings(CoredDetect *self, gboolean has_keys, gboolean has_state) {
  if (has_state && !has_keys)
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("'trust-state' protects nothing without 'trusted-keys'."), (NULL));
  if (has_keys && !has_state)
    GST_CAT_INFO_OBJECT(
        cored_model_debug, self,
        "without 'trust-state' no one remembers after this element which generation "
        "was used: a later one would take an older signed model");
}

static gboolean load_models(CoredDetect *self, CoredMode mode) {
  CoredError error = {CORED_ERROR_NONE, ""};
  GST_OBJECT_LOCK(self);
  char *instance = g_strdup(self->model_instance);
  char *keys = g_strdup(self->trusted_keys.absolute);
  char *state = g_strdup(self->trust_state.absolute);
  const gboolean has_path = self->model_path.given && *self->model_path.given;
  const CoredModelSlotSettings settings = {
      .instance = instance,
      .trusted_keys = keys,
      .guarded = TRUE,
      .trust_state = state,
      .watch = self->model_watch,
      .threads = self->threads == 0 && mode >= CORED_MODE_LATEST ? 1 : self->threads};
  GST_OBJECT_UNLOCK(self);
  const gboolean ok = cored_evaluator_load_models(self->evaluator, &settings, &error);
  if (ok)
    report_trust_settings(self, keys && *keys, state && *state);
  if (!ok)
    cored_detect_post_error(self, GST_MESSAGE_ERROR, "The model cannot be used", &error);
  else if (!has_path)
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("No model is set: frames pass without a verdict. Set the 'model' property "
                         "to a file made by cored-train or 'cored-convert import'."),
                        (NULL));
  g_free(instance);
  g_free(keys);
  g_free(state);
  return ok;
}

static void reset_for_start(CoredDetect *self, CoredMode mode) {
  GST_OBJECT_LOCK(self);
  memset(&self->stats, 0, sizeof self->stats);
  self->model_status = "none";
  self->latency = 0;
  self->started_mode = mode;
  self->running_mode = CORED_MODE_SYNC;
  GST_OBJECT_UNLOCK(self);
  self->throttle.number = self->attached_number = 0;
  g_atomic_int_set(&self->reset_requested, FALSE);
  self->mode_known = self->failure_reported = FALSE;
  cored_clock_init(&self->clock);
  cored_detect_reset_stream(self);
}

static gboolean start(GstBaseTransform *base) {
  CoredDetect *self = CORED_DETECT(base);
  g_rec_mutex_lock(&self->frame_lock);
  GST_OBJECT_LOCK(self);
  const CoredParams params = self->params;
  const CoredMode mode = self->mode;
  char *cascade = g_strdup(self->cascade_path.absolute);
  char *face_model = g_strdup(self->face_model_path.absolute);
  char *instance = g_strdup(self->model_instance);
  char *keys = g_strdup(self->trusted_keys.absolute);
  const gboolean watch = self->model_watch;
  GST_OBJECT_UNLOCK(self);
  reset_for_start(self, mode);
  g_rec_mutex_unlock(&self->frame_lock);
  const gboolean ok = load_models(self, mode);
  if (ok) {
    const CoredFaceDetectorFiles files = {.cascade = cascade,
                                          .model = face_model,
                                          .instance = instance,
                                          .watch = watch,
                                          .trusted_keys = keys};
    cored_evaluator_start(self->evaluator, &params, &files, mode != CORED_MODE_SYNC);
    g_rec_mutex_lock(&self->frame_lock);
    self->running = TRUE;
    g_rec_mutex_unlock(&self->frame_lock);
  }
  g_free(cascade);
  g_free(face_model);
  g_free(instance);
  g_free(keys);
  return ok;
}

static gboolean stop(GstBaseTransform *base) {
  CoredDetect *self = CORED_DETECT(base);
  g_rec_mutex_lock(&self->frame_lock);
  self->running = FALSE;
  gst_video_info_init(&self->info); /* not at the start: caps may come before it is called */
  g_rec_mutex_unlock(&self->frame_lock);
  cored_detect_drop_frames(self);
  cored_evaluator_stop(self->evaluator);
  cored_detect_end_alerts(self);
  cored_detect_post_comparison(self);
  cored_evaluator_unload_models(self->evaluator);
  GST_OBJECT_LOCK(self);
  g_clear_pointer(&self->pad_stream_id, g_free);
  GST_OBJECT_UNLOCK(self);
  return TRUE;
}

/* ---- Class ---------------------------------------------------------------------------------- */

static void reload_model(CoredDetect *self) {
  cored_model_slot_reload(cored_evaluator_slot(self->evaluator, CORED_ROLE_MODEL));
}

static void previous_model(CoredDetect *self) {
  cored_model_slot_revert(cored_evaluator_slot(self->evaluator, CORED_ROLE_MODEL));
}

static void reset(CoredDetect *self) {
  g_atomic_int_set(&self->reset_requested, TRUE);
}

static void add_action(CoredDetectClass *klass, const char *name, GCallback callback) {
  g_signal_new_class_handler(name, G_TYPE_FROM_CLASS(klass),
                             (GSignalFlags)(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION), callback, NULL,
                             NULL, NULL, G_TYPE_NONE, 0);
}

static void finalize(GObject *object) {
  CoredDetect *self = CORED_DETECT(object);
  cored_evaluator_free(self->evaluator);
  g_free(self->alerts);
  g_rec_mutex_clear(&self->frame_lock);
  cored_path_clear(&self->model_path);
  cored_path_clear(&self->shadow_path);
  g_free(self->model_instance);
  cored_path_clear(&self->trusted_keys);
  cored_path_clear(&self->trust_state);
  cored_path_clear(&self->cascade_path);
  cored_path_clear(&self->face_model_path);
  g_free(self->stream_id);
  g_free(self->pad_stream_id);
  G_OBJECT_CLASS(cored_detect_parent_class)->finalize(object);
}

static void cored_detect_class_init(CoredDetectClass *klass) {
  GObjectClass *object = G_OBJECT_CLASS(klass);
  GstElementClass *element = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(klass);

  GST_DEBUG_CATEGORY_INIT(cored_detect_debug, "coreddetect", 0, "face-forgery detector");
  GST_DEBUG_CATEGORY_INIT(cored_model_debug, "coredmodel", 0, "models and their reloading");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_model_properties(object);
  install_stream_properties(object);
  cored_params_install(object, PROP_PARAMS);
  cored_detect_class_init_report(object);
  add_action(klass, "reload-model", G_CALLBACK(reload_model));
  add_action(klass, "previous-model", G_CALLBACK(previous_model));
  add_action(klass, "reset", G_CALLBACK(reset));

  gst_element_class_set_static_metadata(
      element, "Face-forgery detector", "Filter/Analyzer/Video",
      "Classifies faces in raw video and attaches the probability that they are forged",
      "the cored authors");
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  transform->start = GST_DEBUG_FUNCPTR(start);
  transform->stop = GST_DEBUG_FUNCPTR(stop);
  cored_detect_class_init_frames(transform);

  gst_type_mark_as_plugin_api(cored_mode_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_region_mode_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_face_detector_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_align_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_metadata_flags_get_type(), (GstPluginAPIFlags)0);
  gst_type_mark_as_plugin_api(cored_attach_when_get_type(), (GstPluginAPIFlags)0);
}

static void cored_detect_init(CoredDetect *self) {
  g_rec_mutex_init(&self->frame_lock);
  self->model_watch = DEFAULT_MODEL_WATCH;
  self->model_status = "none";
  self->mode = DEFAULT_MODE;
  self->delay = DEFAULT_DELAY;
  self->threads = DEFAULT_THREADS;
  self->alerts = g_new0(CoredAlerts, 1);
  cored_params_init(&self->params);
  self->evaluator = cored_evaluator_new(G_OBJECT(self), cored_detect_on_event);
  cored_clock_init(&self->clock);
  cored_detect_init_frames(self);
  cored_detect_reset_stream(self);
}
