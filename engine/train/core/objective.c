/* SPDX-License-Identifier: MIT */
#include "train/core/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is summed over the batch of all processes before the gradient. */
enum { SUM_N, SUM_CORRECT, SUM_STUDENT, SUM_DISTILLATION, SUM_TEACHER, N_SUMS };

struct CoredObjective {
  const CoredTrainParams *params;
  CoredTrainNet *net;
  const CoredGraph *graph;
  bool has_teacher;
  int n_classes, channels; /* channels of the features */
  CoredStores teacher_stores, student_stores;
  double *zs, *zt, *dz;     /* [max_batch, n_classes] logits of student and teacher, gradient */
  double *pooled, *dpooled; /* [max_batch, channels] features after the spatial maximum; one row */
  int *winner;              /* [max_batch, channels] pixel of that maximum */
  int *store;               /* [max_batch] store of each sample, -1: none */
  double *range_sums;       /* one for each range of the net's parameters */
  double sums[N_SUMS];
};

static bool allocate(CoredObjective *o) {
  const CoredTrainParams *const p = o->params;
  const size_t n = (size_t)p->max_batch, c = (size_t)o->n_classes, f = (size_t)o->channels;
  const int width = p->representation == CORED_REPRESENTATION_VECTOR ? o->channels : 1;
  int n_ranges;
  cored_train_net_ranges(o->net, &n_ranges);
  o->zs = calloc(n * c, sizeof *o->zs);
  o->zt = calloc(n * c, sizeof *o->zt);
  o->dz = calloc(n * c, sizeof *o->dz);
  o->pooled = calloc(n * f, sizeof *o->pooled);
  o->dpooled = calloc(f, sizeof *o->dpooled);
  o->winner = calloc(n * f, sizeof *o->winner);
  o->store = calloc(n, sizeof *o->store);
  o->range_sums = calloc((size_t)n_ranges, sizeof *o->range_sums);
  return o->zs && o->zt && o->dz && o->pooled && o->dpooled && o->winner && o->store &&
         o->range_sums && cored_stores_init(&o->teacher_stores, p->n_stores, o->n_classes, width) &&
         cored_stores_init(&o->student_stores, p->n_stores, o->n_classes, width);
}

CoredObjective *cored_objective_new(const CoredTrainParams *params, CoredTrainNet *student,
                                    int n_classes, bool has_teacher) {
  CoredObjective *const o = calloc(1, sizeof *o);
  if (!o)
    return NULL;
  o->params = params;
  o->net = student;
  o->graph = cored_train_net_params(student)->graph;
  o->has_teacher = has_teacher;
  o->n_classes = n_classes;
  o->channels = o->graph->nodes[o->graph->features].channels;
  if (allocate(o))
    return o;
  cored_objective_free(o);
  return NULL;
}

void cored_objective_free(CoredObjective *o) {
  if (!o)
    return;
  double *const doubles[] = {o->zs, o->zt, o->dz, o->pooled, o->dpooled, o->range_sums};
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
    free(doubles[i]);
  free(o->winner);
  free(o->store);
  cored_stores_clear(&o->teacher_stores);
  cored_stores_clear(&o->student_stores);
  free(o);
}

size_t cored_objective_memory(const CoredObjective *o) {
  return (size_t)o->params->max_batch * (size_t)o->channels *
         (sizeof *o->pooled + sizeof *o->winner);
}

/* ---- Which terms it has ---------------------------------------------------------------------- */

bool cored_objective_has_representation(const CoredObjective *o) {
  return o->has_teacher && o->params->method == CORED_METHOD_CORED;
}

static bool has_distillation(const CoredObjective *o) {
  return o->has_teacher &&
         (o->params->method == CORED_METHOD_CORED || o->params->method == CORED_METHOD_KD);
}

static bool has_starting_point(const CoredObjective *o) {
  return o->has_teacher && o->params->method == CORED_METHOD_TG;
}

/* ---- Stores ---------------------------------------------------------------------------------- */

CoredStores *cored_objective_teacher_stores(CoredObjective *o) {
  return &o->teacher_stores;
}

/* Put n samples with these logits and the pooled features into the stores. */
static void fill_stores(CoredObjective *o, const double *z, const CoredBatch *batch,
                        CoredStores *stores) {
  for (int i = 0; i < batch->n; i++) {
    o->store[i] =
        cored_store_index(z + i * o->n_classes, o->n_classes, batch->labels[i], stores->k);
    if (o->store[i] >= 0)
      cored_stores_add(stores, o->store[i], batch->labels[i],
                       o->pooled + (size_t)i * (size_t)o->channels, o->channels);
  }
}

