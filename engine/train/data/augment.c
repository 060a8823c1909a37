/* SPDX-License-Identifier: MIT */
#include "train/data/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "base/error.h"

enum { MAX_RADIUS = 64 };

struct CoredAugmenter {
  int width, height;
  float mean[3], std[3];
  float *blurred;      /* [h, w, 3] */
  uint8_t *rgb;        /* [h, w, 3] */
  unsigned char *file; /* grows to the largest JPEG */
  unsigned long file_size;
};

CoredAugmentParams cored_augment_params_default(bool first_task) {
  return (CoredAugmentParams){.flip = 0.5,
                              .cutmix =
                                  first_task ? CORED_CUTMIX_SAME_CLASS : CORED_CUTMIX_OTHER_CLASS,
                              .cutmix_rate = first_task ? 0.5 : 0.2,
                              .cutmix_beta = first_task ? 1.0 : 0.5,
                              .jpeg_lowest = 30,
                              .jpeg_highest = 100,
                              .blur_sigma = 3.0};
}

static int clip(int x, int high) {
  return x < 0 ? 0 : x > high ? high : x;
}

CoredCutBox cored_augment_cut_box(CoredRandom *random, int width, int height, double beta) {
  const double side = sqrt(1.0 - cored_random_beta(random, beta));
  const int half_w = (int)(width * side) / 2, half_h = (int)(height * side) / 2;
  const int x = (int)cored_random_below(random, (uint64_t)width);
  const int y = (int)cored_random_below(random, (uint64_t)height);
  return (CoredCutBox){clip(x - half_w, width), clip(y - half_h, height), clip(x + half_w, width),
                       clip(y + half_h, height)};
}

void cored_augment_paste(float *x, const float *from, int width, CoredCutBox box) {
  for (int row = box.y0; row < box.y1 && box.x1 > box.x0; row++) {
    const size_t at = ((size_t)row * (size_t)width + (size_t)box.x0) * 3;
    memcpy(x + at, from + at, (size_t)(box.x1 - box.x0) * 3 * sizeof *x);
  }
}

void cored_augment_flip(float *x, int width, int height) {
  for (int row = 0; row < height; row++) {
    float *left = x + (size_t)row * (size_t)width * 3, *right = left + ((size_t)width - 1) * 3;
    for (; left < right; left += 3, right -= 3)
      for (int c = 0; c < 3; c++) {
        const float swap = left[c];
        left[c] = right[c];
        right[c] = swap;
      }
  }
}

CoredAugmenter *cored_augmenter_new(int width, int height, const float mean[3], const float std[3],
                                    CoredError *error) {
  const size_t n = (size_t)width * (size_t)height * 3;
  CoredAugmenter *augmenter = calloc(1, sizeof *augmenter);
  if (augmenter) {
    augmenter->width = width;
    augmenter->height = height;
    memcpy(augmenter->mean, mean, sizeof augmenter->mean);
    memcpy(augmenter->std, std, sizeof augmenter->std);
    augmenter->blurred = malloc(n * sizeof *augmenter->blurred);
    augmenter->rgb = malloc(n);
    if (augmenter->blurred && augmenter->rgb)
      return augmenter;
  }
  cored_augmenter_free(augmenter);
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "augmentation of %dx%d inputs", width, height);
  return NULL;
}

void cored_augmenter_free(CoredAugmenter *augmenter) {
  if (!augmenter)
    return;
  free(augmenter->blurred);
  free(augmenter->rgb);
  free(augmenter->file);
  free(augmenter);
}

/* y[i] = sum over k of g[k] x[clip(i + k)] along one line of n pixels that are step floats apart;
 * three channels side by side. */
static void blur_line(const float *x, float *y, int n, size_t step, const float *g, int radius) {
  for (int i = 0; i < n; i++) {
    float sum[3] = {0};
    for (int k = -radius; k <= radius; k++) {
      const float *p = x + (size_t)clip(i + k, n - 1) * step;
      for (int c = 0; c < 3; c++)
        sum[c] += g[k + radius] * p[c];
    }
    memcpy(y + (size_t)i * step, sum, sizeof sum);
  }
}

