/* SPDX-License-Identifier: MIT
 * A network's graph as nodes of ONNX.
 *
 * The graph is NHWC, ONNX is NCHW: only a flatten, which is channels last, needs a transposition.
 * Weights are named, not written; what else a node needs (a bound, a temperature) comes from a
 * Constant beside it, so that the initializers of the file are the network's parameters and no
 * others. */
#ifndef CORED_CONVERT_ONNX_GRAPH_H
#define CORED_CONVERT_ONNX_GRAPH_H

#include "graph/graph.h"
#include "tools/convert/protobuf.h"

#define CORED_ONNX_OPSET 17

#define CORED_ONNX_INPUT "input"
#define CORED_ONNX_PROBABILITIES "probabilities"
#define CORED_ONNX_LOGITS "logits"

/* Put the nodes, as fields of a GraphProto, into out: from CORED_ONNX_INPUT, normalized pixels
 * [batch, 3, height, width], to CORED_ONNX_LOGITS, which are (0, z) for a network with one output,
 * and CORED_ONNX_PROBABILITIES, the softmax of the logits over the temperature, both [batch,
 * classes]. False with *error set for a graph that has no counterpart, or without memory. */
bool cored_onnx_put_nodes(const CoredGraph *graph, int height, int width, double temperature,
                          CoredProtoOut *out, CoredError *error);

#endif /* CORED_CONVERT_ONNX_GRAPH_H */
