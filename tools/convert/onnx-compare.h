/* SPDX-License-Identifier: MIT
 * Does an ONNX file compute what a network of the registry does, once its layers are known to have
 * the same kernels, strides, channels and connections (onnx-unfold.h)? */
#ifndef CORED_CONVERT_ONNX_COMPARE_H
#define CORED_CONVERT_ONNX_COMPARE_H

#include "graph/graph.h"
#include "tools/convert/onnx.h"

#define CORED_ONNX_WHY_SIZE 256

/* Padding of a convolution or pooling against that of the node, for an input of this shape. What a
 * file computes at run time from the size of its input is taken for CORED_PAD_SAME. */
bool cored_onnx_same_padding(const CoredOnnx *onnx, const CoredOnnxNode *window,
                             const CoredNode *node, const CoredShape *in);
/* Pooling and the kinds of activations. False with what differs in why. shapes: of the graph's
 * nodes. */
bool cored_onnx_same_operators(const CoredOnnx *onnx, const CoredGraph *graph,
                               const CoredShape *shapes, char why[CORED_ONNX_WHY_SIZE]);

#endif /* CORED_CONVERT_ONNX_COMPARE_H */
