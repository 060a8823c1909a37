/* SPDX-License-Identifier: MIT
 * State of lowering, shared by lower.c (which nodes become one step) and lower-ops.c (what that
 * step looks like). */
#ifndef CORED_PLAN_LOWER_H
#define CORED_PLAN_LOWER_H

#include "plan/fold.h"
#include "plan/plan.h"

/* How the output of a node can be had. Anything but PLAIN is put off until a consumer is seen that
 * can do it while reading. */
typedef enum CoredPendingKind {
  CORED_PENDING_NONE, /* not lowered yet */
  CORED_PENDING_PLAIN,
  CORED_PENDING_ACT,       /* act(value) */
  CORED_PENDING_SCALE,     /* value times factors */
  CORED_PENDING_DEPTHWISE, /* depthwise convolution of value */
} CoredPendingKind;

typedef struct CoredPending {
  CoredPendingKind kind;
  int value;
  CoredKernelAct act;
  float slope;
  int factors;
  CoredDepthwise depthwise;
} CoredPending;

typedef struct CoredLower {
  CoredPlan *plan;
  const CoredGraph *graph;
  const float *const *params;
  const int *cancel;     /* of CoredPlanParams */
  CoredShape *shapes;    /* of every node */
  int *uses;             /* consumers, the caller counted as one */
  int *consumer;         /* the last of them */
  bool *fused;           /* went into an earlier step */
  CoredPending *pending; /* of every node */
  CoredBlob blob;
  bool no_memory;
} CoredLower;

/* The nodes behind a step's own that went into it: y = post(act(fold(x) + residual)). */
typedef struct CoredChain {
  int last; /* node whose output the step computes */
  CoredAffine fold, post;
  int residual;
  CoredKernelAct act;
  float slope;
} CoredChain;

/* Which followers a step can take. */
typedef enum CoredAbsorb {
  CORED_FUSE_FOLD = 1, /* batch norm into its weights */
  CORED_FUSE_ADD = 2,  /* a residual */
} CoredAbsorb;

void cored_lower_fuse(CoredLower *lower, int node, unsigned what, CoredChain *chain);
void cored_chain_clear(CoredChain *chain);

/* Whether the node has this one consumer and nobody else looks at it. */
bool cored_lower_is_private(const CoredLower *lower, int node);
/* 1x1, stride 1, no padding. */
bool cored_lower_is_pointwise(const CoredNode *node);

int cored_lower_new_value(CoredLower *lower, CoredShape shape);
/* Valid until the next new step; NULL without memory. */
CoredStep *cored_lower_new_step(CoredLower *lower, int node, CoredStepFn *run);
/* The step computes the chain's last node: output value, residual, activation, post affine. */
void cored_lower_finish(CoredLower *lower, CoredStep *step, const CoredChain *chain,
                        CoredEpilogue *epilogue);
/* A value that holds the node's output, computed now if it was put off. */
int cored_lower_materialise(CoredLower *lower, int node);

/* One per op that computes; false when the kernels cannot do it. Lack of memory is remembered in
 * no_memory and told once, at the end. */
void cored_lower_conv(CoredLower *lower, int node);
bool cored_lower_depthwise(CoredLower *lower, int node, CoredError *error);
bool cored_lower_max_pool(CoredLower *lower, int node, CoredError *error);
void cored_lower_sum_pixels(CoredLower *lower, int node);
void cored_lower_pointwise(CoredLower *lower, int node);
void cored_lower_concat(CoredLower *lower, int node);

#endif /* CORED_PLAN_LOWER_H */
