/* SPDX-License-Identifier: MIT
 * PyTorch's two containers of weights: the ZIP archive of torch.save (1.6 and later) and the
 * stream of pickles before it. */
#ifndef CORED_CONVERT_PTH_H
#define CORED_CONVERT_PTH_H

#include "tools/convert/bytes.h"
#include "tools/convert/loose.h"

typedef struct CoredReadOptions {
  bool ignore_crc; /* torch can write archives without checksums */
  bool survey;     /* list what is refused instead of stopping at the first refused name */
  const char *key; /* dictionary to take, NULL: find it */
} CoredReadOptions;

/* Read from bytes, whose memory the tensors in file point into. file has to be empty. */
bool cored_pth_zip_read(const CoredBytes *bytes, const CoredReadOptions *options,
                        CoredLooseFile *file, CoredRefusal *refusal);
bool cored_pth_legacy_read(const CoredBytes *bytes, const CoredReadOptions *options,
                           CoredLooseFile *file, CoredRefusal *refusal);

#endif /* CORED_CONVERT_PTH_H */
