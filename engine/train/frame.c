/* SPDX-License-Identifier: MIT */
#include "train/frame.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Formats the engine reads as they are. The J variants are the full-range twins of old. */
static const struct {
  enum AVPixelFormat av;
  CoredPixelFormat format;
  bool full;
} direct_formats[] = {
    {AV_PIX_FMT_YUV420P, CORED_PIXEL_I420, false},
    {AV_PIX_FMT_YUVA420P, CORED_PIXEL_I420, false},
    {AV_PIX_FMT_YUVJ420P, CORED_PIXEL_I420, true},
    {AV_PIX_FMT_YUV422P, CORED_PIXEL_Y42B, false},
    {AV_PIX_FMT_YUVJ422P, CORED_PIXEL_Y42B, true},
    {AV_PIX_FMT_YUV444P, CORED_PIXEL_Y444, false},
    {AV_PIX_FMT_YUVJ444P, CORED_PIXEL_Y444, true},
    {AV_PIX_FMT_NV12, CORED_PIXEL_NV12, false},
    {AV_PIX_FMT_GRAY8, CORED_PIXEL_GRAY8, true},
    {AV_PIX_FMT_RGB24, CORED_PIXEL_RGB, true},
    {AV_PIX_FMT_BGR24, CORED_PIXEL_BGR, true},
    {AV_PIX_FMT_RGBA, CORED_PIXEL_RGBX, true},
    {AV_PIX_FMT_RGB0, CORED_PIXEL_RGBX, true},
    {AV_PIX_FMT_BGRA, CORED_PIXEL_BGRX, true},
    {AV_PIX_FMT_BGR0, CORED_PIXEL_BGRX, true},
    {AV_PIX_FMT_ARGB, CORED_PIXEL_XRGB, true},
    {AV_PIX_FMT_ABGR, CORED_PIXEL_XBGR, true},
    {AV_PIX_FMT_YUV420P10LE, CORED_PIXEL_I420_10LE, false},
};

static bool describe(const AVFrame *frame, bool is_video, CoredImage *image) {
  for (size_t i = 0; i < sizeof direct_formats / sizeof direct_formats[0]; i++) {
    if (direct_formats[i].av != (enum AVPixelFormat)frame->format)
      continue;
    *image = (CoredImage){.format = direct_formats[i].format,
                          .width = frame->width,
                          .height = frame->height,
                          .range = direct_formats[i].full || frame->color_range == AVCOL_RANGE_JPEG
                                       ? CORED_RANGE_FULL
                                       : CORED_RANGE_LIMITED};
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
      image->matrix = CORED_MATRIX_BT709;
      break;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      image->matrix = CORED_MATRIX_BT2020;
      break;
    case AVCOL_SPC_UNSPECIFIED:
      image->matrix = is_video && frame->height > 576 ? CORED_MATRIX_BT709 : CORED_MATRIX_BT601;
      break;
    default:
      image->matrix = CORED_MATRIX_BT601;
    }
    for (int p = 0; p < 3; p++) {
      image->plane[p] = frame->data[p];
      image->stride[p] = frame->linesize[p];
    }
    return true;
  }
  return false;
}

static bool reserve(uint8_t **buffer, size_t *have, size_t want) {
  if (*have >= want)
    return true;
  uint8_t *grown = realloc(*buffer, want);
  if (!grown)
    return false;
  *buffer = grown;
  *have = want;
  return true;
}

static void describe_rgb(const uint8_t *rgb, int width, int height, CoredImage *image) {
  *image = (CoredImage){.format = CORED_PIXEL_RGB,
                        .width = width,
                        .height = height,
                        .plane = {rgb},
                        .stride = {(ptrdiff_t)width * 3},
                        .range = CORED_RANGE_FULL};
}

static bool convert_to_rgb(CoredFrameView *view, const AVFrame *frame, const char *name,
                           CoredImage *image, CoredError *error) {
  const char *format = av_get_pix_fmt_name(frame->format);
  view->scaler = sws_getCachedContext(view->scaler, frame->width, frame->height, frame->format,
                                      frame->width, frame->height, AV_PIX_FMT_RGB24,
                                      SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT |
                                          SWS_FULL_CHR_H_INP | SWS_BITEXACT,
                                      NULL, NULL, NULL);
  if (!view->scaler)
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': pixel format %s is not supported",
                           name, format ? format : "?");
  /* The scaler writes rows in blocks and may touch a few bytes past the last one. */
  if (!reserve(&view->rgb, &view->rgb_size, (size_t)frame->width * 3 * (size_t)frame->height + 64))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", name, frame->width,
                           frame->height);
  uint8_t *planes[4] = {view->rgb};
  const int strides[4] = {frame->width * 3};
  const uint8_t *const *source = (const uint8_t *const *)frame->data;
  if (sws_scale(view->scaler, source, frame->linesize, 0, frame->height, planes, strides) !=
      frame->height)
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': conversion from %s failed", name,
                           format ? format : "?");
  describe_rgb(view->rgb, frame->width, frame->height, image);
  return true;
}

/* A display matrix sends pixel (x, y) to (a x + c y, b x + d y); only the signs and which pair is
 * zero matter, the shift follows from them. */
static bool is_upright(const int32_t *m) {
  return !m || (m[0] > 0 && m[4] > 0 && m[1] == 0 && m[3] == 0);
}

static bool turn(CoredFrameView *view, const int32_t *m, const char *name, CoredImage *image,
                 CoredError *error) {
  const bool swap = m[0] == 0 && m[4] == 0 && m[1] != 0 && m[3] != 0;
  if (!swap && (m[1] != 0 || m[3] != 0 || m[0] == 0 || m[4] == 0))
    return cored_error_set(error, CORED_ERROR_DECODE,
                           "'%s': turned by an angle that is no multiple of 90", name);
  const int width = image->width, height = image->height;
  const int out_width = swap ? height : width, out_height = swap ? width : height;
  if (!reserve(&view->turned, &view->turned_size, (size_t)width * 3 * (size_t)height))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", name, width,
                           height);
  for (int q = 0; q < out_height; q++)
    for (int p = 0; p < out_width; p++) {
      const int along_x = swap ? q : p, along_y = swap ? p : q;
      const bool back_x = (swap ? m[1] : m[0]) < 0, back_y = (swap ? m[3] : m[4]) < 0;
      const int x = back_x ? width - 1 - along_x : along_x;
      const int y = back_y ? height - 1 - along_y : along_y;
      memcpy(view->turned + ((size_t)q * (size_t)out_width + (size_t)p) * 3,
             image->plane[0] + (ptrdiff_t)y * image->stride[0] + (ptrdiff_t)x * 3, 3);
    }
  describe_rgb(view->turned, out_width, out_height, image);
  return true;
}

bool cored_frame_view(CoredFrameView *view, const AVFrame *frame, const int32_t *matrix,
                      bool is_video, const char *name, CoredImage *image, CoredError *error) {
  if (frame->width < 1 || frame->height < 1 || frame->width > 32768 || frame->height > 32768)
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': %dx%d pixels", name, frame->width,
                           frame->height);
  if (is_upright(matrix) && describe(frame, is_video, image))
    return true;
  return convert_to_rgb(view, frame, name, image, error) &&
         (is_upright(matrix) || turn(view, matrix, name, image, error));
}

void cored_frame_view_clear(CoredFrameView *view) {
  sws_freeContext(view->scaler);
  free(view->rgb);
  free(view->turned);
  *view = (CoredFrameView){0};
}
