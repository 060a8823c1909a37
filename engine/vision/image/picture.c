/* SPDX-License-Identifier: MIT */
#include "vision/image/picture.h"

#include "base/error.h"

/* Real material has 1/2 to 2; a search for faces costs the ratio's multiple. */
#define MAX_PIXEL_ASPECT 8.

/* Rows of the table, by shape. pu and pv are the planes of U and V. */
#define PLANAR_YUV(hs, vs, pu, pv, bytes, bits)                                                    \
  {                                                                                                \
    .kind = CORED_KIND_YUV, .n_planes = 3, .n_components = 3, .sample_bytes = bytes,               \
    .depth = bits, .group_samples = {1, 1, 1}, .plane_h_sub = {0, hs, hs},                         \
    .plane_v_sub = {0, vs, vs}, .component = {                                                     \
      {0, 0, 1, 0, 0},                                                                             \
      {pu, 0, 1, hs, vs},                                                                          \
      {pv, 0, 1, hs, vs}                                                                           \
    }                                                                                              \
  }
#define SEMI_PLANAR_YUV(ou, ov, bytes, bits, low)                                                  \
  {                                                                                                \
    .kind = CORED_KIND_YUV, .n_planes = 2, .n_components = 3, .sample_bytes = bytes,               \
    .depth = bits, .shift = low, .group_samples = {1, 2}, .plane_h_sub = {0, 1},                   \
    .plane_v_sub = {0, 1}, .component = {                                                          \
      {0, 0, 1, 0, 0},                                                                             \
      {1, ou, 2, 1, 1},                                                                            \
      {1, ov, 2, 1, 1}                                                                             \
    }                                                                                              \
  }
#define PACKED_YUV(oy, ou, ov)                                                                     \
  {                                                                                                \
    .kind = CORED_KIND_YUV, .n_planes = 1, .n_components = 3, .sample_bytes = 1, .depth = 8,       \
    .group_shift = 1, .group_samples = {4}, .component = {                                         \
      {0, oy, 2, 0, 0},                                                                            \
      {0, ou, 4, 1, 0},                                                                            \
      {0, ov, 4, 1, 0}                                                                             \
    }                                                                                              \
  }
#define PACKED_RGB(step, r, g, b)                                                                  \
  {                                                                                                \
    .kind = CORED_KIND_RGB, .n_planes = 1, .n_components = 3, .sample_bytes = 1, .depth = 8,       \
    .group_samples = {step}, .component = {                                                        \
      {0, r, step, 0, 0},                                                                          \
      {0, g, step, 0, 0},                                                                          \
      {0, b, step, 0, 0}                                                                           \
    }                                                                                              \
  }

static const CoredPixelLayout layouts[CORED_N_PIXEL_FORMATS] = {
    [CORED_PIXEL_I420] = PLANAR_YUV(1, 1, 1, 2, 1, 8),
    [CORED_PIXEL_YV12] = PLANAR_YUV(1, 1, 2, 1, 1, 8),
    [CORED_PIXEL_NV12] = SEMI_PLANAR_YUV(0, 1, 1, 8, 0),
    [CORED_PIXEL_NV21] = SEMI_PLANAR_YUV(1, 0, 1, 8, 0),
    [CORED_PIXEL_Y42B] = PLANAR_YUV(1, 0, 1, 2, 1, 8),
    [CORED_PIXEL_Y444] = PLANAR_YUV(0, 0, 1, 2, 1, 8),
    [CORED_PIXEL_YUY2] = PACKED_YUV(0, 1, 3),
    [CORED_PIXEL_UYVY] = PACKED_YUV(1, 0, 2),
    [CORED_PIXEL_RGB] = PACKED_RGB(3, 0, 1, 2),
    [CORED_PIXEL_BGR] = PACKED_RGB(3, 2, 1, 0),
    [CORED_PIXEL_RGBX] = PACKED_RGB(4, 0, 1, 2),
    [CORED_PIXEL_BGRX] = PACKED_RGB(4, 2, 1, 0),
    [CORED_PIXEL_XRGB] = PACKED_RGB(4, 1, 2, 3),
    [CORED_PIXEL_XBGR] = PACKED_RGB(4, 3, 2, 1),
    [CORED_PIXEL_GRAY8] = {.kind = CORED_KIND_GRAY,
                           .n_planes = 1,
                           .n_components = 1,
                           .sample_bytes = 1,
                           .depth = 8,
                           .group_samples = {1},
                           .component = {{0, 0, 1, 0, 0}}},
    [CORED_PIXEL_I420_10LE] = PLANAR_YUV(1, 1, 1, 2, 2, 10),
    [CORED_PIXEL_P010_10LE] = SEMI_PLANAR_YUV(0, 1, 2, 10, 6),
};

