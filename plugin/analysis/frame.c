/* SPDX-License-Identifier: MIT */
#include "analysis/frame.h"

#include <gst/video/gstvideoaffinetransformationmeta.h>

/* ---- Caps ----------------------------------------------------------------------------------- */

gboolean cored_pixel_format_from_gst(GstVideoFormat format, CoredPixelFormat *out) {
  static const struct {
    GstVideoFormat gst;
    CoredPixelFormat cored;
  } table[] = {
      {GST_VIDEO_FORMAT_I420, CORED_PIXEL_I420},
      {GST_VIDEO_FORMAT_YV12, CORED_PIXEL_YV12},
      {GST_VIDEO_FORMAT_NV12, CORED_PIXEL_NV12},
      {GST_VIDEO_FORMAT_NV21, CORED_PIXEL_NV21},
      {GST_VIDEO_FORMAT_Y42B, CORED_PIXEL_Y42B},
      {GST_VIDEO_FORMAT_Y444, CORED_PIXEL_Y444},
      {GST_VIDEO_FORMAT_YUY2, CORED_PIXEL_YUY2},
      {GST_VIDEO_FORMAT_UYVY, CORED_PIXEL_UYVY},
      {GST_VIDEO_FORMAT_RGB, CORED_PIXEL_RGB},
      {GST_VIDEO_FORMAT_BGR, CORED_PIXEL_BGR},
      {GST_VIDEO_FORMAT_RGBx, CORED_PIXEL_RGBX},
      {GST_VIDEO_FORMAT_RGBA, CORED_PIXEL_RGBX},
      {GST_VIDEO_FORMAT_BGRx, CORED_PIXEL_BGRX},
      {GST_VIDEO_FORMAT_BGRA, CORED_PIXEL_BGRX},
      {GST_VIDEO_FORMAT_xRGB, CORED_PIXEL_XRGB},
      {GST_VIDEO_FORMAT_ARGB, CORED_PIXEL_XRGB},
      {GST_VIDEO_FORMAT_xBGR, CORED_PIXEL_XBGR},
      {GST_VIDEO_FORMAT_ABGR, CORED_PIXEL_XBGR},
      {GST_VIDEO_FORMAT_GRAY8, CORED_PIXEL_GRAY8},
      {GST_VIDEO_FORMAT_I420_10LE, CORED_PIXEL_I420_10LE},
      {GST_VIDEO_FORMAT_P010_10LE, CORED_PIXEL_P010_10LE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    if (table[i].gst == format) {
      *out = table[i].cored;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean cored_video_info_from_caps(GstVideoInfo *info, const GstCaps *caps) {
  GstVideoColorimetry named;
  if (!gst_video_info_from_caps(info, caps))
    return FALSE;
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  const gchar *text = gst_structure_get_string(structure, "colorimetry");
  const gchar *site = gst_structure_get_string(structure, "chroma-site");
  info->chroma_site =
      site ? gst_video_chroma_site_from_string(site) : GST_VIDEO_CHROMA_SITE_UNKNOWN;
  if (text && gst_video_colorimetry_from_string(&named, text) &&
      named.range != GST_VIDEO_COLOR_RANGE_UNKNOWN)
    info->colorimetry.range = named.range;
  return TRUE;
}

/* ---- Description for the engine ------------------------------------------------------------- */

/* The engine knows three matrices; the rare others go to the one with the nearest coefficients.
 * An unknown one is guessed by height, as GStreamer itself does. */
static CoredColorMatrix matrix_of(const GstVideoInfo *info) {
  switch (info->colorimetry.matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
  case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
    return CORED_MATRIX_BT709;
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return CORED_MATRIX_BT2020;
  case GST_VIDEO_COLOR_MATRIX_UNKNOWN:
    return info->height > 576 ? CORED_MATRIX_BT709 : CORED_MATRIX_BT601;
  default:
    return CORED_MATRIX_BT601;
  }
}

/* Where the caps do not say, chroma lies where nearly all video has it. */
static CoredChromaSite chroma_site_of(const GstVideoInfo *info) {
  const GstVideoChromaSite site = info->chroma_site;
  if (site == GST_VIDEO_CHROMA_SITE_UNKNOWN)
    return CORED_CHROMA_LEFT;
  if (site & GST_VIDEO_CHROMA_SITE_H_COSITED)
    return site & GST_VIDEO_CHROMA_SITE_V_COSITED ? CORED_CHROMA_TOPLEFT : CORED_CHROMA_LEFT;
  return site & GST_VIDEO_CHROMA_SITE_V_COSITED ? CORED_CHROMA_TOP : CORED_CHROMA_CENTER;
}

static double pixel_aspect_of(const GstVideoInfo *info) {
  const gint n = GST_VIDEO_INFO_PAR_N(info), d = GST_VIDEO_INFO_PAR_D(info);
  return n > 0 && d > 0 ? (double)n / d : 1.0;
}

gboolean cored_frame_to_image(const GstVideoFrame *frame, CoredImage *image) {
  if (!cored_pixel_format_from_gst(GST_VIDEO_FRAME_FORMAT(frame), &image->format))
    return FALSE;
  image->width = GST_VIDEO_FRAME_WIDTH(frame);
  image->height = GST_VIDEO_FRAME_HEIGHT(frame);
  for (guint i = 0; i < G_N_ELEMENTS(image->plane); i++) {
    const gboolean present = i < GST_VIDEO_FRAME_N_PLANES(frame);
    image->plane[i] = present ? GST_VIDEO_FRAME_PLANE_DATA(frame, i) : NULL;
    image->stride[i] = present ? GST_VIDEO_FRAME_PLANE_STRIDE(frame, i) : 0;
  }
  image->interlaced =
      GST_VIDEO_INFO_IS_INTERLACED(&frame->info) && GST_VIDEO_FRAME_IS_INTERLACED(frame);
  image->pixel_aspect = pixel_aspect_of(&frame->info);
  image->chroma_site = chroma_site_of(&frame->info);
  image->matrix = matrix_of(&frame->info);
  image->range = frame->info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? CORED_RANGE_FULL
                                                                              : CORED_RANGE_LIMITED;
  return TRUE;
}

/* ---- Mapping -------------------------------------------------------------------------------- */

/* Bytes from the start of a row of the plane to the end of its last pixel, and its rows. */
static void plane_extent(const GstVideoFrame *frame, guint plane, guint64 *row_bytes,
                         guint64 *rows) {
  const GstVideoFormatInfo *finfo = frame->info.finfo;
  *row_bytes = *rows = 0;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); c++) {
    if (GST_VIDEO_FORMAT_INFO_PLANE(finfo, c) != plane)
      continue;
    const guint64 pixels = (guint64)GST_VIDEO_FRAME_COMP_WIDTH(frame, c);
    const guint64 end = (guint64)GST_VIDEO_FORMAT_INFO_POFFSET(finfo, c) +
                        (pixels - 1) * (guint64)GST_VIDEO_FORMAT_INFO_PSTRIDE(finfo, c) +
                        (GST_VIDEO_FORMAT_INFO_DEPTH(finfo, c) + 7) / 8;
    *row_bytes = MAX(*row_bytes, end);
    *rows = MAX(*rows, (guint64)GST_VIDEO_FRAME_COMP_HEIGHT(frame, c));
  }
}

static gboolean plane_is_sound(const GstVideoFrame *frame, guint plane) {
  const GstMapInfo *map = &frame->map[frame->meta ? plane : 0];
  const gint64 stride = GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane);
  const guint8 *start = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
  guint64 row_bytes, rows;
  plane_extent(frame, plane, &row_bytes, &rows);
  if (!start || start < map->data || start > map->data + map->size)
    return FALSE;
  if (rows > 1 && (guint64)ABS(stride) < row_bytes)
    return FALSE;
  /* At most 2^31 times 2^31: no wrap. */
  const guint64 span = (guint64)ABS(stride) * (rows - 1);
  const guint64 before = (guint64)(start - map->data), after = map->size - before;
  if (stride < 0)
    return span <= before && row_bytes <= after;
  return row_bytes <= after && span <= after - row_bytes;
}

static gboolean is_sound(const GstVideoFrame *frame) {
  if (GST_VIDEO_FRAME_WIDTH(frame) < 1 || GST_VIDEO_FRAME_HEIGHT(frame) < 1)
    return FALSE;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(frame); i++) {
    if (!plane_is_sound(frame, i))
      return FALSE;
  }
  return TRUE;
}

