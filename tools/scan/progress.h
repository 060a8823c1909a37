/* SPDX-License-Identifier: MIT
 * Progress through one file: a bar on a terminal, now and then a line elsewhere. */
#ifndef CORED_SCAN_PROGRESS_H
#define CORED_SCAN_PROGRESS_H

#include "tools/scan/timeline.h"

typedef struct ScanProgress {
  CoredTerminal terminal;
  gint64 began, next; /* monotonic microseconds */
  gboolean drawn;     /* a bar stands on the line */
} ScanProgress;

void scan_progress_begin(ScanProgress *progress, const CoredTerminal *terminal);
/* `position` of `duration` seconds are done; duration <= 0 when unknown. Cheap when called often.
 */
void scan_progress_update(ScanProgress *progress, double position, double duration, guint frames);
/* Wipe the bar. */
void scan_progress_end(ScanProgress *progress);
/* One line of the bar, for `elapsed` seconds of work. Free with g_free. */
char *scan_progress_text(const CoredTerminal *terminal, double position, double duration,
                         guint frames, double elapsed);

#endif
