/* SPDX-License-Identifier: MIT */
#include "losses.h"

#include <stdio.h>

static const struct {
  const char *name, *brief;
  size_t offset;
} terms[N_LOSS_TERMS] = {
    {"total", "loss", offsetof(CoredLosses, total)},
    {"student", "S", offsetof(CoredLosses, student)},
    {"distillation", "D", offsetof(CoredLosses, distillation)},
    {"representation", "R", offsetof(CoredLosses, representation)},
    {"starting_point", "SP", offsetof(CoredLosses, starting_point)},
    {"classifier", "CLS", offsetof(CoredLosses, classifier)},
    {"gate", "gate", offsetof(CoredLosses, gate)},
    {"teacher", "T", offsetof(CoredLosses, teacher)},
};

static double term(const CoredLosses *losses, int i) {
  return *(const double *)(const void *)((const char *)losses + terms[i].offset);
}

json_t *losses_json(const CoredLosses *losses) {
  json_t *json = json_object();
  for (int i = 0; i < N_LOSS_TERMS; i++)
    json_object_set_new(json, terms[i].name, json_real(term(losses, i)));
  json_object_set_new(json, "samples", json_integer(losses->n));
  json_object_set_new(json, "correct", json_integer(losses->n_correct));
  json_object_set_new(json, "pairs", json_integer(losses->n_pairs));
  return json;
}

void loss_sums_add(LossSums *sums, const CoredLosses *losses) {
  for (int i = 0; i < N_LOSS_TERMS; i++)
    sums->terms[i] += term(losses, i) * losses->n;
  sums->n += losses->n;
  sums->n_correct += losses->n_correct;
}

json_t *loss_sums_json(const LossSums *sums) {
  json_t *json = json_array();
  for (int i = 0; i < N_LOSS_TERMS; i++)
    json_array_append_new(json, json_real(sums->terms[i]));
  json_array_append_new(json, json_real(sums->n));
  json_array_append_new(json, json_real(sums->n_correct));
  return json;
}

bool loss_sums_read(LossSums *sums, const json_t *json) {
  if (json_array_size(json) != N_LOSS_TERMS + 2)
    return false;
  for (size_t i = 0; i < N_LOSS_TERMS + 2; i++)
    if (!json_is_number(json_array_get(json, i)))
      return false;
  for (int i = 0; i < N_LOSS_TERMS; i++)
    sums->terms[i] = json_number_value(json_array_get(json, (size_t)i));
  sums->n = json_number_value(json_array_get(json, N_LOSS_TERMS));
  sums->n_correct = json_number_value(json_array_get(json, N_LOSS_TERMS + 1));
  return sums->n >= 0.0 && sums->n_correct >= 0.0;
}

json_t *loss_means_json(const LossSums *sums) {
  json_t *json = json_object();
  const double n = sums->n > 0.0 ? sums->n : 1.0;
  for (int i = 0; i < N_LOSS_TERMS; i++)
    json_object_set_new(json, terms[i].name, json_real(sums->terms[i] / n));
  json_object_set_new(json, "accuracy", json_real(sums->n_correct / n));
  return json;
}

void loss_means_text(const LossSums *sums, char *out, size_t size) {
  const double n = sums->n > 0.0 ? sums->n : 1.0;
  int at = snprintf(out, size, "loss %.4f", sums->terms[0] / n), used = 0;
  for (int i = 1; i < N_LOSS_TERMS; i++)
    if (sums->terms[i] != 0.0 && at < (int)size)
      at += snprintf(out + at, size - (size_t)at, "%s%s %.4g", used++ ? " " : " (", terms[i].brief,
                     sums->terms[i] / n);
  if (at < (int)size)
    snprintf(out + at, size - (size_t)at, "%s acc %.1f%%", used ? ")" : "",
             100.0 * sums->n_correct / n);
}
