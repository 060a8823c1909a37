/* SPDX-License-Identifier: MIT
 * ONNX files whose weights lost their names, because the exporter folded batch norms into the
 * convolutions before them (what torch.onnx.export does unless told otherwise).
 *
 * The layers that have weights are told by structure instead: kernel, stride, channels, and those
 * of the layers from which they read and which read them, and so on through the whole network
 * (colour refinement: Weisfeiler and Leman 1968). A network of the registry with the same layers,
 * each of which differs from all others, is the file's. */
#ifndef CORED_CONVERT_ONNX_UNFOLD_H
#define CORED_CONVERT_ONNX_UNFOLD_H

#include "tools/convert/onnx.h"

/* Are there weights without names of their own? */
bool cored_onnx_is_folded(const CoredOnnx *onnx);

/* Replace the initializers by the parameters of `network` (an id of the registry), or with NULL of
 * the one network that fits; *chosen: its id. A batch norm that was folded becomes one that only
 * adds what was the convolution's bias: the network computes the same, but has no statistics to go
 * on training with, which notes and `folded` say. Refused with ONNX_FOLDED where no network fits.
 */
bool cored_onnx_unfold(CoredOnnx *onnx, const char *network, const char **chosen,
                       CoredRefusal *refusal);

#endif /* CORED_CONVERT_ONNX_UNFOLD_H */
