/* SPDX-License-Identifier: MIT
 * Writes a report and an event file of known figures, for report.test.py.
 *
 *   report-probe HTML FOLDER */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/report.h"
#include "tools/report/tensorboard.h"

enum { N = 40, SIDE = 8 };

static _Noreturn void die(const CoredError *error) {
  fprintf(stderr, "report-probe: %s\n", error->message);
  exit(1);
}

/* Samples whose p-fake rises with the index; odd ones are fake, and so are all late ones. */
static void predict(float logits[N][2], uint32_t labels[N]) {
  for (int i = 0; i < N; i++) {
    labels[i] = i % 2 == 1 || i > 30 ? 0 : 1;
    logits[i][0] = (float)(i - N / 2) / 5;
    logits[i][1] = 0;
  }
}

static void write_html(const char *path) {
  static float logits[N][2];
  static uint32_t labels[N];
  static uint8_t rgb[SIDE * SIDE * 3];
  for (size_t i = 0; i < sizeof rgb; i++)
    rgb[i] = (uint8_t)(i * 7);
  predict(logits, labels);
  CoredModelInfo info = {0};
  CoredError error = {0};
  CoredMetrics metrics = {0};
  CoredPredictions predictions = {
      .n = N, .n_classes = 2, .real_class = 1, .logits = &logits[0][0], .labels = labels};
  double scores[N];
  uint8_t positive[N];
  CoredReportCell cell = {.title = "after <B> & \"C\", on A", .info = &info, .metrics = &metrics};
  CoredRocPoint *points = NULL;
  if (!cored_model_info_init(&info, "meso4", 2, &error) ||
      !cored_metrics_compute(&metrics, &predictions, 1, 0.5, 50, 1, &error))
    die(&error);
  cored_predictions_scores(&predictions, 1, scores, positive);
  if (!cored_metrics_roc(scores, positive, N, &points, &cell.n_roc, &error))
    die(&error);
  const CoredReportMistake mistakes[] = {
      {"a/<script>alert(1)</script>.png", "real", 0.9991, rgb, SIDE, SIDE},
      {"no picture", "fake", 0.01, NULL, 0, 0}};
  const double auc[] = {0.99, 0.5, (double)NAN, 0.9, 0.95, 0.6, 0.8, 0.9, 0.97};
  const char *const names[] = {"A", "B", "C"};
  const double x[] = {1, 2, 3, 4}, loss[] = {0.7, 0.5, (double)NAN, 0.25},
               other[] = {0.1, 0.2, 0.3, 0.4};
  const CoredReportSeries series[] = {{"student", loss}, {"distillation", other}};
  const CoredReportCurve curve = {"Losses", "epoch", x, 4, series, 2};
  const CoredReportFact facts[] = {{"network", "meso4"}, {"command", "cored-eval --x='<&>'"}};
  cell.roc = points;
  cell.mistakes = mistakes;
  cell.n_mistakes = 2;
  const CoredReport report = {.title = "Report of <tests>",
                              .facts = facts,
                              .n_facts = 2,
                              .matrix = {names, names, 3, 3, auc, true},
                              .curves = &curve,
                              .n_curves = 1,
                              .cells = &cell,
                              .n_cells = 1};
  if (!cored_report_write(&report, path, &error))
    die(&error);
  printf("%.17g\n", metrics.auc);
  free(points);
  cored_metrics_clear(&metrics);
}

static void write_events(const char *folder) {
  CoredError error = {0};
  CoredTensorboard *board = cored_tensorboard_open(folder, 1700000000.5, &error);
  char long_tag[400];
  memset(long_tag, 'x', sizeof long_tag - 1);
  long_tag[sizeof long_tag - 1] = '\0';
  if (!board || !cored_tensorboard_scalar(board, 1700000001.25, 0, "loss/student", 0.75, &error) ||
      !cored_tensorboard_flush(board, &error) ||
      !cored_tensorboard_scalar(board, 1700000002, 300, "loss/student", -1e-3, &error) ||
      !cored_tensorboard_scalar(board, 1700000003, (int64_t)1 << 40, "auc/\xc3\xa4", (double)NAN,
                                &error) ||
      !cored_tensorboard_scalar(board, 1700000004, 1, long_tag, 1, &error) ||
      !cored_tensorboard_close(board, &error))
    die(&error);
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, ""); /* a decimal comma must not get into either file */
  if (argc != 3)
    return 2;
  write_html(argv[1]);
  write_events(argv[2]);
  CoredError error = {0};
  CoredReport empty = {.title = "nothing"};
  if (cored_report_write(&empty, "/nonexistent/folder/x.html", &error) ||
      error.code == CORED_ERROR_NONE || cored_tensorboard_open("/dev/null/x", 0, &error))
    return 1;
  return cored_tensorboard_close(NULL, NULL) ? 0 : 1;
}
