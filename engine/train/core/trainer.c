/* SPDX-License-Identifier: MIT
 * The trainer: it owns student, teacher, objective and optimizer, lets them take turns in a step,
 * and shows its state as named tensors. */
#include "train/core/trainer.h"

#include "base/block.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/random.h"
#include "networks/registry.h"
#include "train/core/objective.h"
#include "train/core/optimizer.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kept as one array so that a checkpoint sees them as one tensor; the last: the teacher's stores
 * are summed over processes. */
enum { COUNTER_STEPS, COUNTER_FORWARDS, COUNTER_SUMMED, N_COUNTERS };

struct CoredTrainer {
  CoredTrainParams params;
  CoredModelInfo info; /* of the student it was made from */
  CoredGraph *graph;
  CoredThreadPool *pool;
  CoredTrainNet *net;                           /* the student, forward and backward */
  CoredTrainNet *eval;                          /* student or teacher in evaluation mode */
  CoredReal *arena;                             /* both nets' memory */
  CoredReal *block, *gradients, *teacher_block; /* teacher_block: NULL without a teacher */
  size_t arena_count, block_count;              /* numbers of the arena, and of each block */
  CoredTeacher *teacher;
  CoredObjective *objective;
  CoredOptimizer *optimizer;
  double *scores; /* [max_batch, classes] of an evaluation */
  int64_t counters[N_COUNTERS];
  char nonfinite[CORED_NAME_SIZE + 32]; /* where the last batch broke; "": it did not */
  CoredTensorView *state;               /* views for cored_trainer_state */
  char *state_names;
  size_t n_state;
};

/* ---- Parameters as tensors ------------------------------------------------------------------- */

/* graph->params[param], seen in `block`. */
static CoredTensorView view_param(const CoredTrainer *trainer, int param, const CoredReal *block) {
  const CoredParam *const p = &trainer->graph->params[param];
  CoredTensorView view = {.name = p->name,
                          .dtype = (CoredDtype)CORED_DTYPE_REAL,
                          .rank = p->rank,
                          .data = block + cored_train_net_offset(trainer->net, param),
                          .size = p->count * sizeof(CoredReal)};
  memcpy(view.dims, p->dims, sizeof p->dims);
  return view;
}

/* All of them, to be freed; NULL without memory. */
static CoredTensorView *view_params(const CoredTrainer *trainer, const CoredReal *block,
                                    CoredError *error) {
  const size_t n = (size_t)trainer->graph->n_params;
  CoredTensorView *const views = calloc(n, sizeof *views);
  for (size_t i = 0; views && i < n; i++)
    views[i] = view_param(trainer, (int)i, block);
  if (!views)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory for the model");
  return views;
}

/* The index-th trained parameter, seen in `block`. */
static bool view_trained(const CoredTrainer *trainer, size_t index, const CoredReal *block,
                         CoredTensorView *view) {
  for (int i = 0; i < trainer->graph->n_params; i++) {
    if (cored_param_is_statistic(&trainer->graph->params[i]) || index-- > 0)
      continue;
    *view = view_param(trainer, i, block);
    return true;
  }
  return false;
}

bool cored_trainer_parameter(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  return view_trained(trainer, index, trainer->block, view);
}

bool cored_trainer_gradient(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  return view_trained(trainer, index, trainer->gradients, view);
}

CoredModel *cored_trainer_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                                CoredError *error) {
  CoredTensorView *const views = view_params(trainer, trainer->block, error);
  CoredModel *const model =
      views ? cored_model_new(info, views, (size_t)trainer->graph->n_params, error) : NULL;
  free(views);
  return model;
}

/* ---- State ----------------------------------------------------------------------------------- */

enum { state_name_size = 16 + CORED_NAME_SIZE + 16, fixed_views = 3 };

static void add_view(CoredTrainer *trainer, const char *prefix, const char *name,
                     CoredTensorView view) {
  char *const text = trainer->state_names + trainer->n_state * state_name_size;
  snprintf(text, state_name_size, "%s%s", prefix, name);
  view.name = text;
  trainer->state[trainer->n_state++] = view;
}

static void add_block(CoredTrainer *trainer, const char *prefix, const CoredReal *block) {
  for (int i = 0; block && i < trainer->graph->n_params; i++)
    add_view(trainer, prefix, trainer->graph->params[i].name, view_param(trainer, i, block));
}

