/* SPDX-License-Identifier: MIT
 * From a region of a raw picture to network input, upright or turned (turn.h).
 *
 * Each output row is made in one go: per plane a vertical pass over the needed bytes (interleaved
 * components together), per component a horizontal pass, then colour and normalization. Nothing
 * but a few rows of floats is ever stored between. YUV planes are resized as they are and
 * converted at output resolution; values outside 0..1 are clipped after the conversion.
 *
 * Chroma siting: where the first chroma sample lies s luma samples behind the first luma sample,
 * the edge at luma position x is at x/2 + 1/4 - s/2 on the chroma axis. s is 0 or 1/2 by the
 * picture's site. Down a field it is half of that: in 4:2:0 the chroma of the top field lies a
 * quarter of the field's line distance below its luma (ISO/IEC 13818-2, figure 6-2). */
#include "vision/image/picture.h"
#include "vision/image/resize.h"
#include "vision/image/turn.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OUT_SIDE 4096
#define MAX_BOX 131072. /* largest side and farthest corner of a box, pixels */
#define MIN_BOX (1. / 1024)
#define MAX_ANGLE 6.2832 /* a turn, and rounding */

struct CoredPreprocessor {
  int out_width, out_height;
  float mean[3], std[3];
  const CoredResizeKernels *kernels;
  CoredAxisStore axes;
  float *scratch;
  size_t scratch_size; /* floats */
  float *upright;      /* what a turned region is sampled from */
  size_t upright_size; /* floats */
};

/* One plane and one component on their way through a run. */
typedef struct PlanePass {
  const uint8_t *rows; /* the first needed sample of plane row 0 */
  ptrdiff_t stride;
  const CoredAxis *vertical;
  size_t begin, n; /* needed samples of each row */
  size_t pad;      /* what horizontal passes may read behind them */
  float *blended;  /* [n + pad] */
} PlanePass;

typedef struct ComponentPass {
  int plane, step;
  size_t offset; /* of the first needed sample in the plane's blended row */
  const CoredAxis *horizontal;
  float *line;    /* [horizontal->n + horizontal->padded], unused where step is 1 */
  float *resized; /* [columns rounded up to 4] */
} ComponentPass;

/* What to make: a region of the picture as it is seen, at a size. */
typedef struct Target {
  CoredBox box;
  int columns, rows;
  double widen; /* as in CoredAxisKey */
} Target;

typedef struct Run {
  const CoredPixelLayout *layout;
  Target target;
  PlanePass plane[3];
  ComponentPass component[3];
  CoredColorMap map;
} Run;

static bool all_in_range(const float *values, float low, float high) {
  for (int c = 0; c < 3; c++)
    if (!(values[c] >= low && values[c] <= high))
      return false;
  return true;
}

CoredPreprocessor *cored_preprocessor_new(int out_width, int out_height, const float mean[3],
                                          const float std[3], unsigned cpu, CoredError *error) {
  if (out_width < 1 || out_height < 1 || out_width > MAX_OUT_SIDE || out_height > MAX_OUT_SIDE) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "preprocessor: output size must be 1x1 to %dx%d, got %dx%d", MAX_OUT_SIDE,
                    MAX_OUT_SIDE, out_width, out_height);
    return NULL;
  }
  if (!all_in_range(mean, -1e3f, 1e3f) || !all_in_range(std, 1e-6f, 1e6f)) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "preprocessor: mean must be finite and std positive, got mean %g %g %g, "
                    "std %g %g %g",
                    (double)mean[0], (double)mean[1], (double)mean[2], (double)std[0],
                    (double)std[1], (double)std[2]);
    return NULL;
  }
  CoredPreprocessor *const p = calloc(1, sizeof *p);
  if (!p) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "preprocessor: no memory");
    return NULL;
  }
  p->out_width = out_width;
  p->out_height = out_height;
  memcpy(p->mean, mean, sizeof p->mean);
  memcpy(p->std, std, sizeof p->std);
  p->kernels = cored_resize_kernels(cpu);
  return p;
}

void cored_preprocessor_free(CoredPreprocessor *preprocessor) {
  if (!preprocessor)
    return;
  cored_axis_store_clear(&preprocessor->axes);
  free(preprocessor->scratch);
  free(preprocessor->upright);
  free(preprocessor);
}

