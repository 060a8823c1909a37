/* SPDX-License-Identifier: MIT
 * Probability over time as a line of text, and the other things a terminal is told. */
#ifndef CORED_SCAN_TIMELINE_H
#define CORED_SCAN_TIMELINE_H

#include "scan/tracks.h"

#include <stdio.h>

typedef struct ScanTerminal { /* what an output stream can show */
  FILE *file;
  gboolean is_tty;
  gboolean colour; /* a tty, and NO_COLOR is not set */
  gboolean utf8;   /* the locale's charset */
  int width;       /* columns */
} ScanTerminal;

ScanTerminal scan_terminal_of(FILE *file);

/* "1:02:03" or "2:03"; buffer takes at least 16 bytes, which is returned. */
const char *scan_time_text(double seconds, char buffer[16]);
/* A column's character for p: eight block heights, or digits 0..9 without UTF-8. */
const char *scan_block(double p_fake, gboolean utf8);

/* One line per track with the mean probability of each column's time, and a time axis. Tracks that
 * do not count for the verdict are shown when there is room, at most `max_tracks` in all. */
void scan_timeline_print(const ScanTerminal *terminal, const ScanTracks *tracks, double duration,
                         double threshold, guint max_tracks);

#endif
