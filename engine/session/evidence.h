/* SPDX-License-Identifier: MIT
 * Class activation maps: which places of the features speak for a forgery. */
#ifndef CORED_SESSION_EVIDENCE_H
#define CORED_SESSION_EVIDENCE_H

#include "cored.h"
#include "layers/graph.h"

/* What a head of global average pooling and one dense layer does with a place of the features. */
typedef struct CoredEvidence {
  int channels;
  CoredAct act; /* between the features and the pooling */
  float slope;
  float *direction; /* [channels] weights of the fake class minus those of the real one; NULL: the
                       network has another head */
} CoredEvidence;

/* Leaves direction NULL for another head; false only without memory. */
bool cored_evidence_init(CoredEvidence *evidence, const CoredGraph *graph,
                         const float *const *params, const CoredModelInfo *info, CoredError *error);
void cored_evidence_clear(CoredEvidence *evidence);

#endif /* CORED_SESSION_EVIDENCE_H */
