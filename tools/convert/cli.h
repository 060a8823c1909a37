/* SPDX-License-Identifier: MIT
 * How the commands of cored-convert talk: help, wrong usage, failures. */
#ifndef CORED_CONVERT_CLI_H
#define CORED_CONVERT_CLI_H

#include <stdbool.h>

#include "base/escape.h" /* names are printed through cored_show */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Print the failure of one file to stderr; returns EXIT_FAILED. */
int cored_cli_fail(const char *path, const char *code, const char *message);
/* Print what to do about the failure, a whole sentence; NULL prints nothing. */
void cored_cli_advise(const char *advice);
/* False, with the failure printed, when something lies at the path of an output already and may not
 * be replaced. */
bool cored_cli_may_write(const char *path, bool overwrite);
/* The model that an argument means: a file, a run's folder, file://. The caller frees it; NULL with
 * the failure printed. */
char *cored_cli_model(const char *argument);
/* What every command prints for --version; returns EXIT_DONE. */
int cored_cli_version(void);
/* what: "expected ..., found", detail: what was found, or NULL. Returns EXIT_USAGE. */
int cored_cli_usage(const char *command, const char *what, const char *detail);
/* Print a command's help and the exit codes; returns EXIT_DONE. */
int cored_cli_help(const char *text);

/* Values of getopt_long for the options that commands share. */
enum { OPT_VERSION = 512, OPT_OVERWRITE };

#endif /* CORED_CONVERT_CLI_H */
