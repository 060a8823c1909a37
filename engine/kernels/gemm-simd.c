/* SPDX-License-Identifier: MIT
 * Matrix product on packed weights, for any vector width. Compiled once per instruction set
 * (vec.h).
 *
 * A register tile of GEMM_ROWS pixels x GEMM_VECTORS vectors of output channels; for every k one
 * element of each row is broadcast against GEMM_VECTORS vectors of the packed panel. Rows are read
 * where they lie. One block of a panel (block k x columns) stays in the first cache while all rows
 * of a row block pass over it (Goto and van de Geijn 2008, with the roles of A and B exchanged). */
#include "kernels/gemm.h"

#include <math.h>

#include "kernels/epilogue-simd.h"

#if CORED_LANES == 16
#define GEMM_ROWS 8
#define GEMM_VECTORS 3
#else
#define GEMM_ROWS 6
#define GEMM_VECTORS 2
#endif
#define GEMM_COLUMNS (GEMM_VECTORS * CORED_LANES)
#define GEMM_BLOCK_FLOATS (128 * 1024) /* of A kept in the second cache while panels change */

typedef struct GemmTile {
  const float *a[GEMM_ROWS];
  const CoredGemmChunk *chunks;
  int n_chunks;
  const float *b;
  const char *prefetch;    /* walks through what will be needed next, ... */
  ptrdiff_t prefetch_step; /* ... this many bytes every k */
  const float *init;       /* row i starts at init + i * init_pixel; NULL: bias alone */
  ptrdiff_t init_pixel;
  const float *bias; /* NULL: init alone */
  float low, high;   /* bounds of the result; of a ReLU 0 and infinity */
  float *c;
  ptrdiff_t c_pixel;
} GemmTile;

