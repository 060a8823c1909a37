/* SPDX-License-Identifier: MIT
 * Several processes that train one model, by MPI. Without MPI at build time, or when not started
 * by mpirun, there is one process and every call is free. Every call is one that all processes have
 * to make: what one of them finds wrong, all agree on before the next. */
#ifndef CORED_TOOLS_TRAIN_PARALLEL_H
#define CORED_TOOLS_TRAIN_PARALLEL_H

#include "train/core/trainer.h"

typedef struct Parallel {
  int rank, ranks;
  CoredReduce reduce;
} Parallel;

bool parallel_start(Parallel *parallel, int *argc, char ***argv);
/* All processes end here, with the largest of their exit codes. */
int parallel_stop(Parallel *parallel, int status);
/* For the trainer: NULL with one process. */
CoredReduce *parallel_reduce(Parallel *parallel);
/* The largest value of all, and the sum. */
int parallel_max(const Parallel *parallel, int value);
double parallel_sum(const Parallel *parallel, double value);
/* Everyone gets what process 0 has. */
void parallel_broadcast(const Parallel *parallel, void *bytes, size_t size);

#endif /* CORED_TOOLS_TRAIN_PARALLEL_H */
