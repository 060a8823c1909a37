/* SPDX-License-Identifier: MIT
 * Command line of cored-scan. */
#ifndef CORED_SCAN_OPTIONS_H
#define CORED_SCAN_OPTIONS_H

#include <glib.h>

typedef enum ScanExit { /* documented in --help */
                        SCAN_EXIT_JUDGED = 0,
                        SCAN_EXIT_FAILED = 1,
                        SCAN_EXIT_USAGE = 2,
                        SCAN_EXIT_INTERRUPTED = 130 /* as a shell has it: 128 and SIGINT */
} ScanExit;

typedef struct ScanOptions {
  char *model; /* a file; NULL: none was named */
  char *json;
  char *annotate;   /* a file, or a folder */
  char **annotated; /* the file of each input, NULL without --annotate */
  char **settings;  /* PROPERTY=VALUE of coreddetect */
  char **inputs;    /* at least one */
  int every;
  gboolean quiet, ascii, version;
  gboolean overwrite, append; /* what to do with outputs that are there already */
} ScanOptions;

/* Parse argv. FALSE with *error set when it is wrong. --help prints and exits with 0. */
gboolean scan_options_parse(ScanOptions *options, int argc, char **argv, GError **error);
void scan_options_clear(ScanOptions *options);

#endif
