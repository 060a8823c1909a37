/* SPDX-License-Identifier: MIT
 * Matrix product on packed weights, for any vector width. Included once per instruction set.
 *
 * A register tile of GEMM_ROWS pixels x GEMM_VECTORS vectors of output channels; for every k one
 * element of each row is broadcast against GEMM_VECTORS vectors of the packed panel. Rows are read
 * where they lie. One block of a panel (block k x columns) stays in the first cache while all rows
 * of a row block pass over it (Goto and van de Geijn 2008, with the roles of A and B exchanged). */
#ifndef CORED_KERNELS_GEMM_SIMD_H
#define CORED_KERNELS_GEMM_SIMD_H

#include <math.h>

#include "kernels/vec.h"

#if CORED_LANES == 16
#define GEMM_ROWS 8
#define GEMM_VECTORS 3
#else
#define GEMM_ROWS 6
#define GEMM_VECTORS 2
#endif
#define GEMM_COLUMNS (GEMM_VECTORS * CORED_LANES)
#define GEMM_BLOCK_FLOATS (48 * 1024) /* of A kept in the second cache while panels change */

typedef struct GemmTile {
  const float *a[GEMM_ROWS];
  const CoredGemmChunk *chunks;
  int n_chunks;
  const float *b;
  const float *init; /* row i starts at init + i * init_pixel; NULL: bias alone */
  ptrdiff_t init_pixel;
  const float *bias; /* NULL: init alone */
  float low;         /* lower bound of the result: 0 is ReLU, -inf none */
  float *c;
  ptrdiff_t c_pixel;
} GemmTile;

