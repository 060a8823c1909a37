/* SPDX-License-Identifier: MIT */
#include "overlay-rig.h"

#define CAPS "video/x-raw,format=%s,width=%d,height=%d,framerate=25/1"

void overlay_open(Overlay *o, const char *format, int width, int height, gboolean composes,
                  const char *settings) {
  char *launch = g_strdup_printf("coredoverlay name=overlay %s", settings);
  char *text = g_strdup_printf(CAPS, format, width, height);
  GstCaps *caps = gst_caps_from_string(text);
  o->harness = gst_harness_new_parse(launch);
  assert_non_null(o->harness);
  assert_true(gst_video_info_from_caps(&o->info, caps));
  if (composes)
    gst_harness_add_propose_allocation_meta(o->harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE,
                                            NULL);
  gst_harness_set_src_caps(o->harness, caps);
  g_free(launch);
  g_free(text);
}

void overlay_close(Overlay *o) {
  gst_harness_teardown(o->harness);
}

GstBuffer *overlay_gray(const GstVideoInfo *info, guint number) {
  GstBuffer *frame = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(info), NULL);
  const GstVideoFormat format = GST_VIDEO_INFO_FORMAT(info);
  const guint8 value = format == GST_VIDEO_FORMAT_I420_10LE   ? 1
                       : format == GST_VIDEO_FORMAT_P010_10LE ? 0x40
                                                              : 128;
  gst_buffer_memset(frame, 0, value, GST_VIDEO_INFO_SIZE(info));
  GST_BUFFER_PTS(frame) = number * 40 * GST_MSECOND;
  return frame;
}

void overlay_add_face_that(GValue *faces, double p, const char *verdict, const int box[4],
                           guint64 track, const char *extra) {
  GValue value = G_VALUE_INIT;
  char *text = g_strdup_printf("face, %s;", extra);
  GstStructure *face =
      *extra ? gst_structure_from_string(text, NULL) : gst_structure_new_empty("face");
  assert_non_null(face);
  gst_structure_set(face, "p-fake", G_TYPE_DOUBLE, p, "verdict", G_TYPE_STRING, verdict, "x",
                    G_TYPE_UINT, (guint)box[0], "y", G_TYPE_UINT, (guint)box[1], "w", G_TYPE_UINT,
                    (guint)box[2], "h", G_TYPE_UINT, (guint)box[3], "track-id", G_TYPE_UINT64,
                    track, NULL);
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, face);
  gst_value_array_append_and_take_value(faces, &value);
  g_free(text);
}

void overlay_add_face(GValue *faces, double p, const char *verdict, guint x, guint y, guint w,
                      guint h, guint64 track) {
  overlay_add_face_that(faces, p, verdict, (const int[]){(int)x, (int)y, (int)w, (int)h}, track,
                        "");
}

GstStructure *overlay_result(GstBuffer *frame) {
  GstCustomMeta *meta = gst_buffer_add_custom_meta(frame, CORED_META_NAME);
  assert_non_null(meta);
  return gst_custom_meta_get_structure(meta);
}

void overlay_add_faces(GstBuffer *frame, guint width, guint height, double p, const char *verdict,
                       GValue *faces) {
  GstStructure *result = overlay_result(frame);
  gst_structure_set(result, "p-fake", G_TYPE_DOUBLE, p, "verdict", G_TYPE_STRING, verdict,
                    "frame-width", G_TYPE_UINT, width, "frame-height", G_TYPE_UINT, height,
                    "threshold", G_TYPE_DOUBLE, 0.5, "model-id", G_TYPE_STRING, "test-model",
                    "model-generation", G_TYPE_UINT64, (guint64)7, NULL);
  gst_structure_take_value(result, "faces", faces);
}

void overlay_add_result(GstBuffer *frame, guint width, guint height, double p, const char *verdict,
                        guint x, guint y, guint w, guint h) {
  GValue faces = G_VALUE_INIT;
  g_value_init(&faces, GST_TYPE_ARRAY);
  overlay_add_face(&faces, p, verdict, x, y, w, h, 1);
  overlay_add_faces(frame, width, height, p, verdict, &faces);
}

GstBuffer *overlay_through(Overlay *o, GstBuffer *frame) {
  GstBuffer *out = gst_harness_push_and_pull(o->harness, frame);
  assert_non_null(out);
  return out;
}

void overlay_pixel(const Overlay *o, GstBuffer *buffer, int x, int y, guint8 rgb[3]) {
  const gsize at = (gsize)y * (gsize)GST_VIDEO_INFO_PLANE_STRIDE(&o->info, 0) + 3 * (gsize)x;
  assert_int_equal(gst_buffer_extract(buffer, at, rgb, 3), 3);
}

gboolean overlay_is(const guint8 rgb[3], guint argb) {
  return abs(rgb[0] - (int)(argb >> 16 & 0xff)) < 3 && abs(rgb[1] - (int)(argb >> 8 & 0xff)) < 3 &&
         abs(rgb[2] - (int)(argb & 0xff)) < 3;
}

guint overlay_n_changed(const Overlay *o, GstBuffer *buffer) {
  GstMapInfo map;
  guint n = 0;
  assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
  for (int y = 0; y < GST_VIDEO_INFO_HEIGHT(&o->info); y++)
    for (int x = 0; x < 3 * GST_VIDEO_INFO_WIDTH(&o->info); x += 3) {
      const guint8 *p = map.data + y * GST_VIDEO_INFO_PLANE_STRIDE(&o->info, 0) + x;
      n += p[0] != 128 || p[1] != 128 || p[2] != 128;
    }
  gst_buffer_unmap(buffer, &map);
  return n;
}
