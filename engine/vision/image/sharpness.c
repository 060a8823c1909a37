/* SPDX-License-Identifier: MIT
 * How sharp a part of a picture is, whatever its size and contrast: min(1, r / 0.3) with
 * r^2 = var(L) / (var(Y) + 4), Y the luma averaged to cells and L its 4-neighbour Laplacian. A
 * sharp face has 0.6 to 1; blurred with a sigma of a 40th of its width it has a median of 0.4.
 * Noise counts as detail. */
#include "vision/image/luma.h"
#include "vision/image/picture.h"

#include <math.h>

/* The box's luma is averaged down to a side of at most this many cells, so that only blur counts
 * that is seen at that size. */
#define MAX_CELLS 64

/* r of a picture that is called fully sharp. */
#define SHARP 0.3
/* Added to the variance of the luma: two levels of deviation are no contrast, and a flat box, where
 * all is rounding, stays at 0. */
#define NO_CONTRAST 4.
/* Rows of a cell that are looked at: large faces need not be read whole. */
#define ROWS_OF_CELL 8
/* Pixels at a time. */
#define SPAN 256

typedef struct Cells {
  int w, h;
  double value[MAX_CELLS][MAX_CELLS];
} Cells;

typedef struct Area { /* whole pixels inside the picture */
  int x, y, w, h;
} Area;

static Area area_of(const CoredImage *image, const CoredBox *box) {
  const double x0 = fmax(0., floor(box->x)), y0 = fmax(0., floor(box->y));
  const double x1 = fmin(image->width, ceil(box->x + box->w));
  const double y1 = fmin(image->height, ceil(box->y + box->h));
  if (!(x1 - x0 >= 3.) || !(y1 - y0 >= 3.))
    return (Area){0};
  return (Area){(int)x0, (int)y0, (int)(x1 - x0), (int)(y1 - y0)};
}

static unsigned sum_of(const CoredImage *image, int x, int y, int n) {
  uint8_t luma[SPAN];
  unsigned sum = 0;
  for (int at = 0; at < n; at += SPAN) {
    const int part = n - at < SPAN ? n - at : SPAN;
    cored_luma_row(image, x + at, y, part, luma);
    for (int i = 0; i < part; i++)
      sum += luma[i];
  }
  return sum;
}

/* The mean luma of the pixels [x0, x1) x [y0, y1). */
static double mean_of(const CoredImage *image, int x0, int y0, int x1, int y1) {
  const int step = (y1 - y0 + ROWS_OF_CELL - 1) / ROWS_OF_CELL;
  double sum = 0.;
  int rows = 0;
  for (int y = y0; y < y1; y += step, rows++)
    sum += sum_of(image, x0, y, x1 - x0);
  return sum / rows / (x1 - x0);
}

static int edge(int start, int length, int cells, int i) {
  return start + (int)((int64_t)length * i / cells);
}

static void average(const CoredImage *image, const Area *a, Cells *cells) {
  cells->w = a->w < MAX_CELLS ? a->w : MAX_CELLS;
  cells->h = a->h < MAX_CELLS ? a->h : MAX_CELLS;
  for (int r = 0; r < cells->h; r++)
    for (int c = 0; c < cells->w; c++)
      cells->value[r][c] =
          mean_of(image, edge(a->x, a->w, cells->w, c), edge(a->y, a->h, cells->h, r),
                  edge(a->x, a->w, cells->w, c + 1), edge(a->y, a->h, cells->h, r + 1));
}

typedef struct Moments {
  double sum, squares;
  int n;
} Moments;

static void count(Moments *m, double value) {
  m->sum += value;
  m->squares += value * value;
  m->n++;
}

static double variance(const Moments *m) {
  const double mean = m->sum / m->n;
  return fmax(0., m->squares / m->n - mean * mean);
}

double cored_sharpness(const CoredImage *image, const CoredBox *face) {
  const CoredImage seen = cored_image_seen(image);
  const CoredBox box = cored_box_seen(image, face);
  const Area area = area_of(&seen, &box);
  Cells cells;
  Moments luma = {0}, detail = {0};
  if (!area.w)
    return 0.;
  average(&seen, &area, &cells);
  for (int r = 0; r < cells.h; r++)
    for (int c = 0; c < cells.w; c++)
      count(&luma, cells.value[r][c]);
  for (int r = 1; r < cells.h - 1; r++)
    for (int c = 1; c < cells.w - 1; c++)
      count(&detail, 4. * cells.value[r][c] - cells.value[r - 1][c] - cells.value[r + 1][c] -
                         cells.value[r][c - 1] - cells.value[r][c + 1]);
  const double r = sqrt(variance(&detail) / (variance(&luma) + NO_CONTRAST));
  return fmin(1., r / SHARP);
}
