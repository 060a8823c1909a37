/* SPDX-License-Identifier: MIT
 * The parameters of coreddetect that may change while frames flow. Each is the property of its
 * name, declared in detect/properties.c. The element keeps one set under its object lock and copies
 * it at the start of every frame, so that a frame sees one consistent set. Plain values only: the
 * copy must not allocate. Times are in nanoseconds. */
#ifndef CORED_ANALYSIS_PARAMS_H
#define CORED_ANALYSIS_PARAMS_H

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
  CORED_FACE_DETECTOR_CASCADE,
  CORED_FACE_DETECTOR_NETWORK,
  CORED_FACE_DETECTOR_AUTO
} CoredFaceDetector;

/* The engine's CoredCropAlign. */
typedef enum CoredAlign { CORED_ALIGN_NONE, CORED_ALIGN_EYES } CoredAlign;

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
  gboolean find_upside_down;
  guint detect_interval; /* frames; 0: adaptive */
  guint min_object_size; /* pixels of the shorter side */
  double min_sharpness;  /* 0..1 */
  guint max_objects;     /* 1..CORED_MAX_OBJECTS */
  double roi_padding;    /* of the longer side */
  CoredAlign align;
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

#endif /* CORED_ANALYSIS_PARAMS_H */
