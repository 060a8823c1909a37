/* SPDX-License-Identifier: MIT
 * One version of a model file, verified and compiled to a plan, with the identity that every result
 * names. Immutable and reference counted: any number of streams and threads may hold it. */
#ifndef CORED_MODEL_MODEL_VERSION_H
#define CORED_MODEL_MODEL_VERSION_H

#include <glib.h>

#include "cored.h"

#define CORED_MODEL_ID_SIZE 64

typedef struct CoredModelVersion {
  gatomicrefcount refs;
  CoredPlan *plan;
  const CoredModelInfo *info; /* of the plan */
  char *path;
  char id[CORED_MODEL_ID_SIZE]; /* "meso4-0123456789abcdef": network and hash of the weights */
  char identity[65];            /* hash of the whole file */
  char key_id[17];              /* of the trusted key that signed it; "" where none had to */
  guint64 load_us;              /* what reading and compiling took */
} CoredModelVersion;

/* Read, verify and compile; trust may be NULL, see CoredModelLoadParams. The caller owns one
 * reference; NULL with *error filled on failure. */
CoredModelVersion *cored_model_version_load(const char *path, const CoredTrust *trust,
                                            CoredError *error);
/* From a plan of a verified file, to which it takes a reference of its own. key_id may be NULL. */
CoredModelVersion *cored_model_version_new(CoredPlan *plan, const char *path, const char *identity,
                                           const char *key_id, guint64 load_us);
CoredModelVersion *cored_model_version_ref(CoredModelVersion *version);
void cored_model_version_unref(CoredModelVersion *version); /* NULL is fine */

#endif /* CORED_MODEL_MODEL_VERSION_H */
