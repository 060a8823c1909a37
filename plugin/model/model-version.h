/* SPDX-License-Identifier: MIT
 * One version of a model file, verified, with the identity that every result names: a classifier
 * compiled to a plan, or a network that finds faces, which is compiled for the pictures of each
 * stream. Immutable and reference counted: any number of streams and threads may hold it. */
#ifndef CORED_MODEL_MODEL_VERSION_H
#define CORED_MODEL_MODEL_VERSION_H

#include <glib.h>

#include "cored.h"

#define CORED_MODEL_ID_SIZE 64

typedef struct CoredModelVersion {
  gatomicrefcount refs;
  CoredPlan *plan;            /* of a classifier, else NULL */
  CoredModel *model;          /* of kind locator, else NULL */
  const CoredModelInfo *info; /* of the one that is there */
  char *path;
  char id[CORED_MODEL_ID_SIZE]; /* "meso4-0123456789abcdef": network and hash of the weights */
  char identity[65];            /* hash of the whole file */
  char key_id[17];              /* of the trusted key that signed it; "" where none had to */
  guint64 load_us;              /* what reading and compiling took */
} CoredModelVersion;

/* Read, verify and compile; trust may be NULL, see CoredModelLoadParams. kind: CLASSIFIER or
 * LOCATOR; of a locator the path "" is that of the one that is built in. The caller owns one
 * reference; NULL with *error filled on failure. */
CoredModelVersion *cored_model_version_load(const char *path, CoredModelKind kind,
                                            const CoredTrust *trust, CoredError *error);
/* From a verified file's model and, of a classifier, its plan: takes a reference of its own to the
 * one that it has. key_id may be NULL. */
CoredModelVersion *cored_model_version_new(CoredModel *model, CoredPlan *plan, const char *path,
                                           const char *identity, const char *key_id,
                                           guint64 load_us);
CoredModelVersion *cored_model_version_ref(CoredModelVersion *version);
void cored_model_version_unref(CoredModelVersion *version); /* NULL is fine */

#endif /* CORED_MODEL_MODEL_VERSION_H */
