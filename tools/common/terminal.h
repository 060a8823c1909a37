/* SPDX-License-Identifier: MIT
 * What an output stream can show. */
#ifndef CORED_TOOLS_TERMINAL_H
#define CORED_TOOLS_TERMINAL_H

#include <glib.h>
#include <stdio.h>

typedef struct CoredTerminal {
  FILE *file;
  gboolean is_tty;
  gboolean colour; /* a tty, and NO_COLOR is not set */
  gboolean utf8;   /* the locale's charset */
  int width;       /* columns */
} CoredTerminal;

CoredTerminal cored_terminal_of(FILE *file);

/* "1:02:03" or "2:03"; buffer takes at least 16 bytes, which is returned. */
const char *cored_time_text(double seconds, char buffer[16]);

#endif /* CORED_TOOLS_TERMINAL_H */
