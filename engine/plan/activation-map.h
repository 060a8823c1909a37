/* SPDX-License-Identifier: MIT
 * Class activation maps: which cells of the features speak for a forgery. */
#ifndef CORED_PLAN_ACTIVATION_MAP_H
#define CORED_PLAN_ACTIVATION_MAP_H

#include "cored.h"
#include "graph/graph.h"

/* What a head of global average pooling and one dense layer does with a cell of the features. */
typedef struct CoredActivationMap {
  int channels;
  CoredActivation act; /* between the features and the pooling */
  float *direction; /* [channels] weights of the fake class minus those of the real one; NULL: the
                       network has another head */
} CoredActivationMap;

/* Leaves direction NULL for another head; false only without memory. */
bool cored_activation_map_init(CoredActivationMap *activation_map, const CoredGraph *graph,
                               const float *const *params, const CoredModelInfo *info,
                               CoredError *error);
void cored_activation_map_clear(CoredActivationMap *activation_map);

#endif /* CORED_PLAN_ACTIVATION_MAP_H */
