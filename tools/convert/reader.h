/* SPDX-License-Identifier: MIT
 * Reading a foreign weight file of any known format. */
#ifndef CORED_CONVERT_READER_H
#define CORED_CONVERT_READER_H

#include "tools/convert/pth.h"

#define CORED_READER_MAX_BYTES ((uint64_t)1 << 30)

/* Read a regular file of at most max bytes; cored_file_read with a refusal for an error. */
bool cored_input_read(const char *path, uint64_t max, CoredBytes *bytes, CoredRefusal *refusal);

typedef enum CoredFormat {
  CORED_FORMAT_PTH_ZIP,
  CORED_FORMAT_PTH_LEGACY,
  CORED_FORMAT_H5,
  CORED_FORMAT_SAFETENSORS,
  CORED_FORMAT_ONNX,
  CORED_FORMAT_UNKNOWN
} CoredFormat;

/* What the first bytes say; for a file that is none of ours the refusal names what it looks like.
 * The name of a file is never looked at. */
CoredFormat cored_format_of(const CoredBytes *bytes, CoredRefusal *refusal);

/* Read all tensors of a foreign file; they point into bytes. max_data limits what an HDF5
 * file may declare. On failure *file keeps the format and what was noted until then; the caller
 * clears it in either case. */
bool cored_reader_read(const CoredBytes *bytes, const CoredReadOptions *options, size_t max_data,
                       CoredLooseFile *file, CoredRefusal *refusal);

#endif /* CORED_CONVERT_READER_H */