static void add_stores(CoredTrainer *trainer) {
  const CoredStores *const s = cored_objective_teacher_stores(trainer->objective);
  const size_t pairs = (size_t)s->k * (size_t)s->c;
  add_view(trainer, "", "stores.sums",
           (CoredTensorView){.dtype = CORED_DTYPE_F64,
                             .rank = 3,
                             .dims = {s->k, s->c, s->width},
                             .data = s->sums,
                             .size = pairs * (size_t)s->width * sizeof(double)});
  add_view(trainer, "", "stores.counts",
           (CoredTensorView){.dtype = CORED_DTYPE_F64,
                             .rank = 2,
                             .dims = {s->k, s->c},
                             .data = s->counts,
                             .size = pairs * sizeof(double)});
}

/* Fill the table of views once everything is allocated; false without memory. */
static bool list_state(CoredTrainer *trainer) {
  const size_t most = 4 * (size_t)trainer->graph->n_params + fixed_views;
  trainer->state = calloc(most, sizeof *trainer->state);
  trainer->state_names = calloc(most, state_name_size);
  if (!trainer->state || !trainer->state_names)
    return false;
  add_block(trainer, "student.", trainer->block);
  add_block(trainer, "teacher.", trainer->teacher_block);
  add_block(trainer, "moment1.", cored_optimizer_moment(trainer->optimizer, 0));
  add_block(trainer, "moment2.", cored_optimizer_moment(trainer->optimizer, 1));
  add_stores(trainer);
  add_view(trainer, "", "counters",
           (CoredTensorView){.dtype = CORED_DTYPE_I64,
                             .rank = 1,
                             .dims = {N_COUNTERS},
                             .data = trainer->counters,
                             .size = sizeof trainer->counters});
  return true;
}

bool cored_trainer_state(const CoredTrainer *trainer, size_t index, CoredTensorView *view) {
  if (index >= trainer->n_state)
    return false;
  *view = trainer->state[index];
  return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void resolve_params(CoredTrainer *trainer, const CoredTrainParams *params,
                           bool has_teacher) {
  CoredTrainParams *const p = &trainer->params;
  *p = *params;
  p->input_width = p->input_width ? p->input_width : trainer->info.input_width;
  p->input_height = p->input_height ? p->input_height : trainer->info.input_height;
  p->new_teacher = p->new_teacher ? p->new_teacher : cored_teacher_new_session;
  if (p->batch_norm == CORED_BATCH_NORM_DEFAULT)
    p->batch_norm = p->method == CORED_METHOD_CORED && has_teacher ? CORED_BATCH_NORM_FROZEN
                                                                   : CORED_BATCH_NORM_TRAIN;
}

static bool make_nets(CoredTrainer *trainer, CoredError *error) {
  const CoredTrainParams *const p = &trainer->params;
  trainer->pool = cored_thread_pool_new(p->threads, error);
  if (!trainer->pool)
    return false;
  CoredTrainNetParams net = {.graph = trainer->graph,
                             .h = p->input_height,
                             .w = p->input_width,
                             .max_batch = p->max_batch,
                             .training = true,
                             .cpu = p->cpu,
                             .dropout = p->dropout,
                             .drop_connect = p->drop_connect,
                             .pool = trainer->pool};
  trainer->net = cored_train_net_new(&net, error);
  net.training = false;
  trainer->eval = trainer->net ? cored_train_net_new(&net, error) : NULL;
  return trainer->eval != NULL;
}

static CoredReal *new_block(const CoredTrainer *trainer) {
  return cored_block_new(trainer->block_count, sizeof(CoredReal));
}

static void free_block(const CoredTrainer *trainer, CoredReal *block) {
  cored_block_free(block, trainer->block_count, sizeof *block);
}

static bool allocate(CoredTrainer *trainer, bool has_teacher) {
  const CoredTrainParams *const p = &trainer->params;
  const size_t training = cored_train_net_arena_count(trainer->net);
  const size_t evaluation = cored_train_net_arena_count(trainer->eval);
  trainer->arena_count = training > evaluation ? training : evaluation;
  trainer->block_count = cored_train_net_block_count(trainer->net);
  trainer->arena = cored_block_new(trainer->arena_count, sizeof *trainer->arena);
  if (!trainer->arena)
    return false;
  cored_train_net_set_arena(trainer->net, trainer->arena);
  cored_train_net_set_arena(trainer->eval, trainer->arena);
  trainer->block = new_block(trainer);
  trainer->gradients = new_block(trainer);
  trainer->teacher_block = has_teacher ? new_block(trainer) : NULL;
  trainer->optimizer = cored_optimizer_new(&p->optimizer, trainer->net);
  trainer->objective = cored_objective_new(p, trainer->net, trainer->info.n_classes, has_teacher);
  trainer->scores =
      calloc((size_t)p->max_batch * (size_t)trainer->info.n_classes, sizeof *trainer->scores);
  return trainer->block && trainer->gradients && (trainer->teacher_block || !has_teacher) &&
         trainer->optimizer && trainer->objective && trainer->scores;
}

static bool copy_weights(const CoredTrainer *trainer, const CoredModel *model, CoredReal *block,
                         CoredError *error) {
  for (int i = 0; i < trainer->graph->n_params; i++) {
    const CoredParam *const param = &trainer->graph->params[i];
    CoredTensorView view;
    size_t j = 0;
    while (cored_model_tensor(model, j, &view) && strcmp(view.name, param->name) != 0)
      j++;
    if (j == cored_model_n_tensors(model) || view.dtype != CORED_DTYPE_F32 ||
        view.size != param->count * sizeof(float))
      return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                             "training: the model has no float32 tensor '%s' of %zu values",
                             param->name, param->count);
    CoredReal *const values = block + cored_train_net_offset(trainer->net, i);
    for (size_t k = 0; k < param->count; k++)
      values[k] = (CoredReal)((const float *)view.data)[k];
  }
  return true;
}

