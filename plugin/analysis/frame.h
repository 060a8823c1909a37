/* SPDX-License-Identifier: MIT
 * GStreamer's raw video frames: what both elements accept, how they are mapped safely, described to
 * the engine and allocated. Nothing is copied. */
#ifndef CORED_ANALYSIS_FRAME_H
#define CORED_ANALYSIS_FRAME_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "cored.h"

/* The formats of the pad templates: those that cored_frame_to_image understands. */
#define CORED_VIDEO_FORMATS                                                                        \
  "{ I420, YV12, NV12, NV21, Y42B, Y444, YUY2, UYVY, RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, "     \
  "BGRA, ARGB, ABGR, GRAY8, I420_10LE, P010_10LE }"
/* Those that the engine accepts, see CoredImage. */
#define CORED_VIDEO_SIZES ", width = (int) [ 1, 32768 ], height = (int) [ 1, 32768 ]"
#define CORED_VIDEO_CAPS(features)                                                                 \
  "video/x-raw" features ", format = (string) " CORED_VIDEO_FORMATS CORED_VIDEO_SIZES              \
  ", framerate = " GST_VIDEO_FPS_RANGE

gboolean cored_pixel_format_from_gst(GstVideoFormat format, CoredPixelFormat *out);

/* gst_video_info_from_caps(), which replaces a colorimetry that is missing or names no matrix
 * ("1:0:0:0") by a default as a whole, and the chroma site with it; here the range and the site
 * that stand in the caps are kept, and a site that does not is unknown. */
gboolean cored_video_info_from_caps(GstVideoInfo *info, const GstCaps *caps);

/* Describe a mapped frame. False: the format is none of the above. */
gboolean cored_frame_to_image(const GstVideoFrame *frame, CoredImage *image);

/* Map without a reference, and check that every byte of the described picture lies in the mapped
 * memory and that rows do not overlap: gst_video_frame_map() does not check the strides and offsets
 * of a GstVideoMeta. The frame is the part that a GstVideoCropMeta leaves, rounded to a whole
 * chroma sample. False with *why (static text) on failure. */
gboolean cored_frame_map(GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer,
                         GstMapFlags access, const char **why);

/* A copy of the segment that frames are in, for the streaming thread. Reading base->segment in
 * place is a race: a pad accepts frames from the moment that it is to become active, and the base
 * class resets the segment after that, under the object lock. The copy is that of before or of
 * after. All other changes are made by the streaming thread. */
GstSegment cored_frame_segment(GstBaseTransform *base);

/* Adapt downstream's answer to an ALLOCATION query before upstream sees it; buffers pass in place,
 * so strides, pools and alignment are as downstream wants them. Metas that make the picture another
 * one than its bytes (cropping, rotation, textures) are taken out: those who look at the bytes or
 * draw into them would see another picture than is shown. `n_kept` buffers that the element keeps
 * are added to what pools need, or upstream would wait for ever. */
void cored_frame_restrict_allocation(GstQuery *query, guint n_kept);

#endif /* CORED_ANALYSIS_FRAME_H */
