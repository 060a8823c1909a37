/* SPDX-License-Identifier: MIT
 * One self-contained HTML file that shows what a detector learned and forgot: figures, the matrix
 * of AUCs, ROC and reliability curves, confusion, courses of training, the worst mistakes. No
 * scripts, nothing from elsewhere: it can be mailed, archived, printed. */
#ifndef CORED_TOOLS_REPORT_H
#define CORED_TOOLS_REPORT_H

#include "train/core/metrics.h"

typedef struct CoredReportFact { /* a line of the table at the top */
  const char *name, *value;
} CoredReportFact;

typedef struct CoredReportMistake { /* a sample that the model is surely wrong about */
  const char *name;                 /* path or frame */
  const char *truth;                /* label */
  double p_fake;                    /* what the model says */
  const uint8_t *rgb;               /* [height, width, 3], NULL where there is no picture */
  int width, height;
} CoredReportMistake;

typedef struct CoredReportCell { /* one model on one set of data */
  const char *title;             /* "after Face2Face, on DeepFake" */
  const CoredModelInfo *info;
  const CoredMetrics *metrics;
  const CoredMetrics *by_group; /* per video or person; NULL: none */
  const CoredRocPoint *roc;
  size_t n_roc;
  const CoredReportMistake *mistakes; /* worst first */
  size_t n_mistakes;
} CoredReportCell;

typedef struct CoredReportSeries {
  const char *name;
  const double *y; /* [n] of its curve; NAN leaves a gap */
} CoredReportSeries;

typedef struct CoredReportCurve { /* one chart of lines, such as the losses over the epochs */
  const char *title, *x_title;
  const double *x; /* [n], growing */
  size_t n;
  const CoredReportSeries *series;
  size_t n_series; /* at most 8 are told apart by colour */
} CoredReportCurve;

typedef struct CoredReportMatrix { /* auc[i * n_sets + j]: model i on set j, NAN: not measured */
  const char *const *models, *const *sets;
  int n_models, n_sets;
  const double *auc;
  bool sequence; /* model i was trained on sets 0..i: show average, forgetting, transfer */
} CoredReportMatrix;

typedef struct CoredReport {
  const char *title;
  const CoredReportFact *facts;
  size_t n_facts;
  CoredReportMatrix matrix; /* n_models 0: none */
  const CoredReportCurve *curves;
  size_t n_curves;
  const CoredReportCell *cells;
  size_t n_cells;
} CoredReport;

/* Replace path by the report, as a whole or not at all. Texts are escaped. */
bool cored_report_write(const CoredReport *report, const char *path, CoredError *error);

#endif /* CORED_TOOLS_REPORT_H */
