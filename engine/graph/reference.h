/* SPDX-License-Identifier: MIT
 * The plain executor: runs a graph layer by layer with the registry's plain arithmetic. Slow, and
 * the ground truth of this library: sessions and trainers are compared with it. */
#ifndef CORED_GRAPH_REFERENCE_H
#define CORED_GRAPH_REFERENCE_H

#include "graph/graph.h"

/* Evaluate the graph in inference mode on input [n, h, w, channels of node 0].
 *   params[i] is graph->params[i], params[i].count values
 *   wanted[n_wanted] are node indices; outputs[j] receives a malloc'ed copy of the output of
 *   wanted[j], [n, h', w', c'], which the caller frees
 * Activations are freed as soon as nobody needs them. On failure nothing is returned. */
bool cored_reference_run(const CoredGraph *graph, const float *const *params, const float *input,
                         int n, int h, int w, const int *wanted, int n_wanted, float **outputs,
                         CoredError *error);

#endif /* CORED_GRAPH_REFERENCE_H */
