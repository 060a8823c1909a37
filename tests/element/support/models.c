/* SPDX-License-Identifier: MIT */
#include "models.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define CLASSES 3 /* fake, real, and one whose probability is nil */

/* p = 1 / (1 + exp(-margin / temperature)) with margin = +-1, for any p but 0.5. */
static double temperature_for(double p_fake) {
  return 1.0 / fabs(log(p_fake / (1.0 - p_fake)));
}

static gboolean is_classifier(const CoredTensorView *view, const char *part) {
  return g_str_has_prefix(view->name, "classifier.") && g_str_has_suffix(view->name, part);
}

void model_save_constant(const char *path, guint64 generation, double p_fake) {
  CoredError error;
  CoredModelInfo info;
  float bias[CLASSES] = {0};
  assert_true(cored_model_info_init(&info, "cored-compact", CLASSES, &error));
  info.generation = generation;
  info.input_width = info.input_height = 32;
  info.fake_class = 0;
  info.real_class = 1;
  info.temperature = temperature_for(p_fake);
  bias[info.fake_class] = p_fake > 0.5 ? 1.0f : -1.0f;
  bias[2] = -300.0f;

  CoredModel *base = cored_model_new_random(&info, generation, &error);
  assert_non_null(base);
  const gsize n = cored_model_n_tensors(base);
  CoredTensorView *views = g_new(CoredTensorView, n);
  float *weight = NULL;
  for (gsize i = 0; i < n; i++) {
    assert_true(cored_model_tensor(base, i, &views[i]));
    if (is_classifier(&views[i], "bias")) {
      views[i].data = bias;
    } else if (is_classifier(&views[i], "weight")) {
      weight = g_memdup2(views[i].data, views[i].size);
      memset(weight, 0, views[i].size / CLASSES * 2);
      views[i].data = weight;
    }
  }
  assert_non_null(weight);
  CoredModel *model = cored_model_new(&info, views, n, &error);
  if (!model || !cored_model_save(model, path, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
  cored_model_unref(base);
  g_free(weight);
  g_free(views);
}

void model_save_random(const char *path, guint64 generation, gint side) {
  CoredError error;
  CoredModelInfo info;
  assert_true(cored_model_info_init(&info, "cored-compact", 2, &error));
  info.generation = generation;
  info.input_width = info.input_height = side;
  info.temperature = 10.0; /* keeps random logits away from 0 and 1 */
  CoredModel *model = cored_model_new_random(&info, generation, &error);
  if (!model || !cored_model_save(model, path, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
}

void model_publish(const char *from, const char *path) {
  char *bytes, *temporary = g_strconcat(path, ".tmp", NULL);
  gsize length;
  assert_true(g_file_get_contents(from, &bytes, &length, NULL));
  FILE *file = fopen(temporary, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  fclose(file);
  assert_int_equal(g_rename(temporary, path), 0);
  g_free(bytes);
  g_free(temporary);
}
