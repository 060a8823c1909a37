/* SPDX-License-Identifier: MIT
 * With features f[p, c] at cells p, an activation a and the head
 *   logit[k] = bias[k] + mean over p of sum over c of w[k, c] * a(f[p, c]),
 * the difference of two logits is the difference of their biases plus the mean over p of
 *   map[p] = sum over c of (w[fake, c] - w[real, c]) * a(f[p, c]).
 * Zhou et al. 2016, "Learning deep features for discriminative localization". */
#include "plan/activation-map.h"

#include <stdlib.h>

#include "base/error.h"
#include "plan/plan.h"

/* The dense node of a head as above, with the activation noted; -1 for any other head. */
static int find_head(const CoredGraph *graph, CoredActivationMap *activation_map) {
  const CoredNode *const nodes = graph->nodes;
  if (graph->logits == CORED_NO_NODE || nodes[graph->logits].op != CORED_OP_DENSE)
    return -1;
  int at = nodes[graph->logits].input[0];
  while (nodes[at].op == CORED_OP_DROPOUT)
    at = nodes[at].input[0];
  if (nodes[at].op != CORED_OP_GLOBAL_AVG_POOL)
    return -1;
  at = nodes[at].input[0];
  if (at != graph->features && nodes[at].op == CORED_OP_ACTIVATION) {
    activation_map->act = nodes[at].act;
    at = nodes[at].input[0];
  }
  return at == graph->features ? graph->logits : -1;
}

bool cored_activation_map_init(CoredActivationMap *activation_map, const CoredGraph *graph,
                               const float *const *params, const CoredModelInfo *info,
                               CoredError *error) {
  *activation_map = (CoredActivationMap){0};
  const int head = find_head(graph, activation_map);
  const int classes = graph->logit_channels == 1 ? 2 : graph->logit_channels;
  /* A trainer's description need not name the classes. */
  if (head < 0 || info->fake_class < 0 || info->fake_class >= classes || info->real_class < 0 ||
      info->real_class >= classes)
    return true;
  const int n = activation_map->channels = graph->nodes[graph->features].channels;
  const float *const weight = params[cored_graph_param(graph, head, CORED_PARAM_WEIGHT)];
  activation_map->direction = malloc((size_t)n * sizeof *activation_map->direction);
  if (!activation_map->direction)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for %d channels", n);
  for (int c = 0; c < n; c++)
    if (graph->logit_channels == 1) /* z stands for the logits (0, z) */
      activation_map->direction[c] = info->fake_class == 1 ? weight[c] : -weight[c];
    else
      activation_map->direction[c] = weight[(size_t)info->fake_class * (size_t)n + (size_t)c] -
                                     weight[(size_t)info->real_class * (size_t)n + (size_t)c];
  return true;
}

void cored_activation_map_clear(CoredActivationMap *activation_map) {
  free(activation_map->direction);
  activation_map->direction = NULL;
}

bool cored_plan_activation_map(const CoredPlan *plan, const CoredOutput *output, int index,
                               float *map) {
  const CoredActivationMap *const e = &plan->activation_map;
  if (!e->direction || !output->features || output->feature_c != e->channels || index < 0 ||
      index >= output->n)
    return false;
  const size_t cells = (size_t)output->feature_h * (size_t)output->feature_w;
  const float *f = output->features + (size_t)index * cells * (size_t)e->channels;
  for (size_t p = 0; p < cells; p++, f += e->channels) {
    double sum = 0.;
    for (int c = 0; c < e->channels; c++)
      sum += (double)e->direction[c] * cored_activate(e->act, (double)f[c]);
    map[p] = (float)sum;
  }
  return true;
}
