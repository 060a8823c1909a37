/* SPDX-License-Identifier: MIT
 * Template (pass.h): one forward or backward evaluation of a node in training. */

typedef struct Pass {
  const CoredNode *node;
  int n;
  CoredShape in[4], out;
  const real *x[4];                           /* [n, in.h, in.w, in.c] */
  const real *params[CORED_MAX_LAYER_PARAMS]; /* in the order of the layer's specs */
  real *y;     /* [n, out.h, out.w, out.c]; forward writes it, backward may read it if needs_y */
  real *saved; /* what forward leaves for backward, saved_count() values */

  CoredActivation act; /* batch norm: activation applied to its output */
  bool batch_stats;    /* batch norm: statistics of the batch instead of the running ones */
  real *running[2];    /* batch norm: mean and variance to update, or NULL */
  float rate;          /* dropout, drop-connect: 0 passes everything */
  uint64_t key;        /* of their random numbers */
  uint64_t first;      /* index of sample 0 in the whole batch: the counter of random numbers */

  const real *dy;                        /* gradient of y */
  real *dx[4];                           /* gradient of x[i], NULL where not wanted */
  bool add[4];                           /* dx[i] is added to instead of overwritten */
  real *dparams[CORED_MAX_LAYER_PARAMS]; /* always added to; NULL for statistics */

  CoredThreadPool *pool;
  void *scratch; /* scratch_size() bytes */
} Pass;
