/* SPDX-License-Identifier: MIT
 * Reads "n n_classes real_class temperature" and n lines "label group logit..." and prints every
 * figure as name=value lines: the C side of metrics-sklearn.py. */
#include <stdio.h>
#include <stdlib.h>

#include "train/core/metrics.h"

static int print_all(const CoredPredictions *p, double temperature) {
  CoredMetrics m;
  CoredError error;
  if (!cored_metrics_compute(&m, p, temperature, 0.5, 200, 1, &error)) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  printf("accuracy=%.17g\nbalanced=%.17g\nauc=%.17g\neer=%.17g\nap=%.17g\nlog_loss=%.17g\n"
         "brier=%.17g\nece=%.17g\nlow=%.17g\nhigh=%.17g\nfit=%.17g\n",
         m.accuracy, m.balanced_accuracy, m.auc, m.eer, m.ap, m.log_loss, m.brier, m.ece, m.auc_low,
         m.auc_high, cored_metrics_fit_temperature(p, NULL));
  for (int c = 0; c < p->n_classes; c++) {
    printf("precision%d=%.17g\nrecall%d=%.17g\nf1%d=%.17g\n", c, m.classes[c].precision, c,
           m.classes[c].recall, c, m.classes[c].f1);
    for (int k = 0; k < p->n_classes; k++)
      printf("confusion%d_%d=%zu\n", c, k, m.confusion[c * p->n_classes + k]);
  }
  cored_metrics_clear(&m);
  return 0;
}

int main(void) {
  size_t n;
  int n_classes, real_class, status = 1;
  double temperature;
  if (scanf("%zu %d %d %lf", &n, &n_classes, &real_class, &temperature) != 4)
    return 2;
  float *logits = calloc(n * (size_t)n_classes + 1, sizeof *logits);
  uint32_t *labels = calloc(n + 1, sizeof *labels), *groups = calloc(n + 1, sizeof *groups);
  bool ok = logits && labels && groups;
  for (size_t i = 0; ok && i < n; i++) {
    ok = scanf("%u %u", &labels[i], &groups[i]) == 2;
    for (int c = 0; ok && c < n_classes; c++)
      ok = scanf("%f", &logits[i * (size_t)n_classes + (size_t)c]) == 1;
  }
  if (ok)
    status = print_all(&(CoredPredictions){n, n_classes, real_class, logits, labels, groups},
                       temperature);
  free(logits);
  free(labels);
  free(groups);
  return status;
}
