/* SPDX-License-Identifier: MIT */
#include "vision/image/luma.h"

#include "vision/image/picture.h"

#include <math.h>
#include <string.h>

typedef uint16_t Word __attribute__((aligned(1), may_alias));

bool cored_luma_needs_buffer(const CoredImage *image) {
  const CoredPixelLayout *const layout = cored_pixel_layout(image->format);
  return layout->kind == CORED_KIND_RGB || layout->sample_bytes != 1 ||
         layout->component[0].step != 1;
}

static void rgb_row(const CoredPixelLayout *layout, const uint8_t *src, uint8_t *dst, int n) {
  const CoredComponent *const c = layout->component;
  const int step = c[0].step;
  const uint8_t *const r = src + c[0].offset, *const g = src + c[1].offset;
  const uint8_t *const b = src + c[2].offset;
  for (int i = 0; i < n; i++)
    dst[i] =
        (uint8_t)((9798 * r[i * step] + 19235 * g[i * step] + 3735 * b[i * step] + 16384) >> 15);
}

static void luma_row(const CoredPixelLayout *layout, const uint8_t *src, uint8_t *dst, int n) {
  const CoredComponent *const c = &layout->component[0];
  const int shift = layout->shift + layout->depth - 8;
  if (layout->sample_bytes == 2)
    for (int i = 0; i < n; i++) {
      const int value = ((const Word *)(const void *)src)[i] >> shift;
      dst[i] = (uint8_t)(value < 255 ? value : 255);
    }
  else
    for (int i = 0; i < n; i++)
      dst[i] = src[c->offset + i * c->step];
}

void cored_luma_row(const CoredImage *image, int x, int y, int n, uint8_t *dst) {
  const CoredPixelLayout *const layout = cored_pixel_layout(image->format);
  const int step = layout->sample_bytes == 2 ? 2 : layout->component[0].step;
  const uint8_t *const src = image->plane[0] + image->stride[0] * y + x * step;
  if (layout->kind == CORED_KIND_RGB)
    rgb_row(layout, src, dst, n);
  else
    luma_row(layout, src, dst, n);
}

CoredLuma cored_luma_of(const CoredImage *image, uint8_t *buffer) {
  CoredLuma luma = {image->width, image->height, image->plane[0], image->stride[0]};
  if (!cored_luma_needs_buffer(image))
    return luma;
  for (int y = 0; y < image->height; y++)
    cored_luma_row(image, 0, y, image->width, buffer + (size_t)y * (size_t)image->width);
  luma.data = buffer;
  luma.stride = image->width;
  return luma;
}

void cored_luma_taps(int src, int dst, int *at, int *part) {
  const double scale = (double)src / dst;
  for (int i = 0; i < dst; i++) {
    const double pos = scale * (i + 0.5) - 0.5;
    const int cell = (int)floor(pos);
    if (cell < 0) {
      at[i] = 0;
      part[i] = 0;
    } else if (cell >= src - 1) {
      at[i] = src - 2;
      part[i] = 256;
    } else {
      at[i] = cell;
      part[i] = (int)lrint((pos - cell) * 256.);
    }
  }
}

/* The vertical blend first: it runs over whole rows, and integer products do not care. */
void cored_luma_resize(const CoredLuma *src, uint8_t *dst, int width, int height, const int *x_at,
                       const int *x_part, uint16_t *line) {
  for (int y = 0; y < height; y++) {
    const double pos = (double)src->height / height * (y + 0.5) - 0.5;
    int row = (int)floor(pos);
    int part = (int)lrint((pos - row) * 256.);
    if (row < 0)
      row = part = 0;
    if (row >= src->height - 1) {
      row = src->height - 2;
      part = 256;
    }
    const uint8_t *const a = src->data + src->stride * row, *const b = a + src->stride;
    for (int x = 0; x < src->width; x++)
      line[x] = (uint16_t)(a[x] * (256 - part) + b[x] * part);
    uint8_t *const out = dst + (size_t)y * (size_t)width;
    for (int x = 0; x < width; x++) {
      const uint16_t *const p = line + x_at[x];
      const uint32_t w = (uint32_t)x_part[x];
      out[x] = (uint8_t)((p[0] * (256 - w) + p[1] * w + 32768) >> 16);
    }
  }
}

static void sum_rows(const uint8_t *src, int width, int height, ptrdiff_t stride, uint32_t *sum) {
  memset(sum, 0, ((size_t)width + 1) * sizeof *sum);
  for (int y = 0; y < height; y++, src += width) {
    const uint32_t *const above = sum + 1;
    uint32_t *const out = sum + stride + 1;
    uint32_t row = 0;
    out[-1] = 0;
    for (int x = 0; x < width; x++) {
      row += src[x];
      out[x] = above[x] + row;
    }
    sum += stride;
  }
}

static void square_rows(const uint8_t *src, int width, int height, ptrdiff_t stride,
                        uint32_t *sum) {
  memset(sum, 0, ((size_t)width + 1) * sizeof *sum);
  for (int y = 0; y < height; y++, src += width) {
    const uint32_t *const above = sum + 1;
    uint32_t *const out = sum + stride + 1;
    uint32_t row = 0;
    out[-1] = 0;
    for (int x = 0; x < width; x++) {
      row += (uint32_t)src[x] * src[x];
      out[x] = above[x] + row;
    }
    sum += stride;
  }
}

/* T[y][x] = T[y-1][x-1] + T[y-1][x+1] - T[y-2][x] + I[y-1][x-1] + I[y-2][x-1]. Outside the
 * picture I is 0, so that T[y][-1] = T[y-1][0] and T[y][w+1] = T[y-1][w]; with these the sum at
 * both ends of a row becomes what is written below. */
static void tilted_rows(const uint8_t *src, int width, int height, ptrdiff_t stride, uint32_t *t) {
  memset(t, 0, ((size_t)width + 1) * sizeof *t);
  t[stride] = 0;
  for (int x = 0; x < width; x++)
    t[stride + x + 1] = src[x];
  for (int y = 2; y <= height; y++) {
    const uint8_t *const i1 = src + (ptrdiff_t)(y - 1) * width, *const i2 = i1 - width;
    const uint32_t *const t1 = t + (y - 1) * stride, *const t2 = t1 - stride;
    uint32_t *const out = t + y * stride;
    out[0] = t1[1];
    for (int x = 1; x < width; x++)
      out[x] = t1[x - 1] + t1[x + 1] - t2[x] + i1[x - 1] + i2[x - 1];
    out[width] = t1[width - 1] + i1[width - 1] + i2[width - 1];
  }
}

void cored_luma_integrals(const uint8_t *src, int width, int height, ptrdiff_t stride,
                          uint32_t *sum, uint32_t *squares, uint32_t *tilted) {
  sum_rows(src, width, height, stride, sum);
  if (squares)
    square_rows(src, width, height, stride, squares);
  if (tilted)
    tilted_rows(src, width, height, stride, tilted);
}
