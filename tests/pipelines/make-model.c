/* SPDX-License-Identifier: MIT
 * make-model NETWORK SEED OUT [GENERATION]: a model file with random weights, for tests that need
 * any model. */
#include "cored.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  CoredModelInfo info;
  CoredError error;
  if (argc != 4 && argc != 5) {
    fputs("Usage: make-model NETWORK SEED OUT [GENERATION]\n", stderr);
    return 2;
  }
  CoredModel *model = NULL;
  bool known = cored_model_info_init(&info, argv[1], 2, &error);
  if (argc == 5)
    info.generation = strtoull(argv[4], NULL, 10);
  if (known)
    model = cored_model_new_random(&info, strtoull(argv[2], NULL, 10), &error);
  bool fine = model && cored_model_save(model, argv[3], &error);
  if (!fine)
    fprintf(stderr, "make-model: %s\n", error.message);
  cored_model_unref(model);
  return !fine;
}
