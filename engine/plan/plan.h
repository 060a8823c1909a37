/* SPDX-License-Identifier: MIT
 * Inside a plan: a list of steps over a list of values.
 *
 * fuse.c decides which nodes of the graph become one op, emit.c turns these ops into steps, values
 * and their offsets in memory, fold.c computes weights, steps.c and chain.c execute. A step is a
 * small description with a function pointer; a new kind of step (a fused block, an int8
 * convolution) is one more function of type CoredStepFn and one more way for emit.c to emit it. */
#ifndef CORED_PLAN_PLAN_H
#define CORED_PLAN_PLAN_H

#include "base/thread-pool.h"
#include "cored.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "plan/activation-map.h"
#include "plan/fuse.h"

#define CORED_NO_VALUE (-1)

/* An activation, or shared working memory of one step. [n, h, w, c] dense. */
typedef struct CoredValue {
  CoredShape shape;
  CoredDtype dtype; /* F32 */
  size_t size;      /* bytes of one image, a multiple of 64 */
  int first, last;  /* steps that write and read it first and last; last < first: none does */
  size_t offset;    /* bytes of one image from the start of the scratch memory; scales with n */
} CoredValue;

typedef struct CoredWindow {
  int kernel, stride, dilation, pad_top, pad_left;
} CoredWindow;

/* How the rows of A of a convolution come about. */
typedef enum CoredRowSource {
  CORED_ROWS_DIRECT,    /* read where they lie */
  CORED_ROWS_PADDED,    /* copied with a border of zeros */
  CORED_ROWS_SCALED,    /* times one factor per channel (squeeze-excite) */
  CORED_ROWS_DEPTHWISE, /* a depthwise convolution of the input */
} CoredRowSource;

typedef struct CoredStep CoredStep;
typedef struct CoredContext CoredContext;
typedef void CoredStepFn(const CoredStep *step, const CoredContext *context);

/* Lines of one image of a value: all of them, or the last ones in a ring. Line y is at
 * data + y % ring * (floats of a line). */
typedef struct CoredMapLines {
  float *data;
  int ring;
} CoredMapLines;

/* Output lines [y0, y1) of an image from the lines of in[0], by one thread. */
typedef void CoredLinesFn(const CoredStep *step, const CoredContext *context, int image,
                          const CoredMapLines *in, const CoredMapLines *out, int y0, int y1);

struct CoredStep {
  CoredStepFn *run;
  CoredLinesFn *lines;                /* NULL: it is done as a whole only */
  char name[64];                      /* of its node, cut where it is longer */
  int in[4], n_in;                    /* values read; in[0] is the main input */
  int out, residual, factors, shared; /* values or CORED_NO_VALUE; factors: of ROWS_SCALED;
                                         shared: rows of A for all threads */
  CoredWindow window;
  CoredEpilogue epilogue; /* without residual, which is a value */
  CoredActivation in_act; /* applied to what is read: pooling over pixels */
  size_t scratch;         /* bytes per thread */
  double macs;            /* multiply-adds of one image */
  /* A chain (chain.c): this step and those that follow it, up to `chain` of them, run as one. */
  int chain;          /* 1: this one alone */
  bool in_bands;      /* its output goes to the next step a band at a time and is nowhere whole */
  int chain_band;     /* lines of its output that are made at a time */
  CoredWindow reads;  /* what of its input an output pixel is made of; the window of a depthwise
                         convolution that makes the rows of A, for instance */
  int ring;           /* lines of its output in memory, ... */
  size_t ring_offset; /* ... this many bytes into a thread's scratch memory */
  /* Convolution */
  CoredRowSource source;
  CoredGemm gemm; /* without addresses of activations */
  CoredGemmChunk *chunks;
  int *blocks;
  int band; /* output lines whose rows of A are prepared at a time */
  /* Depthwise convolution, alone or as the source of rows */
  CoredDepthwise depthwise; /* without addresses of activations */
};

/* A named output of the graph (graph.h). The shape is that of its node: a flattened node's value is
 * that of its input, with another shape. */
typedef struct CoredPlanOutput {
  char name[CORED_OUTPUT_NAME_SIZE];
  int value;
  CoredShape shape; /* of one image */
} CoredPlanOutput;

struct CoredPlan {
  int references; /* atomic */
  int n_named;
  CoredModelInfo info;
  CoredKernels kernels;
  int n_classes;
  bool one_output;    /* logits has one channel z and stands for (0, z) */
  CoredValue *values; /* 0 is the input, whose shape is the input size */
  CoredStep *steps;
  int n_values, n_steps;
  int features, logits; /* values; CORED_NO_VALUE without a classifier */
  CoredPlanOutput *named;
  void *weights; /* one block: everything the steps point to */
  size_t weight_bytes;
  size_t arena_bytes;   /* of one image */
  size_t scratch_bytes; /* of one thread */
  CoredActivationMap activation_map;
};

/* What a step sees of the session that runs it. */
struct CoredContext {
  const CoredPlan *plan;
  void *const *values; /* address of each value */
  int n;               /* images */
  CoredThreadPool *pool;
  int thread, n_threads;
  void *scratch; /* of this thread */
};

/* Steps, see steps.c. */
CoredStepFn cored_step_conv, cored_step_depthwise, cored_step_max_pool, cored_step_sum_pixels,
    cored_step_pointwise, cored_step_scale, cored_step_concat, cored_step_upsample,
    cored_step_chain;
CoredLinesFn cored_lines_conv, cored_lines_depthwise, cored_lines_max_pool;

/* Make chains of the steps whose output goes to the next one in bands, and set what they need. */
void cored_plan_link_chains(CoredPlan *plan);
/* The lines of a value that is in memory as a whole. */
CoredMapLines cored_value_lines(const CoredContext *context, int value, int image);

/* Fill in values, their offsets, steps and weights of a plan whose kernels are set.
 * params[i] is graph->params[i]. */
bool cored_plan_emit(CoredPlan *plan, const CoredFusedGraph *fused, const float *const *params,
                     const int *cancel, CoredError *error);
/* Free steps and values; both are then empty. */
void cored_plan_clear_steps(CoredPlan *plan);

/* The named output of the last run, [n, h, w, c], and its shape; NULL where the network has none of
 * this name. Valid until the next run. */
const float *cored_session_named(const CoredSession *session, const char *name, CoredShape *shape);

/* A plan straight from a graph and its parameters (tests, the trainer); info is copied and only
 * its n_classes, input size and network are looked at. */
CoredPlan *cored_plan_new_from_graph(const CoredGraph *graph, const float *const *params,
                                     const CoredModelInfo *info, const CoredPlanParams *request,
                                     CoredError *error);

#endif /* CORED_PLAN_PLAN_H */