static bool reaches_into(const CoredImage *image, const CoredBox *box) {
  return box->x < image->width && box->y < image->height && box->x + box->w > 0 &&
         box->y + box->h > 0;
}

static bool refuse_box(const CoredImage *image, const CoredBox *box, const char *why,
                       CoredError *error) {
  return cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "preprocessor: box %g,%g %gx%g %s of the %dx%d picture", box->x, box->y,
                         box->w, box->h, why, image->width, image->height);
}

static bool check_box(const CoredImage *image, const CoredBox *box, CoredError *error) {
  const bool sane = box->w >= MIN_BOX && box->h >= MIN_BOX && box->w <= MAX_BOX &&
                    box->h <= MAX_BOX && fabs(box->x) <= MAX_BOX && fabs(box->y) <= MAX_BOX;
  return sane || refuse_box(image, box, "is empty or absurd: no part", error);
}

/* shown: the upright box around what is read of the picture for the box. */
static bool check_shown(const CoredImage *image, const CoredBox *box, const CoredBox *shown,
                        CoredError *error) {
  return reaches_into(image, shown) || refuse_box(image, box, "holds no pixel", error);
}

static bool check_angle(double angle, CoredError *error) {
  if (!(fabs(angle) <= MAX_ANGLE))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "preprocessor: an area is turned by one turn (2 pi) at most, not by %g",
                           angle);
  return true;
}

/* Kr and Kb of ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance). */
static const double luma_weights[][2] = {
    [CORED_MATRIX_BT601] = {0.299, 0.114},
    [CORED_MATRIX_BT709] = {0.2126, 0.0722},
    [CORED_MATRIX_BT2020] = {0.2627, 0.0593},
};

static CoredColorMap color_map(const CoredPreprocessor *p, const CoredImage *image,
                               const CoredPixelLayout *layout) {
  CoredColorMap map = {0};
  const double unit = 1 << layout->shift; /* sample value of the smallest step */
  const double peak = (1 << layout->depth) - 1, step = 1 << (layout->depth - 8);
  const bool limited = layout->kind != CORED_KIND_RGB && image->range == CORED_RANGE_LIMITED;
  const double y_span = limited ? 219 * step : peak, c_span = limited ? 224 * step : peak;
  const double kr = luma_weights[image->matrix][0], kb = luma_weights[image->matrix][1];
  const double kg = 1 - kr - kb;
  map.y_scale = (float)(1 / (y_span * unit));
  map.y_offset = (float)(limited ? -16 * step / y_span : 0.);
  map.c_scale = (float)(1 / (c_span * unit));
  map.c_offset = (float)(-128 * step / c_span);
  map.rv = (float)(2 * (1 - kr));
  map.bu = (float)(2 * (1 - kb));
  map.gu = (float)(-2 * (1 - kb) * kb / kg);
  map.gv = (float)(-2 * (1 - kr) * kr / kg);
  for (int c = 0; c < 3; c++) {
    map.scale[c] = 1.f / p->std[c];
    map.bias[c] = -p->mean[c] / p->std[c];
  }
  return map;
}

/* A box side on a component's axis. */
static CoredAxisKey axis_key(double start, double len, double widen, int side, int sub, double site,
                             int out) {
  const double factor = 1. / (1 << sub);
  return (CoredAxisKey){.start = start * factor + (sub ? 0.25 - 0.5 * site : 0.),
                        .len = len * factor,
                        .widen = widen,
                        .in = cored_component_side(side, sub),
                        .out = out};
}

/* How many luma samples of what is seen the first chroma sample lies behind the first luma sample.
 */
typedef struct Site {
  double across, down;
} Site;

static Site site_of(const CoredImage *image) {
  static const Site sites[] = {[CORED_CHROMA_LEFT] = {0., 0.5},
                               [CORED_CHROMA_CENTER] = {0.5, 0.5},
                               [CORED_CHROMA_TOPLEFT] = {0., 0.},
                               [CORED_CHROMA_TOP] = {0.5, 0.}};
  const Site site = sites[image->chroma_site];
  return (Site){site.across, site.down / cored_image_interleave(image)};
}

