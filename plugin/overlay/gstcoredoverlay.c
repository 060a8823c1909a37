/* SPDX-License-Identifier: MIT
 * coredoverlay: draws the results of coreddetect into the picture.
 *
 * SECTION:element-coredoverlay
 *
 * Reads the metadata of gstcoredmeta.h and draws the faces' boxes, their probability and verdict, a
 * strip of the last seconds per track, and the verdict and model of the frame. Where downstream
 * takes GstVideoOverlayComposition the drawing travels beside the picture, else it is blended into
 * it. A face about which an alert has begun has thicker lines and a filled label.
 *
 * |[
 * gst-launch-1.0 filesrc location=talk.mp4 ! decodebin ! coreddetect model=m.safetensors !
 * coredoverlay ! videoconvert ! autovideosink
 * ]|
 *
 * Threads: settings are under the object lock, the rest belongs to the streaming thread.
 */
#include "overlay/gstcoredoverlay.h"

#include <gst/video/video.h>

#include "analysis/frame.h"
#include "analysis/clock.h"
#include "gstcoredmeta.h"
#include "overlay/painter.h"

GST_DEBUG_CATEGORY_STATIC(cored_overlay_debug);
#define GST_CAT_DEFAULT cored_overlay_debug

typedef enum CoredCompose {
  CORED_COMPOSE_AUTO,
  CORED_COMPOSE_ATTACH,
  CORED_COMPOSE_BLEND
} CoredCompose;

enum {
  PROP_0,
  PROP_SHOW,
  PROP_COMPOSE,
  PROP_TEXT_SCALE,
  PROP_OPACITY,
  PROP_HISTORY_SECONDS,
  PROP_COLOR_UNKNOWN,
  PROP_COLOR_REAL,
  PROP_COLOR_FAKE
};

#define DEFAULT_TEXT_SCALE 1.0
#define DEFAULT_OPACITY 0.6
#define DEFAULT_HISTORY_SECONDS 10.0
#define DEFAULT_COLOR_UNKNOWN 0xffffb020u
#define DEFAULT_COLOR_REAL 0xff2fbf71u
#define DEFAULT_COLOR_FAKE 0xffff3b30u

struct _CoredOverlay {
  GstBaseTransform parent;

  /* Under the object lock. */
  CoredLook look;
  CoredCompose compose;
  double history_seconds;
  gboolean history_changed;

  /* Streaming thread. */
  GstVideoInfo info;
  CoredClock clock;
  gboolean cut; /* since the history was added to last */
  gint asked;   /* atomic: was downstream asked, see ask_downstream; cleared by any thread */
  gboolean downstream_composes;
  CoredHistory history;
};

#define COMPOSED GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION
#define ALL_CAPS                                                                                   \
  CORED_VIDEO_CAPS("(" GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY ", " COMPOSED ")")                    \
  ";" CORED_VIDEO_CAPS("")

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(ALL_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(ALL_CAPS));

