/* SPDX-License-Identifier: MIT
 * Forward, losses, backward. */
#include "train/core/trainer.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool cored_trainer_has_representation(const CoredTrainer *trainer) {
  return trainer->teacher && trainer->params.method == CORED_METHOD_CORED;
}

static bool has_distillation(const CoredTrainer *trainer) {
  return trainer->teacher && (trainer->params.method == CORED_METHOD_CORED ||
                              trainer->params.method == CORED_METHOD_KD);
}

static bool has_starting_point(const CoredTrainer *trainer) {
  return trainer->teacher && trainer->params.method == CORED_METHOD_TG;
}

void cored_trainer_class_scores(const CoredTrainer *trainer, const CoredReal *output, int n,
                                double *logits) {
  const int c = trainer->n_classes, outputs = trainer->graph->outputs;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < c; j++)
      logits[i * c + j] =
          outputs == 1 ? (j == 0 ? 0.0 : (double)output[i]) : (double)output[i * c + j];
}

void cored_trainer_pool(const CoredTrainer *trainer, const CoredReal *features, CoredShape shape,
                        int n, double *pooled, int *winner) {
  const size_t c = (size_t)trainer->channels, pixels = (size_t)shape.h * (size_t)shape.w;
  for (size_t i = 0; i < (size_t)n; i++)
    for (size_t j = 0; j < c; j++) {
      const CoredReal *const x = features + i * pixels * c + j;
      size_t best = 0;
      for (size_t p = 1; p < pixels; p++)
        if (x[p * c] > x[best * c])
          best = p;
      pooled[i * c + j] = (double)x[best * c];
      if (winner)
        winner[i * c + j] = (int)best;
    }
}

void cored_trainer_forward_eval(CoredTrainer *trainer, const CoredReal *block, const float *images,
                                int n, double *logits) {
  const CoredNetRun run = {
      .block = block, .input = cored_trainer_input(trainer, images, n), .n = n};
  cored_net_forward(trainer->eval, &run);
  cored_trainer_class_scores(trainer, cored_net_output(trainer->eval, trainer->graph->logits, NULL),
                             n, logits);
}

void cored_trainer_evaluate(CoredTrainer *trainer, const float *images, int n, float *logits) {
  const CoredTrainParams *const p = &trainer->params;
  const size_t image = (size_t)p->input_width * (size_t)p->input_height * 3;
  for (int done = 0; done < n; done += p->max_batch) {
    const int now = n - done < p->max_batch ? n - done : p->max_batch;
    cored_trainer_forward_eval(trainer, trainer->block, images + (size_t)done * image, now,
                               trainer->scratch.zs);
    for (int i = 0; i < now * trainer->n_classes; i++)
      logits[done * trainer->n_classes + i] = (float)trainer->scratch.zs[i];
  }
}

/* Put n samples with these logits and the pooled features of the scratch into the stores. */
static void fill_stores(CoredTrainer *trainer, const double *z, const CoredBatch *batch,
                        CoredStores *stores) {
  CoredStepScratch *const s = &trainer->scratch;
  for (int i = 0; i < batch->n; i++) {
    s->store[i] = cored_store_index(z + i * trainer->n_classes, trainer->n_classes,
                                    batch->labels[i], stores->k);
    if (s->store[i] >= 0)
      cored_stores_add(stores, s->store[i], batch->labels[i],
                       s->pooled + (size_t)i * (size_t)trainer->channels, trainer->channels);
  }
}

static void fill_student_stores(CoredTrainer *trainer, const CoredBatch *batch) {
  CoredStepScratch *const s = &trainer->scratch;
  CoredShape shape;
  cored_stores_reset(&trainer->student_stores);
  if (batch->n == 0)
    return;
  const CoredReal *const features =
      cored_net_output(trainer->net, trainer->graph->features, &shape);
  cored_trainer_pool(trainer, features, shape, batch->n, s->pooled, s->winner);
  fill_stores(trainer, s->zs, batch, &trainer->student_stores);
}