static bool check_teacher(const CoredModelInfo *student, const CoredModel *teacher,
                          CoredError *error) {
  const CoredModelInfo *const t = teacher ? cored_model_info(teacher) : student;
  if (strcmp(t->network, student->network) == 0 && t->n_classes == student->n_classes) {
    /* Both get the same batches. */
    return (memcmp(t->mean, student->mean, sizeof t->mean) == 0 &&
            memcmp(t->std, student->std, sizeof t->std) == 0) ||
           cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "training: the teacher has another mean or std (red: %g, %g) than the "
                           "student (%g, %g)",
                           (double)t->mean[0], (double)t->std[0], (double)student->mean[0],
                           (double)student->std[0]);
  }
  return cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "training: the teacher is %s with %d classes, the student %s with %d",
                         t->network, t->n_classes, student->network, student->n_classes);
}

/* Make the teacher of its block as that is now. One that is there already stays where that fails.
 */
static bool open_teacher(CoredTrainer *trainer, CoredError *error) {
  if (!trainer->teacher_block)
    return true;
  CoredTensorView *const views = view_params(trainer, trainer->teacher_block, error);
  if (!views)
    return false;
  const CoredTeacherParams params = {.info = &trainer->info,
                                     .graph = trainer->graph,
                                     .parameters = views,
                                     .train = &trainer->params,
                                     .features =
                                         cored_objective_has_representation(trainer->objective)};
  CoredTeacher *const teacher = trainer->params.new_teacher(&params, error);
  free(views);
  if (!teacher)
    return false;
  if (trainer->teacher)
    trainer->teacher->free(trainer->teacher);
  trainer->teacher = teacher;
  return true;
}

static bool trainer_open(CoredTrainer *trainer, const CoredModel *student,
                         const CoredModel *teacher, const CoredTrainParams *params,
                         CoredError *error) {
  trainer->info = *cored_model_info(student);
  if (!cored_train_params_check(params, error) || !check_teacher(&trainer->info, teacher, error))
    return false;
  resolve_params(trainer, params, teacher != NULL);
  const CoredNetwork *const network = cored_network_find(trainer->info.network);
  if (!network)
    return cored_error_set(error, CORED_ERROR_NETWORK_UNKNOWN, "training: no network '%s'",
                           trainer->info.network);
  trainer->graph = cored_network_graph(network, trainer->info.n_classes, error);
  if (!trainer->graph || !make_nets(trainer, error))
    return false;
  if (!allocate(trainer, teacher != NULL) || !list_state(trainer))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                           "training: no memory (%zu MiB for activations alone); a smaller batch "
                           "needs less",
                           trainer->arena_count * sizeof(CoredReal) >> 20);
  return copy_weights(trainer, student, trainer->block, error) &&
         (!teacher || copy_weights(trainer, teacher, trainer->teacher_block, error)) &&
         open_teacher(trainer, error);
}

CoredTrainer *cored_trainer_new(const CoredModel *student, const CoredModel *teacher,
                                const CoredTrainParams *params, CoredError *error) {
  CoredTrainer *const trainer = calloc(1, sizeof *trainer);
  if (!trainer) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory");
    return NULL;
  }
  openblas_set_num_threads(1); /* the work is shared out above it */
  if (trainer_open(trainer, student, teacher, params, error))
    return trainer;
  cored_trainer_free(trainer);
  return NULL;
}

