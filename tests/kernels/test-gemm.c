/* SPDX-License-Identifier: MIT
 * The matrix product of every table against double arithmetic. */
#include "harness.h"

#define SEED 11
#define ROUNDS 300

typedef struct GemmCase {
  int m, k, n, row0, row1;
  CoredGemm g;
  CoredGemmChunk chunks[16];
  int blocks[17];
  Buffer a, b, packed, c;
  EpilogueArrays arrays;
} GemmCase;

/* Cut k into stretches with gaps between them, and the stretches into blocks. Returns the floats a
 * row spans. */
static int cut_chunks(Rng *rng, GemmCase *t) {
  int n = 0, offset = 0;
  for (int k = 0; k < t->k; n++) {
    const int left = t->k - k, length = n == 15 ? left : rng_int(rng, 1, left);
    t->chunks[n] = (CoredGemmChunk){offset, length};
    k += length;
    offset += length + rng_int(rng, 0, 5);
  }
  int n_blocks = 0;
  for (int i = 0; i < n; i += rng_int(rng, 1, 3))
    t->blocks[n_blocks++] = i;
  t->blocks[n_blocks] = n;
  t->g.n_blocks = n_blocks;
  return offset;
}

static void make_case(Rng *rng, const CoredKernels *kernels, GemmCase *t) {
  memset(t, 0, sizeof *t);
  t->m = rng_int(rng, 1, 40);
  t->k = rng_int(rng, 0, 3) ? rng_size(rng, 100) : rng_int(rng, 200, 700);
  t->n = rng_size(rng, 100);
  const int span = cut_chunks(rng, t), line = rng_int(rng, 1, t->m);
  CoredGemm *const g = &t->g;
  g->line = line;
  g->a_pixel = rng_int(rng, 1, span + 3); /* rows of a convolution overlap */
  g->a_line = g->a_pixel * line + rng_int(rng, 0, 9);
  const int lines = (t->m + line - 1) / line;
  t->a = buffer_random(rng, (size_t)(g->a_line * lines + span));
  t->b = buffer_random(rng, (size_t)t->k * (size_t)t->n);
  g->c_pixel = t->n + rng_int(rng, 0, 3);
  t->c = buffer_new((size_t)t->m * (size_t)g->c_pixel);
  t->packed = buffer_new(cored_gemm_packed_size(&kernels->gemm.shape, t->k, t->n));
  cored_gemm_pack(&kernels->gemm.shape, t->b.data, t->n, t->k, t->n, t->packed.data);
  g->a = t->a.data;
  g->b = t->packed.data;
  g->c = t->c.data;
  g->k = t->k;
  g->n = t->n;
  g->chunks = t->chunks;
  g->blocks = t->blocks;
  g->epilogue = random_epilogue(rng, t->n, cored_gemm_padded(&kernels->gemm.shape, t->n),
                                (size_t)t->m, &t->arrays);
}

static void free_case(GemmCase *t) {
  buffer_free(t->a);
  buffer_free(t->b);
  buffer_free(t->c);
  buffer_free(t->packed);
  epilogue_free(&t->arrays);
}

static Bounded exact(const GemmCase *t, int row, int col) {
  const CoredGemm *const g = &t->g;
  const float *const a = g->a + row / g->line * g->a_line + row % g->line * g->a_pixel;
  double sum = (double)g->epilogue.bias[col], size = fabs(sum);
  if (g->epilogue.residual)
    size += fabs((double)g->epilogue.residual[row * g->epilogue.residual_pixel + col]);
  int k = 0;
  for (int s = 0; s < g->blocks[g->n_blocks]; s++)
    for (int i = 0; i < g->chunks[s].length; i++, k++) {
      const double p = (double)a[g->chunks[s].offset + i] * (double)t->b.data[k * t->n + col];
      sum += p;
      size += fabs(p);
    }
  const Bounded b = {sum, gamma_of(t->k + 3) * size};
  return epilogue_exact(&g->epilogue, row, col, b);
}

