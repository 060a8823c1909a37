/* SPDX-License-Identifier: MIT */
#include "base/threshold-text.h"

#include <math.h>
#include <stdio.h>

enum { FEWEST = 2, MOST = 9 };

static void write_fixed(char out[40], long long value, long long scale, int digits) {
  snprintf(out, 40, "%d.%0*lld", (int)(value / scale), digits, value % scale);
}

CoredThresholdText cored_threshold_text(double p, double threshold) {
  CoredThresholdText text;
  long long scale = 100, a = llround(p * 100), b = llround(threshold * 100);
  int digits = FEWEST;
  for (; p < threshold && a >= b && digits < MOST; digits++) {
    scale *= 10;
    a = llround(p * (double)scale);
    b = llround(threshold * (double)scale);
  }
  if (p < threshold && a >= b) { /* too near to be told apart: the side is what counts */
    b += b == 0;
    a = b - 1;
  }
  write_fixed(text.p, a, scale, digits);
  write_fixed(text.threshold, b, scale, digits);
  return text;
}
