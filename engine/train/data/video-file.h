/* SPDX-License-Identifier: MIT
 * Video files, frame by frame, by FFmpeg's decoders, as CoredImages. Whatever a decoder doubts is
 * an error here. */
#ifndef CORED_TRAIN_DATA_VIDEO_FILE_H
#define CORED_TRAIN_DATA_VIDEO_FILE_H

#include "train/data/picture-file.h"

typedef struct CoredVideo CoredVideo;

/* Open the first video stream of a file of a common container; nothing but this file is read. */
CoredVideo *cored_video_open(const char *path, const CoredDecodeLimits *limits, CoredError *error);
void cored_video_close(CoredVideo *video); /* NULL is fine */
/* The next frame in display order: 1, 0 at the end, -1 on corrupt data. */
int cored_video_next(CoredVideo *video, CoredImage *image, CoredError *error);

#endif /* CORED_TRAIN_DATA_VIDEO_FILE_H */
