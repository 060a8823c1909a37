/* SPDX-License-Identifier: MIT
 * Keras's names and shapes of weights against those of the registry. */
#ifndef CORED_CONVERT_KERAS_H
#define CORED_CONVERT_KERAS_H

#include "tools/convert/loose.h"

/* Give the tensors of a MesoNet file the names and shapes of the registry: layers of one kind
 * are taken in the order in which Keras numbered them. network (an id) may be NULL: the one with as
 * many layers of each kind; *chosen is its id. */
bool cored_keras_rename(CoredLooseFile *file, const char *network, const char **chosen,
                        CoredRefusal *refusal);
/* Bytes of the largest network that comes in this format, in double precision. */
size_t cored_keras_max_data(void);

#endif /* CORED_CONVERT_KERAS_H */
