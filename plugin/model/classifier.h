/* SPDX-License-Identifier: MIT
 * A model version at work for one stream: its session, preprocessor and scratch memory. Gives the
 * probability of forgery of a crop of a picture. Belongs to one caller at a time. */
#ifndef CORED_MODEL_CLASSIFIER_H
#define CORED_MODEL_CLASSIFIER_H

#include "model/model-version.h"

typedef struct CoredClassifier CoredClassifier;

/* threads: of one inference, 0 one per CPU. Takes its own reference to version. NULL with *error
 * filled on failure. */
CoredClassifier *cored_classifier_new(CoredModelVersion *version, guint threads, CoredError *error);
void cored_classifier_free(CoredClassifier *classifier); /* NULL is fine */
/* Stays the classifier's. */
CoredModelVersion *cored_classifier_version(const CoredClassifier *classifier);

/* One run on an empty input: touches all memory, so that the first frame does not pay for it. */
void cored_classifier_warm_up(CoredClassifier *classifier);

/* The calibrated probability, 0..1. False with *error filled when the picture cannot be read or the
 * output is not finite. */
gboolean cored_classifier_run(CoredClassifier *classifier, const CoredImage *image,
                              const CoredCropArea *crop, double *p_fake, CoredError *error);
/* The class activation map of the last run, [rows, columns]: what each cell of the crop adds to
 * the logit of fake less that of real. Stays the classifier's, until the next run. NULL for
 * networks without a pooled head, and without memory for it. */
const float *cored_classifier_activation_map(CoredClassifier *classifier, guint *rows,
                                             guint *columns);
/* How much of the network's resolution a crop of this size really has, 0..1. */
double cored_classifier_quality(const CoredClassifier *classifier, const CoredBox *crop);

#endif /* CORED_MODEL_CLASSIFIER_H */
