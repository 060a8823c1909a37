/* SPDX-License-Identifier: MIT */
#include "train/data/frame.h"

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vision/image/picture.h"

/* Formats the engine reads as they are. The J variants are the full-range twins of old. */
static const struct {
  enum AVPixelFormat av;
  CoredPixelFormat format;
} direct_formats[] = {
    {AV_PIX_FMT_YUV420P, CORED_PIXEL_I420},
    {AV_PIX_FMT_YUVA420P, CORED_PIXEL_I420},
    {AV_PIX_FMT_YUVJ420P, CORED_PIXEL_I420},
    {AV_PIX_FMT_YUV422P, CORED_PIXEL_Y42B},
    {AV_PIX_FMT_YUVJ422P, CORED_PIXEL_Y42B},
    {AV_PIX_FMT_YUV444P, CORED_PIXEL_Y444},
    {AV_PIX_FMT_YUVJ444P, CORED_PIXEL_Y444},
    {AV_PIX_FMT_YUVA422P, CORED_PIXEL_Y42B},
    {AV_PIX_FMT_YUVA444P, CORED_PIXEL_Y444},
    {AV_PIX_FMT_NV12, CORED_PIXEL_NV12},
    {AV_PIX_FMT_NV21, CORED_PIXEL_NV21},
    {AV_PIX_FMT_YUYV422, CORED_PIXEL_YUY2},
    {AV_PIX_FMT_UYVY422, CORED_PIXEL_UYVY},
    {AV_PIX_FMT_GRAY8, CORED_PIXEL_GRAY8},
    {AV_PIX_FMT_RGB24, CORED_PIXEL_RGB},
    {AV_PIX_FMT_BGR24, CORED_PIXEL_BGR},
    {AV_PIX_FMT_RGBA, CORED_PIXEL_RGBX},
    {AV_PIX_FMT_RGB0, CORED_PIXEL_RGBX},
    {AV_PIX_FMT_BGRA, CORED_PIXEL_BGRX},
    {AV_PIX_FMT_BGR0, CORED_PIXEL_BGRX},
    {AV_PIX_FMT_ARGB, CORED_PIXEL_XRGB},
    {AV_PIX_FMT_ABGR, CORED_PIXEL_XBGR},
    {AV_PIX_FMT_YUV420P10LE, CORED_PIXEL_I420_10LE},
    {AV_PIX_FMT_P010LE, CORED_PIXEL_P010_10LE},
};

/* How a frame's samples are to be read. */
typedef struct Colour {
  CoredColorMatrix matrix;
  CoredColorRange range;
  CoredChromaSite site;
} Colour;

static CoredColorMatrix matrix_of(const AVFrame *frame, bool is_video) {
  switch (frame->colorspace) {
  case AVCOL_SPC_BT709:
  case AVCOL_SPC_SMPTE240M: /* the nearest, as in the element */
    return CORED_MATRIX_BT709;
  case AVCOL_SPC_BT2020_NCL:
  case AVCOL_SPC_BT2020_CL:
    return CORED_MATRIX_BT2020;
  case AVCOL_SPC_UNSPECIFIED:
    return is_video && frame->height > 576 ? CORED_MATRIX_BT709 : CORED_MATRIX_BT601;
  default:
    return CORED_MATRIX_BT601;
  }
}

/* The J formats say "full" by their name; gray does in pictures, but not in video. */
static CoredColorRange range_of(const AVFrame *frame, bool is_video) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
  const bool by_name = format && strncmp(format->name, "yuvj", 4) == 0;
  const bool gray = format && format->nb_components <= 2;
  if (frame->color_range == AVCOL_RANGE_UNSPECIFIED)
    return by_name || (gray && !is_video) ? CORED_RANGE_FULL : CORED_RANGE_LIMITED;
  return by_name || frame->color_range == AVCOL_RANGE_JPEG ? CORED_RANGE_FULL : CORED_RANGE_LIMITED;
}

/* Pictures (JFIF, WebP) have their chroma in the middle whatever a video decoder inside says. */
static CoredChromaSite site_of(const AVFrame *frame, bool is_video) {
  if (!is_video)
    return CORED_CHROMA_CENTER;
  switch (frame->chroma_location) {
  case AVCHROMA_LOC_CENTER:
  case AVCHROMA_LOC_BOTTOM:
    return CORED_CHROMA_CENTER;
  case AVCHROMA_LOC_TOPLEFT:
    return CORED_CHROMA_TOPLEFT;
  case AVCHROMA_LOC_TOP:
    return CORED_CHROMA_TOP;
  default:
    return CORED_CHROMA_LEFT;
  }
}

