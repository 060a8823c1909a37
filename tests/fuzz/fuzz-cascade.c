/* SPDX-License-Identifier: MIT
 * Cascade files: what the reader takes must also be safe to evaluate. */
#include <string.h>

#include "../unit/cascade-text.h"
#include "cored.h"
#include "fuzz.h"
#include "vision/faces/cascade-locator.h"
#include "vision/faces/cascade-file.h"

enum { WIDTH = 72, HEIGHT = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  CoredCascade *const cascade = cored_cascade_parse((const char *)data, size, "fuzz", NULL);
  if (!cascade)
    return 0;
  CoredLocator *const locator = cored_cascade_locator_new(cascade, NULL);
  if (!locator)
    return 0;
  uint8_t luma[WIDTH * HEIGHT];
  CoredFace faces[8];
  int n;
  for (size_t i = 0; i < sizeof luma; i++)
    luma[i] = (uint8_t)(i * 2654435761u >> 9);
  const CoredImage image = {.format = CORED_PIXEL_GRAY8,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {luma},
                            .stride = {WIDTH}};
  cored_locator_find(locator, &image, NULL, faces, 8, &n, NULL);
  cored_locator_free(locator);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const char *const seeds[] = {CASCADE_HAAR, CASCADE_LBP};
  if (index >= sizeof seeds / sizeof *seeds)
    return 0;
  const size_t size = strlen(seeds[index]);
  if (size > max)
    return 0;
  memcpy(out, seeds[index], size);
  return size;
}
