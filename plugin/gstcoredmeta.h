/* SPDX-License-Identifier: MIT
 * Names with which programs read what coreddetect found. Header only: an application needs this
 * file and gstreamer-1.0, nothing else of cored.
 *
 * One result, three forms of metadata:
 *   - custom meta CORED_META_NAME on the buffer: survives conversion, scaling, encoding, decoding
 *     and (GStreamer >= 1.24) IPC. A GstStructure, fields below.
 *   - a parameter CORED_ROI_PARAM on every GstVideoRegionOfInterestMeta that was evaluated. One
 *     videoconvert destroys it.
 *   - GstAnalytics object and classification metadata, where built with GStreamer >= 1.24.
 * The bus message CORED_MESSAGE_RESULT has the fields of the custom meta and some more.
 *
 * Fields marked * are absent when there is no value; no field is ever NaN. The lists are generated
 * from plugin/meta/meta-fields.c.
 *
 * Fields of the result, which is the custom meta:
 *   p-fake*           gdouble   highest probability of forgery among the faces (0 to 1)
 *   p-fake-smoothed*  gdouble   the same after smoothing over each face's track (0 to 1)
 *   verdict           string    "real", "fake" or "unknown"
 *   reason*           string    why it is unknown: "no-model", "no-face", "too-small", "blurred",
 *                               "not-evaluated", "no-signal" or "no-output"
 *   inferred          gboolean  this very frame was evaluated (or searched for faces)
 *   result-age-ns     guint64   how much older the evaluated frame is, 0 when inferred (ns)
 *   frame-width       guint     width of the frame that the boxes refer to (pixels)
 *   frame-height      guint     its height (pixels)
 *   n-faces           guint     number of faces
 *   alert             gboolean  an alert about one of the faces has begun and not ended
 *   faces             array     structures "face", present ones first, the largest first
 *   threshold*        gdouble   the one that the verdict was taken with (0 to 1)
 *   model-id          string    network and hash of the model, "" without one
 *   model-generation  guint64   published version of the model, 0 without one
 *   latency-us        guint     what finding and classifying the faces took (microseconds)
 *   stream-id         string    name of the stream
 *   stream-time*      guint64   where in the stream this frame is: by its time stamp, without one
 *                               by the frames counted since the last (ns)
 *   version           guint     CORED_META_VERSION, 1
 *
 * Fields of the face, a structure of the array `faces`, and the parameter CORED_ROI_PARAM:
 *   p-fake*           gdouble   probability of forgery, of the last evaluation (0 to 1)
 *   p-fake-smoothed*  gdouble   the same after smoothing over the track (0 to 1)
 *   verdict           string    "real", "fake" or "unknown"
 *   reason*           string    why it is unknown, as for the frame
 *   result-age-ns     guint64   age of the evaluation, 0 when it is of this very frame (ns)
 *   x                 guint     left edge of the box (pixels)
 *   y                 guint     its upper edge (pixels)
 *   w                 guint     its width (pixels)
 *   h                 guint     its height (pixels)
 *   landmarks*        array     x and y of the person's right eye, left eye, tip of the nose, right
 *                               and left corner of the mouth, ten numbers; only of faces that the
 *                               network found; a point may lie outside the frame (pixels)
 *   face-score        gdouble   of the detector that found the face; comparable within one
 *                               detector, 0 when not known
 *   track-id          guint64   number of the face's track, from 1; 0: not tracked yet
 *   present           gboolean  found or marked now or by the last search, else remembered
 *                               (max-absence)
 *   full-frame        gboolean  the whole frame was evaluated, not a face
 *   alert             gboolean  an alert about this face has begun and not ended
 *   sharpness*        gdouble   detail in the face's box (0 to 1)
 *   quality*          gdouble   sharpness times the share of the network's resolution that the crop
 *                               has (0 to 1)
 *   heat-rows*        guint     rows of heat-map
 *   heat-columns*     guint     columns of heat-map
 *   heat-map*         string    class activation map, base64 of heat-rows x heat-columns bytes:
 *                               (byte - 128) / 127 * heat-scale is what the cell adds to the logit
 *                               of fake less that of real
 *   heat-scale*       gdouble   largest magnitude in heat-map
 *   heat-x*           guint     left edge of the region that heat-map covers (pixels)
 *   heat-y*           guint     its upper edge (pixels)
 *   heat-w*           guint     its width (pixels)
 *   heat-h*           guint     its height (pixels)
 *   heat-angle*       gdouble   how far it is turned about its centre, clockwise on the screen;
 *                               only where the crop was turned (align=eyes) (radians)
 *
 * Fields of the param only, CORED_ROI_PARAM, about the frame:
 *   inferred          gboolean  this very frame was evaluated (or searched for faces)
 *   model-id          string    network and hash of the model, "" without one
 *   model-generation  guint64   published version of the model, 0 without one
 *
 * Fields of the message CORED_MESSAGE_RESULT, in addition; GST_CLOCK_TIME_NONE where there is none:
 *   stream-time       guint64   where in the stream this frame is: by its time stamp, without one
 *                               by the frames counted since the last (ns)
 *   timestamp         guint64   time stamp of the buffer (ns)
 *   running-time      guint64   running time of the frame (ns)
 *   duration          guint64   duration of the buffer (ns)
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
#define CORED_MESSAGE_FACE_MODEL "cored-face-model"
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
