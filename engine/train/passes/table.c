/* SPDX-License-Identifier: MIT
 * The table of this instruction set. */
#include "train/passes/isa.h"

extern const CoredPasses *const CORED_PASS(table)[CORED_N_OPS];

const CoredPasses *const CORED_PASS(table)[CORED_N_OPS] = {
    [CORED_OP_CONV] = &CORED_PASS(conv),
    [CORED_OP_DEPTHWISE] = &CORED_PASS(depthwise),
    [CORED_OP_BATCH_NORM] = &CORED_PASS(batch_norm),
    [CORED_OP_ACTIVATION] = &CORED_PASS(activation),
    [CORED_OP_MAX_POOL] = &CORED_PASS(max_pool),
    [CORED_OP_GLOBAL_AVG_POOL] = &CORED_PASS(global_avg_pool),
    [CORED_OP_FLATTEN] = &CORED_PASS(flatten),
    [CORED_OP_DENSE] = &CORED_PASS(dense),
    [CORED_OP_ADD] = &CORED_PASS(add),
    [CORED_OP_SCALE] = &CORED_PASS(scale),
    [CORED_OP_CONCAT] = &CORED_PASS(concat),
    [CORED_OP_DROPOUT] = &CORED_PASS(dropout),
    [CORED_OP_DROP_CONNECT] = &CORED_PASS(drop_connect),
};
