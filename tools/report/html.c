/* SPDX-License-Identifier: MIT
 * Pieces of HTML; pictures are PNG (ISO/IEC 15948) in base64 (RFC 4648). */
#include "tools/report/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Through integers: printf would put a comma into some locales' numbers. */
void cored_html_fixed(CoredText *out, double value, int decimals) {
  if (!isfinite(value)) {
    cored_text_add(out, isnan(value) ? "\u2013" : value > 0 ? "\u221e" : "\u2212\u221e");
    return;
  }
  if (fabs(value) > 1e12) { /* beyond what the integers below hold */
    char text[CORED_NUMBER_SIZE];
    cored_number_format(value, true, text);
    cored_text_add(out, text);
    return;
  }
  double scale = 1;
  for (int i = 0; i < decimals; i++)
    scale *= 10;
  int64_t rest = llabs(llround(value * scale));
  char text[32], *at = text + sizeof text;
  bool minus = value < 0 && rest > 0;
  *--at = '\0';
  for (int digits = 0; digits <= decimals || rest > 0; digits++, rest /= 10) {
    if (digits == decimals && decimals > 0)
      *--at = '.';
    *--at = (char)('0' + rest % 10);
  }
  if (minus)
    *--at = '-';
  cored_text_add(out, at);
}

void cored_html_format(CoredText *out, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  cored_text_add(out, text);
}

void cored_html_attribute(CoredText *out, const char *name, double value) {
  cored_html_format(out, " %s='", name);
  cored_html_fixed(out, value, 2);
  cored_text_add(out, "'");
}

/* ---- Pictures -------------------------------------------------------------------------------- */

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