/* gst_video_frame_map() treats this as a programming error, but it comes from another element. */
static gboolean agrees_with_caps(GstBuffer *buffer, const GstVideoInfo *info) {
  const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
  return !meta || (meta->format == GST_VIDEO_INFO_FORMAT(info) &&
                   meta->n_planes == GST_VIDEO_INFO_N_PLANES(info) &&
                   meta->width >= (guint)GST_VIDEO_INFO_WIDTH(info) &&
                   meta->height >= (guint)GST_VIDEO_INFO_HEIGHT(info));
}

/* The caps describe a part of the picture in memory, whose size only a GstVideoMeta tells. */
static gboolean crop_is_sound(GstBuffer *buffer, const GstVideoInfo *info) {
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
  const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
  const guint width = meta ? meta->width : (guint)GST_VIDEO_INFO_WIDTH(info);
  const guint height = meta ? meta->height : (guint)GST_VIDEO_INFO_HEIGHT(info);
  return !crop || (crop->width == (guint)GST_VIDEO_INFO_WIDTH(info) &&
                   crop->height == (guint)GST_VIDEO_INFO_HEIGHT(info) && crop->width <= width &&
                   crop->height <= height && crop->x <= width - crop->width &&
                   crop->y <= height - crop->height);
}

/* From the picture in memory, which gst_video_frame_map() describes, to that of the caps. */
static void apply_crop(GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer) {
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
  const GstVideoFormatInfo *finfo = frame->info.finfo;
  guint w_sub = 0, h_sub = 0;
  frame->info.width = info->width;
  frame->info.height = info->height;
  if (!crop)
    return;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); c++) {
    w_sub = MAX(w_sub, GST_VIDEO_FORMAT_INFO_W_SUB(finfo, c));
    h_sub = MAX(h_sub, GST_VIDEO_FORMAT_INFO_H_SUB(finfo, c));
  }
  if (GST_VIDEO_INFO_IS_INTERLACED(info))
    h_sub++; /* a pair of lines of every plane, so that the first field stays the first */
  const guint x = crop->x >> w_sub << w_sub, y = crop->y >> h_sub << h_sub;
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(frame); plane++) {
    gint component[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(finfo, plane, component);
    const guint c = (guint)component[0];
    frame->data[plane] = (guint8 *)frame->data[plane] +
                         (gssize)(y >> GST_VIDEO_FORMAT_INFO_H_SUB(finfo, c)) *
                             GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane) +
                         (gssize)(x >> GST_VIDEO_FORMAT_INFO_W_SUB(finfo, c)) *
                             GST_VIDEO_FORMAT_INFO_PSTRIDE(finfo, c);
  }
}

