/* SPDX-License-Identifier: MIT */
#include "detect/properties.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define DEFAULT_OBJECT_CLASS "face"

static const CoredParams defaults = {
    .region_mode = CORED_REGION_MODE_AUTO,
    .face_detector = CORED_FACE_DETECTOR_AUTO,
    .face_scale_factor = 1.1,
    .face_min_neighbors = 3,
    .detect_interval = 0,
    .min_object_size = 64,
    .min_sharpness = 0.5,
    .max_objects = 8,
    .roi_padding = 0.3,
    .align = CORED_ALIGN_NONE,
    .inference_interval = 1,
    .threshold = -1.0,
    .smoothing = 0.8,
    .window = 0,
    .reinfer_interval = 1,
    .max_absence = GST_SECOND,
    .post_messages = TRUE,
    .message_interval = GST_SECOND,
    .threshold_off = -0.1,
    .min_duration = GST_SECOND,
    .max_fps = 0.0,
    .shadow_interval = 10,
    .metadata = CORED_METADATA_ALL,
    .attach_when = CORED_ATTACH_ALWAYS,
};

/* ---- Enumerations and flags ------------------------------------------------------------------ */

/* The type, which is registered when it is asked for first. */
static GType enum_type(gsize *type, const char *name, const GEnumValue *values) {
  if (g_once_init_enter(type))
    g_once_init_leave(type, g_enum_register_static(name, values));
  return (GType)*type;
}

GType cored_region_mode_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_REGION_MODE_AUTO,
       "Regions from upstream, else faces that the element finds, else (without a face detector) "
       "the whole frame",
       "auto"},
      {CORED_REGION_MODE_FULL_FRAME, "The whole frame as one region", "full-frame"},
      {CORED_REGION_MODE_ROI_LIST, "Only regions from upstream", "roi-list"},
      {0, NULL, NULL}};
  return enum_type(&type, "CoredRegionMode", values);
}

GType cored_mode_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_MODE_AUTO, "latest when the source is live, else sync", "auto"},
      {CORED_MODE_SYNC, "Every frame that is due is evaluated before it is pushed", "sync"},
      {CORED_MODE_LATEST,
       "Frames are pushed at once with the last finished result; frames that come while the "
       "workers are busy are not evaluated",
       "latest"},
      {CORED_MODE_DELAY, "Frames are pushed after 'delay', each with its own result", "delay"},
      {0, NULL, NULL}};
  return enum_type(&type, "CoredMode", values);
}

GType cored_face_detector_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_FACE_DETECTOR_AUTO, "cascade where face-cascade is set, else network", "auto"},
      {CORED_FACE_DETECTOR_NONE, "Do not search for faces", "none"},
      {CORED_FACE_DETECTOR_CASCADE, "LBP or Haar cascade (face-cascade)", "cascade"},
      {CORED_FACE_DETECTOR_NETWORK, "Network that also finds landmarks (face-model)", "network"},
      {0, NULL, NULL}};
  return enum_type(&type, "CoredFaceDetector", values);
}

GType cored_align_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_ALIGN_NONE, "As the face stands in the picture", "none"},
      {CORED_ALIGN_EYES, "Turned until the eyes are level, of faces that the network found",
       "eyes"},
      {0, NULL, NULL}};
  return enum_type(&type, "CoredAlign", values);
}

GType cored_attach_when_get_type(void) {
  static gsize type;
  static const GEnumValue values[] = {
      {CORED_ATTACH_ALWAYS, "Every frame", "always"},
      {CORED_ATTACH_INFERRED,
       "Frames that were evaluated; in mode latest the first frame after a result is finished",
       "inferred"},
      {CORED_ATTACH_ALERT, "Frames with a face about which there is an alert", "alert"},
      {0, NULL, NULL}};
  return enum_type(&type, "CoredAttachWhen", values);
}

