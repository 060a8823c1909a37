/* SPDX-License-Identifier: MIT
 * Pictures as they are meant: colours of JPEG files against libjpeg's (what Pillow and with it most
 * training code sees), and what is carried over from FFmpeg's frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <libavutil/pixdesc.h>

#include "train/data/picture-file.h"
#include "train/data/frame.h"
#include "train/data/video-file.h"

enum { MAX_SIDE = 160 };

/* ---- JPEG files by libjpeg ------------------------------------------------------------------ */

typedef struct File {
  unsigned char *bytes;
  unsigned long size;
} File;

typedef struct Layout {
  J_COLOR_SPACE in, stored;
  int n; /* components */
  int sampling[4][2];
  bool adobe; /* with Adobe's marker */
  int orientation;
} Layout;

static void write_orientation(struct jpeg_compress_struct *jpeg, int orientation) {
  uint8_t exif[] = "Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0?\0\0\0\0\0\0";
  exif[24] = (uint8_t)orientation;
  jpeg_write_marker(jpeg, JPEG_APP0 + 1, exif, sizeof exif - 1);
}

static File write_jpeg(const uint8_t *pixels, int width, int height, const Layout *layout) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  File file = {NULL, 0};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &file.bytes, &file.size);
  jpeg.image_width = (JDIMENSION)width;
  jpeg.image_height = (JDIMENSION)height;
  jpeg.input_components = layout->n;
  jpeg.in_color_space = layout->in;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, layout->stored);
  jpeg_set_quality(&jpeg, 98, TRUE);
  if (layout->n == 4)
    jpeg.write_Adobe_marker = layout->adobe;
  for (int c = 0; c < layout->n; c++) {
    jpeg.comp_info[c].h_samp_factor = layout->sampling[c][0];
    jpeg.comp_info[c].v_samp_factor = layout->sampling[c][1];
  }
  jpeg_start_compress(&jpeg, TRUE);
  if (layout->orientation)
    write_orientation(&jpeg, layout->orientation);
  for (int y = 0; y < height; y++) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)y * (size_t)width * (size_t)layout->n);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  return file;
}

static void read_jpeg(const File *file, uint8_t *rgb) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file->bytes, file->size);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = rgb + (size_t)jpeg.output_scanline * jpeg.output_width * 3;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
}

/* Edges of saturated colours on a ground that changes slowly: what shows misplaced chroma. */
static void paint(uint8_t *rgb, int width, int height) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      uint8_t *p = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
      const bool disc = (x - 50) * (x - 50) + (y - 45) * (y - 45) < 900;
      p[0] = (uint8_t)(disc ? 200 : 60 + x / 2);
      p[1] = (uint8_t)(disc ? 60 : 120 + y / 3);
      p[2] = (uint8_t)(x > 90 && y > 40 ? 190 : 80);
    }
}

/* ---- Comparison ----------------------------------------------------------------------------- */

static CoredImage rgb_image(const uint8_t *rgb, int width, int height) {
  return (CoredImage){.format = CORED_PIXEL_RGB,
                      .width = width,
                      .height = height,
                      .plane = {rgb},
                      .stride = {3 * (ptrdiff_t)width}};
}

/* 0..255 */
static void resize(const CoredImage *image, int width, int height, float *out) {
  const float mean[3] = {0}, std[3] = {1 / 255.f, 1 / 255.f, 1 / 255.f};
  const CoredBox whole = {0, 0, image->width, image->height};
  CoredError error;
  CoredPreprocessor *preprocessor =
      cored_preprocessor_new(width, height, mean, std, cored_cpu_flags(), &error);
  assert_non_null(preprocessor);
  assert_true(cored_preprocessor_run(preprocessor, image, &whole, out, &error));
  cored_preprocessor_free(preprocessor);
}

typedef struct Distance {
  double largest, mean;
} Distance;

static Distance distance(const CoredImage *a, const CoredImage *b, int width, int height) {
  static float of_a[MAX_SIDE * MAX_SIDE * 3], of_b[MAX_SIDE * MAX_SIDE * 3];
  const int n = width * height * 3;
  Distance d = {0., 0.};
  resize(a, width, height, of_a);
  resize(b, width, height, of_b);
  for (int i = 0; i < n; i++) {
    const double apart = fabs((double)of_a[i] - (double)of_b[i]);
    d.largest = fmax(d.largest, apart);
    d.mean += apart / n;
  }
  return d;
}

