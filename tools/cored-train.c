/* SPDX-License-Identifier: MIT
 * cored-train: teaches a detector one task after another. */
#include <libavutil/log.h>
#include <stdio.h>

#include "train/run.h"
#include "train/stop.h"
#include "train/test-mode.h"

int main(int argc, char **argv) {
  Parallel parallel;
  Options options;
  if (!parallel_start(&parallel, &argc, &argv))
    return RUN_FAILED;
  const ParseResult parsed = options_parse(&options, argc, argv, stdout, stderr);
  int status = parsed == PARSE_DONE ? RUN_OK : RUN_USAGE;
  if (parsed == PARSE_OK) {
    av_log_set_level(AV_LOG_QUIET); /* what a decoder says comes as our own errors */
    stop_on_signals();
    if (!options.test)
      status = (int)run_train(&options, &parallel);
    else /* one process says what it finds, the others have nothing to add */
      status = parallel.rank == 0 ? (int)test_mode(&options) : RUN_OK;
  }
  options_clear(&options);
  return parallel_stop(&parallel, status);
}