G_DEFINE_FINAL_TYPE(CoredOverlay, cored_overlay, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(coredoverlay, "coredoverlay", GST_RANK_NONE, CORED_TYPE_OVERLAY)

/* ---- Properties ----------------------------------------------------------------------------- */

#define CORED_TYPE_SHOW (cored_show_get_type())
static GType cored_show_get_type(void) {
  static gsize type;
  static const GFlagsValue values[] = {
      {CORED_SHOW_BOXES, "Boxes around faces", "boxes"},
      {CORED_SHOW_LABELS, "Verdict, probability and track of each face", "labels"},
      {CORED_SHOW_BAR, "Probability as a bar, with the threshold", "bar"},
      {CORED_SHOW_HISTORY, "The last seconds of each track", "history"},
      {CORED_SHOW_STATUS, "Verdict and model of the frame", "status"},
      {CORED_SHOW_HEAT, "Class activation map, when coreddetect has heat-map=true", "heat"},
      {0, NULL, NULL}};
  if (g_once_init_enter(&type))
    g_once_init_leave(&type, g_flags_register_static("CoredOverlayShow", values));
  return (GType)type;
}

#define CORED_TYPE_COMPOSE (cored_compose_get_type())
static GType cored_compose_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_COMPOSE_AUTO, "Attach where downstream draws compositions, else blend", "auto"},
      {CORED_COMPOSE_ATTACH, "Always attach; a later element has to draw", "attach"},
      {CORED_COMPOSE_BLEND, "Always blend into the picture", "blend"},
      {0, NULL, NULL}};
  if (g_once_init_enter(&type))
    g_once_init_leave(&type, g_enum_register_static("CoredOverlayCompose", values));
  return (GType)type;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  CoredOverlay *self = CORED_OVERLAY(object);
  gboolean known = TRUE, renegotiate = FALSE;
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_SHOW:
    self->look.show = g_value_get_flags(value);
    break;
  case PROP_COMPOSE:
    renegotiate = self->compose != (CoredCompose)g_value_get_enum(value);
    self->compose = g_value_get_enum(value);
    break;
  case PROP_TEXT_SCALE:
    self->look.text_scale = g_value_get_double(value);
    break;
  case PROP_OPACITY:
    self->look.opacity = g_value_get_double(value);
    break;
  case PROP_HISTORY_SECONDS:
    self->history_seconds = g_value_get_double(value);
    self->history_changed = TRUE;
    break;
  case PROP_COLOR_UNKNOWN:
  case PROP_COLOR_REAL:
  case PROP_COLOR_FAKE:
    self->look.color[id - PROP_COLOR_UNKNOWN] = g_value_get_uint(value);
    break;
  default:
    known = FALSE;
    break;
  }
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  if (renegotiate)
    gst_base_transform_reconfigure_src(GST_BASE_TRANSFORM(self));
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  CoredOverlay *self = CORED_OVERLAY(object);
  gboolean known = TRUE;
  GST_OBJECT_LOCK(self);
  switch (id) {
  case PROP_SHOW:
    g_value_set_flags(value, self->look.show);
    break;
  case PROP_COMPOSE:
    g_value_set_enum(value, self->compose);
    break;
  case PROP_TEXT_SCALE:
    g_value_set_double(value, self->look.text_scale);
    break;
  case PROP_OPACITY:
    g_value_set_double(value, self->look.opacity);
    break;
  case PROP_HISTORY_SECONDS:
    g_value_set_double(value, self->history_seconds);
    break;
  case PROP_COLOR_UNKNOWN:
  case PROP_COLOR_REAL:
  case PROP_COLOR_FAKE:
    g_value_set_uint(value, self->look.color[id - PROP_COLOR_UNKNOWN]);
    break;
  default:
    known = FALSE;
    break;
  }
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

/* ---- Negotiation ---------------------------------------------------------------------------- */

/* caps with the composition's feature added to, or taken from, each of its structures. */
static GstCaps *with_feature(const GstCaps *caps, gboolean composed) {
  GstCaps *out = gst_caps_new_empty();
  for (guint i = 0; i < gst_caps_get_size(caps); i++) {
    GstCapsFeatures *features = gst_caps_features_copy(gst_caps_get_features(caps, i));
    if (!gst_caps_features_is_any(features)) {
      if (!composed)
        gst_caps_features_remove(features, COMPOSED);
      else if (!gst_caps_features_contains(features, COMPOSED))
        gst_caps_features_add(features, COMPOSED);
    }
    gst_caps_append_structure_full(out, gst_structure_copy(gst_caps_get_structure(caps, i)),
                                   features);
  }
  return out;
}

/* The picture stays as it is. Its caps may say that a composition comes with it; they say so first
 * where the settings allow it. */
