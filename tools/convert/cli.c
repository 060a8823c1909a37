/* SPDX-License-Identifier: MIT */
#include "tools/convert/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/common/model-path.h"

static const char exit_codes[] = "\nExit status: 0 done, 1 the file was refused or could not be "
                                 "written, 2 wrong usage, 130 interrupted.\n";

int cored_cli_fail(const char *path, const char *code, const char *message) {
  /* The engine's messages name the file themselves. */
  const bool named = strncmp(message, path, strlen(path)) == 0;
  fprintf(stderr, "cored-convert: %s%s%s: %s\n", named ? "" : cored_show(path).text,
          named ? "" : ": ", cored_show(code).text, cored_show(message).text);
  return EXIT_FAILED;
}

void cored_cli_advise(const char *advice) {
  if (advice)
    fprintf(stderr, "  what to do: %s\n", cored_show(advice).text);
}

bool cored_cli_may_write(const char *path, bool overwrite) {
  struct stat st;
  if (overwrite || lstat(path, &st) != 0)
    return true;
  cored_cli_fail(path, "EXISTS", "there is something with this name already");
  cored_cli_advise("take another name, or replace it with --overwrite");
  return false;
}

char *cored_cli_model(const char *argument) {
  char why[640];
  char *path = cored_model_path_resolve(argument, why, sizeof why);
  if (!path)
    cored_cli_fail(argument, "NOT_FOUND", why);
  return path;
}

int cored_cli_version(void) {
  printf("cored-convert %s\n", CORED_VERSION);
  return EXIT_DONE;
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
