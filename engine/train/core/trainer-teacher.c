/* SPDX-License-Identifier: MIT
 * The frozen teacher. Nothing of it is trained, so it runs as a plan and a session: batch norm
 * folded, layers fused, weights packed once. Its block stays for the losses on weights and for the
 * checkpoint. */
#include "train/core/trainer.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { part = 8 }; /* images at once: little memory, and the cache holds more of it */

static CoredModel *teacher_model(const CoredTrainer *trainer, CoredError *error) {
  const size_t n = (size_t)trainer->graph->n_params;
  CoredTensorView *const views = calloc(n, sizeof *views);
  if (!views) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory for the teacher");
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    views[i] = cored_trainer_view(trainer, (int)i, trainer->teacher);
  CoredModel *const model = cored_model_new(&trainer->info, views, n, error);
  free(views);
  return model;
}

const CoredReal *cored_trainer_input(CoredTrainer *trainer, const float *images, int n) {
  (void)trainer;
  (void)n;
  return images;
}

bool cored_trainer_open_teacher(CoredTrainer *trainer, CoredError *error) {
  const CoredTrainParams *const p = &trainer->params;
  if (!trainer->teacher)
    return true;
  const CoredPlanParams plan_params = {
      .input_width = p->input_width, .input_height = p->input_height, .cpu = p->cpu};
  const CoredSessionParams session_params = {.max_batch = part < p->max_batch ? part : p->max_batch,
                                             .threads = p->threads,
                                             .features = cored_trainer_has_representation(trainer)};
  CoredModel *const model = teacher_model(trainer, error);
  CoredPlan *const plan = model ? cored_plan_new(model, &plan_params, error) : NULL;
  CoredSession *const session = plan ? cored_session_new(plan, &session_params, error) : NULL;
  cored_plan_unref(plan);
  cored_model_unref(model);
  if (!session)
    return false;
  cored_session_free(trainer->session);
  trainer->session = session;
  return true;
}

void cored_trainer_forward_teacher(CoredTrainer *trainer, const float *images, int n,
                                   double *logits, double *pooled) {
  const size_t image =
      (size_t)trainer->params.input_width * (size_t)trainer->params.input_height * 3;
  const size_t c = (size_t)trainer->n_classes, f = (size_t)trainer->channels;
  for (int done = 0; done < n; done += part) {
    const int now = n - done < part ? n - done : part;
    CoredOutput out;
    memcpy(cored_session_input(trainer->session), images + (size_t)done * image,
           (size_t)now * image * sizeof *images);
    cored_session_run(trainer->session, cored_session_input(trainer->session), now, &out);
    for (size_t i = 0; i < (size_t)now * c; i++)
      logits[(size_t)done * c + i] = (double)out.logits[i];
    const CoredShape shape = {out.feature_h, out.feature_w, out.feature_c};
    if (pooled)
      cored_trainer_pool(trainer, out.features, shape, now, pooled + (size_t)done * f, NULL);
  }
}

void cored_trainer_evaluate_teacher(CoredTrainer *trainer, const float *images, int n,
                                    float *logits) {
  const size_t image =
      (size_t)trainer->params.input_width * (size_t)trainer->params.input_height * 3;
  const int c = trainer->n_classes;
  for (int i = 0; trainer->session && i < n; i++) {
    cored_trainer_forward_teacher(trainer, images + (size_t)i * image, 1, trainer->scratch.zt,
                                  NULL);
    for (int j = 0; j < c; j++)
      logits[i * c + j] = (float)trainer->scratch.zt[j];
  }
  if (!trainer->session)
    cored_trainer_evaluate(trainer, images, n, logits);
}

bool cored_trainer_replace_teacher(CoredTrainer *trainer, CoredError *error) {
  if (!trainer->teacher)
    return true;
  memcpy(trainer->teacher, trainer->block,
         cored_net_block_count(trainer->net) * sizeof *trainer->teacher);
  return cored_trainer_open_teacher(trainer, error);
}
