/* SPDX-License-Identifier: MIT
 * JPEG pictures with four components (CMYK, YCCK), as image editors for print write them. */
#ifndef CORED_TRAIN_DATA_DECODE_CMYK_H
#define CORED_TRAIN_DATA_DECODE_CMYK_H

#include "cored.h"

/* rgb[height, width, 3] from the whole file, by libjpeg. Amounts of ink are stored inverted, as
 * Adobe began it and everybody took it over; profiles are not looked at. */
bool cored_cmyk_decode(const uint8_t *bytes, size_t size, uint8_t *rgb, int width, int height,
                       const char *name, CoredError *error);

#endif /* CORED_TRAIN_DATA_DECODE_CMYK_H */
