/* SPDX-License-Identifier: MIT
 * The arithmetic of inference behind one table of function pointers.
 *
 * Kernels come in families: matrix products (gemm.h), rows (rows.h). Every kernel has plain C
 * (gemm.c, rows.c) and one vector version over vec.h (gemm-simd.c, rows-simd.c), compiled once per
 * instruction set. A family sets its pointers to plain C, then lets every instruction set that the
 * CPU has set those that it is better at. Nothing here allocates, locks, prints or knows of
 * networks. All data are float32, activations are [pixel][channel] with a free pixel stride; no
 * pointer needs more alignment than a float.
 *
 * Every output element is computed by one fixed chain of operations that depends neither on the
 * range of rows and columns asked for nor on its neighbours, so a result does not depend on how
 * work is split among threads or images.
 */
#ifndef CORED_KERNELS_KERNELS_H
#define CORED_KERNELS_KERNELS_H

#include "kernels/gemm.h"
#include "kernels/rows.h"

typedef struct CoredKernels {
  const char *isa; /* the best of its instruction sets: "c", "avx2", "avx512" */
  CoredGemmKernels gemm;
  CoredRowKernels rows;
} CoredKernels;

/* The best kernels for CoredCpu flags that this build has. Thread-safe. */
void cored_kernels_init(CoredKernels *kernels, unsigned cpu);
/* The variants of this build, plain C first, for tests: false where the CoredCpu flags lack what
 * the variant needs, which then is not touched: the functions that set its pointers are compiled
 * for its instruction set. "wide_test" is the AVX-512 source on two AVX2 registers per vector:
 * cored_kernels_init() never gives it, tests run it on machines without AVX-512. */
int cored_kernels_variants(void);
bool cored_kernels_variant(int index, unsigned cpu, CoredKernels *kernels);

#endif /* CORED_KERNELS_KERNELS_H */
