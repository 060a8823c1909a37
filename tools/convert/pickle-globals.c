/* SPDX-License-Identifier: MIT
 * The names a pickle of weights may use, and the reasons for refusing well-known others. */
#include <string.h>

#include "tools/convert/loose.h"
#include "tools/convert/pickle.h"

#define STORAGE(type) (CORED_GLOBAL_STORAGE + CORED_SCALAR_##type)

static const CoredGlobalEntry allowed[] = {
    {"collections", "OrderedDict", CORED_GLOBAL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor", CORED_GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", CORED_GLOBAL_REBUILD_TENSOR_V2},
    {"torch._utils", "_rebuild_parameter", CORED_GLOBAL_REBUILD_PARAMETER},
    {"torch", "Size", CORED_GLOBAL_SIZE},
    {"torch", "FloatStorage", STORAGE(F32)},
    {"torch", "DoubleStorage", STORAGE(F64)},
    {"torch", "HalfStorage", STORAGE(F16)},
    {"torch", "BFloat16Storage", STORAGE(BF16)},
    {"torch", "LongStorage", STORAGE(I64)},
    {"torch", "IntStorage", STORAGE(I32)},
    {"torch", "ShortStorage", STORAGE(I16)},
    {"torch", "CharStorage", STORAGE(I8)},
    {"torch", "ByteStorage", STORAGE(U8)},
    {"torch", "BoolStorage", STORAGE(BOOL)},
    {"numpy.core.multiarray", "scalar", CORED_GLOBAL_INERT},
    {"numpy._core.multiarray", "scalar", CORED_GLOBAL_INERT},
    {"numpy", "dtype", CORED_GLOBAL_INERT},
    {"_codecs", "encode", CORED_GLOBAL_INERT},
    {"torch", "device", CORED_GLOBAL_INERT},
};

static const struct {
  const char *prefix;
  CoredRefusalCode code;
  const char *reason;
} known[] = {
    {"torch._utils._rebuild_sparse", CORED_REFUSAL_TENSOR_KIND, "sparse tensors are no weights"},
    {"torch._utils._rebuild_qtensor", CORED_REFUSAL_TENSOR_KIND, "quantized tensors are not read"},
    {"torch._utils._rebuild_meta_tensor", CORED_REFUSAL_TENSOR_KIND, "a meta tensor has no data"},
    {"torch._utils._rebuild_device_tensor", CORED_REFUSAL_TENSOR_KIND,
     "device tensors are not read; save the model from the CPU"},
    {"torch._tensor._rebuild_from_type", CORED_REFUSAL_TENSOR_KIND,
     "tensor subclasses are not read"},
    {"torch._utils._rebuild_wrapper_subclass", CORED_REFUSAL_TENSOR_KIND,
     "tensor subclasses are not read"},
    {"torch.Complex", CORED_REFUSAL_TENSOR_KIND, "complex tensors are no weights"},
    {"torch.Q", CORED_REFUSAL_TENSOR_KIND, "quantized tensors are not read"},
    {"torch.nn.", CORED_REFUSAL_PTH_WHOLE_MODULE,
     "the file holds a pickled module; save its state_dict() instead"},
};

static bool equal(const char *text, const uint8_t *bytes, size_t length) {
  return strlen(text) == length && memcmp(text, bytes, length) == 0;
}

const CoredGlobalEntry *cored_global_find(const uint8_t *module, size_t module_length,
                                          const uint8_t *name, size_t name_length) {
  for (size_t i = 0; i < cored_global_count(); i++)
    if (equal(allowed[i].module, module, module_length) &&
        equal(allowed[i].name, name, name_length))
      return &allowed[i];
  return NULL;
}

bool cored_global_refuse(const char *shown, CoredRefusal *refusal) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strncmp(shown, known[i].prefix, strlen(known[i].prefix)) == 0)
      return cored_refuse(refusal, known[i].code, "the pickle asks for '%s': %s", shown,
                          known[i].reason);
  return cored_refuse(refusal, CORED_REFUSAL_PICKLE_GLOBAL,
                      "the pickle asks for '%s', which is no part of a dictionary of tensors",
                      shown);
}

size_t cored_global_count(void) {
  return sizeof allowed / sizeof *allowed;
}