static void decode(CoredDecoder *decoder, const File *file, CoredImage *image) {
  static uint8_t bytes[1 << 20];
  CoredError error;
  assert_true(file->size + 64 <= sizeof bytes);
  memcpy(bytes, file->bytes, file->size);
  memset(bytes + file->size, 0, 64);
  if (!cored_decoder_picture(decoder, bytes, file->size, "test.jpg", image, &error))
    fail_msg("%s", error.message);
}

/* 6: the picture's top is on the right of what is stored; 3: upside down. */
static void turn(const uint8_t *rgb, int width, int height, int orientation, uint8_t *out) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const int to = orientation == 6   ? x * height + height - 1 - y
                     : orientation == 3 ? (height - 1 - y) * width + width - 1 - x
                                        : y * width + x;
      memcpy(out + 3 * (ptrdiff_t)to, rgb + 3 * ((ptrdiff_t)y * width + x), 3);
    }
}

/* Largest distance in levels of 255 at equal size; and reduced, where libjpeg's reader would first
 * enlarge chroma and then reduce it, and the engine does both in one step. */
#define EQUAL_LARGEST 4.
#define REDUCED_LARGEST 26.
#define REDUCED_MEAN 0.8

static void jpeg_colours_are_those_of_libjpeg(void **state) {
  (void)state;
  static uint8_t rgb[MAX_SIDE * MAX_SIDE * 3], stored[sizeof rgb], upright[sizeof rgb];
  static const int samplings[][2] = {{2, 2}, {2, 1}, {1, 2}, {1, 1}};
  static const int sizes[][2] = {{128, 96}, {127, 95}};
  static const int orientations[] = {0, 3, 6};
  CoredDecoder *decoder = cored_decoder_new(&CORED_DECODE_LIMITS_DEFAULT, NULL);
  assert_non_null(decoder);
  for (size_t s = 0; s < sizeof samplings / sizeof samplings[0]; s++)
    for (size_t z = 0; z < sizeof sizes / sizeof sizes[0]; z++)
      for (size_t o = 0; o < sizeof orientations / sizeof orientations[0]; o++) {
        const int width = sizes[z][0], height = sizes[z][1];
        const Layout layout = {.in = JCS_RGB,
                               .stored = JCS_YCbCr,
                               .n = 3,
                               .sampling = {{samplings[s][0], samplings[s][1]}, {1, 1}, {1, 1}},
                               .orientation = orientations[o]};
        CoredImage image;
        paint(rgb, width, height);
        File file = write_jpeg(rgb, width, height, &layout);
        read_jpeg(&file, stored);
        turn(stored, width, height, orientations[o], upright);
        decode(decoder, &file, &image);
        free(file.bytes);
        const bool side = orientations[o] == 6;
        const CoredImage want = rgb_image(upright, side ? height : width, side ? width : height);
        assert_int_equal(image.width, want.width);
        assert_int_equal(image.height, want.height);
        const Distance equal = distance(&image, &want, want.width, want.height);
        const Distance reduced = distance(&image, &want, 50, 50);
        print_message(
            "%dx%d, %dx%d, orientation %d: at most %.1f of 255, reduced %.1f (mean %.2f)\n",
            samplings[s][0], samplings[s][1], width, height, orientations[o], equal.largest,
            reduced.largest, reduced.mean);
        assert_true(equal.largest <= EQUAL_LARGEST);
        assert_true(reduced.largest <= REDUCED_LARGEST && reduced.mean <= REDUCED_MEAN);
      }
  cored_decoder_free(decoder);
}