void cored_trainer_free(CoredTrainer *trainer) {
  if (!trainer)
    return;
  if (trainer->teacher)
    trainer->teacher->free(trainer->teacher);
  cored_objective_free(trainer->objective);
  cored_optimizer_free(trainer->optimizer);
  free(trainer->scores);
  free_block(trainer, trainer->block);
  free_block(trainer, trainer->gradients);
  free_block(trainer, trainer->teacher_block);
  cored_block_free(trainer->arena, trainer->arena_count, sizeof *trainer->arena);
  free(trainer->state);
  free(trainer->state_names);
  cored_train_net_free(trainer->net);
  cored_train_net_free(trainer->eval);
  cored_thread_pool_free(trainer->pool);
  cored_graph_free(trainer->graph);
  free(trainer);
}

size_t cored_trainer_memory(const CoredTrainer *trainer) {
  int blocks = 2 + (trainer->teacher_block != NULL);
  for (int i = 0; i < CORED_OPTIMIZER_MOMENTS; i++)
    blocks += cored_optimizer_moment(trainer->optimizer, i) != NULL;
  return (trainer->arena_count + (size_t)blocks * trainer->block_count) * sizeof(CoredReal) +
         (trainer->teacher ? trainer->teacher->memory(trainer->teacher) : 0) +
         cored_objective_memory(trainer->objective);
}

const CoredTrainParams *cored_trainer_params(const CoredTrainer *trainer) {
  return &trainer->params;
}

int cored_trainer_n_classes(const CoredTrainer *trainer) {
  return trainer->info.n_classes;
}

/* ---- The teacher ----------------------------------------------------------------------------- */

void cored_trainer_add_representation(CoredTrainer *trainer, const CoredBatch *batch) {
  if (cored_objective_has_representation(trainer->objective))
    cored_objective_add_representation(trainer->objective, trainer->teacher, batch);
}

int cored_trainer_store_count(const CoredTrainer *trainer, int k, int c) {
  const CoredStores *const stores = cored_objective_teacher_stores(trainer->objective);
  return (int)stores->counts[k * stores->c + c];
}

int cored_trainer_store_width(const CoredTrainer *trainer) {
  return cored_objective_has_representation(trainer->objective)
             ? cored_objective_teacher_stores(trainer->objective)->width
             : 0;
}

void cored_trainer_store_mean(const CoredTrainer *trainer, int k, int c, double *mean) {
  const CoredStores *const stores = cored_objective_teacher_stores(trainer->objective);
  const size_t pair = (size_t)(k * stores->c + c), width = (size_t)stores->width;
  const double count = stores->counts[pair];
  for (size_t i = 0; i < width; i++)
    mean[i] = count > 0 ? stores->sums[pair * width + i] / count : 0.0;
}

bool cored_trainer_replace_teacher(CoredTrainer *trainer, CoredError *error) {
  if (!trainer->teacher_block)
    return true;
  memcpy(trainer->teacher_block, trainer->block,
         cored_train_net_block_count(trainer->net) * sizeof *trainer->block);
  return open_teacher(trainer, error);
}

/* ---- The step -------------------------------------------------------------------------------- */

static CoredTrainNetRun new_run(CoredTrainer *trainer, const CoredBatch *batch) {
  const bool train = trainer->params.batch_norm == CORED_BATCH_NORM_TRAIN;
  const uint64_t forwards = (uint64_t)trainer->counters[COUNTER_FORWARDS]++;
  uint32_t bits[4];
  cored_philox_bits(cored_philox_key(trainer->params.seed, "dropout"), forwards, bits);
  return (CoredTrainNetRun){.block = trainer->block,
                            .running = train ? trainer->block : NULL,
                            .images = batch->images,
                            .n = batch->n,
                            .batch_stats = train,
                            .dropout = true,
                            .key = (uint64_t)bits[0] << 32 | bits[1],
                            .first = batch->first};
}

/* Activations and the like have no name: that of the layer before them is told. */
static const char *layer_name(const CoredGraph *graph, int node) {
  while (node > 0 && !graph->nodes[node].name[0])
    node--;
  return node > 0 ? graph->nodes[node].name : "the input";
}

