/* SPDX-License-Identifier: MIT
 * What to do about a weight file that is refused. */
#ifndef CORED_CONVERT_ADVICE_H
#define CORED_CONVERT_ADVICE_H

#include "tools/convert/reader.h"

/* The next step after a refusal, one sentence; never NULL. */
const char *cored_advice(CoredRefusalCode code);

/* The same for a file that was refused: of a pickle with names that weights do not need, what it is
 * (a whole object, or weights beside other objects) and the line of Python that mends it, in out.
 */
const char *cored_advice_for(const CoredBytes *bytes, const CoredReadOptions *options,
                             const CoredRefusal *refused, char *out, size_t size);

/* The next step after the engine refused a model; never NULL. */
const char *cored_advice_for_error(const CoredError *error);

/* The same, where the file may be no model of ours at all: then how to import what it looks like.
 */
const char *cored_advice_for_model(const char *path, const CoredError *error);

#endif /* CORED_CONVERT_ADVICE_H */
