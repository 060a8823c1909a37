/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/error.h"
#include "model/model.h"
#include "networks/registry.h"

static bool check_size(const CoredNetwork *network, int width, int height, CoredError *error) {
  if (width < network->min_size || width > network->max_size || height < network->min_size ||
      height > network->max_size)
    return cored_error_set(error, CORED_ERROR_INPUT_SIZE,
                           "plan: %s: input size: expected sides of %d to %d pixels, got %dx%d",
                           network->id, network->min_size, network->max_size, width, height);
  const int multiple = network->multiple ? network->multiple : 1;
  if (width % multiple || height % multiple)
    return cored_error_set(error, CORED_ERROR_INPUT_SIZE,
                           "plan: %s: input size: expected multiples of %d pixels, got %dx%d",
                           network->id, multiple, width, height);
  return true;
}

static CoredPlan *build_plan(const CoredGraph *graph, const float *const *params,
                             const CoredModelInfo *info, int width, int height,
                             const CoredPlanParams *asked, CoredError *error) {
  CoredPlan *const plan = calloc(1, sizeof *plan);
  if (!plan) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory");
    return NULL;
  }
  plan->references = 1;
  plan->info = *info;
  cored_kernels_init(&plan->kernels, asked->cpu & cored_cpu_flags());
  plan->n_classes = graph->n_classes;
  plan->one_output = graph->logit_channels == 1;
  CoredFusedGraph fused = {0};
  const bool ok = cored_activation_map_init(&plan->activation_map, graph, params, info, error) &&
                  cored_fuse(&fused, graph, height, width, error) &&
                  cored_plan_emit(plan, &fused, params, asked->cancel, error);
  cored_fused_clear(&fused);
  if (ok)
    return plan;
  cored_plan_unref(plan);
  return NULL;
}

CoredPlan *cored_plan_new_from_graph(const CoredGraph *graph, const float *const *params,
                                     const CoredModelInfo *info, const CoredPlanParams *request,
                                     CoredError *error) {
  const CoredPlanParams asked = request ? *request : (CoredPlanParams){.cpu = cored_cpu_flags()};
  const int width = asked.input_width ? asked.input_width : info->input_width;
  const int height = asked.input_height ? asked.input_height : info->input_height;
  const CoredNetwork *const network = cored_network_find(info->network);
  if (!network) {
    cored_error_set(error, CORED_ERROR_NETWORK_UNKNOWN, "plan: no network '%s'", info->network);
    return NULL;
  }
  if (!check_size(network, width, height, error))
    return NULL;
  return build_plan(graph, params, info, width, height, &asked, error);
}

CoredPlan *cored_plan_new(const CoredModel *model, const CoredPlanParams *params,
                          CoredError *error) {
  return cored_plan_new_from_graph(cored_model_graph(model), cored_model_params(model),
                                   cored_model_info(model), params, error);
}

CoredPlan *cored_plan_ref(CoredPlan *plan) {
  __atomic_add_fetch(&plan->references, 1, __ATOMIC_RELAXED);
  return plan;
}

void cored_plan_unref(CoredPlan *plan) {
  if (!plan || __atomic_sub_fetch(&plan->references, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  cored_plan_clear_steps(plan);
  free(plan->named);
  cored_block_free(plan->weights, plan->weight_bytes, 1);
  cored_activation_map_clear(&plan->activation_map);
  free(plan);
}

const CoredModelInfo *cored_plan_info(const CoredPlan *plan) {
  return &plan->info;
}

void cored_plan_input_size(const CoredPlan *plan, int *width, int *height) {
  if (width)
    *width = plan->values[0].shape.w;
  if (height)
    *height = plan->values[0].shape.h;
}

size_t cored_plan_memory(const CoredPlan *plan) {
  return sizeof *plan + (size_t)plan->n_steps * sizeof *plan->steps +
         (size_t)plan->n_values * sizeof *plan->values + plan->weight_bytes +
         (size_t)plan->n_named * sizeof *plan->named +
         (size_t)plan->activation_map.channels * sizeof(float);
}

double cored_p_fake(const CoredModelInfo *info, const float *logits) {
  double max = -(double)INFINITY, sum = 0.0, fake = 0.0;
  for (int i = 0; i < info->n_classes; i++)
    max = fmax(max, (double)logits[i] / info->temperature);
  for (int i = 0; i < info->n_classes; i++) {
    const double e = exp((double)logits[i] / info->temperature - max);
    sum += e;
    if (i != info->real_class)
      fake += e;
  }
  return fake / sum;
}
