/* SPDX-License-Identifier: MIT
 * cored-eval: what models are worth on labelled pictures and videos. */
#include <libavutil/log.h>

#include "train/eval.h"
#include "train/reports.h"
#include "train/status.h"

static int run(const EvalOptions *options) {
  Ui ui = ui_init(options->quiet, false);
  EvalResult result;
  CoredError error = {0};
  bool ok = eval_run(&result, options, &ui, &error);
  if (ok)
    eval_print(&result);
  ok = ok && (!options->json || eval_write_json(&result, options, &error)) &&
       (!options->csv || eval_write_csv(&result, options, &error)) &&
       (!options->html || report_write_eval(&result, options, &error));
  const RunStatus status = ok ? RUN_OK : run_status_of(&error);
  if (status != RUN_OK && status != RUN_INTERRUPTED)
    ui_line(&ui, "cored-eval: %s", error.message);
  eval_result_clear(&result);
  return (int)status;
}

int main(int argc, char **argv) {
  EvalOptions options;
  const ParseResult parsed = eval_options_parse(&options, argc, argv);
  int status = parsed == PARSE_DONE ? 0 : 2;
  if (parsed == PARSE_OK) {
    av_log_set_level(AV_LOG_QUIET);
    stop_on_signals();
    status = run(&options);
  }
  eval_options_clear(&options);
  return status;
}
