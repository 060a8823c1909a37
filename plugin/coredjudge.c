/* SPDX-License-Identifier: MIT */
#include "coredjudge.h"

#include "error.h"

#include <math.h>

struct CoredJudge {
  CoredNet *net;
  CoredSession *session;
  CoredPreprocessor *preprocessor;
  gint width, height; /* of the network's input */
  CoredOutput output; /* of the last run */
  float *map;         /* [feature_h, feature_w], NULL until asked for */
};

CoredJudge *cored_judge_new(CoredNet *net, guint threads, CoredError *error) {
  CoredJudge *judge = g_new0(CoredJudge, 1);
  const CoredSessionParams params = {.max_batch = 1, .threads = (int)threads, .features = true};
  judge->net = cored_net_ref(net);
  cored_plan_input_size(net->plan, &judge->width, &judge->height);
  judge->session = cored_session_new(net->plan, &params, error);
  if (judge->session)
    judge->preprocessor = cored_preprocessor_new(judge->width, judge->height, net->info->mean,
                                                 net->info->std, cored_cpu_flags(), error);
  if (!judge->preprocessor) {
    cored_judge_free(judge);
    return NULL;
  }
  return judge;
}

void cored_judge_free(CoredJudge *judge) {
  if (!judge)
    return;
  cored_preprocessor_free(judge->preprocessor);
  cored_session_free(judge->session);
  cored_net_unref(judge->net);
  g_free(judge->map);
  g_free(judge);
}

CoredNet *cored_judge_net(const CoredJudge *judge) {
  return judge->net;
}

void cored_judge_warm_up(CoredJudge *judge) {
  float *input = cored_session_input(judge->session);
  CoredOutput output;
  memset(input, 0, (gsize)judge->width * (gsize)judge->height * 3 * sizeof *input);
  cored_session_run(judge->session, input, 1, &output);
}

gboolean cored_judge_run(CoredJudge *judge, const CoredImage *image, const CoredBox *crop,
                         double *p_fake, CoredError *error) {
  float *input = cored_session_input(judge->session);
  if (!cored_preprocessor_run(judge->preprocessor, image, crop, input, error))
    return FALSE;
  cored_session_run(judge->session, input, 1, &judge->output);
  const double p = cored_p_fake(judge->net->info, judge->output.logits);
  if (!isfinite(p)) {
    return cored_error_set(error, CORED_ERROR_PARAMETER_VALUE, "%s: the output is not finite",
                           judge->net->id);
  }
  *p_fake = CLAMP(p, 0.0, 1.0);
  return TRUE;
}

void cored_judge_heat(CoredJudge *judge, const CoredBox *box, CoredHeat *heat) {
  const CoredOutput *output = &judge->output;
  *heat = (CoredHeat){0};
  if (!judge->map) /* without memory for it, just no map */
    judge->map = g_try_new(float, (gsize)output->feature_h *(gsize)output->feature_w);
  if (judge->map && cored_plan_evidence(judge->net->plan, output, 0, judge->map))
    cored_heat_set(heat, judge->map, (guint)output->feature_h, (guint)output->feature_w, box);
}

double cored_judge_quality(const CoredJudge *judge, const CoredBox *crop) {
  return fmin(1.0, fmin(crop->w / judge->width, crop->h / judge->height));
}
