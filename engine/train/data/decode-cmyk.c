/* SPDX-License-Identifier: MIT */
#include "train/data/decode-cmyk.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "base/error.h"

/* libjpeg leaves by error_exit, which must not return. */
typedef struct Failing {
  struct jpeg_error_mgr base;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
} Failing;

static void fail(j_common_ptr jpeg) {
  Failing *failing = (Failing *)jpeg->err;
  jpeg->err->format_message(jpeg, failing->message);
  longjmp(failing->leave, 1);
}

/* A warning is about data that are not as they should be: an error like all others. */
static void judge_message(j_common_ptr jpeg, int level) {
  if (level < 0)
    fail(jpeg);
}

static void read_rows(struct jpeg_decompress_struct *jpeg, uint8_t *rgb, int width, int height,
                      uint8_t *line) {
  for (int y = 0; y < height; y++) {
    uint8_t *out = rgb + (size_t)y * (size_t)width * 3;
    jpeg_read_scanlines(jpeg, &line, 1);
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        out[3 * x + c] = (uint8_t)((line[4 * x + c] * line[4 * x + 3] + 127) / 255);
  }
}

/* False: failing->message says why; it is empty where the size is another. */
static bool decode(struct jpeg_decompress_struct *jpeg, Failing *failing, const uint8_t *bytes,
                   size_t size, uint8_t *rgb, int width, int height, uint8_t *line) {
  if (setjmp(failing->leave))
    return false;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)size);
  jpeg_read_header(jpeg, TRUE);
  jpeg->out_color_space = JCS_CMYK;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != (JDIMENSION)width || jpeg->output_height != (JDIMENSION)height ||
      jpeg->output_components != 4)
    return false;
  read_rows(jpeg, rgb, width, height, line);
  jpeg_finish_decompress(jpeg);
  return true;
}

bool cored_cmyk_decode(const uint8_t *bytes, size_t size, uint8_t *rgb, int width, int height,
                       const char *name, CoredError *error) {
  struct jpeg_decompress_struct jpeg = {0};
  Failing failing = {0};
  uint8_t *line = malloc((size_t)width * 4);
  if (!line)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", name, width,
                           height);
  jpeg.err = jpeg_std_error(&failing.base);
  failing.base.error_exit = fail;
  failing.base.emit_message = judge_message;
  const bool ok = decode(&jpeg, &failing, bytes, size, rgb, width, height, line);
  jpeg_destroy_decompress(&jpeg);
  free(line);
  return ok || cored_error_set(error, CORED_ERROR_DECODE, "'%s': %s", name,
                               failing.message[0] ? failing.message
                                                  : "libjpeg and FFmpeg read other sizes");
}
