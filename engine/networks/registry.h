/* SPDX-License-Identifier: MIT
 * The registry of networks. Adding one is one file that builds its graph and one line in
 * registry.c; tests and tools iterate over the registry's classifiers. */
#ifndef CORED_NETWORKS_REGISTRY_H
#define CORED_NETWORKS_REGISTRY_H

#include "graph/graph.h"

typedef struct CoredNetwork {
  CoredModelKind kind;
  const char *id;         /* "xception", as model files and command lines write it */
  const char *title;      /* "Xception (Chollet 2017)" */
  int input_size;         /* default, square */
  int published_size;     /* of the input that published weights were trained with */
  int min_size, max_size; /* of either side of the input */
  int multiple;           /* of which either side is one; 0: of 1 */
  int max_classes;        /* 2 for a network with one sigmoid output, 0 for a locator */
  double threshold;       /* of a locator's faces */
  float mean[3], std[3];  /* default normalization of x/255 */
  /* Add all nodes, mark features and classifier, return the node of the output. Failures are kept
   * by the graph. n_classes is 2..max_classes. A locator has named outputs instead (yunet.h) and
   * returns CORED_NO_NODE. */
  int (*build)(CoredGraph *graph, int n_classes);
} CoredNetwork;

const CoredNetwork *cored_network_at(size_t index);         /* classifiers; NULL past the end */
const CoredNetwork *cored_locator_network_at(size_t index); /* locators; NULL past the end */
const CoredNetwork *cored_network_find(const char *id); /* of any kind; NULL when there is none */

/* Is this a number of classes that the network can have? */
bool cored_network_check_classes(const CoredNetwork *network, int n_classes, CoredError *error);
/* The finished graph of a network; the caller frees it with cored_graph_free. */
CoredGraph *cored_network_graph(const CoredNetwork *network, int n_classes, CoredError *error);

extern const CoredNetwork cored_network_xception, cored_network_efficientnet_b0,
    cored_network_meso4, cored_network_mesoinception4, cored_network_compact, cored_network_yunet_n,
    cored_network_yunet_s;

#endif /* CORED_NETWORKS_REGISTRY_H */
