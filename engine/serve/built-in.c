/* SPDX-License-Identifier: MIT
 * The model that needs no file: part of the program, so that it is there uninstalled and wherever
 * the library, the plugin or a tool is copied to. */
#include "cored.h"
#include "serve/built-in-locator.h" /* of models/yunet-n.safetensors, made by the build */

CoredModel *cored_model_built_in_locator(CoredError *error) {
  const CoredModelLoadParams params = {.kind = CORED_MODEL_LOCATOR};
  return cored_model_load_memory(built_in_locator, sizeof built_in_locator - 1,
                                 "built-in face model", &params, error);
}
