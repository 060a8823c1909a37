/* SPDX-License-Identifier: MIT
 * Small pictures inside an HTML file: PNG (ISO/IEC 15948) in base64 (RFC 4648). */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tools/report/html.h"

#define MAX_SIDE 4096

static void put_be32(uint8_t *p, uint32_t value) {
  for (int i = 0; i < 4; i++)
    p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Length, type, data, CRC of type and data. Returns the end. */
static uint8_t *put_chunk(uint8_t *p, const char *type, const uint8_t *data, size_t size) {
  put_be32(p, (uint32_t)size);
  memcpy(p + 4, type, 4);
  if (size > 0)
    memmove(p + 8, data, size);
  put_be32(p + 8 + size, (uint32_t)crc32_z(0, p + 4, size + 4));
  return p + 12 + size;
}

static void put_base64(CoredText *out, const uint8_t *data, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0) |
                    (i + 2 < size ? data[i + 2] : 0);
    char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                    i + 1 < size ? digits[bits >> 6 & 63] : '=',
                    i + 2 < size ? digits[bits & 63] : '='};
    cored_text_add_bytes(out, four, 4);
  }
}

/* Rows with filter 1 (difference to the pixel on the left), deflated; NULL without memory. */
static uint8_t *deflate_rows(const uint8_t *rgb, int width, int height, uLongf *size) {
  size_t row = 3 * (size_t)width, raw_size = (row + 1) * (size_t)height;
  uint8_t *raw = malloc(raw_size);
  *size = compressBound(raw_size);
  uint8_t *packed = raw ? malloc(*size) : NULL;
  for (int y = 0; packed && y < height; y++) {
    const uint8_t *from = rgb + (size_t)y * row;
    uint8_t *to = raw + (size_t)y * (row + 1);
    to[0] = 1;
    for (size_t x = 0; x < row; x++)
      to[1 + x] = (uint8_t)(from[x] - (x >= 3 ? from[x - 3] : 0));
  }
  if (packed && compress2(packed, size, raw, raw_size, 9) != Z_OK) {
    free(packed);
    packed = NULL;
  }
  free(raw);
  return packed;
}

void cored_html_picture(CoredText *out, const uint8_t *rgb, int width, int height) {
  uLongf packed_size = 0;
  uint8_t *packed = NULL, *png = NULL;
  if (width > 0 && height > 0 && width <= MAX_SIDE && height <= MAX_SIDE)
    packed = deflate_rows(rgb, width, height, &packed_size);
  if (packed)
    png = malloc(8 + 25 + 12 + packed_size + 12);
  if (!png) {
    out->failed |= width > 0 && height > 0 && width <= MAX_SIDE && height <= MAX_SIDE;
    free(packed);
    return;
  }
  uint8_t header[13] = {[8] = 8, [9] = 2}; /* 8 bits, RGB */
  put_be32(header, (uint32_t)width);
  put_be32(header + 4, (uint32_t)height);
  memcpy(png, "\x89PNG\r\n\x1a\n", 8);
  uint8_t *end = put_chunk(png + 8, "IHDR", header, sizeof header);
  end = put_chunk(end, "IDAT", packed, packed_size);
  end = put_chunk(end, "IEND", NULL, 0);
  cored_text_add(out, "data:image/png;base64,");
  put_base64(out, png, (size_t)(end - png));
  free(png);
  free(packed);
}
