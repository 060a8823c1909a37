/* SPDX-License-Identifier: MIT
 * Batches out of a checked data set, made ahead by threads.
 *
 * What batch b of epoch e holds is a function of (seed, e, b) and the set alone: not of the number
 * of threads, of ranks, of what was cached, or of where a run was interrupted. */
#ifndef CORED_TRAIN_DATA_LOADER_H
#define CORED_TRAIN_DATA_LOADER_H

#include "train/data/augment.h"
#include "train/data/dataset.h"

typedef struct CoredLoaderParams {
  int batch; /* over all ranks */
  uint64_t seed;
  bool sequential; /* samples in the set's order instead of a new permutation every epoch */
  bool balanced;   /* every class equally often; rare ones are repeated */
  bool augment;    /* apply augmentation, else leave inputs as they are */
  CoredAugmentParams augmentation;
  int threads;     /* 1..64 */
  int depth;       /* batches made ahead, 1..16 */
  int rank, ranks; /* this process makes slice rank of every batch; ranks 0 means 1 */
} CoredLoaderParams;

typedef struct CoredLoaderBatch { /* valid until the next call of cored_loader_next */
  float *input;                   /* [n, h, w, 3], 64-byte aligned */
  const int *labels;              /* [n] */
  const uint32_t *samples;        /* [n] indices into the set */
  int n;          /* of this rank; unreadable samples are left out, so it may be 0 */
  int n_whole;    /* planned over all ranks */
  uint64_t index; /* in the epoch */
} CoredLoaderBatch;

typedef struct CoredLoader CoredLoader;

/* Keeps a pointer to set. */
CoredLoader *cored_loader_new(const CoredDataset *set, const CoredLoaderParams *params,
                              CoredError *error);
void cored_loader_free(CoredLoader *loader); /* NULL is fine */
/* Samples of a whole batch: as asked for, but not more than there are. */
int cored_loader_batch(const CoredLoader *loader);
uint64_t cored_loader_n_batches(const CoredLoader *loader);
/* Begin an epoch at one of its batches; what is left of the one before is dropped. */
bool cored_loader_start(CoredLoader *loader, uint64_t epoch, uint64_t first_batch,
                        CoredError *error);
/* False at the end of the epoch. */
bool cored_loader_next(CoredLoader *loader, CoredLoaderBatch *batch);
/* How often a sample could not be read since the loader was made, and why the last time. */
size_t cored_loader_failures(CoredLoader *loader, CoredError *last);

/* The samples of an epoch in order; order[cored_dataset_n_samples]. */
bool cored_loader_order(const CoredDataset *set, const CoredLoaderParams *params, uint64_t epoch,
                        uint32_t *order, CoredError *error);

#endif /* CORED_TRAIN_DATA_LOADER_H */