static Colour colour_of(const AVFrame *frame, bool is_video) {
  return (Colour){matrix_of(frame, is_video), range_of(frame, is_video), site_of(frame, is_video)};
}

static bool is_interlaced(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
  return frame->flags & AV_FRAME_FLAG_INTERLACED;
#else
  return frame->interlaced_frame;
#endif
}

/* What does not depend on how the pixels are stored. */
static void describe_geometry(const AVFrame *frame, const CoredFrameSource *source,
                              CoredImage *image) {
  image->interlaced = source->is_video && is_interlaced(frame);
  image->pixel_aspect = source->is_video ? source->pixel_aspect : 0.;
}

static bool describe(const AVFrame *frame, const CoredFrameSource *source, CoredImage *image) {
  const Colour colour = colour_of(frame, source->is_video);
  for (size_t i = 0; i < sizeof direct_formats / sizeof direct_formats[0]; i++) {
    if (direct_formats[i].av != (enum AVPixelFormat)frame->format)
      continue;
    *image = (CoredImage){.format = direct_formats[i].format,
                          .width = frame->width,
                          .height = frame->height,
                          .matrix = colour.matrix,
                          .range = colour.range,
                          .chroma_site = colour.site};
    for (int p = 0; p < 3; p++) {
      image->plane[p] = frame->data[p];
      image->stride[p] = frame->linesize[p];
    }
    describe_geometry(frame, source, image);
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

/* What the view's memory holds: rows without gaps, one plane behind the other. */
typedef struct Packing {
  CoredPixelFormat format;
  int n_planes, bytes; /* of a pixel in each plane */
} Packing;

static const Packing packed_rgb = {CORED_PIXEL_RGB, 1, 3};
static const Packing packed_yuv = {CORED_PIXEL_Y444, 3, 1};
static const Packing packed_gray = {CORED_PIXEL_GRAY8, 1, 1};

static const Packing *packing_of(const AVFrame *frame) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
  if (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL))
    return &packed_rgb;
  return format->nb_components <= 2 ? &packed_gray : &packed_yuv;
}

static size_t plane_bytes(const Packing *packing, int width, int height) {
  return (size_t)width * (size_t)height * (size_t)packing->bytes;
}

/* The other members of the image stay. */
static void point_at(uint8_t *memory, const Packing *packing, int width, int height,
                     CoredImage *image) {
  image->format = packing->format;
  image->width = width;
  image->height = height;
  for (int p = 0; p < 3; p++) {
    image->plane[p] =
        p < packing->n_planes ? memory + (size_t)p * plane_bytes(packing, width, height) : NULL;
    image->stride[p] = (ptrdiff_t)width * packing->bytes;
  }
}

/* Full range is told apart from the format; swscale warns of the J formats. */
static enum AVPixelFormat plain_format(enum AVPixelFormat format) {
  switch (format) {
  case AV_PIX_FMT_YUVJ411P:
    return AV_PIX_FMT_YUV411P;
  case AV_PIX_FMT_YUVJ420P:
    return AV_PIX_FMT_YUV420P;
  case AV_PIX_FMT_YUVJ422P:
    return AV_PIX_FMT_YUV422P;
  case AV_PIX_FMT_YUVJ440P:
    return AV_PIX_FMT_YUV440P;
  case AV_PIX_FMT_YUVJ444P:
    return AV_PIX_FMT_YUV444P;
  default:
    return format;
  }
}

/* The nearest format of 8 bits a sample in planes (RGB packed), with the same subsampling, so that
 * swscale has nothing to interpolate. */
static enum AVPixelFormat target_of(const AVFrame *frame) {
  static const enum AVPixelFormat planar[3][3] = {
      {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV440P, AV_PIX_FMT_NONE},
      {AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV420P, AV_PIX_FMT_NONE},
      {AV_PIX_FMT_YUV411P, AV_PIX_FMT_NONE, AV_PIX_FMT_YUV410P}};
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
  const Packing *packing = packing_of(frame);
  if (packing != &packed_yuv)
    return packing == &packed_rgb ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_GRAY8;
  return format->log2_chroma_w <= 2 && format->log2_chroma_h <= 2
             ? planar[format->log2_chroma_w][format->log2_chroma_h]
             : AV_PIX_FMT_NONE;
}

