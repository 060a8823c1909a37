/* SPDX-License-Identifier: MIT
 * The self-test: a picture made from a seed, and what the network made of it where it was trained
 * (format.h). */
#ifndef CORED_SERVE_SELF_TEST_H
#define CORED_SERVE_SELF_TEST_H

#include "model/metadata.h"

typedef struct CoredSelfTest {
  uint64_t seed;
  double tolerance;
  int n_logits;
  float logits[CORED_MAX_CLASSES]; /* of a locator: the means of its outputs' channels */
} CoredSelfTest;

/* The byte of row y, column x, channel c of the picture of a seed. */
uint8_t cored_self_test_byte(uint64_t seed, uint32_t y, uint32_t x, uint32_t c);

/* Run the pictures of the default seed and of the one after it; fills the self-test. Refuses an
 * output that is not finite or does not move (M34). */
bool cored_self_test_compute(const CoredModel *model, CoredSelfTest *self_test, CoredError *error);
/* Compare the model's self-test with what a plan of the model computes; with plan NULL, or of
 * another input size than the model's, one is made for it. name is for messages. */
bool cored_self_test_verify(const CoredModel *model, CoredPlan *plan, const char *name,
                            CoredError *error);

/* Set and read the entry of the metadata. */
bool cored_self_test_write(const CoredSelfTest *self_test, CoredMetadata *metadata);
bool cored_self_test_read(CoredSelfTest *self_test, const CoredMetadata *metadata, int n_logits,
                          const char *name, CoredError *error);

#endif /* CORED_SERVE_SELF_TEST_H */
