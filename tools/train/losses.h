/* SPDX-License-Identifier: MIT
 * Loss terms by name, and their means over an epoch. */
#ifndef CORED_TOOLS_TRAIN_LOSSES_H
#define CORED_TOOLS_TRAIN_LOSSES_H

#include <jansson.h>

#include "train/core/trainer.h"

enum { N_LOSS_TERMS = 8 };

/* Sums of every term times the samples it is of. */
typedef struct LossSums {
  double terms[N_LOSS_TERMS];
  double n, n_correct;
} LossSums;

json_t *losses_json(const CoredLosses *losses);
void loss_sums_add(LossSums *sums, const CoredLosses *losses);
/* Exact: reading back gives the same sums. */
json_t *loss_sums_json(const LossSums *sums);
/* False if they are no numbers of losses. */
bool loss_sums_read(LossSums *sums, const json_t *json);
/* {"total": mean, ...} and "accuracy". */
json_t *loss_means_json(const LossSums *sums);
/* "loss 0.69 (S 0.35 D 0.33 R 0.01) acc 51.2%": the terms that are not 0. */
void loss_means_text(const LossSums *sums, char *out, size_t size);

#endif /* CORED_TOOLS_TRAIN_LOSSES_H */
