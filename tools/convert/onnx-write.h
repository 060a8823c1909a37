/* SPDX-License-Identifier: MIT
 * Writing a model as an ONNX file, for other programs to run. */
#ifndef CORED_CONVERT_ONNX_WRITE_H
#define CORED_CONVERT_ONNX_WRITE_H

#include "cored.h"

/* What lies beside FILE.onnx: what GStreamer's onnxinference needs to know of the tensors, and the
 * names of the classes, one a line. */
#define CORED_ONNX_MODELINFO_SUFFIX ".modelinfo"
#define CORED_ONNX_LABELS_SUFFIX ".labels.txt"

/* Write path and the two files beside it. All three are written and synced under temporary names
 * before the first of them takes its own, path itself last; on failure all are as they were.
 * without_logits leaves the probabilities as the only output. */
bool cored_onnx_write(const CoredModel *model, const char *path, bool without_logits,
                      CoredError *error);

#endif /* CORED_CONVERT_ONNX_WRITE_H */
