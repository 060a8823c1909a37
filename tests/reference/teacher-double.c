/* SPDX-License-Identifier: MIT
 * Takes the place of trainer-teacher.c in the trainer in double precision: sessions are float, so
 * the teacher runs as a net in evaluation mode. */
#include "train/core/trainer.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static CoredReal *converted; /* one trainer a program */

const CoredReal *cored_trainer_input(CoredTrainer *trainer, const float *images, int n) {
  const CoredTrainParams *const p = &trainer->params;
  const size_t count = (size_t)n * (size_t)p->input_width * (size_t)p->input_height * 3;
  for (size_t i = 0; i < count; i++)
    converted[i] = (CoredReal)images[i];
  return converted;
}

bool cored_trainer_open_teacher(CoredTrainer *trainer, CoredError *error) {
  const CoredTrainParams *const p = &trainer->params;
  free(converted);
  converted = calloc((size_t)p->max_batch * (size_t)p->input_width * (size_t)p->input_height * 3,
                     sizeof *converted);
  return converted || cored_error_set(error, CORED_ERROR_NO_MEMORY, "images in double");
}

void cored_trainer_forward_teacher(CoredTrainer *trainer, const float *images, int n,
                                   double *logits, double *pooled) {
  CoredShape shape;
  cored_trainer_forward_eval(trainer, trainer->teacher, images, n, logits);
  const CoredReal *const features =
      cored_net_output(trainer->eval, trainer->graph->features, &shape);
  if (pooled)
    cored_trainer_pool(trainer, features, shape, n, pooled, NULL);
}

bool cored_trainer_replace_teacher(CoredTrainer *trainer, CoredError *error) {
  (void)error;
  memcpy(trainer->teacher, trainer->block,
         cored_net_block_count(trainer->net) * sizeof *trainer->teacher);
  return true;
}
