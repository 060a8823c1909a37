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

/* Match file's tensors with `network` (an id of the registry), or with the one that they fit best
 * when it is NULL.
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

#endif /* CORED_CONVERT_MATCH_H */