gboolean cored_frame_map(GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer,
                         GstMapFlags access, const char **why) {
  if (!agrees_with_caps(buffer, info)) {
    *why = "its GstVideoMeta contradicts the caps";
    return FALSE;
  }
  if (!crop_is_sound(buffer, info)) {
    *why = "its GstVideoCropMeta contradicts the caps or reaches outside the picture";
    return FALSE;
  }
  if (!gst_video_frame_map(frame, info, buffer,
                           (GstMapFlags)(access | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))) {
    *why = "the buffer cannot be mapped or is shorter than its caps say";
    return FALSE;
  }
  if (!is_sound(frame)) {
    gst_video_frame_unmap(frame);
    *why = "strides or offsets of its GstVideoMeta reach outside its memory";
    return FALSE;
  }
  apply_crop(frame, info, buffer);
  return TRUE;
}

GstSegment cored_frame_segment(GstBaseTransform *base) {
  GST_OBJECT_LOCK(base);
  const GstSegment segment = base->segment;
  GST_OBJECT_UNLOCK(base);
  return segment;
}

/* ---- Allocation ----------------------------------------------------------------------------- */

static gboolean changes_the_picture(GType api) {
  return api == GST_VIDEO_CROP_META_API_TYPE ||
         api == GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE ||
         api == GST_VIDEO_GL_TEXTURE_UPLOAD_META_API_TYPE;
}

static void remove_metas(GstQuery *query) {
  for (guint i = gst_query_get_n_allocation_metas(query); i-- > 0;)
    if (changes_the_picture(gst_query_parse_nth_allocation_meta(query, i, NULL)))
      gst_query_remove_nth_allocation_meta(query, i);
}

/* Where no pool is offered, upstream's own has to be large enough. */
static void add_pool(GstQuery *query, guint n_kept) {
  GstVideoInfo info;
  GstCaps *caps;
  gst_query_parse_allocation(query, &caps, NULL);
  if (caps && gst_video_info_from_caps(&info, caps))
    gst_query_add_allocation_pool(query, NULL, (guint)GST_VIDEO_INFO_SIZE(&info), n_kept, 0);
}

static void enlarge_pools(GstQuery *query, guint n_kept) {
  const guint n = gst_query_get_n_allocation_pools(query);
  if (n == 0)
    add_pool(query, n_kept);
  for (guint i = 0; i < n; i++) {
    GstBufferPool *pool;
    guint size, least, most;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    gst_query_set_nth_allocation_pool(query, i, pool, size, least + n_kept,
                                      most > 0 ? most + n_kept : 0);
    gst_clear_object(&pool);
  }
}

void cored_frame_restrict_allocation(GstQuery *query, guint n_kept) {
  remove_metas(query);
  if (n_kept > 0)
    enlarge_pools(query, n_kept);
}
