/* SPDX-License-Identifier: MIT
 * What is known of one input after it was scanned, as JSON lines and as text. */
#ifndef CORED_SCAN_REPORT_H
#define CORED_SCAN_REPORT_H

#include "tools/common/json-lines.h"
#include "tools/scan/timeline.h"

typedef struct ScanReport {
  char *uri;
  char *name; /* as given on the command line */
  CoredJudgedTracks *tracks;
  CoredTrackVerdict verdict;
  char *problem;     /* what went wrong, NULL when nothing did */
  char *note;        /* what else is worth saying, or NULL */
  gboolean complete; /* it was read to its end */
  char *reason;      /* why most of the frames that were not judged were not, or NULL */
  char *model_id;
  char *annotated; /* the annotated video, NULL: there is none */
  guint64 generation;
  double threshold;
  double duration; /* seconds seen */
  guint frames;    /* decoded */
  guint damaged;   /* frames that were not decoded, or with errors */
} ScanReport;

ScanReport *scan_report_new(const char *argument, const char *uri);
void scan_report_free(ScanReport *report); /* NULL is fine */
/* Time line, verdict and evidence; `timeline` FALSE leaves out the first. */
void scan_report_print(const ScanReport *report, const CoredTerminal *terminal, gboolean timeline);

/* The line that closes a file. */
void scan_report_write(const ScanReport *report, CoredJsonLines *json);

#endif
