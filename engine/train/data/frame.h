/* SPDX-License-Identifier: MIT
 * From FFmpeg's frame to the engine's description of a picture. */
#ifndef CORED_TRAIN_DATA_FRAME_H
#define CORED_TRAIN_DATA_FRAME_H

#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "cored.h"

/* Holds the copy of frames that cannot be described as they are: RGB, gray or YUV without
 * subsampling. */
typedef struct CoredFrameView {
  struct SwsContext *scaler;
  int scaler_key[4]; /* what it was made for */
  uint8_t *packed, *turned;
  size_t packed_size, turned_size;
} CoredFrameView;

typedef struct CoredFrameSource { /* what the frame itself does not say */
  const char *name;               /* for messages */
  const int32_t *display_matrix;  /* 9 entries or NULL; the picture is turned upright by it */
  bool is_video; /* a colour matrix that is not named is BT.709 above 576 lines, as GStreamer has
                    it; gray is of limited range; pixel aspect and fields are looked at */
  double pixel_aspect; /* of a video; 0: square */
} CoredFrameSource;

/* The image points into frame or into view. */
bool cored_frame_view(CoredFrameView *view, const AVFrame *frame, const CoredFrameSource *source,
                      CoredImage *image, CoredError *error);
/* For pixels that come from elsewhere: the view's memory for packed RGB rows without gaps (NULL: no
 * memory), and the picture in it, upright. */
uint8_t *cored_frame_view_rgb(CoredFrameView *view, int width, int height, const char *name,
                              CoredError *error);
bool cored_frame_view_own(CoredFrameView *view, int width, int height,
                          const CoredFrameSource *source, CoredImage *image, CoredError *error);
void cored_frame_view_clear(CoredFrameView *view);

#endif /* CORED_TRAIN_DATA_FRAME_H */
