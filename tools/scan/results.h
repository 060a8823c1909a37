/* SPDX-License-Identifier: MIT
 * Takes the results off the buffers that leave the detector. */
#ifndef CORED_SCAN_RESULTS_H
#define CORED_SCAN_RESULTS_H

#include "tools/scan/container.h"
#include "tools/scan/report.h"

#include <gst/gst.h>

typedef struct ScanResults ScanResults;

/* Watch the pads of `detector`: fills report->tracks, model, threshold and frames, and writes
 * to json (NULL: nothing). All three must outlive the pipeline's streaming threads. */
ScanResults *scan_results_new(GstElement *detector, ScanReport *report, CoredJsonLines *json);
void scan_results_free(ScanResults *results); /* NULL is fine */
/* Look also at a pad of a stream that is thrown away, for how far it goes. */
void scan_results_watch_other(ScanResults *results, GstPad *pad);
/* Look also at a decoder of video, for what it loses. */
void scan_results_watch_decoder(ScanResults *results, GstElement *element);
/* Frames that the decoder marked as corrupt or did not give out; once all are through. */
guint scan_results_damaged(ScanResults *results);
/* Seconds from the first beginning to the last end of all streams. */
double scan_results_span(ScanResults *results);
/* Streams that are thrown away. */
guint scan_results_others(ScanResults *results);
/* The range of the colours as the detector is told it. */
ScanRange scan_results_range(ScanResults *results);
/* Seconds, counted from the first frame, and frames so far; thread-safe. */
double scan_results_position(ScanResults *results, guint *frames);
/* A frame is in the detector; thread-safe. */
gboolean scan_results_busy(ScanResults *results);
/* The commonest reason for which frames were not judged, NULL when all were. */
const char *scan_results_reason(const ScanResults *results);

#endif
