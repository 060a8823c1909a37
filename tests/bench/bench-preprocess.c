/* SPDX-License-Identifier: MIT
 * Time of the preprocessor per picture, one thread, for each instruction set of this machine.
 * One line per case: name, instruction set, median and fastest microseconds of CPU time. */
#include "cored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 1920, HEIGHT = 1080, RUNS = 101 };

typedef struct Case {
  const char *name;
  CoredPixelFormat format;
  CoredBox box;
  int out;
  double angle;
} Case;

static const Case cases[] = {
    {"400x400 of 1080p I420 to 128", CORED_PIXEL_I420, {760, 340, 400, 400}, 128, 0.},
    {"400x400 of 1080p NV12 to 128", CORED_PIXEL_NV12, {760, 340, 400, 400}, 128, 0.},
    {"400x400 of 1080p YUY2 to 128", CORED_PIXEL_YUY2, {760, 340, 400, 400}, 128, 0.},
    {"400x400 of 1080p BGRx to 128", CORED_PIXEL_BGRX, {760, 340, 400, 400}, 128, 0.},
    {"400x400 of 1080p RGB to 128", CORED_PIXEL_RGB, {760, 340, 400, 400}, 128, 0.},
    {"400x400 of 1080p P010 to 128", CORED_PIXEL_P010_10LE, {760, 340, 400, 400}, 128, 0.},
    {"80x80 of 1080p I420 to 128", CORED_PIXEL_I420, {760.5, 340.25, 80, 80}, 128, 0.},
    {"1080p I420 to 299", CORED_PIXEL_I420, {0, 0, WIDTH, HEIGHT}, 299, 0.},
    {"1080p RGB to 299", CORED_PIXEL_RGB, {0, 0, WIDTH, HEIGHT}, 299, 0.},
    {"400x400 turned, I420 to 128", CORED_PIXEL_I420, {760, 340, 400, 400}, 128, 0.3},
    {"80x80 turned, I420 to 128", CORED_PIXEL_I420, {760.5, 340.25, 80, 80}, 128, 0.3},
    {"400x400 of 1080p I420 to 299", CORED_PIXEL_I420, {760, 340, 400, 400}, 299, 0.},
    {"400x400 turned, I420 to 299", CORED_PIXEL_I420, {760, 340, 400, 400}, 299, 0.3},
};

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The bytes of all formats come from one buffer of noise, large enough for the largest. */
static CoredImage picture_of(CoredPixelFormat format, const uint8_t *noise) {
  const int bytes = format == CORED_PIXEL_BGRX                                      ? 4
                    : format == CORED_PIXEL_RGB                                     ? 3
                    : format == CORED_PIXEL_YUY2 || format == CORED_PIXEL_P010_10LE ? 2
                                                                                    : 1;
  const ptrdiff_t stride = (ptrdiff_t)WIDTH * bytes;
  const ptrdiff_t chroma = format == CORED_PIXEL_I420 ? stride / 2 : stride;
  return (CoredImage){.format = format,
                      .width = WIDTH,
                      .height = HEIGHT,
                      .plane = {noise, noise + 5000000, noise + 6000000},
                      .stride = {stride, chroma, chroma}};
}

static void run_case(const Case *c, const uint8_t *noise, unsigned cpu, const char *isa) {
  static const float half[3] = {0.5f, 0.5f, 0.5f};
  CoredPreprocessor *const p = cored_preprocessor_new(c->out, c->out, half, half, cpu, NULL);
  float *const out = malloc((size_t)c->out * c->out * 3 * sizeof *out);
  if (!p || !out)
    abort();
  const CoredImage picture = picture_of(c->format, noise);
  const CoredCropArea area = {c->box, c->angle};
  double times[RUNS];
  for (int i = -3; i < RUNS; i++) {
    const double start = now_us();
    if (!cored_preprocessor_run_area(p, &picture, &area, out, NULL))
      abort();
    if (i >= 0)
      times[i] = now_us() - start;
  }
  qsort(times, RUNS, sizeof *times, by_value);
  printf("%-32s %-7s median %7.1f us  fastest %7.1f us\n", c->name, isa, times[RUNS / 2], times[0]);
  free(out);
  cored_preprocessor_free(p);
}

int main(void) {
  const size_t size = (size_t)WIDTH * HEIGHT * 4;
  uint8_t *const noise = malloc(size);
  if (!noise)
    return 1;
  for (size_t i = 0; i < size; i++)
    noise[i] = (uint8_t)(i * 2654435761u >> 13);
  static const struct {
    unsigned mask;
    const char *name;
  } isas[] = {
      {CORED_CPU_C, "c"}, {CORED_CPU_AVX2, "avx2"}, {CORED_CPU_AVX2 | CORED_CPU_AVX512, "avx512"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t k = 0; k < sizeof isas / sizeof *isas; k++)
      if ((isas[k].mask & cored_cpu_flags()) == isas[k].mask)
        run_case(&cases[i], noise, isas[k].mask, isas[k].name);
  free(noise);
  return 0;
}