/* c[i, :] = max(low, bias + init[i, :] + sum over k of a[i][k] * b[k, :]), mr rows, nv vectors. */
VF_INLINE void gemm_tile(const int mr, const int nv, const GemmTile *t) {
  vf acc[GEMM_ROWS][GEMM_VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 3
    for (int j = 0; j < nv; j++) {
      const vf bias = t->bias ? vf_load(t->bias + j * CORED_LANES) : vf_splat(0.0f);
      acc[i][j] = t->init ? bias + vf_load(t->init + i * t->init_pixel + j * CORED_LANES) : bias;
    }
  const float *b = t->b;
  for (int s = 0; s < t->n_chunks; s++) {
    const float *a[GEMM_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
      a[i] = t->a[i] + t->chunks[s].offset;
    const ptrdiff_t length = t->chunks[s].length;
#pragma GCC unroll 4
    for (ptrdiff_t k = 0; k < length; k++, b += nv * CORED_LANES) {
      vf bv[GEMM_VECTORS];
#pragma GCC unroll 3
      for (int j = 0; j < nv; j++)
        bv[j] = vf_load(b + j * CORED_LANES);
#pragma GCC unroll 8
      for (int i = 0; i < mr; i++) {
        const vf av = vf_splat(a[i][k]);
#pragma GCC unroll 3
        for (int j = 0; j < nv; j++)
          acc[i][j] = vf_fma(av, bv[j], acc[i][j]);
      }
    }
  }
  const vf low = vf_splat(t->low);
#pragma GCC unroll 8
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 3
    for (int j = 0; j < nv; j++)
      vf_store(t->c + i * t->c_pixel + j * CORED_LANES, vf_max(low, acc[i][j]));
}

#define GEMM_TILE(mr, nv)                                                                          \
  static __attribute__((noinline)) void gemm_tile_##mr##x##nv(const GemmTile *t) {                 \
    gemm_tile(mr, nv, t);                                                                          \
  }
#if CORED_LANES == 16
#define GEMM_TILES(X, mr) X(mr, 1) X(mr, 2) X(mr, 3)
#define GEMM_TILE_ENTRY(mr) {gemm_tile_##mr##x1, gemm_tile_##mr##x2, gemm_tile_##mr##x3},
GEMM_TILES(GEMM_TILE, 7)
GEMM_TILES(GEMM_TILE, 8)
#else
#define GEMM_TILES(X, mr) X(mr, 1) X(mr, 2)
#define GEMM_TILE_ENTRY(mr) {gemm_tile_##mr##x1, gemm_tile_##mr##x2},
#endif
GEMM_TILES(GEMM_TILE, 1)
GEMM_TILES(GEMM_TILE, 2)
GEMM_TILES(GEMM_TILE, 3)
GEMM_TILES(GEMM_TILE, 4)
GEMM_TILES(GEMM_TILE, 5)
GEMM_TILES(GEMM_TILE, 6)

typedef void GemmTileFn(const GemmTile *t);

static GemmTileFn *const gemm_tiles[GEMM_ROWS][GEMM_VECTORS] = {
    GEMM_TILE_ENTRY(1) GEMM_TILE_ENTRY(2) GEMM_TILE_ENTRY(3) GEMM_TILE_ENTRY(4) GEMM_TILE_ENTRY(5)
        GEMM_TILE_ENTRY(6)
#if CORED_LANES == 16
            GEMM_TILE_ENTRY(7) GEMM_TILE_ENTRY(8)
#endif
};

static void pointwise_rows(const CoredEpilogue *e, const float *x, ptrdiff_t x_pixel, float *y,
                           ptrdiff_t y_pixel, int pixels, int channels);

/* What of the epilogue a tile does itself, and the rest for pointwise_rows(). */
typedef struct GemmFinish {
  float low;              /* lower bound the tile applies */
  bool rest;              /* pointwise_rows() has to run */
  CoredEpilogue epilogue; /* with what is left to do */
} GemmFinish;

static GemmFinish plan_finish(const CoredEpilogue *e) {
  const bool relu = e->act == CORED_KERNEL_ACT_RELU;
  GemmFinish f = {.low = relu ? 0.0f : -INFINITY, .epilogue = *e};
  f.epilogue.bias = f.epilogue.residual = NULL;
  if (relu)
    f.epilogue.act = CORED_KERNEL_ACT_NONE;
  f.rest = f.epilogue.act != CORED_KERNEL_ACT_NONE || e->scale;
  return f;
}

/* The columns [col, col + columns) of one tile go through a buffer when they do not fill whole
 * vectors, because vectors must not be read or written beyond column n. */
static void run_partial_tile(GemmTileFn *fn, const GemmTile *t, int mr, int columns) {
  float in[GEMM_ROWS * GEMM_COLUMNS] = {0}, out[GEMM_ROWS * GEMM_COLUMNS];
  GemmTile part = *t;
  part.c = out;
  part.c_pixel = GEMM_COLUMNS;
  if (t->init) {
    for (int i = 0; i < mr; i++)
      memcpy(in + i * GEMM_COLUMNS, t->init + i * t->init_pixel, (size_t)columns * sizeof *in);
    part.init = in;
    part.init_pixel = GEMM_COLUMNS;
  }
  fn(&part);
  for (int i = 0; i < mr; i++)
    memcpy(t->c + i * t->c_pixel, out + i * GEMM_COLUMNS, (size_t)columns * sizeof *out);
}

/* One tile of one block of the sum; the block decides what the sum starts from. */
static void run_tile(const CoredGemm *g, const GemmFinish *f, const GemmTile *rows, int row, int mr,
                     int col, int block, const float *b) {
  const int columns = g->n - col < GEMM_COLUMNS ? g->n - col : GEMM_COLUMNS;
  const int vectors = (columns + CORED_LANES - 1) / CORED_LANES;
  const bool first = block == 0, last = block == g->n_blocks - 1;
  GemmTile t = *rows;
  t.chunks = g->chunks + g->blocks[block];
  t.n_chunks = g->blocks[block + 1] - g->blocks[block];
  t.b = b;
  t.c = g->c + row * g->c_pixel + col;
  t.c_pixel = g->c_pixel;
  t.low = last ? f->low : -INFINITY;
  t.bias = first ? g->epilogue.bias + col : NULL;
  if (!first) {
    t.init = t.c;
    t.init_pixel = g->c_pixel;
  } else if (g->epilogue.residual) {
    t.init = g->epilogue.residual + row * g->epilogue.residual_pixel + col;
    t.init_pixel = g->epilogue.residual_pixel;
  } else {
    t.init = NULL;
    t.init_pixel = 0;
  }
  GemmTileFn *const fn = gemm_tiles[mr - 1][vectors - 1];
  if (columns == vectors * CORED_LANES)
    fn(&t);
  else
    run_partial_tile(fn, &t, mr, columns);
  if (last && f->rest) {
    CoredEpilogue e = f->epilogue;
    e.scale = e.scale ? e.scale + col : NULL;
    e.shift = e.shift ? e.shift + col : NULL;
    pointwise_rows(&e, t.c, t.c_pixel, t.c, t.c_pixel, mr, columns);
  }
}

/* Start of the mr rows from `row` on; y is row / line, kept by the caller to save divisions. */
static void set_rows(const CoredGemm *g, GemmTile *t, int row, int mr) {
  int y = row / g->line, x = row - y * g->line;
  for (int i = 0; i < mr; i++) {
    t->a[i] = g->a + y * g->a_line + x * g->a_pixel;
    if (++x == g->line) {
      x = 0;
      y++;
    }
  }
}

static int block_length(const CoredGemm *g, int block) {
  int k = 0;
  for (int s = g->blocks[block]; s < g->blocks[block + 1]; s++)
    k += g->chunks[s].length;
  return k;
}

static void gemm_rows(const CoredGemm *g, const GemmFinish *f, int row0, int row1, int col0,
                      int col1) {
  for (int col = col0; col < col1; col += GEMM_COLUMNS) {
    const int columns = g->n - col < GEMM_COLUMNS ? g->n - col : GEMM_COLUMNS;
    const int width = (columns + CORED_LANES - 1) / CORED_LANES * CORED_LANES;
    const float *b = g->b + (size_t)col * (size_t)g->k;
    for (int block = 0; block < g->n_blocks; block++) {
      for (int row = row0; row < row1; row += GEMM_ROWS) {
        const int mr = row1 - row < GEMM_ROWS ? row1 - row : GEMM_ROWS;
        GemmTile t;
        set_rows(g, &t, row, mr);
        run_tile(g, f, &t, row, mr, col, block, b);
      }
      b += (size_t)width * (size_t)block_length(g, block);
    }
  }
}

static void gemm(const CoredGemm *g, int row0, int row1, int col0, int col1) {
  const GemmFinish f = plan_finish(&g->epilogue);
  int step = GEMM_BLOCK_FLOATS / g->k / GEMM_ROWS * GEMM_ROWS;
  step = step < 8 * GEMM_ROWS ? 8 * GEMM_ROWS : step;
  for (int row = row0; row < row1; row += step)
    gemm_rows(g, &f, row, row1 - row < step ? row1 : row + step, col0, col1);
}

#endif /* CORED_KERNELS_GEMM_SIMD_H */