static void remember_nonfinite(CoredTrainer *trainer, CoredTrainNetRun run,
                               const CoredLosses *losses) {
  char *const out = trainer->nonfinite;
  const size_t size = sizeof trainer->nonfinite;
  run.running = NULL;
  int node = cored_train_net_find_nonfinite(trainer->net, &run);
  if (node >= 0) {
    snprintf(out, size, "%s", layer_name(trainer->graph, node));
  } else if (!isfinite(losses->teacher)) {
    const CoredTrainNetRun still = {
        .block = trainer->teacher_block, .images = run.images, .n = run.n};
    node = cored_train_net_find_nonfinite(trainer->eval, &still);
    snprintf(out, size, "the teacher's %s",
             node >= 0 ? layer_name(trainer->graph, node) : "outputs");
  }
}

static void measure(CoredTrainer *trainer, const CoredBatch *batch,
                    const CoredObjectiveBlocks *blocks, CoredLosses *losses) {
  int64_t *const summed = &trainer->counters[COUNTER_SUMMED];
  cored_objective_measure(trainer->objective, trainer->teacher, batch, blocks, !*summed, losses);
  if (trainer->params.reduce && cored_objective_has_representation(trainer->objective))
    *summed = 1;
}

/* A process without a sample of this batch only counts the pass and joins the sums, as the others
 * do. */
bool cored_trainer_accumulate(CoredTrainer *trainer, const CoredBatch *batch, double weight,
                              CoredLosses *losses) {
  const CoredObjectiveBlocks blocks = {.student = trainer->block,
                                       .teacher = trainer->teacher_block};
  const CoredTrainNetRun run = new_run(trainer, batch);
  trainer->nonfinite[0] = '\0';
  if (batch->n > 0)
    cored_train_net_forward(trainer->net, &run);
  measure(trainer, batch, &blocks, losses);
  if (!isfinite(losses->total)) {
    if (batch->n > 0)
      remember_nonfinite(trainer, run, losses);
    return false;
  }
  if (batch->n > 0) {
    cored_objective_set_output_gradients(trainer->objective, batch, weight);
    cored_train_net_backward(trainer->net, &run, trainer->gradients);
  }
  cored_objective_add_weight_gradients(trainer->objective, batch, &blocks, losses, weight,
                                       trainer->gradients);
  return true;
}

bool cored_trainer_update(CoredTrainer *trainer, double lr, double *norm) {
  const CoredReduce *const reduce = trainer->params.reduce;
  int64_t *const steps = &trainer->counters[COUNTER_STEPS];
  if (reduce)
    reduce->CORED_REAL(sum)(reduce->user, trainer->gradients,
                            cored_train_net_block_count(trainer->net));
  if (!cored_optimizer_step(trainer->optimizer, (uint64_t)*steps + 1, lr, trainer->block,
                            trainer->gradients, norm))
    return false;
  ++*steps;
  return true;
}

uint64_t cored_trainer_steps(const CoredTrainer *trainer) {
  return (uint64_t)trainer->counters[COUNTER_STEPS];
}

/* ---- Evaluation ------------------------------------------------------------------------------ */

void cored_trainer_evaluate(CoredTrainer *trainer, const float *images, int n, float *logits) {
  const CoredTrainParams *const p = &trainer->params;
  const CoredGraph *const graph = trainer->graph;
  const size_t image = (size_t)p->input_width * (size_t)p->input_height * 3;
  const int c = trainer->info.n_classes;
  for (int done = 0; done < n; done += p->max_batch) {
    const int now = n - done < p->max_batch ? n - done : p->max_batch;
    const CoredTrainNetRun run = {
        .block = trainer->block, .images = images + (size_t)done * image, .n = now};
    cored_train_net_forward(trainer->eval, &run);
    cored_class_scores(cored_train_net_output(trainer->eval, graph->logits, NULL),
                       graph->logit_channels, now, c, trainer->scores);
    for (int i = 0; i < now * c; i++)
      logits[done * c + i] = (float)trainer->scores[i];
  }
}

void cored_trainer_evaluate_teacher(CoredTrainer *trainer, const float *images, int n,
                                    float *logits) {
  const CoredTrainParams *const p = &trainer->params;
  const size_t image = (size_t)p->input_width * (size_t)p->input_height * 3;
  const int c = trainer->info.n_classes;
  if (!trainer->teacher) {
    cored_trainer_evaluate(trainer, images, n, logits);
    return;
  }
  for (int i = 0; i < n; i++) {
    trainer->teacher->forward(trainer->teacher, images + (size_t)i * image, 1, trainer->scores,
                              NULL);
    for (int j = 0; j < c; j++)
      logits[i * c + j] = (float)trainer->scores[j];
  }
}

