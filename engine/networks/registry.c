/* SPDX-License-Identifier: MIT */
#include "networks/registry.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const CoredNetwork *const networks[] = {
    &cored_network_xception,       &cored_network_efficientnet_b0, &cored_network_meso4,
    &cored_network_mesoinception4, &cored_network_compact,
};

static const CoredNetwork *const locators[] = {&cored_network_yunet_n, &cored_network_yunet_s};

const CoredNetwork *cored_network_at(size_t index) {
  return index < sizeof networks / sizeof *networks ? networks[index] : NULL;
}

const CoredNetwork *cored_locator_network_at(size_t index) {
  return index < sizeof locators / sizeof *locators ? locators[index] : NULL;
}

const CoredNetwork *cored_network_find(const char *id) {
  for (size_t i = 0; id && i < sizeof networks / sizeof *networks; i++)
    if (strcmp(networks[i]->id, id) == 0)
      return networks[i];
  for (size_t i = 0; id && i < sizeof locators / sizeof *locators; i++)
    if (strcmp(locators[i]->id, id) == 0)
      return locators[i];
  return NULL;
}

/* Other names under which people know the networks; letter case never counts. */
static const struct {
  const char *name, *id;
} aliases[] = {
    {"efficient", "efficientnet-b0"},
    {"efficientnet", "efficientnet-b0"},
    {"efficientnet_b0", "efficientnet-b0"},
    {"efficientnetb0", "efficientnet-b0"},
    {"effnet", "efficientnet-b0"},
    {"effnet-b0", "efficientnet-b0"},
    {"meso-4", "meso4"},
    {"mesonet", "meso4"},
    {"mesonet4", "meso4"},
    {"meso-inception4", "mesoinception4"},
    {"mesoinception-4", "mesoinception4"},
    {"mesoinception", "mesoinception4"},
    {"compact", "cored-compact"},
    {"xceptionnet", "xception"},
};

/* As people write it: an id or an alias, in any case ("Xception", "Efficient"). */
static const CoredNetwork *find_named(const char *name) {
  for (size_t i = 0; name && i < sizeof networks / sizeof *networks; i++)
    if (strcasecmp(networks[i]->id, name) == 0)
      return networks[i];
  for (size_t i = 0; name && i < sizeof aliases / sizeof *aliases; i++)
    if (strcasecmp(aliases[i].name, name) == 0)
      return cored_network_find(aliases[i].id);
  return NULL;
}

bool cored_network_check_classes(const CoredNetwork *network, int n_classes, CoredError *error) {
  if (network->kind == CORED_MODEL_LOCATOR)
    return n_classes == 0 ||
           cored_error_set(error, CORED_ERROR_NETWORK_PARAMS,
                           "network %s: expected 0 classes of a locator, found %d", network->id,
                           n_classes);
  return (n_classes >= 2 && n_classes <= network->max_classes) ||
         cored_error_set(error, CORED_ERROR_NETWORK_PARAMS,
                         "network %s: expected 2..%d classes, found %d", network->id,
                         network->max_classes, n_classes);
}

CoredGraph *cored_network_graph(const CoredNetwork *network, int n_classes, CoredError *error) {
  if (!cored_network_check_classes(network, n_classes, error))
    return NULL;
  CoredGraph *const graph = cored_graph_new();
  if (!graph) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "network %s: no memory", network->id);
    return NULL;
  }
  const int output = network->build(graph, n_classes);
  if (!cored_graph_finish(graph, output, n_classes, error)) {
    cored_graph_free(graph);
    return NULL;
  }
  return graph;
}

const char *cored_network_id(size_t index) {
  const CoredNetwork *const network = cored_network_at(index);
  return network ? network->id : NULL;
}

/* "xception (or xceptionnet), ..." */
static void list_names(char *out, size_t size) {
  size_t used = 0;
  for (size_t i = 0; i < sizeof networks / sizeof *networks && used < size; i++) {
    bool open = false;
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", networks[i]->id);
    for (size_t k = 0; k < sizeof aliases / sizeof *aliases && used < size; k++)
      if (strcmp(aliases[k].id, networks[i]->id) == 0) {
        used += (size_t)snprintf(out + used, size - used, "%s%s", open ? ", " : " (or ",
                                 aliases[k].name);
        open = true;
      }
    if (open && used < size)
      used += (size_t)snprintf(out + used, size - used, ")");
  }
}

const char *cored_network_from_name(const char *name, CoredError *error) {
  const CoredNetwork *const network = find_named(name);
  char names[600];
  if (network)
    return network->id;
  list_names(names, sizeof names);
  cored_error_set(error, CORED_ERROR_ARGUMENT, "there is no network '%.64s'; there are %s",
                  name ? name : "", names);
  return NULL;
}

const char *cored_network_title(const char *id) {
  const CoredNetwork *const network = cored_network_find(id);
  return network ? network->title : NULL;
}
