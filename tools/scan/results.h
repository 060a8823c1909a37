/* SPDX-License-Identifier: MIT
 * Takes the results off the buffers that leave the detector. */
#ifndef CORED_SCAN_RESULTS_H
#define CORED_SCAN_RESULTS_H

#include "scan/report.h"

#include <gst/gst.h>

typedef struct ScanResults ScanResults;

/* Watch the pads of `detector`: fills report->tracks, model, threshold and frames, and writes
 * to json (NULL: nothing). All three must outlive the pipeline's streaming threads. */
ScanResults *scan_results_new(GstElement *detector, ScanReport *report, ScanJson *json);
void scan_results_free(ScanResults *results); /* NULL is fine */
/* Seconds and frames so far; thread-safe. */
double scan_results_position(ScanResults *results, guint *frames);
/* A frame is in the detector; thread-safe. */
gboolean scan_results_busy(ScanResults *results);
/* The commonest reason for which frames were not judged, NULL when all were. */
const char *scan_results_reason(const ScanResults *results);

#endif