static bool find_tables(CoredPreprocessor *p, const CoredImage *image, const Site *site, Run *run) {
  const Target *const to = &run->target;
  for (int c = 0; c < run->layout->n_components; c++) {
    const CoredComponent *const comp = &run->layout->component[c];
    const CoredAxisKey across = axis_key(to->box.x, to->box.w, to->widen, image->width, comp->h_sub,
                                         site->across, to->columns);
    const CoredAxisKey down =
        axis_key(to->box.y, to->box.h, to->widen, image->height, comp->v_sub, site->down, to->rows);
    PlanePass *const plane = &run->plane[comp->plane];
    ComponentPass *const pass = &run->component[c];
    pass->plane = comp->plane;
    pass->step = comp->step;
    pass->horizontal = cored_axis_store_get(&p->axes, &across);
    plane->vertical = cored_axis_store_get(&p->axes, &down);
    if (!pass->horizontal || !plane->vertical)
      return false;
    const size_t first = comp->offset + (size_t)pass->horizontal->lo * comp->step;
    const size_t end = first + (size_t)(pass->horizontal->n - 1) * comp->step + 1;
    pass->offset = first;
    const size_t old_end = plane->begin + plane->n;
    plane->begin = plane->n && plane->begin < first ? plane->begin : first;
    plane->n = (end > old_end ? end : old_end) - plane->begin;
    const size_t pad = (size_t)pass->horizontal->padded;
    plane->pad = pad > plane->pad ? pad : plane->pad;
  }
  return true;
}

static size_t line_length(const ComponentPass *pass) {
  return (size_t)pass->horizontal->n + (size_t)pass->horizontal->padded;
}

/* Hand out the scratch memory, growing it when this run needs more than any before. Everything is
 * bounded by the picture's width, so the sums cannot wrap. */
static bool lay_out_scratch(CoredPreprocessor *p, Run *run) {
  const size_t out = ((size_t)run->target.columns + 3) & ~(size_t)3;
  size_t need = 0;
  for (int i = 0; i < run->layout->n_planes; i++)
    need += run->plane[i].n + run->plane[i].pad;
  for (int c = 0; c < run->layout->n_components; c++)
    need += line_length(&run->component[c]) + out;
  if (need > p->scratch_size) {
    float *const grown = realloc(p->scratch, need * sizeof *grown);
    if (!grown)
      return false;
    p->scratch = grown;
    p->scratch_size = need;
  }
  /* The padding is multiplied by zero weights and must be finite. */
  memset(p->scratch, 0, need * sizeof *p->scratch);
  float *next = p->scratch;
  for (int i = 0; i < run->layout->n_planes; i++) {
    run->plane[i].blended = next;
    next += run->plane[i].n + run->plane[i].pad;
  }
  for (int c = 0; c < run->layout->n_components; c++) {
    ComponentPass *const pass = &run->component[c];
    pass->offset -= run->plane[pass->plane].begin;
    pass->line = next;
    next += line_length(pass);
    pass->resized = next;
    next += out;
  }
  return true;
}

static void point_at_planes(const CoredImage *image, Run *run) {
  for (int i = 0; i < run->layout->n_planes; i++) {
    PlanePass *const plane = &run->plane[i];
    plane->stride = image->stride[i];
    plane->rows = image->plane[i] + plane->begin * run->layout->sample_bytes +
                  plane->stride * plane->vertical->lo;
  }
}

static void blend_plane(const CoredResizeKernels *k, const PlanePass *plane, int sample_bytes,
                        int y) {
  const CoredAxis *const axis = plane->vertical;
  const uint8_t *const rows = plane->rows + plane->stride * axis->first[y];
  const float *const coef = axis->coef + (size_t)y * axis->padded;
  if (sample_bytes == 1)
    k->vertical_u8(plane->blended, rows, plane->stride, coef, axis->count[y], plane->n);
  else
    k->vertical_u16(plane->blended, rows, plane->stride, coef, axis->count[y], plane->n);
}

