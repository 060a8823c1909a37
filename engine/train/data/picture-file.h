/* SPDX-License-Identifier: MIT
 * Picture files (JPEG, PNG, WebP, BMP), by FFmpeg's decoders, as CoredImages. Whatever a decoder
 * doubts (a checksum, an early end, a corrupt macroblock) is an error here. */
#ifndef CORED_TRAIN_DATA_PICTURE_FILE_H
#define CORED_TRAIN_DATA_PICTURE_FILE_H

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

/* ---- Is it whole? ---------------------------------------------------------------------------- */

/* A decoder that meets the end too early fills the rest with gray and says nothing, so the
 * containers are walked before anything is decoded. */

typedef enum CoredPictureKind {
  CORED_PICTURE_UNKNOWN,
  CORED_PICTURE_JPEG,
  CORED_PICTURE_PNG,
  CORED_PICTURE_WEBP,
  CORED_PICTURE_BMP
} CoredPictureKind;

/* By the first bytes, never by the name. */
CoredPictureKind cored_picture_kind(const uint8_t *bytes, size_t size);

/* Walks segments or chunks to the end mark. PNG: everything a decoder does not need (text, colour
 * profiles, where decompression bombs hide) is cut out of bytes in place and *size shrinks.
 * max_pixels bounds width times height as far as the container names them. */
bool cored_picture_check(CoredPictureKind kind, uint8_t *bytes, size_t *size, int64_t max_pixels,
                         const char *name, CoredError *error);

/* ---- Decoding -------------------------------------------------------------------------------- */

/* One thread's decoder; the image it gives is valid until its next call. */
typedef struct CoredDecoder CoredDecoder;

CoredDecoder *cored_decoder_new(const CoredDecodeLimits *limits, CoredError *error);
void cored_decoder_free(CoredDecoder *decoder); /* NULL is fine */
/* bytes are scribbled upon. JPEG pictures come upright by their EXIF orientation; alpha is
 * dropped; CMYK and YCCK become RGB; what is neither 8-bit YUV, gray nor RGB is converted to RGB.
 */
bool cored_decoder_picture(CoredDecoder *decoder, uint8_t *bytes, size_t size, const char *name,
                           CoredImage *image, CoredError *error);

#endif /* CORED_TRAIN_DATA_PICTURE_FILE_H */
