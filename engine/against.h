/* SPDX-License-Identifier: MIT
 * A probability beside the threshold that it is held against: the one place that writes the two. */
#ifndef CORED_AGAINST_H
#define CORED_AGAINST_H

typedef struct CoredAgainst {
  char p[40], threshold[40]; /* far more than they take */
} CoredAgainst;

/* Both with two decimals, or as many more as it takes (up to nine) until the rounded numbers stand
 * to each other as p and threshold do: 0.496 under 0.500 is not written "0.50" of "0.50". With "."
 * in every locale. Both are within 0 and 1. */
CoredAgainst cored_against(double p, double threshold);

#endif /* CORED_AGAINST_H */
