/* SPDX-License-Identifier: MIT */
#include "plan/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64

void *cored_blob_take(CoredBlob *blob, size_t bytes) {
  void *const p = blob->data ? (char *)blob->data + blob->used : NULL;
  blob->used += (bytes + ALIGN - 1) / ALIGN * ALIGN;
  return p;
}

/* Room for n floats. */
static float *take_floats(CoredBlob *blob, size_t n) {
  return cored_blob_take(blob, n * sizeof(float));
}

void cored_affine_clear(CoredAffine *affine) {
  free(affine->scale);
  free(affine->shift);
  *affine = (CoredAffine){0};
}

static const float *param(const CoredGraph *graph, const float *const *params, int node,
                          CoredParamRole role) {
  const int index = cored_graph_param(graph, node, role);
  return index < 0 ? NULL : params[index];
}

bool cored_affine_batch_norm(CoredAffine *affine, const CoredGraph *graph,
                             const float *const *params, int node) {
  const CoredNode *const bn = &graph->nodes[node];
  const float *const weight = param(graph, params, node, CORED_PARAM_BN_WEIGHT);
  const float *const bias = param(graph, params, node, CORED_PARAM_BN_BIAS);
  const float *const mean = param(graph, params, node, CORED_PARAM_BN_MEAN);
  const float *const var = param(graph, params, node, CORED_PARAM_BN_VAR);
  const size_t size = (size_t)bn->channels * sizeof(float);
  const bool first = !affine->scale;
  if (first) {
    affine->scale = malloc(size);
    affine->shift = malloc(size);
    if (!affine->scale || !affine->shift)
      return false;
  }
  for (int c = 0; c < bn->channels; c++) {
    const double s = (double)weight[c] / sqrt((double)var[c] + (double)bn->epsilon);
    const double before = first ? 0.0 : (double)affine->shift[c];
    affine->scale[c] = (float)(s * (first ? 1.0 : (double)affine->scale[c]));
    affine->shift[c] = (float)((double)bias[c] + (before - (double)mean[c]) * s);
  }
  return true;
}

/* bias'[c] = scale[c] * bias[c] + shift[c]; padding stays zero. */
static void fold_bias(float *out, const float *bias, const CoredAffine *affine, int channels) {
  for (int c = 0; c < channels; c++) {
    const double b = bias ? (double)bias[c] : 0.0;
    out[c] =
        affine->scale ? (float)(b * (double)affine->scale[c] + (double)affine->shift[c]) : (float)b;
  }
}

/* [out][in][kh][kw] -> rows[(i * kernel + j) * in + c][out], scaled per output. */
static void transpose(const CoredNode *node, int k, const float *weight, const CoredAffine *affine,
                      float *rows) {
  const int taps = node->op == CORED_OP_DENSE ? 1 : node->kernel * node->kernel;
  const int channels = k / taps;
  for (int o = 0; o < node->channels; o++) {
    const float scale = affine->scale ? affine->scale[o] : 1.0f;
    for (int c = 0; c < channels; c++)
      for (int t = 0; t < taps; t++)
        rows[((size_t)t * (size_t)channels + (size_t)c) * (size_t)node->channels + (size_t)o] =
            scale * weight[((size_t)o * (size_t)channels + (size_t)c) * (size_t)taps + (size_t)t];
  }
}

bool cored_fold_gemm(CoredBlob *blob, const CoredGemmShape *shape, const CoredGraph *graph,
                     const float *const *params, int node, const CoredAffine *affine,
                     CoredGemm *gemm) {
  const CoredNode *const conv = &graph->nodes[node];
  const size_t padded = cored_gemm_padded(shape, conv->channels);
  float *const packed = take_floats(blob, cored_gemm_packed_size(shape, gemm->k, conv->channels));
  float *const bias = take_floats(blob, padded);
  gemm->b = packed;
  gemm->epilogue.bias = bias;
  if (!blob->data)
    return true;
  float *const rows = malloc((size_t)gemm->k * (size_t)conv->channels * sizeof *rows);
  if (!rows)
    return false;
  transpose(conv, gemm->k, param(graph, params, node, CORED_PARAM_WEIGHT), affine, rows);
  cored_gemm_pack(shape, rows, conv->channels, gemm->k, conv->channels, packed);
  free(rows);
  fold_bias(bias, param(graph, params, node, CORED_PARAM_BIAS), affine, conv->channels);
  return true;
}

void cored_fold_depthwise(CoredBlob *blob, const CoredGraph *graph, const float *const *params,
                          int node, const CoredAffine *affine, CoredDepthwise *depthwise) {
  const CoredNode *const conv = &graph->nodes[node];
  const int channels = conv->channels, taps = conv->kernel * conv->kernel;
  float *const out = take_floats(blob, (size_t)taps * (size_t)channels);
  float *const bias = affine->scale || conv->bias ? take_floats(blob, (size_t)channels) : NULL;
  depthwise->zeros = take_floats(blob, (size_t)channels); /* a new block is zeroed */
  depthwise->weight = out;
  depthwise->epilogue.bias = bias;
  if (!blob->data)
    return;
  const float *const weight = param(graph, params, node, CORED_PARAM_WEIGHT);
  for (int c = 0; c < channels; c++)
    for (int t = 0; t < taps; t++)
      out[t * channels + c] = weight[c * taps + t] * (affine->scale ? affine->scale[c] : 1.0f);
  if (bias)
    fold_bias(bias, param(graph, params, node, CORED_PARAM_BIAS), affine, channels);
}

void cored_fold_affine(CoredBlob *blob, const CoredAffine *affine, int channels,
                       CoredEpilogue *epilogue) {
  if (!affine->scale)
    return;
  float *const scale = take_floats(blob, (size_t)channels);
  float *const shift = take_floats(blob, (size_t)channels);
  epilogue->scale = scale;
  epilogue->shift = shift;
  if (!blob->data)
    return;
  memcpy(scale, affine->scale, (size_t)channels * sizeof *scale);
  memcpy(shift, affine->shift, (size_t)channels * sizeof *shift);
}
