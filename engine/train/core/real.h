/* SPDX-License-Identifier: MIT
 * The numbers a trainer computes with: float. With CORED_TRAIN_DOUBLE the same sources make one
 * that computes in double, for comparison with a reference beyond the reach of rounding. */
#ifndef CORED_TRAIN_CORE_REAL_H
#define CORED_TRAIN_CORE_REAL_H

#include <math.h>

#include "train/passes/pass.h"

#ifdef CORED_TRAIN_DOUBLE
enum { CORED_REAL_IS_DOUBLE = 1 };
typedef double CoredReal;
typedef CoredPassF64 CoredPassReal;
enum { CORED_DTYPE_REAL = CORED_DTYPE_F64 };
#define CORED_REAL(name) name##_f64
#define CORED_REAL_SQRT sqrt
#else
enum { CORED_REAL_IS_DOUBLE = 0 };
typedef float CoredReal;
typedef CoredPassF32 CoredPassReal;
enum { CORED_DTYPE_REAL = CORED_DTYPE_F32 };
#define CORED_REAL(name) name##_f32
#define CORED_REAL_SQRT sqrtf
#endif

#endif /* CORED_TRAIN_CORE_REAL_H */
