/* SPDX-License-Identifier: MIT
 * Picture files: the walk over their structure and what a decoder makes of those that pass. The
 * first byte of an input says what the rest is:
 *   0  a whole file
 *   1  PNG chunks whose checksums are made: 1 byte which type, 1 byte length, data
 *   2  JPEG segments whose lengths are made: 1 byte marker, 1 byte length, data
 *   3  changes to a right file: 1 byte which one, then triples of 2 bytes place and 1 byte value */
#include <stdio.h>
#include <zlib.h>

#include <jpeglib.h>

#include "fuzz.h"
#include "train/data/picture-file.h"

enum { SIDE = 16 };

/* ---- PNG ------------------------------------------------------------------------------------- */

static void put_chunk(FuzzFile *o, const char *type, const void *data, size_t n) {
  fuzz_put_big(o, (uint32_t)n, 4);
  const size_t start = o->n;
  fuzz_put(o, type, 4);
  fuzz_put(o, data, n);
  fuzz_put_big(o, (uint32_t)crc32_z(0, o->bytes + start, o->n - start), 4);
}

static void make_png(FuzzInput *in, FuzzFile *o) {
  static const char *const types[] = {"IHDR", "IDAT", "IEND", "PLTE",
                                      "tRNS", "zTXt", "iCCP", "gAMA"};
  fuzz_put(o, "\x89PNG\r\n\x1a\n", 8);
  while (in->size >= 2 && o->n < sizeof o->bytes - 1024) {
    const char *const type = types[fuzz_byte(in) % (sizeof types / sizeof *types)];
    size_t n;
    const unsigned most = fuzz_byte(in);
    const uint8_t *const data = fuzz_bytes(in, most, &n);
    put_chunk(o, type, data, n);
  }
}

static void right_png(FuzzFile *o) {
  static const uint8_t head[13] = {0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 2, 0, 0, 0};
  uint8_t rows[SIDE * (1 + 3 * SIDE)], packed[2048];
  uLongf size = sizeof packed;
  for (size_t i = 0; i < sizeof rows; i++)
    rows[i] = i % (1 + 3 * SIDE) == 0 ? (uint8_t)(i % 5) : (uint8_t)(i * 7);
  fuzz_expect(compress(packed, &size, rows, sizeof rows) == Z_OK);
  fuzz_put(o, "\x89PNG\r\n\x1a\n", 8);
  put_chunk(o, "IHDR", head, sizeof head);
  put_chunk(o, "tEXt", "a\0b", 3);
  put_chunk(o, "IDAT", packed, size);
  put_chunk(o, "IEND", "", 0);
}

/* ---- JPEG ------------------------------------------------------------------------------------ */

static void make_jpeg(FuzzInput *in, FuzzFile *o) {
  fuzz_put(o, "\xff\xd8", 2);
  while (in->size >= 2 && o->n < sizeof o->bytes - 1024) {
    size_t n;
    const unsigned marker = fuzz_byte(in), most = fuzz_byte(in);
    const uint8_t *const data = fuzz_bytes(in, most, &n);
    fuzz_put_big(o, 0xff00 | marker, 2);
    if ((marker >= 0xd0 && marker <= 0xd9) || marker == 1)
      continue;
    fuzz_put_big(o, (uint32_t)n + 2, 2);
    fuzz_put(o, data, n);
  }
}

static void right_jpeg(FuzzFile *o, bool progressive) {
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  unsigned char *made = NULL;
  unsigned long size = 0;
  JSAMPLE row[3 * SIDE];
  JSAMPROW rows[1] = {row};
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &made, &size);
  c.image_width = c.image_height = SIDE;
  c.input_components = 3;
  c.in_color_space = JCS_RGB;
  jpeg_set_defaults(&c);
  if (progressive)
    jpeg_simple_progression(&c);
  else
    c.restart_interval = 1;
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    for (int i = 0; i < 3 * SIDE; i++)
      row[i] = (JSAMPLE)(i * 5 + (int)c.next_scanline * 11);
    jpeg_write_scanlines(&c, rows, 1);
  }
  jpeg_finish_compress(&c);
  fuzz_put(o, made, size);
  jpeg_destroy_compress(&c);
  free(made);
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void right_bmp(FuzzFile *o) {
  static const uint8_t head[54] = {'B', 'M', 118, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,  40,
                                   0,   0,   0,   4, 0, 0, 0, 5, 0, 0, 0,  1, 0, 24, 0};
  uint8_t pixels[64];
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t)(i * 3);
  fuzz_put(o, head, sizeof head);
  fuzz_put(o, pixels, sizeof pixels);
}

static void right_webp(FuzzFile *o) { /* one lossless pixel */
  fuzz_put(o, "RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0", 34);
}

static void right(unsigned which, FuzzFile *o) {
  switch (which % 5) {
  case 0:
    right_jpeg(o, false);
    break;
  case 1:
    right_jpeg(o, true);
    break;
  case 2:
    right_png(o);
    break;
  case 3:
    right_bmp(o);
    break;
  case 4:
    right_webp(o);
    break;
  }
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Every byte that the description names is there. */
static void use(const CoredImage *image) {
  const float zero[3] = {0}, one[3] = {1, 1, 1};
  CoredPreprocessor *const p = cored_preprocessor_new(8, 8, zero, one, cored_cpu_flags(), NULL);
  const CoredBox box = {0, 0, image->width, image->height};
  float out[8 * 8 * 3];
  CoredError error = {0};
  if (p)
    fuzz_expect(cored_preprocessor_run(p, image, &box, out, &error));
  cored_preprocessor_free(p);
}

static bool decode(const uint8_t *bytes, size_t size) {
  static const CoredDecodeLimits limits = {.max_file_bytes = 1 << 20, .max_pixels = 1 << 16};
  CoredDecoder *const decoder = cored_decoder_new(&limits, NULL);
  uint8_t *const copy = calloc(1, size + 64); /* cored_media_read pads */
  CoredImage image;
  CoredError error = {0};
  bool ok = false;
  if (decoder && copy) {
    if (size)
      memcpy(copy, bytes, size);
    ok = cored_decoder_picture(decoder, copy, size, "fuzz", &image, &error);
    fuzz_expect(ok || (error.code != CORED_ERROR_NONE && error.message[0]));
    if (ok)
      use(&image);
  }
  free(copy);
  cored_decoder_free(decoder);
  return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  FuzzFile out = {.n = 0};
  switch (fuzz_byte(&in) % 4) {
  case 0:
    decode(in.data, in.size);
    return 0;
  case 1:
    make_png(&in, &out);
    break;
  case 2:
    make_jpeg(&in, &out);
    break;
  case 3: {
    right(fuzz_byte(&in), &out);
    const bool changed = fuzz_change(&in, out.bytes, out.n);
    fuzz_expect(decode(out.bytes, out.n) || changed);
    return 0;
  }
  }
  decode(out.bytes, out.n);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\3\0"),
      FUZZ_SEED("\3\1"),
      FUZZ_SEED("\3\2"),
      FUZZ_SEED("\3\3"),
      FUZZ_SEED("\3\4"),
      FUZZ_SEED("\3\0\240\0\1"),
      FUZZ_SEED("\1\0\15\0\0\0\2\0\0\0\2\10\2\0\0\0\5\4abcd\1\10\170\234\3\0\0\0\0\1\2\0"),
      FUZZ_SEED(
          "\2\340\16JFIF\0\1\1\0\0\1\0\1\0\0\333\3\0\1\1\300\13\10\0\10\0\10\1\1\21\0\1\1\331\0"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
