/* SPDX-License-Identifier: MIT
 * A network with the scratch memory of one stream: gives the probability of forgery for a region
 * of a picture. Belongs to one caller at a time. */
#ifndef CORED_ANALYSIS_CLASSIFIER_H
#define CORED_ANALYSIS_CLASSIFIER_H

#include "analysis/heat-map.h"
#include "model/model-version.h"

typedef struct CoredClassifier CoredClassifier;

/* threads: 0 one per CPU. Takes its own reference to version. */
CoredClassifier *cored_classifier_new(CoredModelVersion *version, guint threads, CoredError *error);
void cored_classifier_free(CoredClassifier *classifier); /* NULL is fine */
CoredModelVersion *cored_classifier_version(const CoredClassifier *classifier);

/* One run on nothing: brings all memory into being, so that the first frame does not pay. */
void cored_classifier_warm_up(CoredClassifier *classifier);

/* False, with *error filled, when the picture cannot be read or the output is not finite. */
gboolean cored_classifier_run(CoredClassifier *classifier, const CoredImage *image,
                              const CoredBox *crop, double *p_fake, CoredError *error);
/* Where the evidence of the last run lies, over `box` of the frame; no map for networks without
 * a pooled head. */
void cored_classifier_heat(CoredClassifier *classifier, const CoredBox *box, CoredHeatMap *heat);
/* How much of the network's resolution a crop of this size really has, 0..1. */
double cored_classifier_quality(const CoredClassifier *classifier, const CoredBox *crop);

#endif /* CORED_ANALYSIS_CLASSIFIER_H */
