/* SPDX-License-Identifier: MIT
 * Choosing the table of passes for a CPU. */
#include "train/passes/pass.h"

typedef const CoredPasses *const Table[CORED_N_OPS];

extern Table cored_pass_table_c;
extern const CoredPasses cored_pass_activation_x_c;
#ifdef CORED_TRAIN_X86
extern Table cored_pass_table_avx2, cored_pass_table_avx512;
extern const CoredPasses cored_pass_activation_x_avx2, cored_pass_activation_x_avx512;
#endif

const CoredPasses *cored_passes_get(const CoredNode *node, unsigned cpu) {
  const bool needs_input = node->op == CORED_OP_ACTIVATION && node->act.kind == CORED_ACT_SWISH;
#ifdef CORED_TRAIN_X86
  if (cpu & CORED_CPU_AVX512)
    return needs_input ? &cored_pass_activation_x_avx512 : cored_pass_table_avx512[node->op];
  if (cpu & CORED_CPU_AVX2)
    return needs_input ? &cored_pass_activation_x_avx2 : cored_pass_table_avx2[node->op];
#else
  (void)cpu;
#endif
  return needs_input ? &cored_pass_activation_x_c : cored_pass_table_c[node->op];
}
