/* SPDX-License-Identifier: MIT
 * Filter tables: which input samples, with which weights, make each output sample along one axis
 * of a resize; and a small store that keeps the tables used last. */
#ifndef CORED_VISION_IMAGE_RESIZE_AXIS_H
#define CORED_VISION_IMAGE_RESIZE_AXIS_H

#include "cored.h"

/* What a table is made for: output sample o of `out` covers [start + o*len/out,
 * start + (o+1)*len/out) of an axis on which input sample i of `in` covers [i, i+1). */
typedef struct CoredAxisKey {
  double start, len;
  int in, out;
} CoredAxisKey;

/* value[o] = sum over t < count[o] of coef[o*padded + t] * input[lo + first[o] + t]
 * Each row of coef goes on with zeros up to `padded`, so that vector loops need no remainder: they
 * may then read as many as padded - 1 samples behind the last, which have to be finite. */
typedef struct CoredAxis {
  CoredAxisKey key;
  int lo, n;    /* the table reads the input samples lo .. lo+n-1 only */
  int padded;   /* row length of coef: 4 or a multiple of 8 */
  int *first;   /* [out rounded up to 4] */
  int *count;   /* [out] */
  float *coef;  /* [out rounded up to 4, padded] */
  unsigned age; /* of the store */
} CoredAxis;

enum { CORED_AXIS_STORE_SIZE = 32 };

typedef struct CoredAxisStore {
  CoredAxis *axis[CORED_AXIS_STORE_SIZE];
  unsigned clock;
} CoredAxisStore;

/* The table for a key, made when it is not there; the one unused longest makes room. A returned
 * table stays valid for the next CORED_AXIS_STORE_SIZE - 1 calls. NULL: no memory. */
const CoredAxis *cored_axis_store_get(CoredAxisStore *store, const CoredAxisKey *key);
void cored_axis_store_clear(CoredAxisStore *store);

#endif /* CORED_VISION_IMAGE_RESIZE_AXIS_H */
