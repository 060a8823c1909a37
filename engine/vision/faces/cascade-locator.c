/* SPDX-License-Identifier: MIT
 * Sliding a cascade's window over a picture at many scales, as OpenCV's detectMultiScale does, so
 * that the results can be compared: the picture is reduced by powers of the scale factor with
 * plain bilinear interpolation, the window moves by one pixel of the reduced picture (by two below
 * scale 2), and a window whose right neighbour failed the first stage is left out.
 *
 * The cost is that of the smallest window asked for: with min_size m and a window of side c the
 * largest reduced picture is c/m of the original. On a large picture a min_size of an eighth of
 * its height keeps a scan cheap. */
#include "vision/faces/cascade-locator.h"

#include "vision/faces/cascade-kernels.h"
#include "vision/faces/face-group.h"
#include "vision/faces/locator.h"
#include "vision/image/luma.h"
#include "vision/image/picture.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  MAX_SCALES = 1024,
  MAX_LAYER = 1 << 26,      /* pixels of a reduced picture */
  MAX_TREES_A_WINDOW = 256, /* on average; a cascade that rejects so little is no detector */
};

typedef struct Layer {
  float scale;
  int width, height; /* of the reduced picture */
} Layer;

/* The picture with square pixels, in which windows are square and layers are counted. It is never
 * made: layers are reduced from the stored luma, each axis by its own factor. */
typedef struct Screen {
  int width, height;
} Screen;

typedef struct CascadeLocator {
  CoredLocator base;
  CoredCascade *cascade;
  const CoredCascadeKernels *kernels;
  CoredFeatureOffsets *offsets; /* [n_features], for the stride and plane below */
  ptrdiff_t stride;             /* elements of a row of the integrals */
  ptrdiff_t plane;              /* elements from one integral to the next */
  Layer layers[MAX_SCALES];
  int n_layers;
  CoredHit *hits; /* [CORED_MAX_HITS] */
  int n_hits;
  int64_t work, work_limit; /* trees looked at in this picture */
  /* Scratch, as large as the largest picture needed. */
  uint8_t *luma, *gray;
  uint16_t *line;
  int *taps;
  uint32_t *integrals;
  size_t luma_size, gray_size, line_size, taps_size, integrals_size; /* elements */
} CascadeLocator;

/* ---- Scratch -------------------------------------------------------------------------------- */

static bool reserve(void **memory, size_t *have, size_t need, size_t item_size) {
  size_t bytes;
  if (need <= *have)
    return true;
  if (__builtin_mul_overflow(need, item_size, &bytes))
    return false;
  void *const grown = calloc(1, bytes);
  if (!grown)
    return false;
  free(*memory);
  *memory = grown;
  *have = need;
  return true;
}

static int n_planes(const CoredCascade *cascade) {
  return cascade->kind == CORED_CASCADE_LBP ? 1 : cascade->tilted ? 3 : 2;
}

static void haar_offsets(const CoredCascadeFeature *f, ptrdiff_t stride, ptrdiff_t tilted,
                         CoredFeatureOffsets *out) {
  for (int i = 0; i < f->n_rects; i++) {
    const CoredCascadeRect *const r = &f->rect[i];
    const ptrdiff_t at = r->y * stride + r->x;
    const ptrdiff_t right = f->tilted ? r->w * stride + r->w : r->w;
    const ptrdiff_t down = f->tilted ? r->h * stride - r->h : r->h * stride;
    const ptrdiff_t from = f->tilted ? tilted + at : at;
    const ptrdiff_t corner[4] = {from, f->tilted ? from + down : from + right,
                                 f->tilted ? from + right : from + down, from + right + down};
    for (int k = 0; k < 4; k++)
      out->at[4 * i + k] = (int32_t)corner[k];
    out->weight[i] = r->weight;
  }
}

static void lbp_offsets(const CoredCascadeFeature *f, ptrdiff_t stride, CoredFeatureOffsets *out) {
  const CoredCascadeRect *const r = &f->rect[0];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      out->at[4 * i + j] = (int32_t)((r->y + i * r->h) * stride + r->x + j * r->w);
}

/* All layers share the row length of the largest, so that offsets change only with the picture's
 * size. */
