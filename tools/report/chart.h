/* SPDX-License-Identifier: MIT
 * Charts of the report, as SVG. */
#ifndef CORED_TOOLS_REPORT_CHART_H
#define CORED_TOOLS_REPORT_CHART_H

#include "base/text.h"
#include "tools/report/report.h"

void cored_chart_roc(CoredText *out, const CoredReportCell *cell);
void cored_chart_reliability(CoredText *out, const CoredMetrics *metrics);
void cored_chart_lines(CoredText *out, const CoredReportCurve *curve);

#endif /* CORED_TOOLS_REPORT_CHART_H */
