/* SPDX-License-Identifier: MIT
 * How a run ends: exit codes, errors and signals. */
#ifndef CORED_TOOLS_TRAIN_STATUS_H
#define CORED_TOOLS_TRAIN_STATUS_H

#include "cored.h"
#include "parallel.h"

typedef enum RunStatus { /* exit codes */
                         RUN_OK = 0,
                         RUN_FAILED = 1,
                         RUN_USAGE = 2,
                         RUN_NOT_FINITE = 3,
                         RUN_REJECTED = 4,
                         RUN_DISK = 74,
                         RUN_INTERRUPTED = 130
} RunStatus;

/* The exit code that an error stands for. */
RunStatus run_status_of(const CoredError *error);
/* What all processes leave with: an error, of whichever process, outranks an interruption. */
RunStatus run_agree(const Parallel *parallel, RunStatus status);

/* SIGINT and SIGTERM: the first asks to stop at the next good moment, the second ends at once. */
void stop_on_signals(void);
bool stop_asked(void);

#endif /* CORED_TOOLS_TRAIN_STATUS_H */