static GstCaps *transform_caps(GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps,
                               GstCaps *filter) {
  CoredOverlay *self = CORED_OVERLAY(trans);
  GST_OBJECT_LOCK(self);
  const CoredCompose compose = self->compose;
  GST_OBJECT_UNLOCK(self);
  GstCaps *same = gst_caps_copy(caps), *other = NULL;
  if (direction == GST_PAD_SRC)
    other = with_feature(caps, FALSE);
  else if (compose != CORED_COMPOSE_BLEND)
    other = with_feature(caps, TRUE);
  GstCaps *out = !other                     ? same
                 : direction == GST_PAD_SRC ? gst_caps_merge(same, other)
                                            : gst_caps_merge(other, same);
  if (filter) {
    GstCaps *filtered = gst_caps_intersect_full(filter, out, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(out);
    out = filtered;
  }
  return out;
}

static void reset_history(CoredOverlay *self) {
  GST_OBJECT_LOCK(self);
  const double seconds = self->history_seconds;
  self->history_changed = FALSE;
  GST_OBJECT_UNLOCK(self);
  cored_history_init(&self->history, (GstClockTime)(seconds * GST_SECOND));
}

static gboolean set_caps(GstBaseTransform *trans, GstCaps *in, GstCaps *out) {
  CoredOverlay *self = CORED_OVERLAY(trans);
  GST_DEBUG_OBJECT(self, "%" GST_PTR_FORMAT " to %" GST_PTR_FORMAT, in, out);
  g_atomic_int_set(&self->asked, FALSE);
  reset_history(self);
  return gst_video_info_from_caps(&self->info, in);
}

static gboolean get_unit_size(GstBaseTransform *trans, GstCaps *caps, gsize *size) {
  GstVideoInfo info;
  (void)trans;
  if (!gst_video_info_from_caps(&info, caps))
    return FALSE;
  *size = GST_VIDEO_INFO_SIZE(&info);
  return TRUE;
}

static gboolean propose_allocation(GstBaseTransform *trans, GstQuery *decide, GstQuery *query) {
  (void)decide;
  if (!GST_BASE_TRANSFORM_CLASS(cored_overlay_parent_class)->propose_allocation(trans, NULL, query))
    return FALSE;
  cored_frame_restrict_allocation(query, 0);
  return TRUE;
}

/* Only the answer to this query tells for certain that downstream draws compositions. The base
 * class makes none, because nothing is allocated here. */
static void ask_downstream(CoredOverlay *self) {
  GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD(self);
  GstCaps *caps = gst_pad_get_current_caps(pad);
  GstQuery *query = gst_query_new_allocation(caps, FALSE);
  g_atomic_int_set(&self->asked, TRUE);
  self->downstream_composes =
      gst_pad_peer_query(pad, query) &&
      gst_query_find_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_query_unref(query);
  gst_clear_caps(&caps);
  GST_DEBUG_OBJECT(self, "downstream %s compositions",
                   self->downstream_composes ? "takes" : "does not take");
}

/* ---- Frames --------------------------------------------------------------------------------- */

static gboolean sink_event(GstBaseTransform *trans, GstEvent *event) {
  CoredOverlay *self = CORED_OVERLAY(trans);
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_FLUSH_STOP)
    cored_clock_init(&self->clock);
  if (type == GST_EVENT_STREAM_START || type == GST_EVENT_SEGMENT || type == GST_EVENT_FLUSH_STOP) {
    cored_clock_resync(&self->clock);
    reset_history(self);
  }
  return GST_BASE_TRANSFORM_CLASS(cored_overlay_parent_class)->sink_event(trans, event);
}

/* Another element may be linked now, with the same caps. */
static gboolean src_event(GstBaseTransform *trans, GstEvent *event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE)
    g_atomic_int_set(&CORED_OVERLAY(trans)->asked, FALSE);
  return GST_BASE_TRANSFORM_CLASS(cored_overlay_parent_class)->src_event(trans, event);
}