static void set_stride(CascadeLocator *l, ptrdiff_t stride, ptrdiff_t plane) {
  if (l->stride == stride && l->plane == plane)
    return;
  l->stride = stride;
  l->plane = plane;
  memset(l->offsets, 0, (size_t)l->cascade->n_features * sizeof *l->offsets);
  for (int i = 0; i < l->cascade->n_features; i++)
    if (l->cascade->kind == CORED_CASCADE_LBP)
      lbp_offsets(&l->cascade->features[i], stride, &l->offsets[i]);
    else
      haar_offsets(&l->cascade->features[i], stride, 2 * plane, &l->offsets[i]);
}

static bool prepare_scratch(CascadeLocator *l, const CoredImage *image, const Screen *screen,
                            CoredError *error) {
  const Layer *const first = &l->layers[0];
  const size_t pixels = (size_t)first->width * (size_t)first->height;
  if (pixels > MAX_LAYER)
    return cored_error_set(error, CORED_ERROR_IMAGE,
                           "locator: %dx%d pixels are too many for faces this small; look for "
                           "those of %d pixels or more",
                           screen->width, screen->height, screen->height / 8);
  const size_t slack = 4 * CORED_CASCADE_BLOCK; /* what stage_block may read beyond */
  const ptrdiff_t stride = ((ptrdiff_t)first->width + 16) & ~(ptrdiff_t)15;
  const ptrdiff_t plane = stride * (first->height + 1) + (ptrdiff_t)slack;
  const size_t luma =
      cored_luma_needs_buffer(image) ? (size_t)image->width * (size_t)image->height : 0;
  if (!reserve((void **)&l->luma, &l->luma_size, luma, 1) ||
      !reserve((void **)&l->gray, &l->gray_size, pixels, 1) ||
      !reserve((void **)&l->line, &l->line_size, (size_t)image->width, sizeof *l->line) ||
      !reserve((void **)&l->taps, &l->taps_size, 2 * (size_t)first->width, sizeof *l->taps) ||
      !reserve((void **)&l->integrals, &l->integrals_size,
               (size_t)n_planes(l->cascade) * (size_t)plane, sizeof *l->integrals))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "locator: no memory for %dx%d pixels",
                           image->width, image->height);
  set_stride(l, stride, plane);
  return true;
}

/* ---- Scales --------------------------------------------------------------------------------- */

static bool window_within(const CoredCascade *c, float scale, int low, int high) {
  const int w = (int)lrintf((float)c->width * scale), h = (int)lrintf((float)c->height * scale);
  return w >= low && h >= low && w <= high && h <= high;
}

/* The scales at which the window fits the picture and the wanted sizes, smallest first; where none
 * lies between min_size and max_size, the one nearest below max_size. */
static void list_layers(CascadeLocator *l, const Screen *screen, const CoredLocatorSearch *search) {
  const CoredCascade *const c = l->cascade;
  float nearest = 0.f;
  l->n_layers = 0;
  for (double factor = 1.; l->n_layers < MAX_SCALES; factor *= search->scale_factor) {
    const float scale = (float)factor;
    if (lrint(c->width * factor) > screen->width || lrint(c->height * factor) > screen->height)
      break;
    if (!window_within(c, scale, 0, search->max_size))
      break;
    nearest = scale;
    if (window_within(c, scale, search->min_size, search->max_size))
      l->layers[l->n_layers++].scale = scale;
  }
  const int side = c->width > c->height ? c->width : c->height;
  if (!l->n_layers && nearest > 0.f && search->min_size <= search->max_size &&
      (double)nearest * search->scale_factor * side > search->max_size)
    l->layers[l->n_layers++].scale = nearest;
  for (int i = 0; i < l->n_layers; i++) {
    Layer *const layer = &l->layers[i];
    layer->width = (int)lrintf((float)screen->width / layer->scale);
    layer->height = (int)lrintf((float)screen->height / layer->scale);
  }
}

/* ---- Windows -------------------------------------------------------------------------------- */

/* Sum of an upright rectangle of an integral. */
static uint32_t rect_sum(const uint32_t *at, ptrdiff_t down, int w) {
  return at[0] - at[w] - at[down] + at[down + w];
}

/* 1 / (area * standard deviation) of each window less its border pixels; windows with a deviation
 * below 10 are left out: nothing can be seen there. */
