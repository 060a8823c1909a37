/* SPDX-License-Identifier: MIT */
#include "teacher-net.h"

#include "base/error.h"
#include "train/core/losses.h"
#include "train/core/train-net.h"

#include <stdlib.h>
#include <string.h>

typedef struct NetTeacher {
  CoredTeacher base;
  const CoredGraph *graph;
  int n_classes;
  CoredTrainNet *net;
  CoredReal *arena, *block;
} NetTeacher;

static void net_forward(CoredTeacher *base, const float *images, int n, double *logits,
                        double *pooled) {
  const NetTeacher *const teacher = (NetTeacher *)base;
  const CoredTrainNetRun run = {.block = teacher->block, .images = images, .n = n};
  CoredShape shape;
  cored_train_net_forward(teacher->net, &run);
  cored_class_scores(cored_train_net_output(teacher->net, teacher->graph->logits, NULL),
                     teacher->graph->logit_channels, n, teacher->n_classes, logits);
  const CoredReal *const features =
      cored_train_net_output(teacher->net, teacher->graph->features, &shape);
  if (pooled)
    cored_spatial_maximum(features, shape, n, pooled, NULL);
}

static size_t net_memory(const CoredTeacher *base) {
  const CoredTrainNet *const net = ((const NetTeacher *)base)->net;
  return (cored_train_net_arena_count(net) + cored_train_net_block_count(net)) * sizeof(CoredReal);
}

static void net_free(CoredTeacher *base) {
  NetTeacher *const teacher = (NetTeacher *)base;
  cored_train_net_free(teacher->net);
  free(teacher->arena);
  free(teacher->block);
  free(teacher);
}

static CoredReal *new_values(size_t count) {
  return aligned_alloc(64, (count * sizeof(CoredReal) + 63) / 64 * 64);
}

static bool net_open(NetTeacher *teacher, const CoredTeacherParams *params, CoredError *error) {
  const CoredTrainNetParams net_params = {.graph = params->graph,
                                          .h = params->train->input_height,
                                          .w = params->train->input_width,
                                          .max_batch = params->train->max_batch,
                                          .cpu = params->train->cpu};
  teacher->net = cored_train_net_new(&net_params, error);
  if (!teacher->net)
    return false;
  teacher->arena = new_values(cored_train_net_arena_count(teacher->net));
  teacher->block = new_values(cored_train_net_block_count(teacher->net));
  if (!teacher->arena || !teacher->block)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the teacher");
  cored_train_net_set_arena(teacher->net, teacher->arena);
  for (int i = 0; i < params->graph->n_params; i++)
    memcpy(teacher->block + cored_train_net_offset(teacher->net, i), params->parameters[i].data,
           params->parameters[i].size);
  return true;
}

CoredTeacher *new_net_teacher(const CoredTeacherParams *params, CoredError *error) {
  NetTeacher *const teacher = calloc(1, sizeof *teacher);
  if (!teacher) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the teacher");
    return NULL;
  }
  *teacher = (NetTeacher){.base = {.forward = net_forward, .memory = net_memory, .free = net_free},
                          .graph = params->graph,
                          .n_classes = params->info->n_classes};
  if (net_open(teacher, params, error))
    return &teacher->base;
  net_free(&teacher->base);
  return NULL;
}
