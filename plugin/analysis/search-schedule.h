/* SPDX-License-Identifier: MIT
 * When faces are searched for again. With a fixed interval after so many frames. Else by the
 * stream's own time, so that 15 and 60 frames a second are searched alike: after 1/15 s while no
 * face is tracked, one is new or one is missing; while all are found again, each wait is half as
 * long again as the one before, up to 1/3 s, and no longer than the quickest face takes for 0.15 of
 * its side. Where a stream is played in reverse, time runs backwards. Depends on nothing but the
 * stream. */
#ifndef CORED_ANALYSIS_SEARCH_SCHEDULE_H
#define CORED_ANALYSIS_SEARCH_SCHEDULE_H

#include <gst/gst.h>

#include "vision/track/track.h"

#define CORED_SEARCH_SHORTEST (GST_SECOND / 15)
#define CORED_SEARCH_LONGEST (GST_SECOND / 3)

typedef struct CoredSearchSchedule {
  gboolean begun; /* else there was no search yet, and the rest means nothing */
  guint64 number; /* frame of the last search */
  GstClockTime time;
  GstClockTime wait; /* after that */
} CoredSearchSchedule;

/* The next frame is searched. */
void cored_search_schedule_reset(CoredSearchSchedule *schedule);
/* interval: in frames; 0: as the tracks are. */
gboolean cored_search_schedule_is_due(const CoredSearchSchedule *schedule, guint interval,
                                      guint64 number, GstClockTime time);
/* The frame was searched, and these are the tracked faces since; those of another kind do not
 * count. */
void cored_search_schedule_searched(CoredSearchSchedule *schedule, guint64 number,
                                    GstClockTime time, const CoredTrackedFace *faces, int n,
                                    int kind);

#endif /* CORED_ANALYSIS_SEARCH_SCHEDULE_H */
