/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#include "parallel.h"

/* MPI counts in int. */
static void sum(void *values, size_t count, size_t each, MPI_Datatype type) {
  for (size_t at = 0; at < count;) {
    const size_t n = count - at < INT_MAX / 2 ? count - at : INT_MAX / 2;
    MPI_Allreduce(MPI_IN_PLACE, (char *)values + at * each, (int)n, type, MPI_SUM, MPI_COMM_WORLD);
    at += n;
  }
}

static void sum_f64(void *user, double *values, size_t count) {
  (void)user;
  sum(values, count, sizeof *values, MPI_DOUBLE);
}

static void sum_f32(void *user, float *values, size_t count) {
  (void)user;
  sum(values, count, sizeof *values, MPI_FLOAT);
}

/* Only under a launcher: MPI_Init alone takes long and opens sockets. */
bool parallel_start(Parallel *parallel, int *argc, char ***argv) {
  int provided;
  *parallel = (Parallel){.ranks = 1, .reduce = {NULL, sum_f64, sum_f32}};
  if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE"))
    return true;
  if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
    return false;
  MPI_Comm_rank(MPI_COMM_WORLD, &parallel->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &parallel->ranks);
  return true;
}

int parallel_stop(Parallel *parallel, int status) {
  int started = 0;
  MPI_Initialized(&started);
  if (!started)
    return status;
  status = parallel_max(parallel, status);
  MPI_Finalize();
  return status;
}

CoredReduce *parallel_reduce(Parallel *parallel) {
  return parallel->ranks > 1 ? &parallel->reduce : NULL;
}

int parallel_max(const Parallel *parallel, int value) {
  if (parallel->ranks > 1)
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return value;
}

double parallel_sum(const Parallel *parallel, double value) {
  if (parallel->ranks > 1)
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return value;
}

void parallel_broadcast(const Parallel *parallel, void *bytes, size_t size) {
  if (parallel->ranks > 1)
    MPI_Bcast(bytes, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
}
