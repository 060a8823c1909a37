/* SPDX-License-Identifier: MIT */
#include "train/data/chroma.h"

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

void cored_chroma_enlarge(const CoredChromaPlane *plane, uint8_t *out, int width, int height,
                          int *taps, uint16_t *line) {
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
