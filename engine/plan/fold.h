/* SPDX-License-Identifier: MIT
 * Weights of a step: batch norm folded in, layout changed, packed.
 *
 * All weights of a plan lie in one block. Emitting runs twice over the same ops: first with
 * data == NULL to learn the size, then to fill it. */
#ifndef CORED_PLAN_FOLD_H
#define CORED_PLAN_FOLD_H

#include "plan/plan.h"

typedef struct CoredBlob {
  void *data;  /* NULL: only count */
  size_t used; /* bytes */
} CoredBlob;

/* The next bytes, aligned to 64; NULL while counting. */
void *cored_blob_take(CoredBlob *blob, size_t bytes);

/* A channel-wise y = scale * x + shift, e.g. an evaluated batch norm; owns its arrays. */
typedef struct CoredAffine {
  float *scale, *shift; /* NULL: identity */
} CoredAffine;

void cored_affine_clear(CoredAffine *affine);
/* Compose: first `affine`, then the batch norm of `node`,
 *   scale = weight / sqrt(var + eps), shift = bias - mean * scale, computed in double. */
bool cored_affine_batch_norm(CoredAffine *affine, const CoredGraph *graph,
                             const float *const *params, int node);

/* Packed matrix of CONV or DENSE `node` with the affine applied to its output, and its padded bias.
 * In the matrix k = (i * kernel + j) * in_channels + c. */
bool cored_fold_gemm(CoredBlob *blob, const CoredGemmShape *shape, const CoredGraph *graph,
                     const float *const *params, int node, const CoredAffine *affine,
                     CoredGemm *gemm);
/* [kernel * kernel][channels] weights of DEPTHWISE `node`, its bias, and zeros. */
void cored_fold_depthwise(CoredBlob *blob, const CoredGraph *graph, const float *const *params,
                          int node, const CoredAffine *affine, CoredDepthwise *depthwise);
/* Copies of the arrays for an epilogue: scale and shift. */
void cored_fold_affine(CoredBlob *blob, const CoredAffine *affine, int channels,
                       CoredEpilogue *epilogue);

#endif /* CORED_PLAN_FOLD_H */