void cored_trainer_add_representation(CoredTrainer *trainer, const CoredBatch *batch) {
  CoredStepScratch *const s = &trainer->scratch;
  if (!cored_trainer_has_representation(trainer))
    return;
  cored_trainer_forward_teacher(trainer, batch->images, batch->n, s->zt, s->pooled);
  fill_stores(trainer, s->zt, batch, &trainer->teacher_stores);
}

int cored_trainer_store_count(const CoredTrainer *trainer, int k, int c) {
  return (int)trainer->teacher_stores.counts[k * trainer->n_classes + c];
}

int cored_trainer_store_width(const CoredTrainer *trainer) {
  return cored_trainer_has_representation(trainer) ? trainer->teacher_stores.width : 0;
}

void cored_trainer_store_mean(const CoredTrainer *trainer, int k, int c, double *mean) {
  const CoredStores *const stores = &trainer->teacher_stores;
  const size_t pair = (size_t)(k * trainer->n_classes + c), width = (size_t)stores->width;
  const double count = stores->counts[pair];
  for (size_t i = 0; i < width; i++)
    mean[i] = count > 0 ? stores->sums[pair * width + i] / count : 0.0;
}

void cored_trainer_clear_representation(CoredTrainer *trainer) {
  cored_stores_reset(&trainer->teacher_stores);
  trainer->counters[CORED_COUNTER_SUMMED] = 0;
}

/* ---- Sums of a batch ------------------------------------------------------------------------ */

enum { SUM_N, SUM_CORRECT, SUM_STUDENT, SUM_DISTILLATION, SUM_TEACHER, SUM_STORES };

static bool is_correct(const double *z, int c, int label) {
  for (int i = 0; i < c; i++)
    if (z[i] > z[label] || (z[i] == z[label] && i < label)) /* arg max takes the first */
      return false;
  return true;
}

static void sum_batch(CoredTrainer *trainer, const CoredBatch *batch) {
  const CoredTrainParams *const p = &trainer->params;
  CoredStepScratch *const s = &trainer->scratch;
  const int c = trainer->n_classes;
  memset(s->sums, 0, SUM_STORES * sizeof *s->sums);
  s->sums[SUM_N] = batch->n;
  for (int i = 0; i < batch->n; i++) {
    const double *const zs = s->zs + i * c, *const zt = s->zt + i * c;
    const int label = batch->labels[i];
    s->sums[SUM_CORRECT] += is_correct(zs, c, label);
    s->sums[SUM_STUDENT] += cored_loss_cross_entropy(zs, c, label);
    if (has_distillation(trainer))
      s->sums[SUM_DISTILLATION] +=
          cored_loss_distillation(zs, zt, c, label, p->alpha, p->temperature);
    if (trainer->teacher)
      s->sums[SUM_TEACHER] += cored_loss_cross_entropy(zt, c, label);
  }
}

static void reduce_stores(CoredTrainer *trainer, CoredStores *stores) {
  const CoredReduce *const reduce = trainer->params.reduce;
  const size_t pairs = (size_t)stores->k * (size_t)stores->c;
  reduce->sum_f64(reduce->user, stores->counts, pairs);
  reduce->sum_f64(reduce->user, stores->sums, pairs * (size_t)stores->width);
}

static void reduce_sums(CoredTrainer *trainer) {
  const CoredReduce *const reduce = trainer->params.reduce;
  if (!reduce)
    return;
  reduce->sum_f64(reduce->user, trainer->scratch.sums, SUM_STORES);
  if (!cored_trainer_has_representation(trainer))
    return;
  reduce_stores(trainer, &trainer->student_stores);
  if (!trainer->counters[CORED_COUNTER_SUMMED])
    reduce_stores(trainer, &trainer->teacher_stores);
  trainer->counters[CORED_COUNTER_SUMMED] = 1;
}

/* ---- Losses on the weights ------------------------------------------------------------------ */

static void distance_task(void *context, int task, int thread) {
  (void)thread;
  CoredTrainer *const trainer = context;
  const CoredParamRange *const range = &trainer->ranges[task];
  const CoredReal *const origin = range->classifier ? NULL : trainer->teacher + range->offset;
  trainer->range_sums[task] =
      cored_loss_square_distance(trainer->block + range->offset, origin, range->count);
}

