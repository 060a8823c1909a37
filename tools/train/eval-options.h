/* SPDX-License-Identifier: MIT
 * The command line of cored-eval. */
#ifndef CORED_TOOLS_TRAIN_EVAL_OPTIONS_H
#define CORED_TOOLS_TRAIN_EVAL_OPTIONS_H

#include "options.h"
#include "sets.h"

typedef struct EvalOptions {
  DataOptions data;              /* its folder holds the tasks' folders, or real/ and fake/ */
  const char *models[MAX_TASKS]; /* in the order they were trained */
  int n_models;
  const char *tasks[MAX_TASKS]; /* in the order they were learned; none: data.folder itself */
  int n_tasks;
  const char *split;
  const char *json, *csv, *html;
  int threads, loader_threads, bootstrap;
  int input_size; /* 0: the models' own */
  bool quiet;
  bool overwrite;   /* what is there under the names of json, csv and html */
  char *tasks_text; /* what tasks point into; owned */
} EvalOptions;

ParseResult eval_options_parse(EvalOptions *options, int argc, char **argv);
void eval_options_clear(EvalOptions *options);

#endif /* CORED_TOOLS_TRAIN_EVAL_OPTIONS_H */