GType cored_metadata_flags_get_type(void) {
  static gsize type;
  static const GFlagsValue values[] = {
      {CORED_METADATA_CUSTOM, "Custom meta CoredMeta on the buffer", "custom"},
      {CORED_METADATA_ROI, "Parameter 'cored' on region-of-interest metas", "roi"},
#ifdef HAVE_GST_ANALYTICS
      {CORED_METADATA_ANALYTICS, "GstAnalytics object and classification metas", "analytics"},
#endif
      {0, NULL, NULL}};
  if (g_once_init_enter(&type))
    g_once_init_leave(&type, g_flags_register_static("CoredMetadataFlags", values));
  return (GType)type;
}

/* ---- Properties ----------------------------------------------------------------------------- */

typedef enum Kind {
  KIND_BOOLEAN,
  KIND_UINT,
  KIND_TIME, /* guint64 over its whole range */
  KIND_DOUBLE,
  KIND_ENUM,
  KIND_FLAGS,
  KIND_QUARK /* a string, "" is 0 */
} Kind;

/* One property: how it is declared and where its value stands in CoredParams. */
typedef struct Field {
  const char *name;
  Kind kind;
  size_t offset;
  double min, max;     /* KIND_UINT, KIND_DOUBLE */
  GType (*type)(void); /* KIND_ENUM, KIND_FLAGS */
  GParamFlags more;    /* besides LIVE */
  const char *nick, *blurb;
} Field;

#define LIVE (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define AT(field) offsetof(CoredParams, field)

