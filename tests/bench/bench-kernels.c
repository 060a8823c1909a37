/* SPDX-License-Identifier: MIT
 * Time of single kernels on the shapes the networks have, every variant this CPU runs.
 *
 * Columns: kernel, table, shape, microseconds of the fastest call (processor time, operands warm
 * in whatever cache they fit), GFLOP/s, ratio to plain C. The operands of the first product lie in
 * the first cache. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cored.h"
#include "kernels/kernels.h"

typedef struct GemmCase {
  int m, k, n;
} GemmCase;

typedef struct DepthwiseCase {
  int h, w, c, kernel, stride;
} DepthwiseCase;

static const GemmCase gemm_cases[] = {{48, 128, 32},    {64, 728, 728},  {361, 728, 728},
                                      {16, 1536, 2048}, {3721, 64, 128}, {3721, 128, 128},
                                      {961, 256, 256},  {12544, 16, 96}, {49, 1152, 192},
                                      {1, 1152, 48},    {65536, 27, 8},  {16384, 200, 8}};
static const DepthwiseCase depthwise_cases[] = {
    {61, 61, 128, 3, 1},  {8, 8, 728, 3, 1},   {16, 16, 256, 3, 1}, {112, 112, 32, 3, 1},
    {112, 112, 96, 3, 2}, {14, 14, 480, 5, 1}, {7, 7, 1152, 5, 1}};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *numbers(size_t count) {
  float *const x = aligned_alloc(64, (count + 64) / 16 * 16 * sizeof *x);
  if (!x)
    exit(1);
  for (size_t i = 0; i < count; i++)
    x[i] = (float)(i % 17) * 0.01f - 0.05f;
  return x;
}

typedef void Work(const CoredKernels *kernels, const void *arg);

/* Fastest of repeated calls, at least 50 ms of them. */
static double fastest(Work *work, const CoredKernels *kernels, const void *arg) {
  double best = 1e9, total = 0.0;
  for (int i = 0; i < 3 || (total < 0.05 && i < 2000); i++) {
    const double start = now();
    work(kernels, arg);
    const double t = now() - start;
    total += t;
    best = t < best ? t : best;
  }
  return best;
}

static void print(const char *kernel, const CoredKernels *kernels, const char *shape, double t,
                  double macs, double plain) {
  printf("%-10s %-10s %-22s %10.1f us %8.1f GFLOP/s %6.1fx\n", kernel, kernels->isa, shape, t * 1e6,
         2e-9 * macs / t, plain / t);
}

typedef struct GemmCall {
  CoredGemm gemm;
  int rows;
} GemmCall;

static void run_gemm(const CoredKernels *kernels, const void *arg) {
  const GemmCall *const call = arg;
  kernels->gemm.run(&call->gemm, 0, call->rows, 0, call->gemm.n);
}

static void bench_gemm(const GemmCase *c) {
  const size_t m = (size_t)c->m, k = (size_t)c->k, n = (size_t)c->n;
  float *const a = numbers(m * k), *const b = numbers(k * n), *const out = numbers(m * n);
  float *const packed = numbers(k * (n + 48)), *const bias = numbers(n + 48);
  CoredGemmChunk chunks[64];
  int blocks[65], n_blocks = 0;
  for (int i = 0; i < c->k; i += 256, n_blocks++) {
    chunks[n_blocks] = (CoredGemmChunk){i, c->k - i < 256 ? c->k - i : 256};
    blocks[n_blocks] = n_blocks;
  }
  blocks[n_blocks] = n_blocks;
  char shape[64];
  snprintf(shape, sizeof shape, "%dx%dx%d", c->m, c->k, c->n);
  double plain = 0.0;
  CoredKernels kernels;
  for (int i = 0; i < cored_kernels_variants(); i++) {
    if (!cored_kernels_variant(i, cored_cpu_flags(), &kernels))
      continue;
    cored_gemm_pack(&kernels.gemm.shape, b, c->n, c->k, c->n, packed);
    const GemmCall call = {{.a = a,
                            .a_pixel = c->k,
                            .line = c->m,
                            .chunks = chunks,
                            .blocks = blocks,
                            .n_blocks = n_blocks,
                            .k = c->k,
                            .n = c->n,
                            .b = packed,
                            .c = out,
                            .c_pixel = c->n,
                            .epilogue = {.bias = bias}},
                           c->m};
    const double t = fastest(run_gemm, &kernels, &call);
    plain = i == 0 ? t : plain;
    print("gemm", &kernels, shape, t, (double)c->m * c->k * c->n, plain);
  }
  free(a);
  free(b);
  free(out);
  free(packed);
  free(bias);
}

static void run_depthwise(const CoredKernels *kernels, const void *arg) {
  const CoredDepthwise *const d = arg;
  kernels->rows.depthwise(d, 0, (d->h + d->stride - 1) / d->stride, 0, d->channels);
}

static void bench_depthwise(const DepthwiseCase *c) {
  const size_t size = (size_t)c->h * (size_t)c->w * (size_t)c->c;
  const int taps = c->kernel * c->kernel, out_w = (c->w + c->stride - 1) / c->stride;
  const int out_h = (c->h + c->stride - 1) / c->stride;
  float *const x = numbers(size), *const out = numbers(size);
  float *const weight = numbers((size_t)(taps * c->c)), *const zeros = numbers((size_t)c->c);
  const CoredDepthwise d = {.x = x,
                            .h = c->h,
                            .w = c->w,
                            .channels = c->c,
                            .x_pixel = c->c,
                            .weight = weight,
                            .zeros = zeros,
                            .kernel = c->kernel,
                            .stride = c->stride,
                            .dilation = 1,
                            .pad_top = c->kernel / 2,
                            .pad_left = c->kernel / 2,
                            .relu_in = true,
                            .out = out,
                            .out_w = out_w,
                            .out_pixel = c->c};
  char shape[64];
  snprintf(shape, sizeof shape, "%dx%dx%d k%d s%d", c->h, c->w, c->c, c->kernel, c->stride);
  double plain = 0.0;
  CoredKernels kernels;
  for (int i = 0; i < cored_kernels_variants(); i++) {
    if (!cored_kernels_variant(i, cored_cpu_flags(), &kernels))
      continue;
    const double t = fastest(run_depthwise, &kernels, &d);
    plain = i == 0 ? t : plain;
    print("depthwise", &kernels, shape, t, (double)taps * out_h * out_w * c->c, plain);
  }
  free(x);
  free(out);
  free(weight);
  free(zeros);
}

int main(void) {
  for (size_t i = 0; i < sizeof gemm_cases / sizeof *gemm_cases; i++)
    bench_gemm(&gemm_cases[i]);
  for (size_t i = 0; i < sizeof depthwise_cases / sizeof *depthwise_cases; i++)
    bench_depthwise(&depthwise_cases[i]);
  return 0;
}
