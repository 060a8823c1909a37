/* SPDX-License-Identifier: MIT
 * Faces and landmarks found by a network (networks/yunet.h).
 *
 * The picture is reduced until the smallest wanted face has LEAST_FACE pixels, the fewest that the
 * network still finds, and filled up to multiples of 32 by repeating its border. Every cell of the
 * three outputs may be a face; of those whose score suffices the surer ones suppress what overlaps
 * them. The network misses many faces that stand on their head; on request the same input is looked
 * at once more, turned by 180 degrees, and what is found there is turned back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "networks/yunet.h"
#include "plan/plan.h"
#include "vision/faces/locator.h"
#include "vision/image/picture.h"

enum {
  LEAST_FACE = 16,       /* pixels of the network's input */
  MULTIPLE = 32,         /* either side of which is a multiple of it */
  MAX_PIXELS = 1 << 21,  /* of which, at about 30 bytes of memory each */
  MAX_CANDIDATES = 4096, /* whose overlaps are looked at; the work is quadratic */
};

static const double max_overlap = 0.3; /* intersection over union */

/* The network's input for pictures of one size. */
typedef struct Fit {
  int picture_width, picture_height;
  double pixel_aspect;
  int min_size;
  int width, height;       /* of the input */
  CoredBox box;            /* what of the picture's plane it shows; reaches beyond the picture */
  double x_scale, y_scale; /* pixels of the picture for each of the input */
} Fit;

typedef struct NetworkLocator {
  CoredLocator base;
  CoredModel *model;
  int threads;
  Fit fit; /* width 0: of nothing yet */
  CoredSession *session;
  CoredPreprocessor *preprocessor;
  CoredFace *candidates; /* [MAX_CANDIDATES] */
  int n_candidates;
} NetworkLocator;

/* ---- The input ------------------------------------------------------------------------------ */

static int rounded_up(double x) {
  const int n = (int)ceil(x / MULTIPLE) * MULTIPLE;
  return n < MULTIPLE ? MULTIPLE : n > CORED_MAX_INPUT_SIZE ? CORED_MAX_INPUT_SIZE : n;
}

static Fit fit_for(const CoredImage *image, int min_size) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  const double width = image->width * pixel.w, height = image->height * pixel.h;
  double scale = min_size > LEAST_FACE ? (double)LEAST_FACE / min_size : 1.;
  scale = fmin(scale, sqrt(MAX_PIXELS / (width * height)));
  scale = fmin(scale, CORED_MAX_INPUT_SIZE / fmax(width, height));
  Fit fit = {.picture_width = image->width,
             .picture_height = image->height,
             .pixel_aspect = image->pixel_aspect,
             .min_size = min_size,
             .width = rounded_up(width * scale),
             .height = rounded_up(height * scale),
             .x_scale = 1. / (scale * pixel.w),
             .y_scale = 1. / (scale * pixel.h)};
  fit.box = (CoredBox){0., 0., fit.width * fit.x_scale, fit.height * fit.y_scale};
  return fit;
}

static bool fits(const Fit *fit, const CoredImage *image, int min_size) {
  return fit->width > 0 && fit->picture_width == image->width &&
         fit->picture_height == image->height && fit->pixel_aspect == image->pixel_aspect &&
         fit->min_size == min_size;
}

static void close_session(NetworkLocator *l) {
  cored_session_free(l->session);
  cored_preprocessor_free(l->preprocessor);
  l->session = NULL;
  l->preprocessor = NULL;
  l->fit.width = 0;
}

static bool open_session(NetworkLocator *l, const Fit *fit, CoredError *error) {
  const CoredModelInfo *const info = cored_model_info(l->model);
  const CoredPlanParams plan_params = {
      .input_width = fit->width, .input_height = fit->height, .cpu = cored_cpu_flags()};
  const CoredSessionParams params = {.max_batch = 1, .threads = l->threads};
  CoredPlan *const plan = cored_plan_new(l->model, &plan_params, error);
  if (plan)
    l->session = cored_session_new(plan, &params, error);
  cored_plan_unref(plan); /* the session keeps its own */
  if (l->session)
    l->preprocessor = cored_preprocessor_new(fit->width, fit->height, info->mean, info->std,
                                             cored_cpu_flags(), error);
  if (!l->preprocessor) {
    close_session(l);
    return false;
  }
  l->fit = *fit;
  return true;
}

