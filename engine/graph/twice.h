/* SPDX-License-Identifier: MIT
 * Includes the file named by CORED_TEMPLATE for `real` = float and for `real` = double. The
 * template writes REAL(forward) for forward_f32 or forward_f64, Forward for the call type of the
 * plain ops (graph/reference.h) and Pass for that of training (train/passes/pass.h).
 * No include guard: once per template. */
#define real float
#define REAL(name) name##_f32
#define Forward CoredForwardF32
#define Pass CoredPassF32
#include CORED_TEMPLATE
#undef real
#undef REAL
#undef Forward
#undef Pass

#define real double
#define REAL(name) name##_f64
#define Forward CoredForwardF64
#define Pass CoredPassF64
#include CORED_TEMPLATE
#undef real
#undef REAL
#undef Forward
#undef Pass
#undef CORED_TEMPLATE
