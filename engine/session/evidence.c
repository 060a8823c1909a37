/* SPDX-License-Identifier: MIT
 * With features f[p, c] at places p, an activation a and the head
 *   logit[k] = bias[k] + mean over p of sum over c of w[k, c] * a(f[p, c]),
 * the difference of two logits is the difference of their biases plus the mean over p of
 *   map[p] = sum over c of (w[fake, c] - w[real, c]) * a(f[p, c]).
 * Zhou et al. 2016, "Learning deep features for discriminative localization". */
#include "session/evidence.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "session/plan.h"

/* The dense node of a head as above, with the activation noted; -1 for any other head. */
static int find_head(const CoredGraph *graph, CoredEvidence *evidence) {
  const CoredNode *const nodes = graph->nodes;
  if (nodes[graph->logits].op != CORED_OP_DENSE)
    return -1;
  int at = nodes[graph->logits].input[0];
  while (nodes[at].op == CORED_OP_DROPOUT)
    at = nodes[at].input[0];
  if (nodes[at].op != CORED_OP_GLOBAL_AVG_POOL)
    return -1;
  at = nodes[at].input[0];
  if (at != graph->features && nodes[at].op == CORED_OP_ACTIVATION) {
    evidence->act = nodes[at].act;
    evidence->slope = nodes[at].slope;
    at = nodes[at].input[0];
  }
  return at == graph->features ? graph->logits : -1;
}

bool cored_evidence_init(CoredEvidence *evidence, const CoredGraph *graph,
                         const float *const *params, const CoredModelInfo *info,
                         CoredError *error) {
  *evidence = (CoredEvidence){.act = CORED_ACT_NONE};
  const int head = find_head(graph, evidence);
  const int classes = graph->outputs == 1 ? 2 : graph->outputs;
  /* A trainer's description need not name the classes. */
  if (head < 0 || info->fake_class < 0 || info->fake_class >= classes || info->real_class < 0 ||
      info->real_class >= classes)
    return true;
  const int n = evidence->channels = graph->nodes[graph->features].channels;
  const float *const weight = params[cored_graph_param(graph, head, CORED_PARAM_WEIGHT)];
  evidence->direction = malloc((size_t)n * sizeof *evidence->direction);
  if (!evidence->direction)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for %d channels", n);
  for (int c = 0; c < n; c++)
    if (graph->outputs == 1) /* z stands for the logits (0, z) */
      evidence->direction[c] = info->fake_class == 1 ? weight[c] : -weight[c];
    else
      evidence->direction[c] = weight[(size_t)info->fake_class * (size_t)n + (size_t)c] -
                               weight[(size_t)info->real_class * (size_t)n + (size_t)c];
  return true;
}

void cored_evidence_clear(CoredEvidence *evidence) {
  free(evidence->direction);
  evidence->direction = NULL;
}

static double activate(const CoredEvidence *e, double x) {
  switch (e->act) {
  case CORED_ACT_NONE:
    break;
  case CORED_ACT_RELU:
    return fmax(x, 0.);
  case CORED_ACT_LEAKY_RELU:
    return x > 0. ? x : (double)e->slope * x;
  case CORED_ACT_SWISH:
    return x / (1. + exp(-x));
  case CORED_ACT_SIGMOID:
    return 1. / (1. + exp(-x));
  }
  return x;
}

bool cored_plan_evidence(const CoredPlan *plan, const CoredOutput *output, int index, float *map) {
  const CoredEvidence *const e = &plan->evidence;
  if (!e->direction || !output->features || output->feature_c != e->channels || index < 0 ||
      index >= output->n)
    return false;
  const size_t places = (size_t)output->feature_h * (size_t)output->feature_w;
  const float *f = output->features + (size_t)index * places * (size_t)e->channels;
  for (size_t p = 0; p < places; p++, f += e->channels) {
    double sum = 0.;
    for (int c = 0; c < e->channels; c++)
      sum += (double)e->direction[c] * activate(e, (double)f[c]);
    map[p] = (float)sum;
  }
  return true;
}
