/* SPDX-License-Identifier: MIT */
#include "vision/image/resize-kernels.h"

const CoredResizeKernels *cored_resize_kernels(unsigned cpu) {
#ifdef __x86_64__
  if (cpu & CORED_CPU_AVX512)
    return &cored_resize_kernels_avx512;
  if (cpu & CORED_CPU_AVX2)
    return &cored_resize_kernels_avx2;
#endif
  (void)cpu;
  return &cored_resize_kernels_c;
}
