/* SPDX-License-Identifier: MIT
 * What is known of one input after it was scanned, as JSON lines and as text. */
#ifndef CORED_SCAN_REPORT_H
#define CORED_SCAN_REPORT_H

#include "scan/timeline.h"
#include "scan/tracks.h"

typedef struct ScanReport {
  char *uri;
  char *name; /* as given on the command line */
  ScanTracks *tracks;
  ScanVerdict verdict;
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
void scan_report_print(const ScanReport *report, const ScanTerminal *terminal, gboolean timeline);

/* JSON lines. A failed write is remembered and told by close. */
typedef struct ScanJson ScanJson;
typedef enum ScanJsonMode { SCAN_JSON_NEW, SCAN_JSON_APPEND, SCAN_JSON_OVERWRITE } ScanJsonMode;
/* "-" is standard output. A file that holds something is not opened as new. */
ScanJson *scan_json_open(const char *path, ScanJsonMode mode, GError **error);
void scan_json_frame(ScanJson *json, const ScanReport *report, double time, const ScanFace *faces,
                     guint n_faces);
void scan_json_verdict(ScanJson *json, const ScanReport *report);
gboolean scan_json_close(ScanJson *json, GError **error); /* NULL is fine */

#endif
