/* SPDX-License-Identifier: MIT
 * Names of the tensors in a foreign file: what the user changes, what wrappers left in them. */
#ifndef CORED_CONVERT_NAMES_H
#define CORED_CONVERT_NAMES_H

#include "tools/convert/loose.h"

/* Lists that NULL ends; a list may be NULL itself. Everything is compared with the names as
 * `cored-convert inspect` prints them. */
typedef struct CoredNameEdits {
  const char *const *strip;  /* beginnings to take away, of whole components: "model" or "model." */
  const char *const *rename; /* "OLD=NEW": a whole name, or its first components */
  const char *const *drop;   /* glob patterns (* ? [...]) of tensors to leave out; no escapes */
} CoredNameEdits;

/* Drop, rename and strip, in this order. Refused: an edit that fits no tensor, a malformed one, and
 * one that gives two tensors the same name. */
bool cored_names_edit(CoredLooseFile *file, const CoredNameEdits *edits, CoredLines *notes,
                      CoredRefusal *refusal);

/* Leave out counters, which are no parameters, and take the components out of the names that
 * PyTorch's own wrappers (DataParallel, torch.compile, FSDP) put there, at any place. */
bool cored_names_tidy(CoredLooseFile *file, CoredLines *notes, CoredRefusal *refusal);

#endif /* CORED_CONVERT_NAMES_H */