/* A stream's pictures are alike, so that one session is kept, and made anew for another size. */
static bool prepare(NetworkLocator *l, const CoredImage *image, int min_size, CoredError *error) {
  if (fits(&l->fit, image, min_size))
    return true;
  const Fit fit = fit_for(image, min_size);
  if (l->fit.width == fit.width && l->fit.height == fit.height) {
    l->fit = fit;
    return true;
  }
  close_session(l);
  return open_session(l, &fit, error);
}

/* ---- Candidates ----------------------------------------------------------------------------- */

static double sigmoid(double x) {
  return 1. / (1. + exp(-x));
}

static CoredFace face_of(const float *cell, int x, int y, int stride, const Fit *fit) {
  const double kx = stride * fit->x_scale, ky = stride * fit->y_scale;
  const float *const box = cell + CORED_YUNET_BOX, *const points = cell + CORED_YUNET_POINTS;
  CoredFace face = {.has_landmarks = true};
  face.box.w = exp((double)box[2]) * kx;
  face.box.h = exp((double)box[3]) * ky;
  face.box.x = (x + (double)box[0]) * kx - face.box.w / 2;
  face.box.y = (y + (double)box[1]) * ky - face.box.h / 2;
  for (int i = 0; i < CORED_LANDMARKS; i++) {
    face.landmark[i] =
        (CoredPoint){(x + (double)points[2 * i]) * kx, (y + (double)points[2 * i + 1]) * ky};
    face.has_landmarks &= isfinite(face.landmark[i].x) && isfinite(face.landmark[i].y);
  }
  return face;
}

/* From the turned input to the upright one. */
static void turn_face(CoredFace *face, const CoredBox *whole) {
  face->box.x = whole->w - face->box.x - face->box.w;
  face->box.y = whole->h - face->box.y - face->box.h;
  for (int i = 0; i < CORED_LANDMARKS; i++)
    face->landmark[i] =
        (CoredPoint){whole->w - face->landmark[i].x, whole->h - face->landmark[i].y};
}

/* Sides in square pixels; not of a box that is no box. */
static bool has_wanted_size(const CoredFace *face, const CoredLocatorSearch *search,
                            const CoredPixelShape *pixel) {
  const double w = face->box.w * pixel->w, h = face->box.h * pixel->h;
  return w > 0. && h > 0. && isfinite(face->box.x) && isfinite(face->box.y) &&
         fmax(w, h) >= search->min_size && fmax(w, h) <= search->max_size;
}

/* The least sure one of a heap is on top. */
static void sift_down(CoredFace *heap, int n, int at) {
  for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && heap[child + 1].score < heap[child].score)
      child++;
    if (heap[at].score <= heap[child].score)
      return;
    const CoredFace face = heap[at];
    heap[at] = heap[child];
    heap[child] = face;
    at = child;
  }
}

/* The surest ones, as many as there is room for. */
static void add_candidate(NetworkLocator *l, const CoredFace *face) {
  if (l->n_candidates < MAX_CANDIDATES) {
    l->candidates[l->n_candidates++] = *face;
    if (l->n_candidates == MAX_CANDIDATES)
      for (int i = MAX_CANDIDATES / 2; i >= 0; i--)
        sift_down(l->candidates, MAX_CANDIDATES, i);
  } else if (face->score > l->candidates[0].score) {
    l->candidates[0] = *face;
    sift_down(l->candidates, MAX_CANDIDATES, 0);
  }
}

/* Neither of the two sigmoids is smaller than the square of the score. What is less than this,
 * which leaves room for rounding, need not be computed. */
static double least_logit_for(double min_score) {
  const double least = min_score * min_score;
  return (least < 1. ? log(least / (1. - least)) : 36.) - 1.;
}

static void collect(NetworkLocator *l, int level, const CoredLocatorSearch *search,
                    const CoredPixelShape *pixel, bool turned) {
  CoredShape shape;
  const float *cell = cored_session_named(l->session, cored_yunet_outputs[level], &shape);
  const double least_logit = least_logit_for(search->min_score);
  for (int y = 0; y < shape.h; y++)
    for (int x = 0; x < shape.w; x++, cell += CORED_YUNET_CHANNELS) {
      const double face_logit = (double)cell[CORED_YUNET_FACE];
      const double object_logit = (double)cell[CORED_YUNET_OBJECT];
      if (!(face_logit >= least_logit && object_logit >= least_logit))
        continue;
      const double score = sqrt(sigmoid(face_logit) * sigmoid(object_logit));
      CoredFace face = face_of(cell, x, y, 8 << level, &l->fit);
      face.score = score;
      if (turned)
        turn_face(&face, &l->fit.box);
      if (score >= search->min_score && has_wanted_size(&face, search, pixel))
        add_candidate(l, &face);
    }
}

