/* SPDX-License-Identifier: MIT
 * The state of a run as named tensors, out and in. */
#include "train/core/trainer.h"

#include "base/error.h"
#include "base/dtype.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { name_size = 16 + CORED_NAME_SIZE + 16, fixed_views = 3 };

static void add_view(CoredTrainer *trainer, const char *prefix, const char *name,
                     CoredTensorView view) {
  char *const text = trainer->state_names + trainer->n_state * name_size;
  snprintf(text, name_size, "%s%s", prefix, name);
  view.name = text;
  trainer->state[trainer->n_state++] = view;
}

static void add_block(CoredTrainer *trainer, const char *prefix, const CoredReal *block) {
  for (int i = 0; block && i < trainer->graph->n_params; i++) {
    const CoredParam *const param = &trainer->graph->params[i];
    CoredTensorView view = {.dtype = (CoredDtype)CORED_DTYPE_REAL,
                            .rank = param->rank,
                            .data = block + cored_net_offset(trainer->net, i),
                            .size = param->count * sizeof(CoredReal)};
    memcpy(view.dims, param->dims, sizeof param->dims);
    add_view(trainer, prefix, param->name, view);
  }
}

bool cored_trainer_list_state(CoredTrainer *trainer) {
  const size_t most = 4 * (size_t)trainer->graph->n_params + fixed_views;
  trainer->state = calloc(most, sizeof *trainer->state);
  trainer->state_names = calloc(most, name_size);
  if (!trainer->state || !trainer->state_names)
    return false;
  add_block(trainer, "student.", trainer->block);
  add_block(trainer, "teacher.", trainer->teacher);
  add_block(trainer, "moment1.", trainer->moments[0]);
  add_block(trainer, "moment2.", trainer->moments[1]);
  const CoredStores *const s = &trainer->teacher_stores;
  const size_t pairs = (size_t)s->k * (size_t)s->c;
  add_view(trainer, "", "stores.sums",
           (CoredTensorView){.dtype = CORED_DTYPE_F64,
                             .rank = 3,
                             .dims = {s->k, s->c, s->width},
                             .data = s->sums,
                             .size = pairs * (size_t)s->width * sizeof(double)});
  add_view(trainer, "", "stores.counts",
           (CoredTensorView){.dtype = CORED_DTYPE_F64,
                             .rank = 2,
                             .dims = {s->k, s->c},
                             .data = s->counts,
                             .size = pairs * sizeof(double)});
  add_view(trainer, "", "counters",
           (CoredTensorView){.dtype = CORED_DTYPE_I64,
                             .rank = 1,
                             .dims = {sizeof trainer->counters / sizeof *trainer->counters},
                             .data = trainer->counters,
                             .size = sizeof trainer->counters});
  return true;
}

bool cored_trainer_state(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  if (index >= trainer->n_state)
    return false;
  *view = trainer->state[index];
  return true;
}

static const CoredTensorView *find_tensor(const CoredTensorView *tensors, size_t n,
                                          const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(tensors[i].name, name) == 0)
      return &tensors[i];
  return NULL;
}

static bool same_layout(const CoredTensorView *a, const CoredTensorView *b) {
  return a->dtype == b->dtype && a->rank == b->rank && a->size == b->size &&
         memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Every number is one that a training can have left: no parameter or moment that is not finite, no
 * count below 0. */
static bool check_values(const CoredTensorView *view, CoredError *error) {
  const bool counts =
      strcmp(view->name, "counters") == 0 || strcmp(view->name, "stores.counts") == 0;
  const size_t width = cored_dtype_size(view->dtype);
  for (size_t i = 0; i < view->size / width; i++) {
    const char *const at = (const char *)view->data + i * width;
    double x = 0.0;
    if (view->dtype == CORED_DTYPE_I64) {
      int64_t value;
      memcpy(&value, at, sizeof value);
      x = (double)value;
    } else if (view->dtype == CORED_DTYPE_F64) {
      memcpy(&x, at, sizeof x);
    } else {
      float value;
      memcpy(&value, at, sizeof value);
      x = (double)value;
    }
    if (!isfinite(x) || (counts && x < 0.0))
      return cored_error_set(
          error, CORED_ERROR_PARAMETER_VALUE,
          "training state: tensor '%s', element %zu: expected a finite number%s, "
          "found %g",
          view->name, i, counts ? " of at least 0" : "", x);
  }
  return true;
}

static bool check_tensors(const CoredTrainer *trainer, const CoredTensorView *tensors, size_t n,
                          CoredError *error) {
  for (size_t i = 0; i < trainer->n_state; i++) {
    const CoredTensorView *const own = &trainer->state[i];
    const CoredTensorView *const given = find_tensor(tensors, n, own->name);
    if (!given)
      return cored_error_set(error, CORED_ERROR_PARAMETER_MISSING, "training state: no tensor '%s'",
                             own->name);
    if (!same_layout(own, given))
      return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                             "training state: tensor '%s' has another type or shape", own->name);
    if (!check_values(given, error))
      return false;
  }
  for (size_t i = 0; i < n; i++)
    if (!find_tensor(trainer->state, trainer->n_state, tensors[i].name))
      return cored_error_set(error, CORED_ERROR_PARAMETER_EXTRA,
                             "training state: unexpected tensor '%s'", tensors[i].name);
  return true;
}

bool cored_trainer_restore(CoredTrainer *trainer, const CoredTensorView *tensors, size_t n,
                           CoredError *error) {
  if (!check_tensors(trainer, tensors, n, error))
    return false;
  for (size_t i = 0; i < trainer->n_state; i++) {
    const CoredTensorView *const own = &trainer->state[i];
    memcpy((void *)own->data, find_tensor(tensors, n, own->name)->data, own->size);
  }
  memset(trainer->gradients, 0, cored_net_block_count(trainer->net) * sizeof(CoredReal));
  return cored_trainer_open_teacher(trainer, error);
}
