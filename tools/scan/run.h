/* SPDX-License-Identifier: MIT
 * One input through the pipeline: decode, judge, optionally annotate. */
#ifndef CORED_SCAN_RUN_H
#define CORED_SCAN_RUN_H

#include "tools/scan/options.h"
#include "tools/scan/progress.h"
#include "tools/scan/report.h"

#include <gst/gst.h>

typedef struct ScanContext { /* what all inputs share */
  const ScanOptions *options;
  CoredJsonLines *json;         /* NULL: none */
  const CoredTerminal *display; /* where the progress goes; NULL: nowhere */
  gboolean *interrupted;        /* set by Ctrl-C */
} ScanContext;

/* Scan one input into its report. FALSE when going on with others is pointless, as the element
 * itself could not be set up; report->problem says why. */
gboolean scan_run(const ScanContext *context, ScanReport *report);

/* coreddetect with the properties the options ask for, floating; NULL with *error set. */
GstElement *scan_detector_new(const ScanOptions *options, GError **error);

#endif