/* ---- Suppression ---------------------------------------------------------------------------- */

static int surer_first(const void *a, const void *b) {
  const double x = ((const CoredFace *)a)->score, y = ((const CoredFace *)b)->score;
  return x > y ? -1 : x < y;
}

static double overlap(const CoredBox *a, const CoredBox *b) {
  const double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
  const double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
  const double both = w > 0. && h > 0. ? w * h : 0.;
  return both / (a->w * a->h + b->w * b->h - both);
}

/* Move those that no surer one overlaps to the front; returns their number, at most max. */
static int suppress(CoredFace *faces, int n, int max) {
  int kept = 0;
  for (int i = 0; i < n && kept < max; i++) {
    bool alone = true;
    for (int k = 0; k < kept && alone; k++)
      alone = overlap(&faces[i].box, &faces[k].box) <= max_overlap;
    if (alone)
      faces[kept++] = faces[i];
  }
  return kept;
}

/* ---- The locator ---------------------------------------------------------------------------- */

/* By 180 degrees: the last pixel becomes the first. */
static void turn_input(float *input, int width, int height) {
  float *low = input, *high = input + ((size_t)width * (size_t)height - 1) * 3;
  for (; low < high; low += 3, high -= 3)
    for (int i = 0; i < 3; i++) {
      const float value = low[i];
      low[i] = high[i];
      high[i] = value;
    }
}

/* Add what the network finds in its input. */
static void look(NetworkLocator *l, const CoredLocatorSearch *search, const CoredPixelShape *pixel,
                 bool turned) {
  CoredOutput output;
  cored_session_run(l->session, cored_session_input(l->session), 1, &output);
  for (int level = 0; level < CORED_YUNET_STRIDES; level++)
    collect(l, level, search, pixel, turned);
}

static bool find(CoredLocator *locator, const CoredImage *image, const CoredLocatorSearch *search,
                 CoredFace *faces, int max, int *n_faces, CoredError *error) {
  NetworkLocator *const l = (NetworkLocator *)locator;
  const CoredPixelShape pixel = cored_pixel_shape(image);
  CoredLocatorSearch filled = *search;
  if (!(filled.min_score > 0.))
    filled.min_score = cored_model_info(l->model)->threshold;
  if (!prepare(l, image, search->min_size, error) ||
      !cored_preprocessor_run(l->preprocessor, image, &l->fit.box, cored_session_input(l->session),
                              error))
    return false;
  l->n_candidates = 0;
  look(l, &filled, &pixel, false);
  if (search->upside_down) {
    turn_input(cored_session_input(l->session), l->fit.width, l->fit.height);
    look(l, &filled, &pixel, true);
  }
  qsort(l->candidates, (size_t)l->n_candidates, sizeof *l->candidates, surer_first);
  *n_faces = suppress(l->candidates, l->n_candidates, max);
  memcpy(faces, l->candidates, (size_t)*n_faces * sizeof *faces);
  return true;
}

static void free_locator(CoredLocator *locator) {
  NetworkLocator *const l = (NetworkLocator *)locator;
  close_session(l);
  cored_model_unref(l->model);
  free(l->candidates);
  free(l);
}

static const CoredLocatorKind network_kind = {.find = find, .free = free_locator};

CoredLocator *cored_locator_new_network(CoredModel *model, int threads, CoredError *error) {
  const CoredModelInfo *const info = cored_model_info(model);
  if (info->kind != CORED_MODEL_LOCATOR) {
    cored_error_set(error, CORED_ERROR_MODEL_KIND,
                    "locator: expected a model that finds faces, found network %s", info->network);
    return NULL;
  }
  NetworkLocator *const l = calloc(1, sizeof *l);
  if (l) {
    l->base.kind = &network_kind;
    l->base.name = info->network;
    l->model = cored_model_ref(model);
    l->threads = threads;
    l->candidates = calloc(MAX_CANDIDATES, sizeof *l->candidates);
    if (l->candidates)
      return &l->base;
    free_locator(&l->base);
  }
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "locator: no memory");
  return NULL;
}
