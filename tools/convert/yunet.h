/* SPDX-License-Identifier: MIT
 * The published ONNX files of YuNet (networks/yunet.h) as models that find faces. */
#ifndef CORED_CONVERT_YUNET_H
#define CORED_CONVERT_YUNET_H

#include "tools/convert/onnx.h"

/* By the names of its outputs. */
bool cored_yunet_is(const CoredOnnx *onnx);
/* info, with the network's defaults, is filled in for the variant that the file holds. The exporter
 * folded batch norms and took names away, so that layers are found by the weights that kept theirs
 * and by what reads their outputs; every shape, stride and padding is compared with the network's.
 * The caller owns the model; NULL with a refusal. */
CoredModel *cored_yunet_model(const CoredOnnx *onnx, CoredModelInfo *info, CoredRefusal *refusal);

#endif /* CORED_CONVERT_YUNET_H */