/* ---- Where numbers broke --------------------------------------------------------------------- */

static bool is_finite(const CoredTrainer *trainer, const CoredReal *block, int param) {
  const CoredReal *const values = block + cored_train_net_offset(trainer->net, param);
  for (size_t i = 0; i < trainer->graph->params[param].count; i++)
    if (!isfinite(values[i]))
      return false;
  return true;
}

const char *cored_trainer_find_nonfinite(const CoredTrainer *trainer) {
  const CoredParam *const params = trainer->graph->params;
  const int n = trainer->graph->n_params;
  if (trainer->nonfinite[0])
    return trainer->nonfinite;
  for (int i = 0; i < n; i++)
    if (!is_finite(trainer, trainer->block, i))
      return params[i].name;
  for (int i = n - 1; i >= 0; i--) /* backward begins at the end */
    if (!is_finite(trainer, trainer->gradients, i))
      return params[i].name;
  for (int m = 0; m < CORED_OPTIMIZER_MOMENTS; m++) {
    const CoredReal *const moment = cored_optimizer_moment(trainer->optimizer, m);
    for (int i = 0; moment && i < n; i++)
      if (!is_finite(trainer, moment, i))
        return params[i].name;
  }
  return NULL;
}

/* ---- Restoring ------------------------------------------------------------------------------- */

static const CoredTensorView *find_tensor(const CoredTensorView *tensors, size_t n,
                                          const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(tensors[i].name, name) == 0)
      return &tensors[i];
  return NULL;
}

static bool same_layout(const CoredTensorView *a, const CoredTensorView *b) {
  return a->dtype == b->dtype && a->rank == b->rank && a->size == b->size &&
         memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Every number is one that a training can have left: no parameter or moment that is not finite, no
 * count below 0. */
static bool check_values(const CoredTensorView *view, CoredError *error) {
  const bool counts =
      strcmp(view->name, "counters") == 0 || strcmp(view->name, "stores.counts") == 0;
  const size_t width = cored_dtype_size(view->dtype);
  for (size_t i = 0; i < view->size / width; i++) {
    const char *const at = (const char *)view->data + i * width;
    double x = 0.0;
    if (view->dtype == CORED_DTYPE_I64) {
      int64_t value;
      memcpy(&value, at, sizeof value);
      x = (double)value;
    } else if (view->dtype == CORED_DTYPE_F64) {
      memcpy(&x, at, sizeof x);
    } else {
      float value;
      memcpy(&value, at, sizeof value);
      x = (double)value;
    }
    if (!isfinite(x) || (counts && x < 0.0))
      return cored_error_set(
          error, CORED_ERROR_PARAMETER_VALUE,
          "training state: tensor '%s', element %zu: expected a finite number%s, "
          "found %g",
          view->name, i, counts ? " of at least 0" : "", x);
  }
  return true;
}

static bool check_tensors(const CoredTrainer *trainer, const CoredTensorView *tensors, size_t n,
                          CoredError *error) {
  for (size_t i = 0; i < trainer->n_state; i++) {
    const CoredTensorView *const own = &trainer->state[i];
    const CoredTensorView *const given = find_tensor(tensors, n, own->name);
    if (!given)
      return cored_error_set(error, CORED_ERROR_PARAMETER_MISSING, "training state: no tensor '%s'",
                             own->name);
    if (!same_layout(own, given))
      return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                             "training state: tensor '%s' has another type or shape", own->name);
    if (!check_values(given, error))
      return false;
  }
  for (size_t i = 0; i < n; i++)
    if (!find_tensor(trainer->state, trainer->n_state, tensors[i].name))
      return cored_error_set(error, CORED_ERROR_PARAMETER_EXTRA,
                             "training state: unexpected tensor '%s'", tensors[i].name);
  return true;
}

bool cored_trainer_restore(CoredTrainer *trainer, const CoredTensorView *tensors, size_t n,
                           CoredError *error) {
  if (!check_tensors(trainer, tensors, n, error))
    return false;
  for (size_t i = 0; i < trainer->n_state; i++) {
    const CoredTensorView *const own = &trainer->state[i];
    memcpy((void *)own->data, find_tensor(tensors, n, own->name)->data, own->size);
  }
  memset(trainer->gradients, 0, cored_train_net_block_count(trainer->net) * sizeof(CoredReal));
  return open_teacher(trainer, error);
}