/* Patches of one colour each; how much of each ink, as JPEG files store it: 255 is none. */
static void cmyk_pictures_have_their_colours(void **state) {
  (void)state;
  static const uint8_t inks[][4] = {{255, 255, 255, 255}, {255, 40, 30, 255}, {60, 200, 90, 255},
                                    {30, 60, 220, 128},   {255, 255, 255, 0}, {200, 150, 120, 200}};
  enum { PATCHES = sizeof inks / sizeof inks[0], SIDE = 16 };
  static uint8_t cmyk[PATCHES * SIDE * SIDE * 4];
  static const Layout layouts[] = {
      {JCS_CMYK, JCS_CMYK, 4, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}, true, 0},
      {JCS_CMYK, JCS_CMYK, 4, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}, false, 0},
      {JCS_CMYK, JCS_YCCK, 4, {{1, 1}, {1, 1}, {1, 1}, {1, 1}}, true, 0},
      {JCS_CMYK, JCS_YCCK, 4, {{2, 2}, {1, 1}, {1, 1}, {2, 2}}, true, 0},
      {JCS_CMYK, JCS_YCCK, 4, {{2, 2}, {1, 1}, {1, 1}, {2, 2}}, true, 3}};
  CoredDecoder *decoder = cored_decoder_new(&CORED_DECODE_LIMITS_DEFAULT, NULL);
  for (int i = 0; i < PATCHES * SIDE * SIDE; i++)
    memcpy(cmyk + 4 * (ptrdiff_t)i, inks[i / SIDE % PATCHES], 4);
  for (size_t k = 0; k < sizeof layouts / sizeof layouts[0]; k++) {
    CoredImage image;
    static float out[PATCHES * SIDE * SIDE * 3];
    File file = write_jpeg(cmyk, PATCHES * SIDE, SIDE, &layouts[k]);
    decode(decoder, &file, &image);
    free(file.bytes);
    resize(&image, PATCHES * SIDE, SIDE, out);
    for (int p = 0; p < PATCHES; p++)
      for (int c = 0; c < 3; c++) {
        const int at = layouts[k].orientation == 3 ? PATCHES - 1 - p : p;
        const double got =
            (double)out[3 * ((SIDE / 2) * PATCHES * SIDE + at * SIDE + SIDE / 2) + c];
        const double want = inks[p][c] * inks[p][3] / 255.;
        if (!(fabs(got - want) <= 4.))
          fail_msg("layout %zu, patch %d, channel %d: %.1f, expected %.1f", k, p, c, got, want);
      }
  }
  /* Cut short: an error, not half a picture. */
  CoredError error;
  CoredImage image;
  static uint8_t bytes[1 << 16];
  File file = write_jpeg(cmyk, PATCHES * SIDE, SIDE, &layouts[3]);
  memcpy(bytes, file.bytes, file.size);
  assert_false(cored_decoder_picture(decoder, bytes, file.size - 20, "cut.jpg", &image, &error));
  memset(bytes + file.size / 2, 0, 40);
  cored_decoder_picture(decoder, bytes, file.size, "damaged.jpg", &image, &error);
  free(file.bytes);
  cored_decoder_free(decoder);
}

/* ---- Frames --------------------------------------------------------------------------------- */

static int rows_of(const AVFrame *frame, int plane) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
  const int sub = plane > 0 ? format->log2_chroma_h : 0;
  return (frame->height + (1 << sub) - 1) >> sub;
}

static AVFrame *frame_of(enum AVPixelFormat format, int width, int height) {
  AVFrame *frame = av_frame_alloc();
  assert_non_null(frame);
  frame->format = format;
  frame->width = width;
  frame->height = height;
  assert_int_equal(av_frame_get_buffer(frame, 0), 0);
  for (int p = 0; p < 3 && frame->data[p]; p++)
    for (int y = 0; y < rows_of(frame, p); y++)
      for (int x = 0; x < frame->linesize[p]; x++)
        frame->data[p][y * frame->linesize[p] + x] =
            (uint8_t)(p == 0                         ? 60 + 2 * x + y
                      : (x < 13) == (y < 11 + 2 * p) ? 90
                                                     : 160);
  return frame;
}

static void set_interlaced(AVFrame *frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
  frame->flags |= AV_FRAME_FLAG_INTERLACED;
#else
  frame->interlaced_frame = 1;
#endif
}

static CoredImage view_of(CoredFrameView *view, const AVFrame *frame, const int32_t *matrix,
                          double aspect, bool is_video) {
  const CoredFrameSource source = {
      .name = "frame", .display_matrix = matrix, .is_video = is_video, .pixel_aspect = aspect};
  CoredImage image;
  CoredError error;
  if (!cored_frame_view(view, frame, &source, &image, &error))
    fail_msg("%s", error.message);
  return image;
}

