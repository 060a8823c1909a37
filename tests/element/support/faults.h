/* SPDX-License-Identifier: MIT
 * Calls of the system that fail or lie, for the whole process: these functions stand before those
 * of the C library, for the plugin too. All zero: everything works. */
#ifndef TESTS_ELEMENT_SUPPORT_FAULTS_H
#define TESTS_ELEMENT_SUPPORT_FAULTS_H

#include <stdatomic.h>

typedef struct Faults {
  atomic_int deny;         /* errno that opening a model fails with */
  atomic_int slow_read_us; /* each read of a file takes so long, but the main thread's */
  atomic_int no_memory;    /* so many blocks may still be mapped; 0: any number */
  atomic_int slow_reads;   /* counts them */
} Faults;

extern Faults faults;

void faults_clear(void);

#endif /* TESTS_ELEMENT_SUPPORT_FAULTS_H */
