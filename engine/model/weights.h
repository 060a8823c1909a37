/* SPDX-License-Identifier: MIT
 * The weights of a network: its graph and one float32 array per parameter, checked. Immutable and
 * shared by all models that differ in metadata only. */
#ifndef CORED_MODEL_WEIGHTS_H
#define CORED_MODEL_WEIGHTS_H

#include "graph/graph.h"
#include "base/file.h"

typedef struct CoredWeights {
  unsigned refs; /* atomic */
  CoredGraph *graph;
  const float **params; /* params[i] is graph->params[i], inside memory */
  CoredBytes memory;
} CoredWeights;

/* Match tensors (in any order) with the parameters of the network and take their values as float32.
 * Refused: missing, extra and misshapen tensors (with the list), dtypes that are no weights,
 * values that are not finite, negative variances. `X.num_batches_tracked` of a batch norm X is left
 * out. name is for messages. With adopt not NULL the tensors lie in its memory, and that memory
 * becomes the weights' own where that is possible without a copy; adopt is then empty. */
CoredWeights *cored_weights_new(const char *network, int n_classes, const CoredTensorView *tensors,
                                size_t n_tensors, CoredBytes *adopt, const char *name,
                                CoredError *error);
/* The network's initialisation. */
CoredWeights *cored_weights_new_random(const char *network, int n_classes, uint64_t seed,
                                       CoredError *error);
CoredWeights *cored_weights_ref(CoredWeights *weights);
void cored_weights_unref(CoredWeights *weights); /* NULL is fine */

/* Parameter i as a tensor. */
CoredTensorView cored_weights_tensor(const CoredWeights *weights, int i);
/* All parameters in the order of the bytes of their names, the order of files; the caller frees
 * it. NULL without memory. */
CoredTensorView *cored_weights_sorted(const CoredWeights *weights);

#endif /* CORED_MODEL_WEIGHTS_H */
