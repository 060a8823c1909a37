/* SPDX-License-Identifier: MIT */
#include "tools/convert/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"

static const char exit_codes[] = "\nExit status: 0 done, 1 the file was refused or could not be "
                                 "written, 2 wrong usage.\n";

int cored_cli_fail(const char *path, const char *code, const char *message) {
  /* The engine's messages name the file themselves. */
  const bool named = strncmp(message, path, strlen(path)) == 0;
  fprintf(stderr, "cored-convert: %s%s%s: %s\n", named ? "" : cored_show(path).text,
          named ? "" : ": ", cored_show(code).text, cored_show(message).text);
  return EXIT_FAILED;
}

int cored_cli_usage(const char *command, const char *what, const char *detail) {
  fprintf(stderr, "cored-convert %s: %s%s%s%s\nTry 'cored-convert %s --help'.\n", command, what,
          detail ? " '" : "", detail ? cored_show(detail).text : "", detail ? "'" : "", command);
  return EXIT_USAGE;
}

int cored_cli_help(const char *text) {
  printf("%s%s", text, exit_codes);
  return EXIT_DONE;
}