static const Field fields[] = {
    {"inference-region", KIND_ENUM, AT(region_mode), 0, 0, cored_region_mode_get_type, 0,
     "Inference region", "Which regions of a frame are classified"},
    {"object-class", KIND_QUARK, AT(object_class), 0, 0, NULL, 0, "Object class",
     "Class of the upstream regions that are classified; empty: regions of any class"},
    {"min-object-size", KIND_UINT, AT(min_object_size), 0, 32768, NULL, 0, "Minimum object size",
     "Faces whose shorter side has fewer pixels than this are not classified (their verdict is "
     "unknown)"},
    {"min-sharpness", KIND_DOUBLE, AT(min_sharpness), 0, 1, NULL, 0, "Minimum sharpness",
     "Faces with less detail than this (0: none, 1: sharp) are not classified (their verdict is "
     "unknown); 0: all are"},
    {"max-objects", KIND_UINT, AT(max_objects), 1, CORED_MAX_OBJECTS, NULL, 0, "Maximum objects",
     "Largest number of regions that are classified in a frame; the largest regions come first"},
    {"roi-padding", KIND_DOUBLE, AT(roi_padding), 0, 4, NULL, GST_PARAM_CONTROLLABLE,
     "Region padding",
     "Margin of the crop: a region becomes a square whose side is its longer side times 1 + this"},
    {"align", KIND_ENUM, AT(align), 0, 0, cored_align_get_type, 0, "Align",
     "How the crop of a face lies in the picture; faces without landmarks are cropped as with "
     "none"},
    {"face-detector", KIND_ENUM, AT(face_detector), 0, 0, cored_face_detector_get_type, 0,
     "Face detector", "How the element finds faces where upstream marks no regions"},
    {"face-scale-factor", KIND_DOUBLE, AT(face_scale_factor), 1.01, 4, NULL, 0, "Face scale factor",
     "face-detector=cascade: step between the face sizes that are searched for; a larger step is "
     "faster and misses more faces"},
    {"face-min-neighbors", KIND_UINT, AT(face_min_neighbors), 0, 100, NULL, 0,
     "Face minimum neighbors",
     "face-detector=cascade: number of overlapping detections that make a face; more is stricter"},
    {"find-upside-down", KIND_BOOLEAN, AT(find_upside_down), 0, 0, NULL, 0, "Find upside down",
     "Let the network look at the picture turned by 180 degrees, too, for faces that stand on "
     "their "
     "head; a search takes twice as long"},
    {"detect-interval", KIND_UINT, AT(detect_interval), 0, G_MAXINT, NULL, 0, "Detect interval",
     "Search for faces again N frames after the last search; in the frames in between its boxes "
     "move on with their tracks. 0: after 1/15 s of the stream while no face is tracked or one is "
     "new, quick or missing, up to 1/3 s while all are steady"},
    {"inference-interval", KIND_UINT, AT(inference_interval), 1, G_MAXUINT, NULL, 0,
     "Inference interval",
     "Evaluate every Nth frame; the frames in between get the last result and its age"},
    {"threshold", KIND_DOUBLE, AT(threshold), -1, 1, NULL, GST_PARAM_CONTROLLABLE, "Threshold",
     "Smoothed probability from which the verdict is fake; negative: the threshold in the model "
     "file"},
    {"smoothing", KIND_DOUBLE, AT(smoothing), 0, 0.999, NULL, GST_PARAM_CONTROLLABLE, "Smoothing",
     "Weight of the past in the running mean of a track's logits; 0: no smoothing"},
    {"window", KIND_UINT, AT(window), 0, CORED_MAX_WINDOW, NULL, 0, "Window",
     "Smooth by the mean of the last N logits of a track; 0: by 'smoothing' instead"},
    {"reinfer-interval", KIND_UINT, AT(reinfer_interval), 1, G_MAXINT, NULL, 0,
     "Reinference interval",
     "Classify the same face again only N frames after the last time; it keeps its values in "
     "between"},
    {"max-absence", KIND_TIME, AT(max_absence), 0, 0, NULL, 0, "Maximum absence",
     "How long, in nanoseconds, a face that is not found any more keeps its values; when it comes "
     "back in time it is the same track"},
    {"max-fps", KIND_DOUBLE, AT(max_fps), 0, 1000, NULL, 0, "Maximum inferences per second",
     "Largest number of frames that are evaluated per second of the stream; 0: no limit"},
    {"shadow-interval", KIND_UINT, AT(shadow_interval), 1, G_MAXUINT, NULL, 0, "Shadow interval",
     "Run the shadow model as well on every Nth evaluated frame"},
    {"threshold-off", KIND_DOUBLE, AT(threshold_off), -1, 1, NULL, GST_PARAM_CONTROLLABLE,
     "Threshold off",
     "Smoothed probability below which an alert ends; negative: relative to the threshold"},
    {"min-duration", KIND_TIME, AT(min_duration), 0, 0, NULL, 0, "Minimum duration",
     "How long, in nanoseconds, a face must look fake for an alert to begin, and real for it to "
     "end"},
    {"heat-map", KIND_BOOLEAN, AT(heat_map), 0, 0, NULL, 0, "Heat map",
     "Add a class activation map to each face (networks with a pooled head; coredoverlay draws "
     "it)"},
    {"post-messages", KIND_BOOLEAN, AT(post_messages), 0, 0, NULL, 0, "Post messages",
     "Post 'cored' messages on the bus"},
    {"message-interval", KIND_TIME, AT(message_interval), 0, 0, NULL, 0, "Message interval",
     "Shortest time between two 'cored' messages, in nanoseconds of the stream; 0: a message for "
     "every evaluated frame"},
    {"metadata", KIND_FLAGS, AT(metadata), 0, 0, cored_metadata_flags_get_type, 0, "Metadata",
     "Which metadata are attached to the buffers; 0: none, and buffers pass untouched"},
    {"attach-when", KIND_ENUM, AT(attach_when), 0, 0, cored_attach_when_get_type, 0, "Attach when",
     "Which frames get metadata"},
};

static GParamSpec *new_spec(const Field *field) {
  const void *at = G_STRUCT_MEMBER_P(&defaults, field->offset);
  const GParamFlags flags = (GParamFlags)LIVE | field->more;
  const char *name = field->name, *nick = field->nick, *blurb = field->blurb;
  switch (field->kind) {
  case KIND_BOOLEAN:
    return g_param_spec_boolean(name, nick, blurb, *(const gboolean *)at, flags);
  case KIND_UINT:
    return g_param_spec_uint(name, nick, blurb, (guint)field->min, (guint)field->max,
                             *(const guint *)at, flags);
  case KIND_TIME:
    return g_param_spec_uint64(name, nick, blurb, 0, G_MAXUINT64, *(const guint64 *)at, flags);
  case KIND_DOUBLE:
    return g_param_spec_double(name, nick, blurb, field->min, field->max, *(const double *)at,
                               flags);
  case KIND_ENUM:
    return g_param_spec_enum(name, nick, blurb, field->type(), *(const gint *)at, flags);
  case KIND_FLAGS:
    return g_param_spec_flags(name, nick, blurb, field->type(), *(const guint *)at, flags);
  case KIND_QUARK:
    return g_param_spec_string(name, nick, blurb, DEFAULT_OBJECT_CLASS, flags);
  }
  return NULL;
}

