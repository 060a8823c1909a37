/* SPDX-License-Identifier: MIT
 * SIGINT and SIGTERM: the first asks to stop at the next good moment, the second ends at once. */
#ifndef CORED_TOOLS_TRAIN_STOP_H
#define CORED_TOOLS_TRAIN_STOP_H

#include <stdbool.h>

enum { EXIT_INTERRUPTED = 130 };

void stop_on_signals(void);
bool stop_asked(void);

#endif /* CORED_TOOLS_TRAIN_STOP_H */