const CoredPixelLayout *cored_pixel_layout(CoredPixelFormat format) {
  return (unsigned)format < CORED_N_PIXEL_FORMATS ? &layouts[format] : NULL;
}

int cored_component_side(int side, int sub) {
  return (side + (1 << sub) - 1) >> sub;
}

size_t cored_plane_row_bytes(const CoredPixelLayout *layout, int plane, int width) {
  const int groups =
      cored_component_side(width, plane == 0 ? layout->group_shift : layout->plane_h_sub[plane]);
  return (size_t)groups * layout->group_samples[plane] * layout->sample_bytes;
}

static bool check_plane(const CoredImage *image, const CoredPixelLayout *layout, int p,
                        CoredError *error) {
  if (!image->plane[p])
    return cored_error_set(error, CORED_ERROR_IMAGE, "picture: plane %d of %d is missing", p,
                           layout->n_planes);
  const size_t need = cored_plane_row_bytes(layout, p, image->width);
  const ptrdiff_t stride = image->stride[p];
  const int rows = cored_component_side(image->height, layout->plane_v_sub[p]);
  ptrdiff_t extent;
  if (__builtin_mul_overflow(stride, (ptrdiff_t)rows, &extent))
    return cored_error_set(error, CORED_ERROR_IMAGE,
                           "picture: plane %d: stride %td times %d rows exceeds the address space",
                           p, stride, rows);
  if ((size_t)(stride < 0 ? -stride : stride) < need)
    return cored_error_set(error, CORED_ERROR_IMAGE,
                           "picture: plane %d: a row of %d pixels needs %zu bytes, the stride is "
                           "%td",
                           p, image->width, need, stride);
  return true;
}

bool cored_image_check(const CoredImage *image, CoredError *error) {
  const CoredPixelLayout *const layout = cored_pixel_layout(image->format);
  if (!layout)
    return cored_error_set(error, CORED_ERROR_IMAGE, "picture: unknown pixel format %d",
                           (int)image->format);
  if (image->width < 1 || image->height < 1 || image->width > CORED_MAX_PICTURE_SIDE ||
      image->height > CORED_MAX_PICTURE_SIDE)
    return cored_error_set(
        error, CORED_ERROR_IMAGE, "picture: size must be 1x1 to %dx%d pixels, got %dx%d",
        CORED_MAX_PICTURE_SIDE, CORED_MAX_PICTURE_SIDE, image->width, image->height);
  if ((unsigned)image->matrix > CORED_MATRIX_BT2020 || (unsigned)image->range > CORED_RANGE_FULL)
    return cored_error_set(error, CORED_ERROR_IMAGE,
                           "picture: unknown colour matrix %d or range %d", (int)image->matrix,
                           (int)image->range);
  if ((unsigned)image->chroma_site > CORED_CHROMA_TOP)
    return cored_error_set(error, CORED_ERROR_IMAGE, "picture: unknown chroma site %d",
                           (int)image->chroma_site);
  if (!(image->pixel_aspect == 0. ||
        (image->pixel_aspect >= 1. / MAX_PIXEL_ASPECT && image->pixel_aspect <= MAX_PIXEL_ASPECT)))
    return cored_error_set(error, CORED_ERROR_IMAGE,
                           "picture: pixels must be 1/%g to %g times as wide as high, not %g",
                           MAX_PIXEL_ASPECT, MAX_PIXEL_ASPECT, image->pixel_aspect);
  for (int p = 0; p < layout->n_planes; p++)
    if (!check_plane(image, layout, p, error))
      return false;
  return true;
}

CoredPixelShape cored_pixel_shape(const CoredImage *image) {
  const double aspect = image->pixel_aspect == 0. ? 1. : image->pixel_aspect;
  return aspect >= 1. ? (CoredPixelShape){aspect, 1.} : (CoredPixelShape){1., 1. / aspect};
}

int cored_image_interleave(const CoredImage *image) {
  return image->interlaced && image->height > 1 ? 2 : 1;
}

CoredImage cored_image_seen(const CoredImage *image) {
  const int step = cored_image_interleave(image);
  CoredImage seen = *image;
  seen.height = (image->height + step - 1) / step;
  seen.interlaced = false;
  for (size_t p = 0; p < sizeof seen.stride / sizeof seen.stride[0]; p++)
    seen.stride[p] *= step;
  return seen;
}

CoredBox cored_box_seen(const CoredImage *image, const CoredBox *box) {
  const int step = cored_image_interleave(image);
  return (CoredBox){box->x, box->y / step, box->w, box->h / step};
}