static void what_the_frame_says_is_carried(void **state) {
  (void)state;
  static const struct {
    enum AVChromaLocation location;
    CoredChromaSite site;
  } sites[] = {{AVCHROMA_LOC_UNSPECIFIED, CORED_CHROMA_LEFT},
               {AVCHROMA_LOC_LEFT, CORED_CHROMA_LEFT},
               {AVCHROMA_LOC_CENTER, CORED_CHROMA_CENTER},
               {AVCHROMA_LOC_TOP, CORED_CHROMA_TOP},
               {AVCHROMA_LOC_TOPLEFT, CORED_CHROMA_TOPLEFT}};
  CoredFrameView view = {0};
  AVFrame *frame = frame_of(AV_PIX_FMT_YUV420P, 64, 48);
  for (size_t i = 0; i < sizeof sites / sizeof sites[0]; i++) {
    frame->chroma_location = sites[i].location;
    assert_int_equal(view_of(&view, frame, NULL, 0., true).chroma_site, sites[i].site);
    assert_int_equal(view_of(&view, frame, NULL, 0., false).chroma_site, CORED_CHROMA_CENTER);
  }
  frame->colorspace = AVCOL_SPC_SMPTE240M;
  assert_int_equal(view_of(&view, frame, NULL, 0., true).matrix, CORED_MATRIX_BT709);
  assert_int_equal(view_of(&view, frame, NULL, 0., true).range, CORED_RANGE_LIMITED);
  frame->color_range = AVCOL_RANGE_JPEG;
  assert_int_equal(view_of(&view, frame, NULL, 0., true).range, CORED_RANGE_FULL);
  set_interlaced(frame);
  const CoredImage woven = view_of(&view, frame, NULL, 4. / 3., true);
  assert_true(woven.interlaced && woven.pixel_aspect == 4. / 3.);
  /* A scanner's resolution is no shape of pixels. */
  const CoredImage picture = view_of(&view, frame, NULL, 4. / 3., false);
  assert_true(!picture.interlaced && picture.pixel_aspect == 0.);
  av_frame_free(&frame);

  AVFrame *gray = frame_of(AV_PIX_FMT_GRAY8, 64, 48);
  assert_int_equal(view_of(&view, gray, NULL, 0., true).range, CORED_RANGE_LIMITED);
  assert_int_equal(view_of(&view, gray, NULL, 0., false).range, CORED_RANGE_FULL);
  gray->color_range = AVCOL_RANGE_JPEG;
  assert_int_equal(view_of(&view, gray, NULL, 0., true).range, CORED_RANGE_FULL);
  av_frame_free(&gray);
  cored_frame_view_clear(&view);
}

/* What has to be converted to RGB, as a turned video has, keeps matrix, range and site: the same
 * colours as those of the engine's own way. */
static void converted_frames_have_the_same_colours(void **state) {
  (void)state;
  static const int32_t upright[9] = {1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30};
  static const int32_t half_turn[9] = {-(1 << 16), 0, 0, 0, -(1 << 16), 0, 0, 0, 1 << 30};
  static const enum AVColorSpace spaces[] = {AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M,
                                             AVCOL_SPC_BT2020_NCL};
  static const enum AVColorRange ranges[] = {AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG};
  static const enum AVChromaLocation locations[] = {AVCHROMA_LOC_LEFT, AVCHROMA_LOC_CENTER,
                                                    AVCHROMA_LOC_TOPLEFT, AVCHROMA_LOC_TOP};
  static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P,
                                               AV_PIX_FMT_YUV444P};
  CoredFrameView straight = {0}, turned = {0};
  for (int i = 0; i < 3 * 2 * 4 * 3; i++) {
    AVFrame *frame = frame_of(formats[i / 24], 64, 48);
    frame->colorspace = spaces[i % 3];
    frame->color_range = ranges[i / 3 % 2];
    frame->chroma_location = locations[i / 6 % 4];
    const CoredImage want = view_of(&straight, frame, upright, 0., true);
    const CoredImage got = view_of(&turned, frame, half_turn, 0., true);
    CoredImage back = got; /* the other half of the turn, by the description */
    static uint8_t planes[64 * 48 * 3];
    for (int p = 0; p < 3; p++) {
      back.stride[p] = -64;
      for (int y = 0; y < 48; y++) /* mirrored here, upside down by the stride */
        for (int x = 0; x < 64; x++)
          planes[p * 64 * 48 + y * 64 + x] = got.plane[p][y * got.stride[p] + 63 - x];
      back.plane[p] = planes + (ptrdiff_t)p * 64 * 48 + 64 * 47;
    }
    const Distance d = distance(&want, &back, 64, 48);
    if (!(d.largest <= 6. && d.mean <= 1.))
      fail_msg("%s, matrix %d, range %d, chroma %d: at most %.1f, mean %.2f apart",
               av_get_pix_fmt_name(frame->format), (int)frame->colorspace, (int)frame->color_range,
               (int)frame->chroma_location, d.largest, d.mean);
    av_frame_free(&frame);
  }
  cored_frame_view_clear(&straight);
  cored_frame_view_clear(&turned);
}

