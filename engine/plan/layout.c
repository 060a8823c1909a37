/* SPDX-License-Identifier: MIT
 * Places of the values in one block of scratch memory: values that live at the same time must not
 * overlap. Greedy by size: the largest value first, each at the lowest gap that fits (Pisarchyk and
 * Lee 2020, "Efficient memory management for deep neural net inference", greedy by size). */
#include "plan/plan.h"

#include <stdlib.h>

#include "base/error.h"

static void touch(CoredValue *values, int value, int step) {
  if (value == CORED_NO_VALUE)
    return;
  if (values[value].first < 0)
    values[value].first = step;
  values[value].last = step;
}

static void find_lifetimes(CoredPlan *plan) {
  for (int i = 0; i < plan->n_values; i++)
    plan->values[i].first = plan->values[i].last = -1;
  for (int i = 0; i < plan->n_steps; i++) {
    const CoredStep *const step = &plan->steps[i];
    for (int j = 0; j < step->n_in; j++)
      touch(plan->values, step->in[j], i);
    touch(plan->values, step->residual, i);
    touch(plan->values, step->factors, i);
    touch(plan->values, step->shared, i);
    touch(plan->values, step->out, i);
  }
  /* The caller reads these after the last step. */
  touch(plan->values, plan->features, plan->n_steps);
  touch(plan->values, plan->logits, plan->n_steps);
}

static bool overlap_in_time(const CoredValue *a, const CoredValue *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which `value` hits none of the placed values that live with it. */
static size_t find_gap(const CoredValue *value, const CoredValue *const *placed, int n_placed) {
  size_t offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < n_placed; i++) {
      const CoredValue *const p = placed[i];
      if (overlap_in_time(value, p) && offset < p->offset + p->size &&
          p->offset < offset + value->size) {
        offset = p->offset + p->size;
        moved = true;
      }
    }
  }
  return offset;
}

static int by_size(const void *a, const void *b) {
  const CoredValue *const x = *(CoredValue *const *)a, *const y = *(CoredValue *const *)b;
  if (x->size != y->size)
    return x->size < y->size ? 1 : -1;
  return x->first - y->first;
}

bool cored_plan_layout(CoredPlan *plan, CoredError *error) {
  CoredValue **const order = malloc((size_t)plan->n_values * sizeof *order);
  if (!order)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its layout");
  find_lifetimes(plan);
  int n = 0;
  for (int i = 1; i < plan->n_values; i++) /* value 0 is the caller's input */
    if (plan->values[i].first >= 0)
      order[n++] = &plan->values[i];
  qsort(order, (size_t)n, sizeof *order, by_size);
  plan->arena_floats = 0;
  for (int i = 0; i < n; i++) {
    order[i]->offset = find_gap(order[i], (const CoredValue *const *)order, i);
    if (order[i]->offset + order[i]->size > plan->arena_floats)
      plan->arena_floats = order[i]->offset + order[i]->size;
  }
  free(order);
  plan->scratch_floats = 0;
  for (int i = 0; i < plan->n_steps; i++)
    if (plan->steps[i].scratch > plan->scratch_floats)
      plan->scratch_floats = plan->steps[i].scratch;
  return true;
}
