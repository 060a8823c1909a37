/* SPDX-License-Identifier: MIT
 * Command line of cored-scan. */
#ifndef CORED_SCAN_OPTIONS_H
#define CORED_SCAN_OPTIONS_H

#include <glib.h>

typedef enum ScanExit { /* documented in --help */
                        SCAN_EXIT_JUDGED = 0,
                        SCAN_EXIT_FAILED = 1,
                        SCAN_EXIT_USAGE = 2
} ScanExit;

typedef struct ScanOptions {
  char *model; /* NULL: the element's own */
  char *json;
  char *annotate;
  char **settings; /* PROPERTY=VALUE of coreddetect */
  char **inputs;   /* at least one */
  int every;
  gboolean quiet, ascii, version;
} ScanOptions;

/* Parse argv. FALSE with *error set when it is wrong. --help prints and exits with 0. */
gboolean scan_options_parse(ScanOptions *options, int argc, char **argv, GError **error);
void scan_options_clear(ScanOptions *options);
/* The file the annotated video of `uri` goes to; free with g_free. */
char *scan_options_annotated(const ScanOptions *options, const char *uri);

#endif
