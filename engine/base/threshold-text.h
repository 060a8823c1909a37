/* SPDX-License-Identifier: MIT
 * A probability beside the threshold that it is held against: the one place that writes the two. */
#ifndef CORED_BASE_THRESHOLD_TEXT_H
#define CORED_BASE_THRESHOLD_TEXT_H

typedef struct CoredThresholdText {
  char p[40], threshold[40]; /* far more than they take */
} CoredThresholdText;

/* Both with two decimals, or as many more as it takes (up to nine) until the rounded numbers stand
 * to each other as p and threshold do: 0.496 under 0.500 is not written "0.50" of "0.50". With "."
 * in every locale. Both are within 0 and 1. */
CoredThresholdText cored_threshold_text(double p, double threshold);

#endif /* CORED_BASE_THRESHOLD_TEXT_H */
