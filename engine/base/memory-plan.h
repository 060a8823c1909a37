/* SPDX-License-Identifier: MIT
 * Offsets of buffers in one block of memory: buffers that live at the same time must not overlap,
 * all others may. */
#ifndef CORED_BASE_MEMORY_PLAN_H
#define CORED_BASE_MEMORY_PLAN_H

#include "cored.h"

/* A buffer that is in use at the times first..last; what a unit of size or of time is, is the
 * caller's business. */
typedef struct CoredBuffer {
  size_t size;
  int first, last; /* last < first: never in use, gets no room */
  size_t offset;   /* from the start of the block; cored_memory_plan fills it in */
} CoredBuffer;

/* Greedy by size: the largest buffer first (of equal ones that which comes first in the array),
 * each at the lowest gap that fits (Pisarchyk and Lee 2020, "Efficient memory management for deep
 * neural net inference", section 5.2). *total is the size of the block. False without memory. */
bool cored_memory_plan(CoredBuffer *buffers, size_t n, size_t *total);

#endif /* CORED_BASE_MEMORY_PLAN_H */
