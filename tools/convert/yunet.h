/* SPDX-License-Identifier: MIT
 * The published ONNX files of YuNet (networks/yunet.h) as models that find faces. */
#ifndef CORED_CONVERT_YUNET_H
#define CORED_CONVERT_YUNET_H

#include "tools/convert/onnx.h"

/* Which of the networks (an id of the registry) the file holds; NULL: none. By the names of its
 * outputs and of a layer that only one of them has. */
const char *cored_yunet_network(const CoredOnnx *onnx);
/* The model of info's network. The exporter folded batch norms and took names away, so that layers
 * are found by the weights that kept theirs and by what reads their outputs; every shape, stride
 * and padding is compared with the network's. The caller owns the model; NULL with a refusal. */
CoredModel *cored_yunet_model(const CoredOnnx *onnx, const CoredModelInfo *info,
                              CoredRefusal *refusal);

#endif /* CORED_CONVERT_YUNET_H */