void cored_augment_blur(CoredAugmenter *augmenter, float *x, double sigma) {
  float g[2 * MAX_RADIUS + 1];
  const int width = augmenter->width, height = augmenter->height;
  const int radius = (int)fmin(ceil(3.0 * sigma), MAX_RADIUS);
  double sum = 0.0;
  if (!(sigma > 0.0))
    return;
  for (int k = -radius; k <= radius; k++)
    sum += exp(-0.5 * k * k / (sigma * sigma));
  for (int k = -radius; k <= radius; k++)
    g[k + radius] = (float)(exp(-0.5 * k * k / (sigma * sigma)) / sum);
  for (int row = 0; row < height; row++) {
    const size_t at = (size_t)row * (size_t)width * 3;
    blur_line(x + at, augmenter->blurred + at, width, 3, g, radius);
  }
  for (int column = 0; column < width; column++) {
    const size_t at = (size_t)column * 3;
    blur_line(augmenter->blurred + at, x + at, height, (size_t)width * 3, g, radius);
  }
}

/* libjpeg's way out of an error is a long jump; only lack of memory can cause one here. */
typedef struct JpegErrors {
  struct jpeg_error_mgr base;
  jmp_buf back;
} JpegErrors;

static void leave(j_common_ptr info) {
  longjmp(((JpegErrors *)info->err)->back, 1);
}

static void say_nothing(j_common_ptr info, int level) {
  (void)info;
  (void)level;
}

static struct jpeg_error_mgr *quiet_errors(JpegErrors *errors) {
  struct jpeg_error_mgr *base = jpeg_std_error(&errors->base);
  base->error_exit = leave;
  base->emit_message = say_nothing;
  return base;
}

static bool compress(CoredAugmenter *augmenter, int quality) {
  struct jpeg_compress_struct info;
  JpegErrors errors;
  info.err = quiet_errors(&errors);
  if (setjmp(errors.back)) {
    jpeg_destroy_compress(&info);
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &augmenter->file, &augmenter->file_size);
  info.image_width = (JDIMENSION)augmenter->width;
  info.image_height = (JDIMENSION)augmenter->height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  info.dct_method = JDCT_ISLOW;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = augmenter->rgb + (size_t)info.next_scanline * (size_t)augmenter->width * 3;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

static bool decompress(CoredAugmenter *augmenter) {
  struct jpeg_decompress_struct info;
  JpegErrors errors;
  info.err = quiet_errors(&errors);
  if (setjmp(errors.back)) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, augmenter->file, augmenter->file_size);
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = augmenter->rgb + (size_t)info.output_scanline * (size_t)augmenter->width * 3;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

bool cored_augment_jpeg(CoredAugmenter *augmenter, float *x, int quality) {
  const size_t n = (size_t)augmenter->width * (size_t)augmenter->height * 3;
  for (size_t i = 0; i < n; i++) {
    const float level = (x[i] * augmenter->std[i % 3] + augmenter->mean[i % 3]) * 255.0F;
    augmenter->rgb[i] = (uint8_t)lrintf(fminf(fmaxf(level, 0.0F), 255.0F));
  }
  /* jpeg_mem_dest takes a buffer only with its size; a fresh one each time keeps ownership simple.
   */
  free(augmenter->file);
  augmenter->file = NULL;
  augmenter->file_size = 0;
  if (!compress(augmenter, quality) || !decompress(augmenter))
    return false;
  for (size_t i = 0; i < n; i++)
    x[i] = ((float)augmenter->rgb[i] / 255.0F - augmenter->mean[i % 3]) / augmenter->std[i % 3];
  return true;
}

/* The draws are made in one fixed order whatever is switched on, so that switching one change off
 * leaves the others as they were. */
bool cored_augment_sample(CoredAugmenter *augmenter, const CoredAugmentParams *params,
                          CoredRandom *random, float *x) {
  const bool flip = cored_random_uniform(random) < params->flip;
  const bool blur = cored_random_uniform(random) < params->blur;
  const double sigma = cored_random_uniform(random) * params->blur_sigma;
  const bool jpeg = cored_random_uniform(random) < params->jpeg;
  const double quality = cored_random_uniform(random);
  if (flip)
    cored_augment_flip(x, augmenter->width, augmenter->height);
  if (blur)
    cored_augment_blur(augmenter, x, sigma);
  if (!jpeg)
    return true;
  const int n_qualities = params->jpeg_highest - params->jpeg_lowest + 1;
  return cored_augment_jpeg(augmenter, x, params->jpeg_lowest + (int)(quality * n_qualities));
}
