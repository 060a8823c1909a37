/* SPDX-License-Identifier: MIT
 * A network with the scratch memory of one stream: gives the probability of forgery for a region
 * of a picture. Belongs to one caller at a time. */
#ifndef CORED_JUDGE_H
#define CORED_JUDGE_H

#include "coredheat.h"
#include "corednet.h"

typedef struct CoredJudge CoredJudge;

/* threads: 0 one per CPU. Takes its own reference to net. */
CoredJudge *cored_judge_new(CoredNet *net, guint threads, CoredError *error);
void cored_judge_free(CoredJudge *judge); /* NULL is fine */
CoredNet *cored_judge_net(const CoredJudge *judge);

/* One run on nothing: brings all memory into being, so that the first frame does not pay. */
void cored_judge_warm_up(CoredJudge *judge);

/* False, with *error filled, when the picture cannot be read or the output is not finite. */
gboolean cored_judge_run(CoredJudge *judge, const CoredImage *image, const CoredBox *crop,
                         double *p_fake, CoredError *error);
/* Where the evidence of the last run lies, over `box` of the frame; no map for networks without
 * a pooled head. */
void cored_judge_heat(CoredJudge *judge, const CoredBox *box, CoredHeat *heat);
/* How much of the network's resolution a crop of this size really has, 0..1. */
double cored_judge_quality(const CoredJudge *judge, const CoredBox *crop);

#endif /* CORED_JUDGE_H */
