/* SPDX-License-Identifier: MIT
 * What the CPU offers. The compiler's builtin also asks the operating system whether it saves the
 * wide registers. */
#include "cored.h"

#include <stdlib.h>

static unsigned detect(void) {
  unsigned flags = CORED_CPU_C;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    flags |= CORED_CPU_AVX2;
  if ((flags & CORED_CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    flags |= CORED_CPU_AVX512;
#endif
  return flags;
}

unsigned cored_cpu_flags(void) {
  unsigned flags = detect();
  const char *const mask = getenv("CORED_CPU_MASK");
  if (mask && *mask)
    flags &= (unsigned)strtoul(mask, NULL, 0);
  return flags;
}
