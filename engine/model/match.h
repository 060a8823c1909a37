/* SPDX-License-Identifier: MIT
 * Tensors of a file against the parameters of a network. */
#ifndef CORED_MODEL_MATCH_H
#define CORED_MODEL_MATCH_H

#include "graph/graph.h"

/* matched[i] becomes the tensor of graph->params[i]. Fails with the list where names do not agree
 * one to one (but for num_batches_tracked of batch norms), or a shape or dtype is wrong. */
bool cored_match(const CoredGraph *graph, const CoredTensorView *tensors, size_t n_tensors,
                 const CoredTensorView **matched, const char *name, CoredError *error);
/* Are all values finite, and no variance negative? (Zero is fine: epsilon is added.) */
bool cored_match_values(const CoredGraph *graph, const float *const *params, const char *name,
                        CoredError *error);

#endif /* CORED_MODEL_MATCH_H */
