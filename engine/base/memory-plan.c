/* SPDX-License-Identifier: MIT */
#include "base/memory-plan.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b) {
  const CoredBuffer *const x = *(CoredBuffer *const *)a, *const y = *(CoredBuffer *const *)b;
  if (x->size != y->size)
    return x->size < y->size ? 1 : -1;
  return x < y ? -1 : 1;
}

static int lower_first(const void *a, const void *b) {
  const CoredBuffer *const x = *(CoredBuffer *const *)a, *const y = *(CoredBuffer *const *)b;
  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x < y ? -1 : 1;
}

static bool overlap_in_time(const CoredBuffer *a, const CoredBuffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap that is large enough among the placed buffers alive at the same time; alive has
 * room for them. */
static size_t find_gap(const CoredBuffer *buffer, CoredBuffer **placed, size_t n_placed,
                       CoredBuffer **alive) {
  size_t n_alive = 0;
  for (size_t i = 0; i < n_placed; i++)
    if (overlap_in_time(placed[i], buffer))
      alive[n_alive++] = placed[i];
  qsort(alive, n_alive, sizeof *alive, lower_first);
  size_t offset = 0;
  for (size_t i = 0; i < n_alive && alive[i]->offset < offset + buffer->size; i++) {
    const size_t end = alive[i]->offset + alive[i]->size;
    offset = end > offset ? end : offset;
  }
  return offset;
}

bool cored_memory_plan(CoredBuffer *buffers, size_t n, size_t *total) {
  CoredBuffer **const order = malloc((n + 1) * sizeof *order);
  CoredBuffer **const alive = malloc((n + 1) * sizeof *alive);
  const bool ok = order && alive;
  size_t used = 0;
  *total = 0;
  for (size_t i = 0; ok && i < n; i++)
    if (buffers[i].first <= buffers[i].last)
      order[used++] = &buffers[i];
  if (ok)
    qsort(order, used, sizeof *order, larger_first);
  for (size_t i = 0; ok && i < used; i++) {
    order[i]->offset = find_gap(order[i], order, i, alive);
    const size_t end = order[i]->offset + order[i]->size;
    *total = end > *total ? end : *total;
  }
  free(order);
  free(alive);
  return ok;
}