static void make_row(const CoredPreprocessor *p, const Run *run, int y, float *out) {
  const CoredResizeKernels *const k = p->kernels;
  const float *row[3];
  for (int i = 0; i < run->layout->n_planes; i++)
    blend_plane(k, &run->plane[i], run->layout->sample_bytes, y);
  for (int c = 0; c < run->layout->n_components; c++) {
    const ComponentPass *const pass = &run->component[c];
    const float *line = run->plane[pass->plane].blended + pass->offset;
    if (pass->step > 1) {
      k->unpack(pass->line, line, pass->step, (size_t)pass->horizontal->n);
      line = pass->line;
    }
    k->horizontal(pass->resized, line, pass->horizontal);
    row[c] = pass->resized;
  }
  if (run->layout->kind == CORED_KIND_GRAY)
    row[1] = row[2] = row[0];
  if (run->layout->kind == CORED_KIND_YUV)
    k->store_yuv(out, row, &run->map, (size_t)run->target.columns);
  else
    k->store_rgb(out, row, &run->map, (size_t)run->target.columns);
}

/* image has passed the check; out is [target rows, target columns, 3]. */
static bool resize(CoredPreprocessor *p, const CoredImage *image, const Target *target, float *out,
                   CoredError *error) {
  const CoredImage seen = cored_image_seen(image);
  const Site site = site_of(image);
  Run run = {.layout = cored_pixel_layout(image->format), .target = *target};
  run.target.box = cored_box_seen(image, &target->box);
  if (!find_tables(p, &seen, &site, &run) || !lay_out_scratch(p, &run))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                           "preprocessor: no memory for a region of %gx%g pixels", target->box.w,
                           target->box.h);
  run.map = color_map(p, &seen, run.layout);
  point_at_planes(&seen, &run);
  for (int y = 0; y < target->rows; y++)
    make_row(p, &run, y, out + (size_t)y * (size_t)target->columns * 3);
  return true;
}

bool cored_preprocessor_run(CoredPreprocessor *preprocessor, const CoredImage *image,
                            const CoredBox *box, float *out, CoredError *error) {
  const Target target = {*box, preprocessor->out_width, preprocessor->out_height, 1.};
  return cored_image_check(image, error) && check_box(image, box, error) &&
         check_shown(image, box, box, error) && resize(preprocessor, image, &target, out, error);
}

/* ---- Turned areas --------------------------------------------------------------------------- */

/* The sides are bounded (turn.h): the product cannot wrap. */
static bool make_room(CoredPreprocessor *p, const CoredTurn *turn, CoredError *error) {
  const size_t need = (size_t)turn->columns * (size_t)turn->rows * 3 + 1;
  if (need > p->upright_size) {
    float *const grown = realloc(p->upright, need * sizeof *grown);
    if (!grown)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                             "preprocessor: no memory for %dx%d pixels to turn", turn->columns,
                             turn->rows);
    p->upright = grown;
    p->upright_size = need;
  }
  p->upright[need - 1] = 0.f; /* read, but not used */
  return true;
}

static void sample_rows(const CoredPreprocessor *p, const CoredTurn *turn, const CoredColorMap *map,
                        float *out) {
  for (int y = 0; y < p->out_height; y++) {
    const CoredPlaces places = {.x = turn->x + y * turn->x_down,
                                .y = turn->y + y * turn->y_down,
                                .dx = turn->x_right,
                                .dy = turn->y_right};
    p->kernels->sample(out + (size_t)y * (size_t)p->out_width * 3, p->upright,
                       (size_t)turn->columns, &places, map, (size_t)p->out_width);
  }
}

bool cored_preprocessor_run_area(CoredPreprocessor *preprocessor, const CoredImage *image,
                                 const CoredCropArea *area, float *out, CoredError *error) {
  if (area->angle == 0.)
    return cored_preprocessor_run(preprocessor, image, &area->box, out, error);
  if (!cored_image_check(image, error) || !check_angle(area->angle, error) ||
      !check_box(image, &area->box, error))
    return false;
  const CoredTurn turn =
      cored_turn_of(image, area, preprocessor->out_width, preprocessor->out_height);
  const Target target = {turn.box, turn.columns, turn.rows, CORED_TURN_DENSITY};
  if (!check_shown(image, &area->box, &turn.box, error) || !make_room(preprocessor, &turn, error) ||
      !resize(preprocessor, image, &target, preprocessor->upright, error))
    return false;
  const CoredColorMap map = color_map(preprocessor, image, cored_pixel_layout(image->format));
  sample_rows(preprocessor, &turn, &map, out);
  return true;
}