static unsigned normalize_block(const CascadeLocator *l, const uint32_t *window, int step, int n,
                                float *norm) {
  const CoredCascade *const c = l->cascade;
  const int w = c->width - 2, h = c->height - 2;
  const double area = (double)w * h;
  unsigned alive = 0;
  for (int i = 0; i < n; i++) {
    const uint32_t *const at = window + i * step + l->stride + 1;
    const double sum = rect_sum(at, h * l->stride, w);
    const double squares = rect_sum(at + l->plane, h * l->stride, w);
    const double spread = area * squares - sum * sum;
    if (spread <= 0.)
      continue;
    norm[i] = (float)(1. / sqrt(spread));
    alive |= (unsigned)(area * (double)norm[i] < 0.1) << i;
  }
  return alive;
}

static void add_hit(CascadeLocator *l, const CoredStageView *view, const Layer *layer, int x, int y,
                    float norm) {
  const CoredCascade *const c = l->cascade;
  const CoredCascadeStage *const last = &c->stages[c->n_stages - 1];
  const uint32_t *const window = l->integrals + y * l->stride + x;
  if (l->n_hits == CORED_MAX_HITS)
    return;
  l->hits[l->n_hits++] =
      (CoredHit){.x = (int)lrintf((float)x * layer->scale),
                 .y = (int)lrintf((float)y * layer->scale),
                 .w = (int)lrintf((float)c->width * layer->scale),
                 .h = (int)lrintf((float)c->height * layer->scale),
                 .margin = l->kernels->stage_sum(view, last, window, norm) - last->threshold};
}

/* Drop the windows to the right of one that failed the first stage; `skip` goes on into the next
 * block. */
static unsigned drop_skipped(unsigned valid, unsigned pass, int n, bool *skip) {
  unsigned kept = 0;
  for (int i = 0; i < n; i++) {
    const unsigned bit = 1u << i;
    if (*skip) {
      *skip = false;
      continue;
    }
    kept |= pass & bit;
    *skip = valid & ~pass & bit;
  }
  return kept;
}

static void scan_row(CascadeLocator *l, const CoredStageView *view, const Layer *layer, int y,
                     int step) {
  const CoredCascade *const c = l->cascade;
  const int end = layer->width + 1 - c->width;
  bool skip = false;
  for (int x = 0; x < end; x += CORED_CASCADE_BLOCK * step) {
    const int left = (end - x + step - 1) / step;
    const int n = left < CORED_CASCADE_BLOCK ? left : CORED_CASCADE_BLOCK;
    const uint32_t *const window = l->integrals + y * l->stride + x;
    float norm[CORED_CASCADE_BLOCK] = {0};
    const unsigned valid =
        c->kind == CORED_CASCADE_HAAR ? normalize_block(l, window, step, n, norm) : (1u << n) - 1;
    unsigned alive = l->kernels->stage_block(view, &c->stages[0], window, step, norm, valid);
    l->work += (int64_t)n * c->stages[0].n_trees;
    l->work_limit += (int64_t)n * MAX_TREES_A_WINDOW;
    alive = drop_skipped(valid, alive, n, &skip);
    for (int s = 1; s < c->n_stages && alive; s++) {
      l->work += (int64_t)__builtin_popcount(alive) * c->stages[s].n_trees;
      alive = l->kernels->stage_block(view, &c->stages[s], window, step, norm, alive);
    }
    for (int i = 0; alive >> i; i++)
      if (alive >> i & 1)
        add_hit(l, view, layer, x + i * step, y, norm[i]);
  }
}

static bool scan_layer(CascadeLocator *l, const CoredLuma *luma, const Layer *layer,
                       CoredError *error) {
  const CoredCascade *const c = l->cascade;
  const CoredStageView view = {c, l->offsets};
  const int planes = n_planes(c), step = layer->scale >= 2.f ? 1 : 2;
  cored_luma_taps(luma->width, layer->width, l->taps, l->taps + layer->width);
  cored_luma_resize(luma, l->gray, layer->width, layer->height, l->taps, l->taps + layer->width,
                    l->line);
  cored_luma_integrals(l->gray, layer->width, layer->height, l->stride, l->integrals,
                       planes > 1 ? l->integrals + l->plane : NULL,
                       planes > 2 ? l->integrals + 2 * l->plane : NULL);
  for (int y = 0; y < layer->height + 1 - c->height; y += step) {
    scan_row(l, &view, layer, y, step);
    if (l->work > l->work_limit + (1 << 20))
      return cored_error_set(error, CORED_ERROR_CASCADE_FORMAT,
                             "locator: the cascade rejects next to nothing (%lld trees for %lld "
                             "windows)",
                             (long long)l->work, (long long)(l->work_limit / MAX_TREES_A_WINDOW));
  }
  return true;
}