void cored_objective_add_representation(CoredObjective *o, CoredTeacher *teacher,
                                        const CoredBatch *batch) {
  teacher->forward(teacher, batch->images, batch->n, o->zt, o->pooled);
  fill_stores(o, o->zt, batch, &o->teacher_stores);
}

static void fill_student_stores(CoredObjective *o, const CoredBatch *batch) {
  CoredShape shape;
  cored_stores_reset(&o->student_stores);
  if (batch->n == 0)
    return;
  const CoredReal *const features = cored_train_net_output(o->net, o->graph->features, &shape);
  cored_spatial_maximum(features, shape, batch->n, o->pooled, o->winner);
  fill_stores(o, o->zs, batch, &o->student_stores);
}

/* ---- Sums of a batch ------------------------------------------------------------------------- */

static bool is_correct(const double *z, int c, int label) {
  for (int i = 0; i < c; i++)
    if (z[i] > z[label] || (z[i] == z[label] && i < label)) /* arg max takes the first */
      return false;
  return true;
}

static void sum_batch(CoredObjective *o, const CoredBatch *batch) {
  const CoredTrainParams *const p = o->params;
  const int c = o->n_classes;
  memset(o->sums, 0, sizeof o->sums);
  o->sums[SUM_N] = batch->n;
  for (int i = 0; i < batch->n; i++) {
    const double *const zs = o->zs + i * c, *const zt = o->zt + i * c;
    const int label = batch->labels[i];
    o->sums[SUM_CORRECT] += is_correct(zs, c, label);
    o->sums[SUM_STUDENT] += cored_loss_cross_entropy(zs, c, label);
    if (has_distillation(o))
      o->sums[SUM_DISTILLATION] +=
          cored_loss_distillation(zs, zt, c, label, p->alpha, p->temperature);
    if (o->has_teacher)
      o->sums[SUM_TEACHER] += cored_loss_cross_entropy(zt, c, label);
  }
}

static void reduce_stores(const CoredReduce *reduce, CoredStores *stores) {
  const size_t pairs = (size_t)stores->k * (size_t)stores->c;
  reduce->sum_f64(reduce->user, stores->counts, pairs);
  reduce->sum_f64(reduce->user, stores->sums, pairs * (size_t)stores->width);
}

static void reduce_sums(CoredObjective *o, bool join_stores) {
  const CoredReduce *const reduce = o->params->reduce;
  if (!reduce)
    return;
  reduce->sum_f64(reduce->user, o->sums, N_SUMS);
  if (!cored_objective_has_representation(o))
    return;
  reduce_stores(reduce, &o->student_stores);
  if (join_stores)
    reduce_stores(reduce, &o->teacher_stores);
}

/* ---- Terms on the weights -------------------------------------------------------------------- */

typedef struct Distance {
  const CoredObjectiveBlocks *blocks;
  const CoredParamRange *ranges;
  double *sums; /* of each range */
  double weight;
  CoredReal *gradients;
} Distance;

static const CoredReal *origin_of(const Distance *distance, const CoredParamRange *range) {
  return range->classifier ? NULL : distance->blocks->teacher + range->offset;
}

static void distance_task(void *context, int task, int thread) {
  (void)thread;
  const Distance *const distance = context;
  const CoredParamRange *const range = &distance->ranges[task];
  distance->sums[task] = cored_loss_square_distance(distance->blocks->student + range->offset,
                                                    origin_of(distance, range), range->count);
}

static void distance_gradient_task(void *context, int task, int thread) {
  (void)thread;
  const Distance *const distance = context;
  const CoredParamRange *const range = &distance->ranges[task];
  cored_loss_square_distance_gradient(distance->blocks->student + range->offset,
                                      origin_of(distance, range), range->count, distance->weight,
                                      distance->gradients + range->offset);
}

static void weight_losses(CoredObjective *o, const CoredObjectiveBlocks *blocks,
                          CoredLosses *losses) {
  int n;
  Distance distance = {
      .blocks = blocks, .ranges = cored_train_net_ranges(o->net, &n), .sums = o->range_sums};
  cored_thread_pool_tasks(cored_train_net_params(o->net)->pool, distance_task, &distance, n);
  for (int i = 0; i < n; i++)
    *(distance.ranges[i].classifier ? &losses->classifier : &losses->starting_point) +=
        o->range_sums[i];
}

void cored_objective_add_weight_gradients(const CoredObjective *o, const CoredBatch *batch,
                                          const CoredObjectiveBlocks *blocks,
                                          const CoredLosses *losses, double weight,
                                          CoredReal *gradients) {
  int n;
  if (!has_starting_point(o))
    return;
  /* The same on every process, so each adds its share. */
  Distance distance = {.blocks = blocks,
                       .ranges = cored_train_net_ranges(o->net, &n),
                       .weight = weight * losses->gate * batch->n / o->sums[SUM_N],
                       .gradients = gradients};
  cored_thread_pool_tasks(cored_train_net_params(o->net)->pool, distance_gradient_task, &distance,
                          n);
}

