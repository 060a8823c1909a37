/* SPDX-License-Identifier: MIT
 * Event files that TensorBoard reads: scalars over steps. */
#ifndef CORED_TOOLS_TENSORBOARD_H
#define CORED_TOOLS_TENSORBOARD_H

#include "cored.h"

typedef struct CoredTensorboard CoredTensorboard;

/* Start an event file in folder (made if absent). time is in seconds since 1970; the file's name
 * holds it, the host's name and the process's number. */
CoredTensorboard *cored_tensorboard_open(const char *folder, double time, CoredError *error);
/* One point of the curve `tag`. "/" in a tag groups curves. Kept in memory until a flush. */
bool cored_tensorboard_scalar(CoredTensorboard *board, double time, int64_t step, const char *tag,
                              double value, CoredError *error);
/* Write what was added; call it once an epoch, so that TensorBoard can follow. */
bool cored_tensorboard_flush(CoredTensorboard *board, CoredError *error);
/* Flush and close; false when that fails. NULL is fine. */
bool cored_tensorboard_close(CoredTensorboard *board, CoredError *error);

#endif /* CORED_TOOLS_TENSORBOARD_H */
