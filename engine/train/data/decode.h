/* SPDX-License-Identifier: MIT
 * Pictures and videos out of files, by FFmpeg's decoders, as CoredImages. Whatever a decoder
 * doubts (a checksum, an early end, a corrupt macroblock) is an error here. */
#ifndef CORED_TRAIN_DATA_DECODE_H
#define CORED_TRAIN_DATA_DECODE_H

#include "cored.h"

typedef struct CoredDecodeLimits {
  uint64_t max_file_bytes; /* of a picture file, which is read whole */
  int64_t max_pixels;      /* of a picture or frame */
} CoredDecodeLimits;

#define CORED_DECODE_LIMITS_DEFAULT                                                                \
  (CoredDecodeLimits) {                                                                            \
    .max_file_bytes = UINT64_C(64) << 20, .max_pixels = INT64_C(40000000)                          \
  }

/* Read a regular file of at most max_bytes; a FIFO, device or socket is refused without waiting.
 * The caller frees *bytes. */
bool cored_media_read(const char *path, uint64_t max_bytes, uint8_t **bytes, size_t *size,
                      CoredError *error);

/* One thread's decoder; the image it gives is valid until its next call. */
typedef struct CoredDecoder CoredDecoder;

CoredDecoder *cored_decoder_new(const CoredDecodeLimits *limits, CoredError *error);
void cored_decoder_free(CoredDecoder *decoder); /* NULL is fine */
/* bytes are scribbled upon. JPEG pictures come upright by their EXIF orientation; alpha is
 * dropped; what is neither 8-bit YUV, gray nor RGB is converted to RGB. */
bool cored_decoder_picture(CoredDecoder *decoder, uint8_t *bytes, size_t size, const char *name,
                           CoredImage *image, CoredError *error);

typedef struct CoredVideo CoredVideo;

/* Open the first video stream of a file of a common container; nothing but this file is read. */
CoredVideo *cored_video_open(const char *path, const CoredDecodeLimits *limits, CoredError *error);
void cored_video_close(CoredVideo *video); /* NULL is fine */
/* The next frame in display order: 1, 0 at the end, -1 on corrupt data. */
int cored_video_next(CoredVideo *video, CoredImage *image, CoredError *error);

#endif /* CORED_TRAIN_DATA_DECODE_H */
