/* SPDX-License-Identifier: MIT
 * Safetensors files that were not written by us: only names, shapes and values. */
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "tools/convert/reader.h"

static CoredScalar scalar_of(CoredDtype dtype) {
  for (int s = 0; s < CORED_N_SCALARS; s++) {
    CoredDtype other;
    if (cored_scalar_to_dtype((CoredScalar)s, &other) && other == dtype)
      return (CoredScalar)s;
  }
  return CORED_SCALAR_I64;
}

static bool add_tensor(CoredLooseFile *file, const CoredTensorView *view, CoredRefusal *refusal) {
  CoredLoose *tensor = cored_loose_add(file, view->name, strlen(view->name));
  if (!tensor)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  tensor->scalar = scalar_of(view->dtype);
  tensor->rank = view->rank;
  tensor->data = view->data;
  tensor->count = 1;
  for (int i = view->rank - 1; i >= 0; i--) {
    tensor->dims[i] = view->dims[i];
    tensor->strides[i] = (int64_t)tensor->count;
    tensor->count *= (size_t)view->dims[i]; /* checked by the parser against the file's size */
  }
  return true;
}

bool cored_safetensors_read(const CoredBytes *bytes, CoredLooseFile *file, CoredRefusal *refusal) {
  file->format = "safetensors";
  CoredSafetensors st = {0};
  CoredError error = {0};
  if (!cored_safetensors_parse(&st, bytes->data, bytes->size, "file", &error))
    return cored_refuse_error(refusal, &error);
  bool ok = !cored_safetensors_entry(&st, "cored.format") ||
            cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN,
                         "this is a model of this project already, there is nothing to import");
  for (size_t i = 0; i < st.n_metadata; i++)
    cored_hints_text(st.metadata[i].key, st.metadata[i].value, &file->hints);
  for (size_t i = 0; i < st.n_tensors && ok; i++)
    ok = add_tensor(file, &st.tensors[i], refusal);
  cored_safetensors_clear(&st);
  return ok;
}
