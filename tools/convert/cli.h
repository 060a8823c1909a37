/* SPDX-License-Identifier: MIT
 * How the commands of cored-convert talk: help, wrong usage, failures. */
#ifndef CORED_CONVERT_CLI_H
#define CORED_CONVERT_CLI_H

#include "escape.h" /* names are printed through cored_show */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Print the failure of one file to stderr; returns EXIT_FAILED. */
int cored_cli_fail(const char *path, const char *code, const char *message);
/* what: "expected ..., found", detail: what was found, or NULL. Returns EXIT_USAGE. */
int cored_cli_usage(const char *command, const char *what, const char *detail);
/* Print a command's help and the exit codes; returns EXIT_DONE. */
int cored_cli_help(const char *text);

#endif /* CORED_CONVERT_CLI_H */