static void check_values(const CoredKernels *kernels, const GemmCase *t) {
  char what[128];
  for (int r = 0; r < t->m; r++)
    for (int j = 0; j < (int)t->g.c_pixel && (size_t)(r * t->g.c_pixel + j) < t->c.count; j++) {
      const float *const c = t->c.data + r * t->g.c_pixel + j;
      snprintf(what, sizeof what, "gemm %s %dx%dx%d [%d, %d]", kernels->isa, t->m, t->k, t->n, r,
               j);
      if (j < t->n)
        assert_bounded(what, *c, exact(t, r, j));
      else if (!is_canary(c))
        fail_msg("%s: written between the rows", what);
    }
}

/* Any split of rows and columns gives the same bits. */
static void check_split(Rng *rng, const CoredKernels *kernels, const GemmCase *t) {
  const Buffer again = buffer_new(t->c.count);
  CoredGemm g = t->g;
  g.c = again.data;
  const int columns = kernels->gemm.shape.columns, row = rng_int(rng, 0, t->m);
  const int col = rng_int(rng, 0, t->n / columns) * columns;
  kernels->gemm.run(&g, row, t->m, col, t->n);
  kernels->gemm.run(&g, 0, row, 0, col);
  kernels->gemm.run(&g, 0, row, col, t->n);
  kernels->gemm.run(&g, row, t->m, 0, col);
  assert_memory_equal(again.data, t->c.data, t->c.count * sizeof(float));
  buffer_free(again);
}

static void test_random(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    for (int i = 0; i < ROUNDS; i++) {
      GemmCase t;
      make_case(&rng, kernels, &t);
      kernels->gemm.run(&t.g, 0, t.m, 0, t.n);
      check_values(kernels, &t);
      check_split(&rng, kernels, &t);
      free_case(&t);
    }
  }
}

/* Large enough for several row blocks: c t against a (b t) with a random t (BLIS). */
static void test_large(void **state) {
  (void)state;
  enum { m = 700, k = 900, n = 150 };
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    const Buffer a = buffer_random(&rng, m * k), b = buffer_random(&rng, k * n);
    const Buffer c = buffer_new(m * n), v = buffer_random(&rng, n);
    const Buffer packed = buffer_new(cored_gemm_packed_size(&kernels->gemm.shape, k, n));
    const Buffer bias = buffer_new(cored_gemm_padded(&kernels->gemm.shape, n));
    memset(bias.data, 0, bias.count * sizeof(float));
    cored_gemm_pack(&kernels->gemm.shape, b.data, n, k, n, packed.data);
    const CoredGemmChunk chunks[2] = {{0, 450}, {450, 450}};
    const int blocks[3] = {0, 1, 2};
    const CoredGemm g = {.a = a.data,
                         .a_pixel = k,
                         .line = m,
                         .chunks = chunks,
                         .blocks = blocks,
                         .n_blocks = 2,
                         .k = k,
                         .n = n,
                         .b = packed.data,
                         .c = c.data,
                         .c_pixel = n,
                         .epilogue = {.bias = bias.data}};
    kernels->gemm.run(&g, 0, m, 0, n);
    double bv[k];
    for (int i = 0; i < k; i++) {
      bv[i] = 0.0;
      for (int j = 0; j < n; j++)
        bv[i] += (double)b.data[i * n + j] * (double)v.data[j];
    }
    for (int r = 0; r < m; r++) {
      double want = 0.0, got = 0.0;
      for (int i = 0; i < k; i++)
        want += (double)a.data[r * k + i] * bv[i];
      for (int j = 0; j < n; j++)
        got += (double)c.data[r * n + j] * (double)v.data[j];
      if (!(fabs(got - want) <= 0.01))
        fail_msg("gemm %s %dx%dx%d row %d: off by %g", kernels->isa, m, k, n, r, got - want);
    }
    buffer_free(a);
    buffer_free(b);
    buffer_free(c);
    buffer_free(v);
    buffer_free(packed);
    buffer_free(bias);
  }
}

int main(void) {
  printf("seed %d\n", SEED);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random),
      cmocka_unit_test(test_large),
  };
  return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
