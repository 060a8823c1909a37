/* SPDX-License-Identifier: MIT
 * Stands in for the session in fuzz targets that never run a network, so that they build without
 * the kernels. */
#include "cored.h"
#include "error.h"

CoredPlan *cored_plan_new(const CoredModel *model, const CoredPlanParams *params,
                          CoredError *error) {
  (void)model;
  (void)params;
  cored_error_set(error, CORED_ERROR_UNSUPPORTED, "no session in a fuzz target");
  return NULL;
}

CoredPlan *cored_plan_ref(CoredPlan *plan) {
  return plan;
}

void cored_plan_unref(CoredPlan *plan) {
  (void)plan;
}

const CoredModelInfo *cored_plan_info(const CoredPlan *plan) {
  (void)plan;
  return NULL;
}

void cored_plan_input_size(const CoredPlan *plan, int *width, int *height) {
  (void)plan;
  *width = *height = 0;
}

CoredSession *cored_session_new(CoredPlan *plan, const CoredSessionParams *params,
                                CoredError *error) {
  (void)plan;
  (void)params;
  cored_error_set(error, CORED_ERROR_UNSUPPORTED, "no session in a fuzz target");
  return NULL;
}

void cored_session_free(CoredSession *session) {
  (void)session;
}

float *cored_session_input(CoredSession *session) {
  (void)session;
  return NULL;
}

void cored_session_run(CoredSession *session, const float *input, int n, CoredOutput *output) {
  (void)session;
  (void)input;
  (void)n;
  (void)output;
}
