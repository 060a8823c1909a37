/* SPDX-License-Identifier: MIT */
#include "meta/meta-writer.h"

#include "gstcoredmeta.h"

static void attach_custom(GstBuffer *buffer, const CoredResult *result, const CoredTimes *times,
                          const char *stream_id) {
  GstCustomMeta *old = gst_buffer_get_custom_meta(buffer, CORED_META_NAME);
  if (old)
    gst_buffer_remove_meta(buffer, &old->meta);
  GstCustomMeta *meta = gst_buffer_add_custom_meta(buffer, CORED_META_NAME);
  if (!meta)
    return;
  GstStructure *structure = gst_custom_meta_get_structure(meta);
  cored_result_write(result, structure, stream_id);
  if (GST_CLOCK_TIME_IS_VALID(times->stream_time))
    gst_structure_set(structure, "stream-time", G_TYPE_UINT64, times->stream_time, NULL);
}

static void replace_param(GstVideoRegionOfInterestMeta *roi, GstStructure *param) {
  GstStructure *old = gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM);
  if (old) {
    roi->params = g_list_remove(roi->params, old);
    gst_structure_free(old);
  }
  gst_video_region_of_interest_meta_add_param(roi, param);
}

static void attach_roi(GstBuffer *buffer, const CoredResult *result, const CoredFaceResult *face,
                       GQuark object_class) {
  GstVideoRegionOfInterestMeta *roi =
      face->roi_index >= 0 ? cored_buffer_nth_roi(buffer, face->roi_index) : NULL;
  if (!roi)
    roi = gst_buffer_add_video_region_of_interest_meta_id(buffer, object_class, (guint)face->box.x,
                                                          (guint)face->box.y, (guint)face->box.w,
                                                          (guint)face->box.h);
  GstStructure *param = cored_face_result_to_structure(face, CORED_ROI_PARAM);
  gst_structure_set(param, "inferred", G_TYPE_BOOLEAN, result->inferred, "model-id", G_TYPE_STRING,
                    result->model_id, "model-generation", G_TYPE_UINT64, result->generation, NULL);
  replace_param(roi, param);
}

void cored_meta_write(GstBuffer *buffer, const CoredResult *result, const CoredTimes *times,
                      CoredMetadataFlags flags, GQuark object_class, const char *stream_id) {
  if (!object_class)
    object_class = g_quark_from_static_string("face");
  if (flags & CORED_METADATA_CUSTOM)
    attach_custom(buffer, result, times, stream_id);
  for (guint i = 0; (flags & CORED_METADATA_ROI) && i < result->n_faces; i++) {
    if (!result->faces[i].full_frame && result->faces[i].present)
      attach_roi(buffer, result, &result->faces[i], object_class);
  }
#ifdef HAVE_GST_ANALYTICS
  if (flags & CORED_METADATA_ANALYTICS)
    cored_analytics_attach(buffer, result, object_class);
#endif
}

GstMessage *cored_meta_message(GstObject *source, const CoredResult *result,
                               const CoredTimes *times, const char *stream_id) {
  GstStructure *structure = gst_structure_new_empty(CORED_MESSAGE_RESULT);
  cored_result_write(result, structure, stream_id);
  gst_structure_set(structure, "timestamp", G_TYPE_UINT64, times->timestamp, "stream-time",
                    G_TYPE_UINT64, times->stream_time, "running-time", G_TYPE_UINT64,
                    times->running_time, "duration", G_TYPE_UINT64, times->duration, NULL);
  return gst_message_new_element(source, structure);
}