static bool set_up_scaler(struct SwsContext *scaler, const AVFrame *frame, bool full) {
  const int *coefficients = sws_getCoefficients(SWS_CS_DEFAULT);
  const struct {
    const char *name;
    int64_t value;
  } options[] = {{"srcw", frame->width},
                 {"srch", frame->height},
                 {"src_format", plain_format(frame->format)},
                 {"dstw", frame->width},
                 {"dsth", frame->height},
                 {"dst_format", target_of(frame)},
                 {"sws_flags", SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT |
                                   SWS_FULL_CHR_H_INP | SWS_BITEXACT},
                 {"src_range", full},
                 {"dst_range", full}};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    if (av_opt_set_int(scaler, options[i].name, options[i].value, 0) < 0)
      return false;
  if (sws_init_context(scaler, NULL, NULL) < 0)
    return false;
  sws_setColorspaceDetails(scaler, coefficients, full, coefficients, full, 0, 1 << 16, 1 << 16);
  return true;
}

/* The scaler of the last frame if this one is read in the same way. */
static bool prepare_scaler(CoredFrameView *view, const AVFrame *frame, bool full) {
  const int key[] = {frame->width, frame->height, frame->format, full};
  _Static_assert(sizeof key == sizeof view->scaler_key, "one number for each");
  if (view->scaler && memcmp(key, view->scaler_key, sizeof key) == 0)
    return true;
  sws_freeContext(view->scaler);
  view->scaler = sws_alloc_context();
  if (view->scaler && set_up_scaler(view->scaler, frame, full)) {
    memcpy(view->scaler_key, key, sizeof key);
    return true;
  }
  sws_freeContext(view->scaler);
  view->scaler = NULL;
  return false;
}

/* 8 bits a sample in planes of their own size, RGB packed: in *planar, whose buffers are its own or
 * the frame's. */
static bool make_planar(CoredFrameView *view, const AVFrame *frame, const CoredFrameSource *source,
                        bool full, AVFrame *planar, CoredError *error) {
  const char *format = av_get_pix_fmt_name(frame->format);
  const enum AVPixelFormat target = format ? target_of(frame) : AV_PIX_FMT_NONE;
  if (target == plain_format(frame->format))
    return av_frame_ref(planar, frame) >= 0 ||
           cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': frame", source->name);
  if (target == AV_PIX_FMT_NONE || !prepare_scaler(view, frame, full))
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': pixel format %s is not supported",
                           source->name, format ? format : "?");
  planar->format = target;
  planar->width = frame->width;
  planar->height = frame->height;
  if (av_frame_get_buffer(planar, 0) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", source->name,
                           frame->width, frame->height);
  const uint8_t *const *data = (const uint8_t *const *)frame->data;
  return sws_scale(view->scaler, data, frame->linesize, 0, frame->height, planar->data,
                   planar->linesize) == frame->height ||
         cored_error_set(error, CORED_ERROR_DECODE, "'%s': conversion from %s failed", source->name,
                         format);
}

static bool reserve_packed(CoredFrameView *view, int width, int height, const char *name,
                           CoredError *error) {
  return reserve(&view->packed, &view->packed_size, (size_t)width * 3 * (size_t)height) ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", name, width, height);
}

/* ---- Chroma at the size of the luma ---------------------------------------------------------- */

/* A chroma plane, to be enlarged bilinearly between the chroma samples where they lie, which is
 * libjpeg's "fancy upsampling". swscale places the chroma of odd sizes elsewhere. */
typedef struct ChromaPlane {
  const uint8_t *data;
  ptrdiff_t stride;
  int log2_across, log2_down;        /* subsampling, 0..2 */
  bool cosited_across, cosited_down; /* the first sample lies on the first luma sample, else in the
                                        middle of those it stands for */
} ChromaPlane;

typedef struct Tap { /* sample at, and part of 256 of the next */
  int at, part;
} Tap;

/* In units of half a luma sample, of which a chroma sample has 2 << sub. */
static Tap tap_of(int luma, int sub, bool cosited, int n) {
  const int unit = 2 << sub, position = 2 * luma - (cosited ? 0 : (1 << sub) - 1);
  if (position < 0)
    return (Tap){0, 0};
  const Tap tap = {position / unit, position % unit * (256 / unit)};
  return tap.at < n - 1 ? tap : (Tap){n - 1, 0};
}