/* One k: acc[i][:] += a[i][k] * b[:]. */
VF_INLINE void gemm_step(const int mr, const int nv, vf acc[GEMM_ROWS][GEMM_VECTORS],
                         const float *const *a, ptrdiff_t k, const float *b) {
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

/* All k of a block. */
VF_INLINE void gemm_sum(const int mr, const int nv, vf acc[GEMM_ROWS][GEMM_VECTORS],
                        const GemmTile *t) {
  const float *b = t->b;
  const char *prefetch = t->prefetch;
  const ptrdiff_t prefetch_step = t->prefetch_step;
  for (int s = 0; s < t->n_chunks; s++) {
    const float *a[GEMM_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
      a[i] = t->a[i] + t->chunks[s].offset;
    const ptrdiff_t length = t->chunks[s].length;
#pragma GCC unroll 4
    for (ptrdiff_t k = 0; k < length; k++, b += nv * CORED_LANES) {
      __builtin_prefetch(prefetch, 0, 2);
      prefetch += prefetch_step;
      gemm_step(mr, nv, acc, a, k, b);
    }
  }
}

/* c[i, :] = clamp(bias + init[i, :] + sum over k of a[i][k] * b[k, :]), mr rows, nv vectors. */
VF_INLINE void gemm_tile(const int mr, const int nv, const GemmTile *t) {
  vf acc[GEMM_ROWS][GEMM_VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 3
    for (int j = 0; j < nv; j++) {
      const vf bias = t->bias ? vf_load(t->bias + j * CORED_LANES) : vf_splat(0.0f);
      acc[i][j] = t->init ? bias + vf_load(t->init + i * t->init_pixel + j * CORED_LANES) : bias;
    }
  gemm_sum(mr, nv, acc, t);
  const vf low = vf_splat(t->low), high = vf_splat(t->high);
#pragma GCC unroll 8
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 3
    for (int j = 0; j < nv; j++)
      vf_store(t->c + i * t->c_pixel + j * CORED_LANES, vf_min(high, vf_max(low, acc[i][j])));
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

/* What of the epilogue a tile does itself, and the rest for pointwise_rows(). */
typedef struct GemmFinish {
  float low, high;        /* the clamp that the tile applies */
  bool rest;              /* pointwise_rows() has to run */
  CoredEpilogue epilogue; /* with what is left to do */
} GemmFinish;

static GemmFinish plan_finish(const CoredEpilogue *e) {
  const bool clamp = e->act.kind == CORED_ACT_CLAMP;
  GemmFinish f = {.low = clamp ? e->act.low : -INFINITY,
                  .high = clamp ? e->act.high : INFINITY,
                  .epilogue = *e};
  f.epilogue.bias = f.epilogue.residual = NULL;
  if (clamp)
    f.epilogue.act.kind = CORED_ACT_NONE;
  f.rest = f.epilogue.act.kind != CORED_ACT_NONE || e->scale;
  return f;
}

VF_INLINE void copy_columns(float *to, const float *from, int columns) {
  int j = 0;
  for (; j + CORED_LANES <= columns; j += CORED_LANES)
    vf_store(to + j, vf_load(from + j));
  if (j < columns)
    vf_store_part(to + j, vf_load_part(from + j, columns - j), columns - j);
}

/* Tiles whose columns do not fill whole vectors go through a buffer, because vectors must not be
 * read or written beyond column n. */
static void run_partial_tile(GemmTileFn *fn, const GemmTile *t, int mr, int columns) {
  float in[GEMM_ROWS * GEMM_COLUMNS], out[GEMM_ROWS * GEMM_COLUMNS];
  GemmTile part = *t;
  part.c = out;
  part.c_pixel = GEMM_COLUMNS;
  if (t->init) {
    memset(in, 0, sizeof in);
    for (int i = 0; i < mr; i++)
      copy_columns(in + i * GEMM_COLUMNS, t->init + i * t->init_pixel, columns);
    part.init = in;
    part.init_pixel = GEMM_COLUMNS;
  }
  fn(&part);
  for (int i = 0; i < mr; i++)
    copy_columns(t->c + i * t->c_pixel, out + i * GEMM_COLUMNS, columns);
}

/* Start of the mr rows from `row` on. */
static void set_rows(const CoredGemm *g, GemmTile *t, int row, int mr) {
  int y = row < g->line ? 0 : row / g->line, x = row - y * g->line;
  for (int i = 0; i < mr; i++) {
    t->a[i] = g->a + y * g->a_line + x * g->a_pixel;
    if (++x == g->line) {
      x = 0;
      y++;
    }
  }
}

/* What is left of the epilogue after the last block, for the tile at (row, col). */
static void finish_tile(const CoredEpilogue *rest, const GemmTile *t, int mr, int col,
                        int columns) {
  CoredEpilogue e = *rest;
  e.scale = e.scale ? e.scale + col : NULL;
  e.shift = e.shift ? e.shift + col : NULL;
  pointwise_rows(&e, t->c, t->c_pixel, t->c, t->c_pixel, mr, columns);
}

/* One block of the sum in one panel. */
typedef struct GemmPanel {
  int col, columns, vectors;
  int block, length; /* of the sum */
  const float *b;
} GemmPanel;

/* What the sums of a block start from and end with: the fields of a tile that rows do not change.
 * init is where row 0 starts. */
static GemmTile open_block(const CoredGemm *g, const GemmFinish *f, const GemmPanel *p) {
  const bool first = p->block == 0, last = p->block == g->n_blocks - 1;
  const float *const residual = g->epilogue.residual;
  return (GemmTile){
      .chunks = g->chunks + g->blocks[p->block],
      .n_chunks = g->blocks[p->block + 1] - g->blocks[p->block],
      .b = p->b,
      .init = !first     ? g->c + p->col
              : residual ? residual + p->col
                         : NULL,
      .init_pixel = !first     ? g->c_pixel
                    : residual ? g->epilogue.residual_pixel
                               : 0,
      .bias = first ? g->epilogue.bias + p->col : NULL,
      .low = last ? f->low : -INFINITY,
      .high = last ? f->high : INFINITY,
      .c = g->c + p->col,
      .c_pixel = g->c_pixel,
  };
}

/* Rows row0..row1 of one block. While they run, the block behind it (weights lie in the order in
 * which they are used, across layers too) is fetched into the second cache, evenly over the tiles:
 * a batch of one image uses every weight once, so without this they would come from memory too
 * late. */
static void gemm_block(const CoredGemm *g, const GemmFinish *f, const GemmPanel *p, int row0,
                       int row1) {
  const ptrdiff_t bytes = p->vectors * VF_BYTES; /* of B per k */
  const int tiles = (row1 - row0 + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t share = (bytes / tiles + 15) / 16 * 16, step = share < 64 ? share : 64;
  const char *const next = (const char *)p->b + bytes * p->length;
  const bool rest = f->rest && p->block == g->n_blocks - 1;
  const bool partial = p->columns != p->vectors * CORED_LANES;
  const GemmTile start = open_block(g, f, p);
  GemmTile t = start;
  ptrdiff_t fetched = 0;
  for (int row = row0; row < row1; row += GEMM_ROWS) {
    const int mr = row1 - row < GEMM_ROWS ? row1 - row : GEMM_ROWS;
    set_rows(g, &t, row, mr);
    t.c = start.c + row * t.c_pixel;
    t.init = start.init ? start.init + row * t.init_pixel : NULL;
    t.prefetch = next + fetched;
    t.prefetch_step = fetched < bytes * p->length ? step : 0;
    fetched += step * p->length;
    GemmTileFn *const fn = gemm_tiles[mr - 1][p->vectors - 1];
    if (partial)
      run_partial_tile(fn, &t, mr, p->columns);
    else
      fn(&t);
    if (rest)
      finish_tile(&f->epilogue, &t, mr, p->col, p->columns);
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
    GemmPanel p = {.col = col, .b = g->b + (size_t)col * (size_t)g->k};
    p.columns = g->n - col < GEMM_COLUMNS ? g->n - col : GEMM_COLUMNS;
    p.vectors = (p.columns + CORED_LANES - 1) / CORED_LANES;
    for (; p.block < g->n_blocks; p.block++) {
      p.length = block_length(g, p.block);
      gemm_block(g, f, &p, row0, row1);
      p.b += (size_t)p.vectors * CORED_LANES * (size_t)p.length;
    }
  }
}

/* Part i of n of `rows`, in whole tiles. */
static void split_rows(int rows, int i, int n, int *from, int *to) {
  const long long tiles = (rows + GEMM_ROWS - 1) / GEMM_ROWS;
  *from = (int)(tiles * i / n) * GEMM_ROWS;
  *to = (int)(tiles * (i + 1) / n) * GEMM_ROWS;
  *to = *to < rows ? *to : rows;
}

static void gemm(const CoredGemm *g, int row0, int row1, int col0, int col1) {
  const GemmFinish f = plan_finish(&g->epilogue);
  const int most =
      GEMM_BLOCK_FLOATS / g->k > 8 * GEMM_ROWS ? GEMM_BLOCK_FLOATS / g->k : 8 * GEMM_ROWS;
  const int n_blocks = (row1 - row0 + most - 1) / most; /* of equal size */
  for (int i = 0; i < n_blocks; i++) {
    int from, to;
    split_rows(row1 - row0, i, n_blocks, &from, &to);
    gemm_rows(g, &f, row0 + from, row0 + to, col0, col1);
  }
}

void VF_NAME(cored_gemm_set)(CoredGemmKernels *kernels) {
  kernels->shape =
      (CoredGemmShape){.rows = GEMM_ROWS, .columns = GEMM_COLUMNS, .lanes = CORED_LANES};
  kernels->run = gemm;
}
