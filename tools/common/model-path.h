/* SPDX-License-Identifier: MIT
 * Which model file a command line means: one way of finding it for all tools. Plain C, so that
 * tools with and without the engine share it. */
#ifndef CORED_TOOLS_MODEL_PATH_H
#define CORED_TOOLS_MODEL_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* The model that is used where none is named: what the environment variable CORED_MODEL says, or
 * NULL where it is unset or empty. */
const char *cored_model_path_default(void);

/* A file stays as it is, file:// is taken off; for the folder of a run its best.safetensors or
 * model.safetensors stands, else the only weight file in it. The caller frees the result; NULL with
 * the reason in why. A name that cannot be looked at stays as it is: who opens it says why. */
char *cored_model_path_resolve(const char *path, char *why, size_t size);

/* The path of a file:// URI of this machine; other texts are copied. The caller frees it; NULL
 * without memory. */
char *cored_model_path_plain(const char *path);

#endif /* CORED_TOOLS_MODEL_PATH_H */
