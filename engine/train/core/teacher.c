/* SPDX-License-Identifier: MIT
 * A teacher that runs as a session. */
#include "train/core/teacher.h"

#include "base/error.h"
#include "train/core/losses.h"

#include <stdlib.h>
#include <string.h>

enum { part = 8 }; /* images at once: little memory, and the cache holds more of it */

typedef struct SessionTeacher {
  CoredTeacher base;
  CoredSession *session;
  size_t image; /* values */
  size_t n_classes, channels;
} SessionTeacher;

static void session_forward(CoredTeacher *base, const float *images, int n, double *logits,
                            double *pooled) {
  const SessionTeacher *const teacher = (SessionTeacher *)base;
  const size_t c = teacher->n_classes, image = teacher->image;
  float *const input = cored_session_input(teacher->session);
  for (int done = 0; done < n; done += part) {
    const int now = n - done < part ? n - done : part;
    CoredOutput out;
    memcpy(input, images + (size_t)done * image, (size_t)now * image * sizeof *images);
    cored_session_run(teacher->session, input, now, &out);
    for (size_t i = 0; i < (size_t)now * c; i++)
      logits[(size_t)done * c + i] = (double)out.logits[i];
    const CoredShape shape = {out.feature_h, out.feature_w, out.feature_c};
    if (pooled)
      cored_spatial_maximum((const CoredReal *)(const void *)out.features, shape, now,
                            pooled + (size_t)done * teacher->channels, NULL);
  }
}

static size_t session_memory(const CoredTeacher *base) {
  return cored_session_memory(((const SessionTeacher *)base)->session);
}

static void session_free(CoredTeacher *base) {
  SessionTeacher *const teacher = (SessionTeacher *)base;
  cored_session_free(teacher->session);
  free(teacher);
}

static CoredSession *open_session(const CoredTeacherParams *params, CoredError *error) {
  const CoredTrainParams *const p = params->train;
  const CoredPlanParams plan_params = {
      .input_width = p->input_width, .input_height = p->input_height, .cpu = p->cpu};
  const CoredSessionParams session_params = {.max_batch = part < p->max_batch ? part : p->max_batch,
                                             .threads = p->threads,
                                             .features = params->features};
  CoredModel *const model =
      cored_model_new(params->info, params->parameters, (size_t)params->graph->n_params, error);
  CoredPlan *const plan = model ? cored_plan_new(model, &plan_params, error) : NULL;
  CoredSession *const session = plan ? cored_session_new(plan, &session_params, error) : NULL;
  cored_plan_unref(plan);
  cored_model_unref(model);
  return session;
}

CoredTeacher *cored_teacher_new_session(const CoredTeacherParams *params, CoredError *error) {
  const CoredTrainParams *const p = params->train;
  if (CORED_REAL_IS_DOUBLE) {
    cored_error_set(error, CORED_ERROR_ARGUMENT, "training: a session computes in float alone");
    return NULL;
  }
  SessionTeacher *const teacher = calloc(1, sizeof *teacher);
  if (!teacher) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training: no memory for the teacher");
    return NULL;
  }
  *teacher = (SessionTeacher){
      .base = {.forward = session_forward, .memory = session_memory, .free = session_free},
      .session = open_session(params, error),
      .image = (size_t)p->input_width * (size_t)p->input_height * 3,
      .n_classes = (size_t)params->info->n_classes,
      .channels = (size_t)params->graph->nodes[params->graph->features].channels};
  if (teacher->session)
    return &teacher->base;
  free(teacher);
  return NULL;
}
