/* SPDX-License-Identifier: MIT
 * Where in a foreign file a network lies: the prefixes under which its parameters are found. */
#ifndef CORED_CONVERT_PREFIXES_H
#define CORED_CONVERT_PREFIXES_H

#include "graph/graph.h"
#include "tools/convert/loose.h"

/* Names under one prefix. */
typedef struct CoredMatchGroup {
  const char *prefix; /* in a tensor's name, `length` bytes of it */
  size_t length;
  int named, fitting; /* parameters before the classifier there, and those of the right shape */
  int stripped;       /* those whose names the user took a beginning off */
} CoredMatchGroup;

typedef struct CoredMatchGroups {
  CoredMatchGroup *group;
  size_t n;
  size_t best;    /* where the network is looked for; n when no name is there */
  int body;       /* parameters before the classifier */
  bool ambiguous; /* several prefixes hold all of them, and none was asked for */
} CoredMatchGroups;

/* False when memory is lacking. The caller frees groups->group. */
bool cored_match_groups(const CoredLooseFile *file, const CoredGraph *graph,
                        CoredMatchGroups *groups);

/* Several complete groups: this is one of those between which nothing decides. */
bool cored_match_is_candidate(const CoredMatchGroups *groups, size_t i);

/* Group i is another copy of the network, to be left out: an average or a teacher of it, or what
 * the user passed over with --strip. Anything else that is like the network may be a branch of a
 * detector that does not work without it. groups->best has to be there. */
bool cored_match_is_copy(const CoredMatchGroups *groups, size_t i);

/* Among the components of the name is one of what a checkpoint keeps beside its model. */
bool cored_match_is_beside(const char *name, size_t length);

/* Equal shapes, or (*as_matrix) a 1x1 convolution stored as a matrix. */
bool cored_match_same_shape(const CoredParam *param, const CoredLoose *tensor, bool *as_matrix);

#endif /* CORED_CONVERT_PREFIXES_H */
