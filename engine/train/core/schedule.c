/* SPDX-License-Identifier: MIT */
#include "train/core/schedule.h"

#include <math.h>

double cored_schedule_rate(const CoredSchedule *schedule, uint64_t step) {
  const double t = (double)step - schedule->warmup;
  if (t < 0)
    return schedule->base * ((double)step + 1) / schedule->warmup;
  switch (schedule->kind) {
  case CORED_SCHEDULE_CONSTANT:
    return schedule->base;
  case CORED_SCHEDULE_STEP:
    return schedule->period > 0 ? schedule->base * pow(schedule->gamma, floor(t / schedule->period))
                                : schedule->base;
  case CORED_SCHEDULE_COSINE: {
    const double length = schedule->length - schedule->warmup;
    const double x = length > 0 ? fmin(t / length, 1) : 1;
    return schedule->base * (schedule->floor + (1 - schedule->floor) * 0.5 * (1 + cos(M_PI * x)));
  }
  }
  return schedule->base;
}
