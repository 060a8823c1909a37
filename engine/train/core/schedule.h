/* SPDX-License-Identifier: MIT
 * Learning-rate schedules; cosine after Loshchilov and Hutter 2017 (SGDR, one period). */
#ifndef CORED_TRAIN_CORE_SCHEDULE_H
#define CORED_TRAIN_CORE_SCHEDULE_H

#include <stdint.h>

typedef enum CoredScheduleKind {
  CORED_SCHEDULE_CONSTANT,
  CORED_SCHEDULE_STEP,  /* times gamma after every `period` */
  CORED_SCHEDULE_COSINE /* down to `floor` times the base at `length` */
} CoredScheduleKind;

typedef struct CoredSchedule {
  CoredScheduleKind kind;
  double base;   /* learning rate */
  double warmup; /* steps of linear growth from base/warmup to base; 0: none */
  double period, gamma;
  double length; /* steps in all, warm-up included */
  double floor;  /* fraction of base, 0..1 */
} CoredSchedule;

/* The rate of step `step` (from 0). */
double cored_schedule_rate(const CoredSchedule *schedule, uint64_t step);

#endif /* CORED_TRAIN_CORE_SCHEDULE_H */
