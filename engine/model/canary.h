/* SPDX-License-Identifier: MIT
 * The canary: a picture made from a seed, and what the network made of it where it was trained
 * (format.h). */
#ifndef CORED_MODEL_CANARY_H
#define CORED_MODEL_CANARY_H

#include "model/metadata.h"

#define CORED_CANARY_SEED 2020
#define CORED_CANARY_TOLERANCE 0.001

typedef struct CoredCanary {
  uint64_t seed;
  double tolerance;
  int n_logits;
  float logits[CORED_MAX_CLASSES];
} CoredCanary;

/* The byte of row y, column x, channel c of the picture of a seed. */
uint8_t cored_canary_byte(uint64_t seed, uint32_t y, uint32_t x, uint32_t c);
/* The picture as network input [input_height, input_width, 3]. */
void cored_canary_input(uint64_t seed, const CoredModelInfo *info, float *out);

/* Run the pictures of the default seed and of the one after it; fills the canary. Refuses an
 * output that is not finite or does not move (M34). */
bool cored_canary_compute(const CoredModel *model, CoredCanary *canary, CoredError *error);
/* Compare the model's canary with what a plan of the model computes; with plan NULL, or of another
 * input size than the model's, one is made for it. name is for messages. */
bool cored_canary_verify(const CoredModel *model, CoredPlan *plan, const char *name,
                         CoredError *error);

/* Set and read the entry of the metadata. */
bool cored_canary_write(const CoredCanary *canary, CoredMetadata *metadata);
bool cored_canary_read(CoredCanary *canary, const CoredMetadata *metadata, int n_classes,
                       const char *name, CoredError *error);

#endif /* CORED_MODEL_CANARY_H */