static int samples(int luma, int sub) {
  return (luma + (1 << sub) - 1) >> sub;
}

/* out[height, width], of the luma's size. taps has room for 2 * width, line for width elements. */
static void enlarge_chroma(const ChromaPlane *plane, uint8_t *out, int width, int height, int *taps,
                           uint16_t *line) {
  const int n = samples(width, plane->log2_across), rows = samples(height, plane->log2_down);
  for (int x = 0; x < width; x++) {
    const Tap tap = tap_of(x, plane->log2_across, plane->cosited_across, n);
    taps[2 * x] = tap.at;
    taps[2 * x + 1] = tap.part;
  }
  for (int y = 0; y < height; y++, out += width) {
    const Tap tap = tap_of(y, plane->log2_down, plane->cosited_down, rows);
    const uint8_t *a = plane->data + plane->stride * tap.at;
    const uint8_t *b = tap.part ? a + plane->stride : a;
    for (int x = 0; x < n; x++)
      line[x] = (uint16_t)(a[x] * (256 - tap.part) + b[x] * tap.part);
    for (int x = 0; x < width; x++) {
      const uint16_t *p = line + taps[2 * x];
      const uint32_t part = (uint32_t)taps[2 * x + 1];
      const uint32_t next = part ? p[1] : 0;
      out[x] = (uint8_t)((p[0] * (256 - part) + next * part + 32768) >> 16);
    }
  }
}

/* ---- Planes to packed pixels ----------------------------------------------------------------- */

/* taps: room for three numbers a column. */
static void pack_plane(const AVFrame *planar, int plane, CoredChromaSite site,
                       const Packing *packing, uint8_t *out, int *taps) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(planar->format);
  const size_t row = (size_t)planar->width * (size_t)packing->bytes;
  if (plane == 0 || format->log2_chroma_w + format->log2_chroma_h == 0) {
    for (int y = 0; y < planar->height; y++)
      memcpy(out + (size_t)y * row, planar->data[plane] + (ptrdiff_t)y * planar->linesize[plane],
             row);
    return;
  }
  const ChromaPlane chroma = {
      .data = planar->data[plane],
      .stride = planar->linesize[plane],
      .log2_across = format->log2_chroma_w,
      .log2_down = format->log2_chroma_h,
      .cosited_across = site == CORED_CHROMA_LEFT || site == CORED_CHROMA_TOPLEFT,
      .cosited_down = site == CORED_CHROMA_TOP || site == CORED_CHROMA_TOPLEFT};
  enlarge_chroma(&chroma, out, planar->width, planar->height, taps,
                 (uint16_t *)(void *)(taps + 2 * (ptrdiff_t)planar->width));
}

static bool pack(CoredFrameView *view, const AVFrame *planar, const CoredFrameSource *source,
                 CoredChromaSite site, CoredError *error) {
  const Packing *packing = packing_of(planar);
  int *taps = malloc((size_t)planar->width * 3 * sizeof *taps);
  const bool ok = taps && reserve_packed(view, planar->width, planar->height, source->name, error);
  if (!taps)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", source->name,
                    planar->width, planar->height);
  for (int p = 0; ok && p < packing->n_planes; p++)
    pack_plane(planar, p, site, packing,
               view->packed + (size_t)p * plane_bytes(packing, planar->width, planar->height),
               taps);
  free(taps);
  return ok;
}

static bool convert(CoredFrameView *view, const AVFrame *frame, const CoredFrameSource *source,
                    CoredImage *image, CoredError *error) {
  const Colour colour = colour_of(frame, source->is_video);
  AVFrame *planar = av_frame_alloc();
  if (!planar)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': frame", source->name);
  const bool ok =
      make_planar(view, frame, source, colour.range == CORED_RANGE_FULL, planar, error) &&
      pack(view, planar, source, colour.site, error);
  av_frame_free(&planar);
  if (!ok)
    return false;
  *image = (CoredImage){.matrix = colour.matrix, .range = colour.range};
  point_at(view->packed, packing_of(frame), frame->width, frame->height, image);
  describe_geometry(frame, source, image);
  return true;
}

/* A display matrix sends pixel (x, y) to (a x + c y, b x + d y); only the signs and which pair is
 * zero matter, the shift follows from them. */