static void add_to_history(CoredOverlay *self, const CoredOverlayData *data, gboolean changed) {
  if (changed || self->cut)
    reset_history(self);
  self->cut = FALSE;
  for (guint i = 0; i < data->n_faces; i++)
    if (data->face[i].track_id)
      cored_history_add(&self->history, data->face[i].track_id, self->clock.running_time,
                        data->face[i].present ? data->face[i].p_fake : -1.0);
}

/* In addition to what upstream attached. */
static void attach(GstBuffer *buffer, GstVideoOverlayComposition *composition) {
  GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  if (!meta) {
    gst_buffer_add_video_overlay_composition_meta(buffer, composition);
    return;
  }
  GstVideoOverlayComposition *all = gst_video_overlay_composition_copy(meta->overlay);
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles(composition); i++)
    gst_video_overlay_composition_add_rectangle(
        all, gst_video_overlay_composition_get_rectangle(composition, i));
  gst_video_overlay_composition_unref(meta->overlay);
  meta->overlay = all;
}

static GstFlowReturn blend(CoredOverlay *self, GstBuffer *buffer,
                           GstVideoOverlayComposition *composition) {
  GstVideoFrame frame;
  const char *why;
  if (!cored_frame_map(&frame, &self->info, buffer, GST_MAP_READWRITE, &why)) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("The picture cannot be written to."),
                      ("%s: %" G_GSIZE_FORMAT " bytes for %s %dx%d", why,
                       gst_buffer_get_size(buffer), GST_VIDEO_INFO_NAME(&self->info),
                       GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info)));
    return GST_FLOW_ERROR;
  }
  if (!cored_blend(composition, &frame))
    GST_WARNING_OBJECT(self, "blending into %s failed", GST_VIDEO_INFO_NAME(&self->info));
  gst_video_frame_unmap(&frame);
  return GST_FLOW_OK;
}

static void before_transform(GstBaseTransform *trans, GstBuffer *buffer) {
  CoredOverlay *self = CORED_OVERLAY(trans);
  const GstSegment segment = cored_frame_segment(trans);
  self->cut |= cored_clock_update(&self->clock, buffer, &segment, &self->info);
  if (GST_CLOCK_TIME_IS_VALID(self->clock.stream_time))
    gst_object_sync_values(GST_OBJECT(trans), self->clock.stream_time);
}

static GstFlowReturn transform_ip(GstBaseTransform *trans, GstBuffer *buffer) {
  CoredOverlay *self = CORED_OVERLAY(trans);
  const GstStructure *result = cored_meta_get(buffer);
  if (!result)
    return GST_FLOW_OK;
  GST_OBJECT_LOCK(self);
  const CoredLook look = self->look;
  const CoredCompose compose = self->compose;
  const gboolean history_changed = self->history_changed;
  GST_OBJECT_UNLOCK(self);
  CoredOverlayData data;
  cored_meta_read_overlay_data(&data, result, GST_VIDEO_INFO_WIDTH(&self->info),
                               GST_VIDEO_INFO_HEIGHT(&self->info));
  data.pixel_aspect = (double)GST_VIDEO_INFO_PAR_N(&self->info) / GST_VIDEO_INFO_PAR_D(&self->info);
  add_to_history(self, &data, history_changed);
  GstVideoOverlayComposition *composition =
      cored_paint(&data, &self->history, self->clock.running_time, &look);
  if (!composition)
    return GST_FLOW_OK;
  GstFlowReturn flow = GST_FLOW_OK;
  if (!g_atomic_int_get(&self->asked))
    ask_downstream(self);
  if (compose == CORED_COMPOSE_ATTACH ||
      (compose == CORED_COMPOSE_AUTO && self->downstream_composes))
    attach(buffer, composition);
  else
    flow = blend(self, buffer, composition);
  gst_video_overlay_composition_unref(composition);
  return flow;
}

/* ---- Class ---------------------------------------------------------------------------------- */

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void install_color(GObjectClass *object, guint id, const char *name, const char *blurb,
                          guint value) {
  g_object_class_install_property(
      object, id,
      g_param_spec_uint(name, blurb, blurb, 0, G_MAXUINT, value, LIVE | GST_PARAM_CONTROLLABLE));
}

