/* SPDX-License-Identifier: MIT
 * From GStreamer's description of a raw video frame to the engine's. Nothing is copied. */
#ifndef CORED_ANALYSIS_FRAME_H
#define CORED_ANALYSIS_FRAME_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "cored.h"

/* The formats of the pad templates: what cored_frame_to_image understands. */
#define CORED_VIDEO_FORMATS                                                                        \
  "{ I420, YV12, NV12, NV21, Y42B, Y444, YUY2, UYVY, RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, "     \
  "BGRA, ARGB, ABGR, GRAY8, I420_10LE, P010_10LE }"
/* What the engine takes, see CoredImage. */
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

/* Map without a reference, and check that every byte that the description names lies in the mapped
 * memory and that rows do not overlap: gst_video_frame_map() believes the strides and offsets of a
 * GstVideoMeta, we do not. The frame is the part that a GstVideoCropMeta leaves, from a whole
 * chroma sample on. False with *why (static) on failure. */
gboolean cored_frame_map(GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer,
                         GstMapFlags access, const char **why);

/* The segment that frames are in; of the streaming thread. Not to be read where it stands: a pad
 * takes frames as soon as it is to become active, and the base class resets the segment after that,
 * with the object lock held. The copy is of before or after; whoever looks at its format sees what
 * it then computes with. All else that changes it does so in the streaming thread. */
GstSegment cored_frame_segment(GstBaseTransform *base);

#endif /* CORED_ANALYSIS_FRAME_H */
