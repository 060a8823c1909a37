/* SPDX-License-Identifier: MIT
 * Paths that properties are set to. */
#ifndef CORED_MODEL_PATH_H
#define CORED_MODEL_PATH_H

#include <glib.h>

typedef struct CoredPath { /* zero: none */
  char *given, *absolute;
} CoredPath;

/* A relative path, counted from the working folder of now, or the path of a file:// URI of this
 * machine; anything else as it is. NULL stays NULL. Unlike g_canonicalize_filename it leaves ".."
 * alone, which behind a link leads elsewhere. The caller frees it. */
char *cored_absolute_path(const char *path);

void cored_path_set(CoredPath *path, const char *given);
void cored_path_clear(CoredPath *path);

#endif /* CORED_MODEL_PATH_H */
