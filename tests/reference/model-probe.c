/* SPDX-License-Identifier: MIT
 * Model files for model.test.py:
 *   model-probe make NETWORK SEED OUT   random weights
 *   model-probe load FILE               values of all tensors in network order to stdout
 *   model-probe resave IN OUT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cored.h"

static int fail(const CoredError *error) {
  fprintf(stderr, "%s: %s\n", cored_error_code_name(error->code), error->message);
  return 1;
}

static int save(CoredModel *model, const char *path) {
  CoredError error = {0};
  const bool ok = model && cored_model_save(model, path, &error);
  cored_model_unref(model);
  return ok ? 0 : fail(&error);
}

static int make(const char *network, const char *seed, const char *path) {
  CoredModelInfo info;
  CoredError error = {0};
  if (!cored_model_info_init(&info, network, 2, &error))
    return fail(&error);
  info.mean[1] = 0.25f;
  info.std[2] = 0.3f;
  CoredModel *const model = cored_model_new_random(&info, strtoull(seed, NULL, 10), &error);
  return model ? save(model, path) : fail(&error);
}

static int print(const CoredModel *model) {
  CoredTensorView view;
  for (size_t i = 0; cored_model_tensor(model, i, &view); i++)
    if (fwrite(view.data, 1, view.size, stdout) != view.size)
      return 1;
  return 0;
}

int main(int argc, char **argv) {
  CoredError error = {0};
  if (argc == 5 && strcmp(argv[1], "make") == 0)
    return make(argv[2], argv[3], argv[4]);
  if (argc < 3)
    return 2;
  CoredModel *const model = cored_model_load(argv[2], NULL, &error);
  if (!model)
    return fail(&error);
  if (strcmp(argv[1], "resave") == 0 && argc == 4)
    return save(model, argv[3]);
  const int result = print(model);
  cored_model_unref(model);
  return result;
}
