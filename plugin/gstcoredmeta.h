/* SPDX-License-Identifier: MIT
 * Names with which programs read what coreddetect found. Header only: an application needs this
 * file and gstreamer-1.0, nothing else of cored.
 *
 * One result, three carriers:
 *   - custom meta CORED_META_NAME on the buffer: survives conversion, scaling, encoding, decoding
 *     and (GStreamer >= 1.24) IPC. A GstStructure, fields below.
 *   - a parameter CORED_ROI_PARAM on every GstVideoRegionOfInterestMeta that was judged, with the
 *     fields of one face. One videoconvert destroys it.
 *   - GstAnalytics object and classification metadata, where built with GStreamer >= 1.24.
 * The bus message CORED_MESSAGE_RESULT has the fields of the custom meta and `timestamp`,
 * `stream-time`, `running-time`, `duration` (guint64, nanoseconds).
 *
 * Fields of the custom meta. Those marked * are absent when there is no value; no field is ever
 * NaN.
 *   p-fake*           gdouble  highest probability of forgery among the faces, 0..1
 *   p-fake-smoothed*  gdouble  the same after smoothing over each face's track
 *   verdict           string   "real", "fake" or "unknown"
 *   reason*           string   why it is unknown: "no-model", "no-face", "too-small",
 *                              "not-evaluated", "no-signal", "no-output", "blurred"
 *   inferred          gboolean this very frame was evaluated (or looked at for faces)
 *   result-age-ns     guint64  age of the result, 0 when inferred
 *   frame-width, frame-height  guint; the boxes below refer to this size
 *   n-faces           guint
 *   alert             gboolean an alert about one of the faces has begun and not ended
 *   faces             array of structures "face":
 *     p-fake*, p-fake-smoothed* gdouble; verdict string; reason* string; x, y, w, h guint;
 *     face-score gdouble; track-id guint64;
 *     result-age-ns guint64: of the judgement, 0 when it is of this very frame;
 *     present gboolean: found now or by the last search, else remembered (max-absence);
 *     sharpness*, quality* gdouble 0..1; full-frame gboolean; alert gboolean;
 *     heat-map* string   base64 of heat-rows x heat-columns bytes over the region heat-x, -y, -w,
 *                        -h (guint): (byte - 128) / 127 * heat-scale (gdouble) is what that place
 *                        adds to the logit of fake less that of real
 *   threshold         gdouble  the one the verdict was taken with
 *   model-id          string   "" without a model
 *   model-generation  guint64
 *   latency-us        guint    what finding and judging took
 *   stream-id         string
 *   stream-time*      guint64  where in the stream this frame is, nanoseconds: by its time stamp,
 *                              without one by the frames counted since the last
 *   version           guint    CORED_META_VERSION
 */
#ifndef GST_CORED_META_H
#define GST_CORED_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define CORED_META_NAME "CoredMeta"
#define CORED_META_VERSION 1u
#define CORED_ROI_PARAM "cored"
#define CORED_MESSAGE_RESULT "cored"
#define CORED_MESSAGE_MODEL "cored-model"
#define CORED_MESSAGE_ALERT "cored-alert"
#define CORED_MESSAGE_SHADOW "cored-shadow"
/* A custom downstream event (serialized or out of band) with this structure and its field `path`
 * (string) sets the model of every coreddetect that it passes; without the field they load theirs
 * anew. */
#define CORED_EVENT_UPDATE_MODEL "cored/update-model"

/* Make the meta known to this process; the plugin does it when it is loaded. A receiver at the
 * far end of an IPC link must do it itself. Harmless when repeated; call it from one thread. */
static inline const GstMetaInfo *cored_meta_register(void) {
  static const gchar *no_tags[] = {NULL}; /* empty: kept whatever happens to size and colour */
  const GstMetaInfo *info = gst_meta_get_info(CORED_META_NAME);
  return info ? info : gst_meta_register_custom(CORED_META_NAME, no_tags, NULL, NULL, NULL);
}

/* The result on a buffer, NULL without one. Valid as long as the buffer is. */
static inline const GstStructure *cored_meta_get(GstBuffer *buffer) {
  if (!gst_meta_get_info(CORED_META_NAME))
    return NULL;
  GstCustomMeta *meta = gst_buffer_get_custom_meta(buffer, CORED_META_NAME);
  return meta ? gst_custom_meta_get_structure(meta) : NULL;
}

G_END_DECLS

#endif /* GST_CORED_META_H */
