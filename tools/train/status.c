/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

RunStatus run_status_of(const CoredError *error) {
  if (error->code == CORED_ERROR_CANCELLED)
    return RUN_INTERRUPTED;
  return error->code == CORED_ERROR_WRITE ? RUN_DISK : RUN_FAILED;
}

RunStatus run_agree(const Parallel *parallel, RunStatus status) {
  const int weight = status == RUN_OK ? 0 : status == RUN_INTERRUPTED ? 1 : (int)status + 1;
  const int most = parallel_max(parallel, weight);
  return most == 0 ? RUN_OK : most == 1 ? RUN_INTERRUPTED : (RunStatus)(most - 1);
}

static volatile sig_atomic_t asked;

static void on_signal(int number) {
  (void)number;
  if (asked)
    _exit(RUN_INTERRUPTED);
  asked = 1;
}

void stop_on_signals(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool stop_asked(void) {
  return asked;
}
