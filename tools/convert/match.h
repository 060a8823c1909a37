/* SPDX-License-Identifier: MIT
 * Tensors of a foreign file against the parameters of a registered network. */
#ifndef CORED_CONVERT_MATCH_H
#define CORED_CONVERT_MATCH_H

#include "layers/graph.h"
#include "tools/convert/loose.h"

typedef struct CoredImportMatch {
  const char *network; /* id in the registry */
  CoredGraph *graph;   /* the network; names in the views are its */
  int n_classes;
  CoredTensorView *views; /* one per parameter of the network, ready for cored_model_new */
  size_t n_views;
  void **owned; /* copies of tensors that could not be used in place */
  size_t n_owned;
  CoredLines notes;    /* prefixes stripped, names changed, the network guessed, … */
  CoredLines problems; /* every missing, unknown or misshapen parameter */
} CoredImportMatch;

/* Match file's tensors with `network`, or with the one that they fit best when it is NULL. Names
 * are changed in file: common prefixes go, known aliases of the head are renamed. drop (NULL ends
 * it; may be NULL itself) are glob patterns of tensors to leave out. On PARAMETERS the list is in
 * match->problems. The caller clears match in either case; the views point into file. */
bool cored_import_match(CoredLooseFile *file, const char *network, const char *const *drop,
                        CoredImportMatch *match, CoredRefusal *refusal);
void cored_import_match_clear(CoredImportMatch *match);

#endif /* CORED_CONVERT_MATCH_H */