/* ---- Losses ---------------------------------------------------------------------------------- */

static void fill_losses(CoredObjective *o, const CoredObjectiveBlocks *blocks,
                        CoredLosses *losses) {
  const double n = o->sums[SUM_N];
  *losses = (CoredLosses){.student = o->sums[SUM_STUDENT] / n,
                          .distillation = o->sums[SUM_DISTILLATION] / n,
                          .teacher = o->sums[SUM_TEACHER] / n,
                          .n = (int)n,
                          .n_correct = (int)o->sums[SUM_CORRECT]};
  losses->total = losses->student + losses->distillation;
  if (cored_objective_has_representation(o)) {
    const CoredStores *const stores = &o->student_stores;
    losses->representation =
        cored_loss_representation(stores, &o->teacher_stores, &losses->n_pairs);
    losses->total += losses->representation;
    for (int i = 0; i < stores->k * stores->c; i++)
      losses->stores[i] = (int)stores->counts[i];
  }
  if (has_starting_point(o)) {
    losses->gate = 1 / (1 + exp(losses->teacher)); /* sigmoid(-CE) */
    weight_losses(o, blocks, losses);
    losses->total += losses->gate * (losses->starting_point + losses->classifier);
  }
}

void cored_objective_measure(CoredObjective *o, CoredTeacher *teacher, const CoredBatch *batch,
                             const CoredObjectiveBlocks *blocks, bool join_stores,
                             CoredLosses *losses) {
  if (batch->n > 0) {
    if (teacher)
      teacher->forward(teacher, batch->images, batch->n, o->zt, NULL);
    cored_class_scores(cored_train_net_output(o->net, o->graph->logits, NULL),
                       o->graph->logit_channels, batch->n, o->n_classes, o->zs);
  }
  sum_batch(o, batch);
  if (cored_objective_has_representation(o))
    fill_student_stores(o, batch);
  reduce_sums(o, join_stores);
  fill_losses(o, blocks, losses);
}

/* ---- Gradients of the outputs ---------------------------------------------------------------- */

static void set_logit_gradient(CoredObjective *o, const CoredBatch *batch, double weight) {
  const CoredTrainParams *const p = o->params;
  const int c = o->n_classes, outputs = o->graph->logit_channels;
  CoredReal *const gradient = cored_train_net_output_gradient(o->net, o->graph->logits);
  const double share = weight / o->sums[SUM_N];
  memset(o->dz, 0, (size_t)batch->n * (size_t)c * sizeof *o->dz);
  for (int i = 0; i < batch->n; i++) {
    double *const dz = o->dz + i * c;
    cored_loss_cross_entropy_gradient(o->zs + i * c, c, batch->labels[i], share, dz);
    if (has_distillation(o))
      cored_loss_distillation_gradient(o->zs + i * c, o->zt + i * c, c, batch->labels[i], p->alpha,
                                       p->temperature, share, dz);
    if (outputs == 1)
      gradient[i] = (CoredReal)dz[1]; /* z is the logit of class 1; that of class 0 is fixed */
    else
      for (int j = 0; j < c; j++)
        gradient[i * c + j] = (CoredReal)dz[j];
  }
}

/* Of L_R: at the pixel that gave each channel's maximum. */
static void set_feature_gradient(CoredObjective *o, const CoredBatch *batch, double weight) {
  const size_t f = (size_t)o->channels;
  CoredShape shape;
  cored_train_net_output(o->net, o->graph->features, &shape);
  CoredReal *const gradient = cored_train_net_output_gradient(o->net, o->graph->features);
  const size_t image = (size_t)shape.h * (size_t)shape.w * f;
  for (size_t i = 0; i < (size_t)batch->n; i++) {
    if (o->store[i] < 0)
      continue;
    memset(o->dpooled, 0, f * sizeof *o->dpooled);
    cored_loss_representation_gradient(&o->student_stores, &o->teacher_stores, o->store[i],
                                       batch->labels[i], o->channels, weight, o->dpooled);
    for (size_t j = 0; j < f; j++)
      gradient[i * image + (size_t)o->winner[i * f + j] * f + j] += (CoredReal)o->dpooled[j];
  }
}

void cored_objective_set_output_gradients(CoredObjective *o, const CoredBatch *batch,
                                          double weight) {
  set_logit_gradient(o, batch, weight);
  if (cored_objective_has_representation(o))
    set_feature_gradient(o, batch, weight);
}
