/* SPDX-License-Identifier: MIT
 * cored-train: teaches a detector one task after another. */
#include <libavutil/log.h>
#include <stdio.h>

#include "train/run.h"
#include "train/stop.h"
#include "train/test-mode.h"

/* What one process cannot read in its command line ends the others with it: they would wait. */
static ParseResult agree_on_options(const Parallel *parallel, ParseResult parsed, bool test) {
  const ParseResult worst = (ParseResult)parallel_max(parallel, (int)parsed);
  if (worst != PARSE_OK)
    return worst;
  const bool some_test = parallel_max(parallel, test), some_train = parallel_max(parallel, !test);
  if (!some_test || !some_train)
    return PARSE_OK;
  if (parallel->rank == 0)
    fputs("cored-train: --test was given to some of the processes only\n", stderr);
  return PARSE_ERROR;
}

int main(int argc, char **argv) {
  Parallel parallel;
  Options options;
  if (!parallel_start(&parallel, &argc, &argv))
    return RUN_FAILED;
  const ParseResult own = options_parse(&options, argc, argv, stdout, stderr);
  const ParseResult parsed = agree_on_options(&parallel, own, own == PARSE_OK && options.test);
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
