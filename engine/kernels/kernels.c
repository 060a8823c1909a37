/* SPDX-License-Identifier: MIT
 * Which kernels a CPU gets. */
#include "kernels/kernels.h"

#include "cored.h"

#define LEVEL(name, needs, testing)                                                                \
  {                                                                                                \
    .isa = #name, .cpu = (needs), .test_only = (testing), .set_gemm = cored_gemm_set_##name,       \
    .set_rows = cored_rows_set_##name                                                              \
  }

typedef struct Level {
  const char *isa;
  unsigned cpu;
  bool test_only;
  void (*set_gemm)(CoredGemmKernels *gemm);
  void (*set_rows)(CoredRowKernels *rows);
} Level;

/* From the plainest to the best. */
static const Level levels[] = {
    LEVEL(c, CORED_CPU_C, false),
#ifdef CORED_HAVE_AVX2
    LEVEL(wide_test, CORED_CPU_AVX2, true),
    LEVEL(avx2, CORED_CPU_AVX2, false),
#endif
#ifdef CORED_HAVE_AVX512
    LEVEL(avx512, CORED_CPU_AVX2 | CORED_CPU_AVX512, false),
#endif
};

enum { n_levels = sizeof levels / sizeof *levels };

static void set_level(CoredKernels *kernels, const Level *level) {
  kernels->isa = level->isa;
  level->set_gemm(&kernels->gemm);
  level->set_rows(&kernels->rows);
}

void cored_kernels_init(CoredKernels *kernels, unsigned cpu) {
  for (int i = 0; i < n_levels; i++)
    if (!levels[i].test_only && (levels[i].cpu & cpu) == levels[i].cpu)
      set_level(kernels, &levels[i]);
}

int cored_kernels_variants(void) {
  return n_levels;
}

bool cored_kernels_variant(int index, unsigned cpu, CoredKernels *kernels) {
  if ((levels[index].cpu & cpu) != levels[index].cpu)
    return false;
  set_level(kernels, &levels[0]);
  set_level(kernels, &levels[index]);
  return true;
}
