/* SPDX-License-Identifier: MIT
 * The manifest of a data set: which group each of its files is in. */
#ifndef CORED_TRAIN_DATA_MANIFEST_H
#define CORED_TRAIN_DATA_MANIFEST_H

#include "cored.h"

typedef struct CoredManifestRow {
  char *path, *group; /* from the manifest's folder; group "": none is told */
  size_t line;
  bool used; /* by a file of the set */
} CoredManifestRow;

typedef struct CoredManifest {
  char *file;            /* NULL: there is none */
  char *folder, *prefix; /* where it is; what its paths have in front of one below the root */
  char *text;            /* rows point into it */
  size_t size;
  CoredManifestRow *rows; /* [n], sorted by path */
  size_t n;
  CoredManifestRow **folded; /* [n_folded] the rows that no file used, whatever their capitals */
  size_t n_folded;
} CoredManifest;

/* The nearest manifest: in root, which holds the class folders, or in one of the three above it. */
bool cored_manifest_load(CoredManifest *manifest, const char *root, CoredError *error);
void cored_manifest_clear(CoredManifest *manifest);
/* The row of a path below root; NULL: none. */
CoredManifestRow *cored_manifest_find(CoredManifest *manifest, const char *relative);
/* Once all files were looked for: the one row left that names the path in other capitals. */
bool cored_manifest_fold(CoredManifest *manifest, CoredError *error);
CoredManifestRow *cored_manifest_find_folded(CoredManifest *manifest, const char *relative);
/* Where a file, such as relative, has no row: false if no file has one, or if a row names a file
 * of this set that is not there. */
bool cored_manifest_check(const CoredManifest *manifest, const char *relative, size_t n_found,
                          CoredError *error);

#endif /* CORED_TRAIN_DATA_MANIFEST_H */
