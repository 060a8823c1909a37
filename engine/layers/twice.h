/* SPDX-License-Identifier: MIT
 * Includes the file named by CORED_TEMPLATE for `real` = float and for `real` = double. The
 * template writes REAL(forward) for forward_f32 or forward_f64 and Forward for the call type.
 * No include guard: once per template. */
#define real float
#define REAL(name) name##_f32
#define Forward CoredForwardF32
#include CORED_TEMPLATE
#undef real
#undef REAL
#undef Forward

#define real double
#define REAL(name) name##_f64
#define Forward CoredForwardF64
#include CORED_TEMPLATE
#undef real
#undef REAL
#undef Forward
#undef CORED_TEMPLATE