/* ---- The locator ---------------------------------------------------------------------------- */

static Screen screen_of(const CoredImage *image, const CoredImage *seen) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  const int lines = seen->height * cored_image_interleave(image);
  return (Screen){(int)lrint(image->width * pixel.w), (int)lrint(lines * pixel.h)};
}

/* From the screen to the stored frame. A window at the edge may be a pixel or two larger than what
 * it was reduced from. */
static void store_box(CoredBox *box, const CoredImage *image) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  box->x /= pixel.w;
  box->y /= pixel.h;
  box->w = fmin(box->w / pixel.w, image->width - box->x);
  box->h = fmin(box->h / pixel.h, image->height - box->y);
}

static bool cascade_find(CoredLocator *locator, const CoredImage *image,
                         const CoredLocatorSearch *search, CoredFace *faces, int max, int *n_faces,
                         CoredError *error) {
  CascadeLocator *const l = (CascadeLocator *)locator;
  const CoredImage seen = cored_image_seen(image);
  const Screen screen = screen_of(image, &seen);
  list_layers(l, &screen, search);
  l->n_hits = 0;
  l->work = l->work_limit = 0;
  if (!l->n_layers || seen.width < 2 || seen.height < 2)
    return true;
  if (!prepare_scratch(l, &seen, &screen, error))
    return false;
  const CoredLuma luma = cored_luma_of(&seen, l->luma);
  /* Large faces first: they are cheap, and if hits are too many the small ones get lost. */
  for (int i = l->n_layers - 1; i >= 0 && l->n_hits < CORED_MAX_HITS; i--)
    if (!scan_layer(l, &luma, &l->layers[i], error))
      return false;
  const int found = cored_group_hits(l->hits, l->n_hits, search->min_neighbors, faces, max);
  if (found < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "locator: no memory for %d hits",
                           l->n_hits);
  for (int i = 0; i < found; i++)
    store_box(&faces[i].box, image);
  *n_faces = found;
  return true;
}

static void cascade_locator_free(CoredLocator *locator) {
  CascadeLocator *const l = (CascadeLocator *)locator;
  cored_cascade_free(l->cascade);
  free(l->offsets);
  free(l->hits);
  free(l->luma);
  free(l->gray);
  free(l->line);
  free(l->taps);
  free(l->integrals);
  free(l);
}

static const CoredLocatorKind cascade_kind = {.find = cascade_find, .free = cascade_locator_free};

const CoredCascadeKernels *cored_cascade_kernels(unsigned cpu) {
#ifdef __x86_64__
  if (cpu & CORED_CPU_AVX2)
    return &cored_cascade_kernels_avx2;
#endif
  (void)cpu;
  return &cored_cascade_kernels_c;
}

CoredLocator *cored_cascade_locator_new(CoredCascade *cascade, CoredError *error) {
  CascadeLocator *const l = calloc(1, sizeof *l);
  if (!l) {
    cored_cascade_free(cascade);
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "locator: no memory");
    return NULL;
  }
  l->base.kind = &cascade_kind;
  l->base.name = "cascade";
  l->cascade = cascade;
  l->kernels = cored_cascade_kernels(cored_cpu_flags());
  l->offsets = calloc((size_t)cascade->n_features, sizeof *l->offsets);
  l->hits = calloc(CORED_MAX_HITS, sizeof *l->hits);
  if (!l->offsets || !l->hits) {
    cascade_locator_free(&l->base);
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "locator: no memory");
    return NULL;
  }
  return &l->base;
}

CoredLocator *cored_locator_new_cascade(const char *path, CoredError *error) {
  CoredCascade *const cascade = cored_cascade_load(path, error);
  return cascade ? cored_cascade_locator_new(cascade, error) : NULL;
}

const char *cored_cascade_default_path(void) {
  static const char *const usual[] = {
      "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml",
      "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface.xml",
      "/usr/share/opencv4/haarcascades/haarcascade_frontalface_default.xml",
      "/usr/share/opencv/lbpcascades/lbpcascade_frontalface_improved.xml"};
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    if (access(usual[i], R_OK) == 0)
      return usual[i];
  return NULL;
}
