/* SPDX-License-Identifier: MIT
 * Probability over time as a line of text. */
#ifndef CORED_SCAN_TIMELINE_H
#define CORED_SCAN_TIMELINE_H

#include "tools/common/terminal.h"
#include "tools/common/track-verdict.h"

/* A column's character for p: eight block heights, or digits 0..9 without UTF-8. */
const char *scan_block(double p_fake, gboolean utf8);

/* One line per track with the mean probability of each column's time, and a time axis. Tracks that
 * do not count for the verdict are shown when there is room, at most `max_tracks` in all. */
void scan_timeline_print(const CoredTerminal *terminal, const CoredJudgedTracks *tracks,
                         double duration, double threshold, guint max_tracks);

#endif
