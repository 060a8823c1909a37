/* SPDX-License-Identifier: MIT
 * Tensors of a foreign file against the parameters of a registered network. */
#ifndef CORED_CONVERT_MATCH_H
#define CORED_CONVERT_MATCH_H

#include "graph/graph.h"
#include "tools/convert/names.h"

typedef struct CoredImportMatch {
  const char *network; /* id in the registry */
  CoredGraph *graph;   /* the network; names in the views are its */
  int n_classes;
  bool one_output;        /* the file's only logit is that of class 1; that of class 0 is 0 */
  CoredTensorView *views; /* one per parameter of the network, ready for cored_model_new */
  size_t n_views;
  void **owned; /* copies of tensors that could not be used in place */
  size_t n_owned;
  CoredLines notes;    /* prefixes stripped, names changed, the network guessed, … */
  CoredLines problems; /* every missing, unknown or misshapen parameter, and what was tried */
} CoredImportMatch;

/* Match file's tensors with `network` (a name of the registry in any spelling), or with the one
 * that they fit best when it is NULL.
 *
 * The parameters may lie under any prefix: the one under which all of the network before its
 * classifier is there, with the right shapes. Where there are several beside averages and teachers
 * (ema), that counts whose prefix the user stripped; else the file is refused. The classifier may
 * lie elsewhere, under any name, if only one tensor fits it. A single output (a logit for a
 * sigmoid) becomes two classes with the logits (0, x): the same probability. Copies of the network
 * (ema, teacher) and states of an optimizer are left out, other tensors are problems. Names are
 * changed in file by cored_names_tidy. On PARAMETERS and NETWORK_UNKNOWN the list is in
 * match->problems. The caller clears match in either case; the views point into file. */
bool cored_import_match(CoredLooseFile *file, const char *network, CoredImportMatch *match,
                        CoredRefusal *refusal);
void cored_import_match_clear(CoredImportMatch *match);

/* ---- match-groups.c: where in the file a network lies -----------------------------------------
 */

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

#endif /* CORED_CONVERT_MATCH_H */