static void weight_losses(CoredTrainer *trainer, CoredLosses *losses) {
  cored_thread_pool_tasks(trainer->pool, distance_task, trainer, trainer->n_ranges);
  for (int i = 0; i < trainer->n_ranges; i++)
    *(trainer->ranges[i].classifier ? &losses->classifier : &losses->starting_point) +=
        trainer->range_sums[i];
}

typedef struct WeightGradient {
  CoredTrainer *trainer;
  double weight;
} WeightGradient;

static void distance_gradient_task(void *context, int task, int thread) {
  (void)thread;
  const WeightGradient *const job = context;
  const CoredTrainer *const trainer = job->trainer;
  const CoredParamRange *const range = &trainer->ranges[task];
  const CoredReal *const origin = range->classifier ? NULL : trainer->teacher + range->offset;
  cored_loss_square_distance_gradient(trainer->block + range->offset, origin, range->count,
                                      job->weight, trainer->gradients + range->offset);
}

/* ---- The step ------------------------------------------------------------------------------- */

static void fill_losses(CoredTrainer *trainer, CoredLosses *losses) {
  const double *const sums = trainer->scratch.sums, n = sums[SUM_N];
  *losses = (CoredLosses){.student = sums[SUM_STUDENT] / n,
                          .distillation = sums[SUM_DISTILLATION] / n,
                          .teacher = sums[SUM_TEACHER] / n,
                          .n = (int)n,
                          .n_correct = (int)sums[SUM_CORRECT]};
  losses->total = losses->student + losses->distillation;
  if (cored_trainer_has_representation(trainer)) {
    const CoredStores *const stores = &trainer->student_stores;
    losses->representation =
        cored_loss_representation(stores, &trainer->teacher_stores, &losses->n_pairs);
    losses->total += losses->representation;
    for (int i = 0; i < stores->k * stores->c; i++)
      losses->stores[i] = (int)stores->counts[i];
  }
  if (has_starting_point(trainer)) {
    losses->gate = 1 / (1 + exp(losses->teacher)); /* sigmoid(-CE) */
    weight_losses(trainer, losses);
    losses->total += losses->gate * (losses->starting_point + losses->classifier);
  }
}

/* Gradient with respect to the logits, into the net's output gradient. */
static void set_logit_gradient(CoredTrainer *trainer, const CoredBatch *batch, double weight) {
  const CoredTrainParams *const p = &trainer->params;
  CoredStepScratch *const s = &trainer->scratch;
  const int c = trainer->n_classes, outputs = trainer->graph->outputs;
  CoredReal *const gradient = cored_net_output_gradient(trainer->net, trainer->graph->logits);
  const double share = weight / s->sums[SUM_N];
  memset(s->dz, 0, (size_t)batch->n * (size_t)c * sizeof *s->dz);
  for (int i = 0; i < batch->n; i++) {
    double *const dz = s->dz + i * c;
    cored_loss_cross_entropy_gradient(s->zs + i * c, c, batch->labels[i], share, dz);
    if (has_distillation(trainer))
      cored_loss_distillation_gradient(s->zs + i * c, s->zt + i * c, c, batch->labels[i], p->alpha,
                                       p->temperature, share, dz);
    if (outputs == 1)
      gradient[i] = (CoredReal)dz[1]; /* z is the logit of class 1; that of class 0 is fixed */
    else
      for (int j = 0; j < c; j++)
        gradient[i * c + j] = (CoredReal)dz[j];
  }
}

/* Gradient of L_R with respect to the features: at the pixel that gave each channel's maximum. */
static void set_feature_gradient(CoredTrainer *trainer, const CoredBatch *batch, double weight) {
  CoredStepScratch *const s = &trainer->scratch;
  const size_t f = (size_t)trainer->channels;
  CoredShape shape;
  cored_net_output(trainer->net, trainer->graph->features, &shape);
  CoredReal *const gradient = cored_net_output_gradient(trainer->net, trainer->graph->features);
  const size_t image = (size_t)shape.h * (size_t)shape.w * f;
  for (size_t i = 0; i < (size_t)batch->n; i++) {
    if (s->store[i] < 0)
      continue;
    memset(s->dpooled, 0, f * sizeof *s->dpooled);
    cored_loss_representation_gradient(&trainer->student_stores, &trainer->teacher_stores,
                                       s->store[i], batch->labels[i], trainer->channels, weight,
                                       s->dpooled);
    for (size_t j = 0; j < f; j++)
      gradient[i * image + (size_t)s->winner[i * f + j] * f + j] += (CoredReal)s->dpooled[j];
  }
}

