/* SPDX-License-Identifier: MIT
 * From models judged on sets to the parts of a report: curves, and pictures of what went wrong. */
#ifndef CORED_TOOLS_TRAIN_REPORT_CELLS_H
#define CORED_TOOLS_TRAIN_REPORT_CELLS_H

#include "eval-run.h"
#include "tools/report/report.h"

typedef struct ReportCells {
  CoredReportCell *cells; /* [n], in the order of result->cells */
  size_t n;
} ReportCells;

/* Cells for every model and task of result, which has to stay. Pictures that cannot be read any
 * more are left out. */
bool report_cells_build(ReportCells *cells, const EvalResult *result, CoredError *error);
void report_cells_clear(ReportCells *cells);

#endif /* CORED_TOOLS_TRAIN_REPORT_CELLS_H */
