/* SPDX-License-Identifier: MIT
 * Time of a face search in an I420 picture of noise with smooth shapes, one thread. One line per
 * case: cascade or network, picture, smallest face, median and fastest milliseconds of CPU time.
 * Exits with 77 where OpenCV's cascades are not installed. */
#include "cored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 21 };

typedef struct Case {
  const char *cascade;
  int width, height, min_size;
  double scale_factor;
} Case;

#define LBP "lbpcascades/lbpcascade_frontalface_improved"
#define LBP_SMALL "lbpcascades/lbpcascade_frontalface"
#define HAAR "haarcascades/haarcascade_frontalface_default"
#define HAAR_TREES "haarcascades/haarcascade_frontalface_alt2"

#define NETWORK "yunet-n.safetensors"

static const Case cases[] = {
    {NETWORK, 640, 360, 80, 1.1},      {NETWORK, 640, 360, 40, 1.1},
    {NETWORK, 1920, 1080, 160, 1.1},   {NETWORK, 1920, 1080, 96, 1.1},
    {NETWORK, 1920, 1080, 64, 1.1},    {LBP, 640, 360, 80, 1.1},
    {LBP_SMALL, 640, 360, 80, 1.1},    {HAAR, 640, 360, 80, 1.1},
    {HAAR_TREES, 640, 360, 80, 1.1},   {LBP, 640, 360, 80, 1.2},
    {LBP, 1280, 720, 160, 1.1},        {HAAR, 1280, 720, 160, 1.1},
    {LBP, 1920, 1080, 80, 1.1},        {LBP, 1920, 1080, 160, 1.1},
    {LBP_SMALL, 1920, 1080, 160, 1.1}, {LBP, 1920, 1080, 64, 1.1},
    {LBP, 1920, 1080, 64, 1.2},        {LBP_SMALL, 1920, 1080, 64, 1.1},
    {HAAR_TREES, 1920, 1080, 64, 1.1},
};

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Blurred noise at several scales: a cascade rejects it about as late as a natural scene. */
static void paint(uint8_t *luma, int width, int height) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double value = 128;
      for (int cell = 4; cell <= 128; cell *= 2) {
        const unsigned key = (unsigned)(x / cell) * 73856093u ^ (unsigned)(y / cell) * 19349663u ^
                             (unsigned)cell * 83492791u;
        value += ((key * 2654435761u >> 24) / 255. - 0.5) * 40;
      }
      luma[(size_t)y * (size_t)width + (size_t)x] = (uint8_t)(value < 0     ? 0
                                                              : value > 255 ? 255
                                                                            : value);
    }
}

static CoredLocator *open_locator(const char *name, CoredError *error) {
  const CoredModelLoadParams params = {.kind = CORED_MODEL_LOCATOR};
  char path[512];
  if (strcmp(name, NETWORK) != 0) {
    snprintf(path, sizeof path, "/usr/share/opencv4/%s.xml", name);
    return cored_locator_new_cascade(path, error);
  }
  CoredModel *const model = cored_model_load(MODELS NETWORK, &params, error);
  CoredLocator *const locator = model ? cored_locator_new_network(model, 1, error) : NULL;
  cored_model_unref(model);
  return locator;
}

static bool run_case(const Case *c, const uint8_t *luma) {
  static uint8_t chroma[960 * 540];
  CoredError error;
  CoredFace faces[16];
  int n = 0;
  CoredLocator *const locator = open_locator(c->cascade, &error);
  if (!locator) {
    printf("skip: %s\n", error.message);
    return false;
  }
  memset(chroma, 128, sizeof chroma);
  const CoredImage picture = {.format = CORED_PIXEL_I420,
                              .width = c->width,
                              .height = c->height,
                              .plane = {luma, chroma, chroma},
                              .stride = {c->width, c->width / 2, c->width / 2}};
  const CoredLocatorParams params = {
      .scale_factor = c->scale_factor, .min_neighbors = 3, .min_size = c->min_size};
  double times[RUNS];
  for (int i = -2; i < RUNS; i++) {
    const double start = now_ms();
    if (!cored_locator_find(locator, &picture, &params, faces, 16, &n, &error)) {
      printf("%s\n", error.message);
      exit(1);
    }
    if (i >= 0)
      times[i] = now_ms() - start;
  }
  qsort(times, RUNS, sizeof *times, by_value);
  printf("%-44s %4dx%-4d min %3d step %.1f: median %6.2f ms  fastest %6.2f ms\n", c->cascade,
         c->width, c->height, c->min_size, c->scale_factor, times[RUNS / 2], times[0]);
  cored_locator_free(locator);
  return true;
}

int main(void) {
  uint8_t *const luma = malloc((size_t)1920 * 1080);
  if (!luma)
    return 1;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    paint(luma, cases[i].width, cases[i].height);
    if (!run_case(&cases[i], luma))
      return 77;
  }
  free(luma);
  return 0;
}