/* A process without a sample of this batch only counts the pass, as the others do. */
static void forward(CoredTrainer *trainer, const CoredBatch *batch, CoredNetRun *run) {
  CoredStepScratch *const s = &trainer->scratch;
  const bool train = trainer->params.batch_norm == CORED_BATCH_NORM_TRAIN;
  const uint64_t forwards = (uint64_t)trainer->counters[CORED_COUNTER_FORWARDS]++;
  uint32_t bits[4];
  if (batch->n == 0)
    return;
  if (trainer->teacher)
    cored_trainer_forward_teacher(trainer, batch->images, batch->n, s->zt, NULL);
  cored_philox_bits(cored_philox_key(trainer->params.seed, "dropout"), forwards, bits);
  *run = (CoredNetRun){.block = trainer->block,
                       .running = train ? trainer->block : NULL,
                       .input = cored_trainer_input(trainer, batch->images, batch->n),
                       .n = batch->n,
                       .batch_stats = train,
                       .dropout = true,
                       .key = (uint64_t)bits[0] << 32 | bits[1],
                       .first = batch->first};
  cored_net_forward(trainer->net, run);
  cored_trainer_class_scores(trainer, cored_net_output(trainer->net, trainer->graph->logits, NULL),
                             batch->n, s->zs);
}

/* Activations and the like have no name: that of the layer before them is told. */
static const char *layer_name(const CoredGraph *graph, int node) {
  while (node > 0 && !graph->nodes[node].name[0])
    node--;
  return node > 0 ? graph->nodes[node].name : "the input";
}

static void remember_nonfinite(CoredTrainer *trainer, CoredNetRun run) {
  char *const out = trainer->nonfinite;
  const size_t size = sizeof trainer->nonfinite;
  run.running = NULL;
  int node = cored_net_find_nonfinite(trainer->net, &run);
  if (node >= 0) {
    snprintf(out, size, "%s", layer_name(trainer->graph, node));
  } else if (!isfinite(trainer->scratch.sums[SUM_TEACHER])) {
    const CoredNetRun still = {.block = trainer->teacher, .input = run.input, .n = run.n};
    node = cored_net_find_nonfinite(trainer->eval, &still);
    snprintf(out, size, "the teacher's %s",
             node >= 0 ? layer_name(trainer->graph, node) : "outputs");
  }
}

/* From the gradient with respect to logits and features to that of the weights. */
static void backward(CoredTrainer *trainer, const CoredBatch *batch, const CoredNetRun *run,
                     double weight) {
  set_logit_gradient(trainer, batch, weight);
  if (cored_trainer_has_representation(trainer))
    set_feature_gradient(trainer, batch, weight);
  cored_net_backward(trainer->net, run, trainer->gradients);
}

bool cored_trainer_accumulate(CoredTrainer *trainer, const CoredBatch *batch, double weight,
                              CoredLosses *losses) {
  CoredNetRun run = {0};
  trainer->nonfinite[0] = '\0';
  forward(trainer, batch, &run);
  sum_batch(trainer, batch);
  if (cored_trainer_has_representation(trainer))
    fill_student_stores(trainer, batch);
  reduce_sums(trainer);
  fill_losses(trainer, losses);
  if (!isfinite(losses->total)) {
    if (batch->n > 0)
      remember_nonfinite(trainer, run);
    return false;
  }
  if (batch->n > 0)
    backward(trainer, batch, &run, weight);
  if (has_starting_point(trainer)) {
    /* The same on every process, so each adds its share. */
    WeightGradient job = {trainer, weight * losses->gate * batch->n / trainer->scratch.sums[SUM_N]};
    cored_thread_pool_tasks(trainer->pool, distance_gradient_task, &job, trainer->n_ranges);
  }
  return true;
}