static void install_properties(GObjectClass *object) {
  g_object_class_install_property(object, PROP_SHOW,
                                  g_param_spec_flags("show", "Show", "Which parts are drawn",
                                                     CORED_TYPE_SHOW, CORED_SHOW_ALL, LIVE));
  g_object_class_install_property(
      object, PROP_COMPOSE,
      g_param_spec_enum("composition", "Composition",
                        "Whether the drawing is attached to the buffer or blended into the picture",
                        CORED_TYPE_COMPOSE, CORED_COMPOSE_AUTO, LIVE));
  g_object_class_install_property(
      object, PROP_TEXT_SCALE,
      g_param_spec_double(
          "text-scale", "Text scale",
          "Scale of text and lines; at 1 the size of the font is a 26th of the picture's smaller "
          "side, at least 11 pixels; text that does not fit is made smaller",
          0.25, 8.0, DEFAULT_TEXT_SCALE, LIVE | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property(
      object, PROP_OPACITY,
      g_param_spec_double("opacity", "Opacity", "Opacity of the background behind text", 0.0, 1.0,
                          DEFAULT_OPACITY, LIVE | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property(
      object, PROP_HISTORY_SECONDS,
      g_param_spec_double("history-seconds", "History seconds",
                          "Time that the history strip of each track spans, in seconds; setting it "
                          "clears the history",
                          1.0, 3600.0, DEFAULT_HISTORY_SECONDS, LIVE));
  install_color(object, PROP_COLOR_UNKNOWN, "color-unknown",
                "Colour of faces whose verdict is unknown, 0xAARRGGBB", DEFAULT_COLOR_UNKNOWN);
  install_color(object, PROP_COLOR_REAL, "color-real", "Colour of real faces, 0xAARRGGBB",
                DEFAULT_COLOR_REAL);
  install_color(object, PROP_COLOR_FAKE, "color-fake", "Colour of forged faces, 0xAARRGGBB",
                DEFAULT_COLOR_FAKE);
}

static void cored_overlay_class_init(CoredOverlayClass *klass) {
  GObjectClass *object = G_OBJECT_CLASS(klass);
  GstElementClass *element = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *trans = GST_BASE_TRANSFORM_CLASS(klass);
  GST_DEBUG_CATEGORY_INIT(cored_overlay_debug, "coredoverlay", 0, "drawing of results");
  object->set_property = set_property;
  object->get_property = get_property;
  install_properties(object);
  gst_type_mark_as_plugin_api(CORED_TYPE_SHOW, 0);
  gst_type_mark_as_plugin_api(CORED_TYPE_COMPOSE, 0);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Forgery detection overlay", "Filter/Editor/Video",
                                        "Draws the results of coreddetect over the picture",
                                        "The cored authors");
  trans->transform_caps = transform_caps;
  trans->set_caps = set_caps;
  trans->get_unit_size = get_unit_size;
  trans->propose_allocation = propose_allocation;
  trans->sink_event = sink_event;
  trans->src_event = src_event;
  trans->before_transform = before_transform;
  trans->transform_ip = transform_ip;
}

static void cored_overlay_init(CoredOverlay *self) {
  self->look = (CoredLook){.show = CORED_SHOW_ALL,
                           .text_scale = DEFAULT_TEXT_SCALE,
                           .opacity = DEFAULT_OPACITY,
                           .color = {[CORED_VERDICT_UNKNOWN] = DEFAULT_COLOR_UNKNOWN,
                                     [CORED_VERDICT_REAL] = DEFAULT_COLOR_REAL,
                                     [CORED_VERDICT_FAKE] = DEFAULT_COLOR_FAKE}};
  self->history_seconds = DEFAULT_HISTORY_SECONDS;
  cored_clock_init(&self->clock);
  reset_history(self);
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), FALSE);
}
