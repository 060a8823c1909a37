/* SPDX-License-Identifier: MIT
 * Builds without MPI. */
#include <stdio.h>
#include <stdlib.h>

#include "parallel.h"

bool parallel_start(Parallel *parallel, int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  *parallel = (Parallel){.ranks = 1};
  const char *size = getenv("OMPI_COMM_WORLD_SIZE");
  if (!size || strtol(size, NULL, 10) <= 1)
    return true;
  fputs("cored-train: started by mpirun, but built without MPI\n", stderr);
  return false;
}

int parallel_stop(Parallel *parallel, int status) {
  (void)parallel;
  return status;
}

CoredReduce *parallel_reduce(Parallel *parallel) {
  (void)parallel;
  return NULL;
}

int parallel_max(const Parallel *parallel, int value) {
  (void)parallel;
  return value;
}

double parallel_sum(const Parallel *parallel, double value) {
  (void)parallel;
  return value;
}

void parallel_broadcast(const Parallel *parallel, void *bytes, size_t size) {
  (void)parallel;
  (void)bytes;
  (void)size;
}
