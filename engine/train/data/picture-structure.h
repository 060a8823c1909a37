/* SPDX-License-Identifier: MIT
 * Is a picture file whole? A decoder that meets the end too early fills the rest with gray and
 * says nothing, so the containers are walked before anything is decoded. */
#ifndef CORED_TRAIN_DATA_PICTURE_STRUCTURE_H
#define CORED_TRAIN_DATA_PICTURE_STRUCTURE_H

#include "cored.h"

typedef enum CoredPictureKind {
  CORED_PICTURE_UNKNOWN,
  CORED_PICTURE_JPEG,
  CORED_PICTURE_PNG,
  CORED_PICTURE_WEBP,
  CORED_PICTURE_BMP
} CoredPictureKind;

/* By the first bytes, never by the name. */
CoredPictureKind cored_picture_kind(const uint8_t *bytes, size_t size);

/* Walks segments or ranges to the end mark. PNG: everything a decoder does not need (text, colour
 * profiles, where decompression bombs hide) is cut out of bytes in place and *size shrinks.
 * max_pixels bounds width times height as far as the container names them. */
bool cored_picture_check(CoredPictureKind kind, uint8_t *bytes, size_t *size, int64_t max_pixels,
                         const char *name, CoredError *error);

#endif /* CORED_TRAIN_DATA_PICTURE_STRUCTURE_H */
