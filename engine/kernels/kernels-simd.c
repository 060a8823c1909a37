/* SPDX-License-Identifier: MIT
 * The vector kernels of one instruction set. Compiled once for each: CORED_ISA names it,
 * CORED_LANES is the vector width in floats, the compiler flags are the build's. */
#include "kernels/gemm-simd.h"
#include "kernels/rows-simd.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define STRING_(a) #a
#define STRING(a) STRING_(a)

const CoredKernels PASTE(cored_kernels_, CORED_ISA) = {
    .isa = STRING(CORED_ISA),
    .gemm_shape = {.rows = GEMM_ROWS, .columns = GEMM_COLUMNS, .lanes = CORED_LANES},
    .gemm = gemm,
    .depthwise = depthwise,
    .max_pool = max_pool,
    .pointwise = pointwise_rows,
    .sum_pixels = sum_pixels,
};
