/* SPDX-License-Identifier: MIT
 * From FFmpeg's frame to the engine's description of a picture. */
#ifndef CORED_TRAIN_FRAME_H
#define CORED_TRAIN_FRAME_H

#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "cored.h"

/* Holds the RGB copy of frames that cannot be described as they are. */
typedef struct CoredFrameView {
  struct SwsContext *scaler;
  uint8_t *rgb, *turned;
  size_t rgb_size, turned_size;
} CoredFrameView;

/* matrix: 9 display matrix entries or NULL; the picture is turned upright by it. is_video: an
 * unnamed colour matrix is BT.709 above 576 lines, as GStreamer has it. The image points into
 * frame or into view. */
bool cored_frame_view(CoredFrameView *view, const AVFrame *frame, const int32_t *matrix,
                      bool is_video, const char *name, CoredImage *image, CoredError *error);
void cored_frame_view_clear(CoredFrameView *view);

#endif /* CORED_TRAIN_FRAME_H */
