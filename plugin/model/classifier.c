/* SPDX-License-Identifier: MIT */
#include "model/classifier.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

struct CoredClassifier {
  CoredModelVersion *version;
  CoredSession *session;
  CoredPreprocessor *preprocessor;
  gint width, height; /* of the network's input */
  CoredOutput output; /* of the last run */
  float *map;         /* [feature_h, feature_w], NULL until asked for */
};

CoredClassifier *cored_classifier_new(CoredModelVersion *version, guint threads,
                                      CoredError *error) {
  CoredClassifier *classifier = g_new0(CoredClassifier, 1);
  const CoredSessionParams params = {.max_batch = 1, .threads = (int)threads, .features = true};
  classifier->version = cored_model_version_ref(version);
  cored_plan_input_size(version->plan, &classifier->width, &classifier->height);
  classifier->session = cored_session_new(version->plan, &params, error);
  if (classifier->session)
    classifier->preprocessor =
        cored_preprocessor_new(classifier->width, classifier->height, version->info->mean,
                               version->info->std, cored_cpu_flags(), error);
  if (!classifier->preprocessor) {
    cored_classifier_free(classifier);
    return NULL;
  }
  return classifier;
}

void cored_classifier_free(CoredClassifier *classifier) {
  if (!classifier)
    return;
  cored_preprocessor_free(classifier->preprocessor);
  cored_session_free(classifier->session);
  cored_model_version_unref(classifier->version);
  g_free(classifier->map);
  g_free(classifier);
}

CoredModelVersion *cored_classifier_version(const CoredClassifier *classifier) {
  return classifier->version;
}

void cored_classifier_warm_up(CoredClassifier *classifier) {
  float *input = cored_session_input(classifier->session);
  CoredOutput output;
  memset(input, 0, (gsize)classifier->width * (gsize)classifier->height * 3 * sizeof *input);
  cored_session_run(classifier->session, input, 1, &output);
}

gboolean cored_classifier_run(CoredClassifier *classifier, const CoredImage *image,
                              const CoredCropArea *crop, double *p_fake, CoredError *error) {
  float *input = cored_session_input(classifier->session);
  if (!cored_preprocessor_run_area(classifier->preprocessor, image, crop, input, error))
    return FALSE;
  cored_session_run(classifier->session, input, 1, &classifier->output);
  const double p = cored_p_fake(classifier->version->info, classifier->output.logits);
  if (!isfinite(p)) {
    return cored_error_set(error, CORED_ERROR_PARAMETER_VALUE, "%s: the output is not finite",
                           classifier->version->id);
  }
  *p_fake = CLAMP(p, 0.0, 1.0);
  return TRUE;
}

const float *cored_classifier_activation_map(CoredClassifier *classifier, guint *rows,
                                             guint *columns) {
  const CoredOutput *output = &classifier->output;
  *rows = (guint)output->feature_h;
  *columns = (guint)output->feature_w;
  if (!classifier->map)
    classifier->map = g_try_new(float, (gsize)*rows **columns);
  if (!classifier->map ||
      !cored_plan_activation_map(classifier->version->plan, output, 0, classifier->map))
    return NULL;
  return classifier->map;
}

double cored_classifier_quality(const CoredClassifier *classifier, const CoredBox *crop) {
  return fmin(1.0, fmin(crop->w / classifier->width, crop->h / classifier->height));
}
