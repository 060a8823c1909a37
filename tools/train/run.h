/* SPDX-License-Identifier: MIT
 * One training run from its options to its files (run-folder.h). */
#ifndef CORED_TOOLS_TRAIN_RUN_H
#define CORED_TOOLS_TRAIN_RUN_H

#include "options.h"
#include "parallel.h"
#include "status.h"

RunStatus run_train(const Options *options, Parallel *parallel);

#endif /* CORED_TOOLS_TRAIN_RUN_H */
