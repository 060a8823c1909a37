/* SPDX-License-Identifier: MIT
 * The one table of the fields of coreddetect's metadata: the writer and the reader take the names
 * from it, the lists in gstcoredmeta.h and docs/element.md are generated from it
 * (tests/lint/metadata.py), and a test compares it with what is written. */
#ifndef CORED_META_META_FIELDS_H
#define CORED_META_META_FIELDS_H

#include <glib.h>

typedef enum CoredMetaField {
  CORED_FIELD_P_FAKE,
  CORED_FIELD_P_FAKE_SMOOTHED,
  CORED_FIELD_VERDICT,
  CORED_FIELD_REASON,
  CORED_FIELD_INFERRED,
  CORED_FIELD_RESULT_AGE,
  CORED_FIELD_FRAME_WIDTH,
  CORED_FIELD_FRAME_HEIGHT,
  CORED_FIELD_N_FACES,
  CORED_FIELD_X,
  CORED_FIELD_Y,
  CORED_FIELD_W,
  CORED_FIELD_H,
  CORED_FIELD_LANDMARKS,
  CORED_FIELD_FACE_SCORE,
  CORED_FIELD_TRACK_ID,
  CORED_FIELD_PRESENT,
  CORED_FIELD_FULL_FRAME,
  CORED_FIELD_ALERT,
  CORED_FIELD_SHARPNESS,
  CORED_FIELD_QUALITY,
  CORED_FIELD_HEAT_ROWS,
  CORED_FIELD_HEAT_COLUMNS,
  CORED_FIELD_HEAT_MAP,
  CORED_FIELD_HEAT_SCALE,
  CORED_FIELD_HEAT_X,
  CORED_FIELD_HEAT_Y,
  CORED_FIELD_HEAT_W,
  CORED_FIELD_HEAT_H,
  CORED_FIELD_HEAT_ANGLE,
  CORED_FIELD_FACES,
  CORED_FIELD_THRESHOLD,
  CORED_FIELD_MODEL_ID,
  CORED_FIELD_MODEL_GENERATION,
  CORED_FIELD_LATENCY,
  CORED_FIELD_STREAM_ID,
  CORED_FIELD_STREAM_TIME,
  CORED_FIELD_VERSION,
  CORED_FIELD_TIMESTAMP,
  CORED_FIELD_RUNNING_TIME,
  CORED_FIELD_DURATION,
  CORED_N_FIELDS
} CoredMetaField;

typedef enum CoredFieldType {
  CORED_FIELD_BOOLEAN,
  CORED_FIELD_UINT,
  CORED_FIELD_UINT64,
  CORED_FIELD_DOUBLE,
  CORED_FIELD_STRING,
  CORED_FIELD_DOUBLES, /* GST_TYPE_ARRAY of G_TYPE_DOUBLE */
  CORED_FIELD_ARRAY    /* GST_TYPE_ARRAY of structures "face" */
} CoredFieldType;

typedef enum CoredFieldPlace {
  CORED_IN_RESULT = 1 << 0,  /* the custom meta and the message CORED_MESSAGE_RESULT */
  CORED_IN_FACE = 1 << 1,    /* a structure of `faces` and the ROI parameter CORED_ROI_PARAM */
  CORED_IN_PARAM = 1 << 2,   /* the ROI parameter only */
  CORED_IN_MESSAGE = 1 << 3, /* the message only; there never absent */
} CoredFieldPlace;

typedef enum CoredFieldPresence {
  CORED_ALWAYS,
  CORED_IF_KNOWN /* absent when there is no value */
} CoredFieldPresence;

typedef struct CoredMetaFieldInfo {
  const char *name;
  CoredFieldType type;
  CoredFieldPresence presence;
  guint places;        /* CoredFieldPlace */
  const char *unit;    /* or range; "" none */
  const char *what;    /* of a result */
  const char *of_face; /* of a face, where that differs; else NULL */
} CoredMetaFieldInfo;

extern const CoredMetaFieldInfo cored_meta_fields[CORED_N_FIELDS];

#endif /* CORED_META_META_FIELDS_H */
