/* SPDX-License-Identifier: MIT
 * The model object, for the parts of the engine that make one or look behind it. */
#ifndef CORED_MODEL_MODEL_H
#define CORED_MODEL_MODEL_H

#include "model/metadata.h"
#include "model/weights.h"

struct CoredModel {
  unsigned refs; /* atomic */
  CoredModelInfo info;
  CoredMetadata metadata;
  CoredWeights *weights;
};

/* Build from checked parts; takes over metadata (left empty) and one reference of weights, on
 * failure too. Checks that the network can be built for the input size. */
CoredModel *cored_model_assemble(const CoredModelInfo *info, CoredMetadata *metadata,
                                 CoredWeights *weights, const char *name, CoredError *error);

/* The graph of the model's network; lives as long as the model. */
const CoredGraph *cored_model_graph(const CoredModel *model);
/* params[i] holds the values of graph->params[i]; lives as long as the model. */
const float *const *cored_model_params(const CoredModel *model);

/* cored_model_save for a model that a program writes beside its other files: a symbolic link of
 * that name gives way and is not followed. */
bool cored_model_save_beside(const CoredModel *model, const char *path, CoredError *error);

#endif /* CORED_MODEL_MODEL_H */