static bool is_upright(const int32_t *m) {
  return !m || (m[0] > 0 && m[4] > 0 && m[1] == 0 && m[3] == 0);
}

/* Of two fields only the one that is looked at is turned: its lines become columns. */
static void take_field(CoredImage *image) {
  if (cored_image_interleave(image) == 2)
    image->pixel_aspect = (image->pixel_aspect == 0. ? 1. : image->pixel_aspect) / 2.;
  *image = cored_image_seen(image);
}

typedef struct Turn {
  bool swap, back_x, back_y; /* seen from the turned picture */
} Turn;

static void turn_plane(const Turn *turn, const uint8_t *plane, ptrdiff_t stride, int width,
                       int height, int bytes, uint8_t *out) {
  const int out_width = turn->swap ? height : width, out_height = turn->swap ? width : height;
  for (int q = 0; q < out_height; q++)
    for (int p = 0; p < out_width; p++, out += bytes) {
      const int along_x = turn->swap ? q : p, along_y = turn->swap ? p : q;
      const int x = turn->back_x ? width - 1 - along_x : along_x;
      const int y = turn->back_y ? height - 1 - along_y : along_y;
      memcpy(out, plane + (ptrdiff_t)y * stride + (ptrdiff_t)x * bytes, (size_t)bytes);
    }
}

static bool turn(CoredFrameView *view, const CoredFrameSource *source, const Packing *packing,
                 CoredImage *image, CoredError *error) {
  const int32_t *m = source->display_matrix;
  const bool swap = m[0] == 0 && m[4] == 0 && m[1] != 0 && m[3] != 0;
  if (!swap && (m[1] != 0 || m[3] != 0 || m[0] == 0 || m[4] == 0))
    return cored_error_set(error, CORED_ERROR_DECODE,
                           "'%s': turned by an angle that is no multiple of 90", source->name);
  take_field(image);
  const int width = image->width, height = image->height;
  const Turn how = {swap, (swap ? m[1] : m[0]) < 0, (swap ? m[3] : m[4]) < 0};
  const size_t each = plane_bytes(packing, width, height);
  if (!reserve(&view->turned, &view->turned_size, each * (size_t)packing->n_planes))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", source->name, width,
                           height);
  for (int p = 0; p < packing->n_planes; p++)
    turn_plane(&how, image->plane[p], image->stride[p], width, height, packing->bytes,
               view->turned + (size_t)p * each);
  point_at(view->turned, packing, swap ? height : width, swap ? width : height, image);
  if (swap && image->pixel_aspect != 0.)
    image->pixel_aspect = 1. / image->pixel_aspect;
  return true;
}

static bool turn_upright(CoredFrameView *view, const CoredFrameSource *source,
                         const Packing *packing, CoredImage *image, CoredError *error) {
  return is_upright(source->display_matrix) || turn(view, source, packing, image, error);
}

bool cored_frame_view(CoredFrameView *view, const AVFrame *frame, const CoredFrameSource *source,
                      CoredImage *image, CoredError *error) {
  if (frame->width < 1 || frame->height < 1 || frame->width > CORED_MAX_PICTURE_SIDE ||
      frame->height > CORED_MAX_PICTURE_SIDE)
    return cored_error_set(
        error, CORED_ERROR_DECODE, "'%s': %dx%d pixels, allowed are 1x1 to %dx%d", source->name,
        frame->width, frame->height, CORED_MAX_PICTURE_SIDE, CORED_MAX_PICTURE_SIDE);
  if (is_upright(source->display_matrix) && describe(frame, source, image))
    return true;
  return convert(view, frame, source, image, error) &&
         turn_upright(view, source, packing_of(frame), image, error);
}

uint8_t *cored_frame_view_rgb(CoredFrameView *view, int width, int height, const char *name,
                              CoredError *error) {
  return reserve_packed(view, width, height, name, error) ? view->packed : NULL;
}

bool cored_frame_view_own(CoredFrameView *view, int width, int height,
                          const CoredFrameSource *source, CoredImage *image, CoredError *error) {
  *image = (CoredImage){.range = CORED_RANGE_FULL};
  point_at(view->packed, &packed_rgb, width, height, image);
  return turn_upright(view, source, &packed_rgb, image, error);
}

void cored_frame_view_clear(CoredFrameView *view) {
  sws_freeContext(view->scaler);
  free(view->packed);
  free(view->turned);
  *view = (CoredFrameView){0};
}
