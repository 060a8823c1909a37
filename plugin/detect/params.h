/* SPDX-License-Identifier: MIT
 * The parameters of coreddetect that may change while frames flow, and its paths. The element keeps
 * one CoredParams under its object lock and copies it at the start of every frame, so that a frame
 * sees one consistent set. Plain values only: the copy must not allocate. */
#ifndef CORED_DETECT_PARAMS_H
#define CORED_DETECT_PARAMS_H

#include <gst/gst.h>

#define CORED_MAX_OBJECTS 64
#define CORED_MAX_WINDOW 256

typedef enum CoredRegionMode {
  CORED_REGION_MODE_AUTO,
  CORED_REGION_MODE_FULL_FRAME,
  CORED_REGION_MODE_ROI_LIST
} CoredRegionMode;

typedef enum CoredFaceDetector {
  CORED_FACE_DETECTOR_NONE,
  CORED_FACE_DETECTOR_CASCADE
} CoredFaceDetector;

typedef enum CoredMode {
  CORED_MODE_AUTO,
  CORED_MODE_SYNC,
  CORED_MODE_LATEST,
  CORED_MODE_DELAY
} CoredMode;

typedef enum CoredAttachWhen {
  CORED_ATTACH_ALWAYS,
  CORED_ATTACH_INFERRED,
  CORED_ATTACH_ALERT
} CoredAttachWhen;

typedef enum CoredMetadataFlags {
  CORED_METADATA_CUSTOM = 1 << 0,
  CORED_METADATA_ROI = 1 << 1,
  CORED_METADATA_ANALYTICS = 1 << 2
} CoredMetadataFlags;

#ifdef HAVE_GST_ANALYTICS
#define CORED_METADATA_ALL (CORED_METADATA_CUSTOM | CORED_METADATA_ROI | CORED_METADATA_ANALYTICS)
#else
#define CORED_METADATA_ALL (CORED_METADATA_CUSTOM | CORED_METADATA_ROI)
#endif

typedef struct CoredParams {
  CoredRegionMode region_mode;
  CoredFaceDetector face_detector;
  GQuark object_class;      /* 0: regions of any class */
  double face_scale_factor; /* > 1 */
  guint face_min_neighbors;
  guint detect_interval; /* frames, >= 1 */
  guint min_object_size; /* pixels of the shorter side */
  double min_sharpness;  /* 0..1 */
  guint max_objects;     /* 1..CORED_MAX_OBJECTS */
  double roi_padding;    /* of the longer side */
  guint inference_interval;
  double threshold;       /* < 0: the model's */
  double smoothing;       /* weight of the past, 0..<1 */
  guint window;           /* evaluations, 0: smoothing instead */
  guint reinfer_interval; /* frames, >= 1 */
  GstClockTime max_absence;
  gboolean heat_map;
  gboolean post_messages;
  GstClockTime message_interval;
  double threshold_off; /* < 0: relative to the threshold */
  GstClockTime min_duration;
  double max_fps; /* 0: no limit */
  guint shadow_interval;
  CoredMetadataFlags metadata;
  CoredAttachWhen attach_when;
} CoredParams;

GType cored_mode_get_type(void);
GType cored_region_mode_get_type(void);
GType cored_face_detector_get_type(void);
GType cored_attach_when_get_type(void);
GType cored_metadata_flags_get_type(void);

/* Add the properties of CoredParams to the class, with ids from first_id; returns the id after the
 * last. */
guint cored_params_install(GObjectClass *klass, guint first_id);
/* The declared defaults. */
void cored_params_init(CoredParams *params);
/* Set and get by id (relative to first_id). False: not one of these ids. NaN is ignored. */
gboolean cored_params_set(CoredParams *params, guint index, const GValue *value);
gboolean cored_params_get(const CoredParams *params, guint index, GValue *value);

typedef struct CoredPath { /* as a property is set to it; zero: none */
  char *given, *absolute;
} CoredPath;

/* A relative path counts from the working folder of now; a file:// URI of this machine is taken for
 * its path, any other URI as it is. Unlike g_canonicalize_filename it leaves ".." alone, which
 * behind a link leads elsewhere. */
void cored_path_set(CoredPath *path, const char *given);
void cored_path_clear(CoredPath *path);

#endif /* CORED_DETECT_PARAMS_H */
