/* SPDX-License-Identifier: MIT
 * A drawing into a picture, at a cost that hangs on what is drawn, not on the picture. */
#ifndef CORED_OVERLAY_BLEND_H
#define CORED_OVERLAY_BLEND_H

#include <gst/video/video.h>

/* What gst_video_overlay_composition_blend does, to the bit. The frame is mapped for reading and
 * writing. */
gboolean cored_blend(GstVideoOverlayComposition *composition, GstVideoFrame *frame);

#endif /* CORED_OVERLAY_BLEND_H */
