/* SPDX-License-Identifier: MIT
 * A wall clock that is set back and forth, for the whole process: these functions stand before
 * those of the C library, for the plugin too. The monotonic clock goes on as it is. */
#ifndef TESTS_ELEMENT_SUPPORT_WALL_CLOCK_H
#define TESTS_ELEMENT_SUPPORT_WALL_CLOCK_H

#include <stdatomic.h>

typedef struct WallClock {
  atomic_llong ahead;      /* seconds it shows too much */
  atomic_int reads;        /* how often anybody looked */
  atomic_int plugin_reads; /* how often the plugin did */
} WallClock;

extern WallClock wall_clock;

#endif /* TESTS_ELEMENT_SUPPORT_WALL_CLOCK_H */