guint cored_params_install(GObjectClass *klass, guint first_id) {
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    g_object_class_install_property(klass, first_id + i, new_spec(&fields[i]));
  return first_id + G_N_ELEMENTS(fields);
}

void cored_params_init(CoredParams *params) {
  *params = defaults;
  params->object_class = g_quark_from_static_string(DEFAULT_OBJECT_CLASS);
}

gboolean cored_params_set(CoredParams *params, guint index, const GValue *value) {
  if (index >= G_N_ELEMENTS(fields))
    return FALSE;
  void *at = G_STRUCT_MEMBER_P(params, fields[index].offset);
  switch (fields[index].kind) {
  case KIND_BOOLEAN:
    *(gboolean *)at = g_value_get_boolean(value);
    break;
  case KIND_UINT:
    *(guint *)at = g_value_get_uint(value);
    break;
  case KIND_TIME:
    *(guint64 *)at = g_value_get_uint64(value);
    break;
  case KIND_DOUBLE: /* GParamSpecDouble lets NaN through its range check: keep the old value */
    if (!isnan(g_value_get_double(value)))
      *(double *)at = g_value_get_double(value);
    break;
  case KIND_ENUM:
    *(gint *)at = g_value_get_enum(value);
    break;
  case KIND_FLAGS:
    *(guint *)at = g_value_get_flags(value);
    break;
  case KIND_QUARK: {
    const char *text = g_value_get_string(value);
    *(GQuark *)at = text && *text ? g_quark_from_string(text) : 0;
    break;
  }
  }
  return TRUE;
}

gboolean cored_params_get(const CoredParams *params, guint index, GValue *value) {
  if (index >= G_N_ELEMENTS(fields))
    return FALSE;
  const void *at = G_STRUCT_MEMBER_P(params, fields[index].offset);
  switch (fields[index].kind) {
  case KIND_BOOLEAN:
    g_value_set_boolean(value, *(const gboolean *)at);
    break;
  case KIND_UINT:
    g_value_set_uint(value, *(const guint *)at);
    break;
  case KIND_TIME:
    g_value_set_uint64(value, *(const guint64 *)at);
    break;
  case KIND_DOUBLE:
    g_value_set_double(value, *(const double *)at);
    break;
  case KIND_ENUM:
    g_value_set_enum(value, *(const gint *)at);
    break;
  case KIND_FLAGS:
    g_value_set_flags(value, *(const guint *)at);
    break;
  case KIND_QUARK:
    g_value_set_string(value, *(const GQuark *)at ? g_quark_to_string(*(const GQuark *)at) : "");
    break;
  }
  return TRUE;
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* A URI that is no path stays as it is: the loader's error must name it as it was given. */
static gboolean is_relative(const char *path) {
  return *path && !g_path_is_absolute(path) && !strstr(path, "://");
}

/* The caller frees it; NULL stays NULL. */
static char *absolute_path(const char *path) {
  char *local =
      path && g_str_has_prefix(path, "file:///") ? g_filename_from_uri(path, NULL, NULL) : NULL;
  if (local)
    return local;
  if (!path || !is_relative(path))
    return g_strdup(path);
  while (path[0] == '.' && path[1] == '/')
    path += 1 + strspn(path + 1, "/");
  char *folder = g_get_current_dir();
  char *absolute = g_build_filename(folder, path, NULL);
  g_free(folder);
  return absolute;
}

void cored_path_clear(CoredPath *path) {
  g_clear_pointer(&path->given, g_free);
  g_clear_pointer(&path->absolute, g_free);
}

void cored_path_set(CoredPath *path, const char *given) {
  cored_path_clear(path);
  path->given = g_strdup(given);
  path->absolute = absolute_path(given);
}