/* A quarter turn stands pixels on their side, and what was two fields becomes one. */
static void turned_frames_keep_their_shape(void **state) {
  (void)state;
  static const int32_t quarter[9] = {0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30};
  CoredFrameView view = {0};
  AVFrame *frame = frame_of(AV_PIX_FMT_YUV420P, 64, 48);
  CoredImage image = view_of(&view, frame, quarter, 4. / 3., true);
  assert_true(image.width == 48 && image.height == 64 && !image.interlaced);
  assert_true(fabs(image.pixel_aspect - 0.75) < 1e-12);
  set_interlaced(frame);
  image = view_of(&view, frame, quarter, 4. / 3., true);
  assert_true(image.width == 24 && image.height == 64 && !image.interlaced);
  assert_true(fabs(image.pixel_aspect - 1.5) < 1e-12);
  av_frame_free(&frame);
  cored_frame_view_clear(&view);
}

static void sizes_beyond_the_limit_are_named(void **state) {
  (void)state;
  CoredFrameView view = {0};
  const CoredFrameSource source = {.name = "wide"};
  CoredError error;
  CoredImage image;
  AVFrame *frame = frame_of(AV_PIX_FMT_GRAY8, 32768, 1);
  assert_true(cored_frame_view(&view, frame, &source, &image, &error));
  av_frame_free(&frame);
  frame = frame_of(AV_PIX_FMT_GRAY8, 1, 32769);
  assert_false(cored_frame_view(&view, frame, &source, &image, &error));
  assert_non_null(strstr(error.message, "1x32769"));
  assert_non_null(strstr(error.message, "32768"));
  av_frame_free(&frame);
  cored_frame_view_clear(&view);
}

static void pictures_of_other_kinds_are_named(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    const char *name;
  } kinds[] = {{"\0\0\0\x18"
                "ftypheic\0\0\0\0mif1heic",
                24, "HEIC"},
               {"\0\0\0\x18"
                "ftypmif1\0\0\0\0mif1heic",
                24, "HEIC"},
               {"\0\0\0\x18"
                "ftypavif\0\0\0\0mif1avif",
                24, "AVIF"},
               {"GIF89a\1\0\1\0\0\0\0", 13, "GIF"},
               {"II*\0\10\0\0\0\0\0", 10, "TIFF"},
               {"MM\0*\0\0\0\10\0\0", 10, "TIFF"},
               {"\0\0\0\x0cjP  \r\n\x87\n", 12, "JPEG 2000"},
               {"hello, world", 12, "not a JPEG, PNG, WebP or BMP picture"}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    uint8_t bytes[64] = {0};
    size_t size = kinds[i].size;
    CoredError error;
    memcpy(bytes, kinds[i].bytes, size);
    assert_int_equal(cored_picture_kind(bytes, size), CORED_PICTURE_UNKNOWN);
    assert_false(cored_picture_check(CORED_PICTURE_UNKNOWN, bytes, &size, 1 << 20, "p", &error));
    if (!strstr(error.message, kinds[i].name))
      fail_msg("'%s' does not name %s", error.message, kinds[i].name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(jpeg_colours_are_those_of_libjpeg),
      cmocka_unit_test(cmyk_pictures_have_their_colours),
      cmocka_unit_test(what_the_frame_says_is_carried),
      cmocka_unit_test(converted_frames_have_the_same_colours),
      cmocka_unit_test(turned_frames_keep_their_shape),
      cmocka_unit_test(sizes_beyond_the_limit_are_named),
      cmocka_unit_test(pictures_of_other_kinds_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
