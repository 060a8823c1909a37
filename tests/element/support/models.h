/* SPDX-License-Identifier: MIT
 * Model files whose verdict is known beforehand, and ways to publish them. */
#ifndef TESTS_ELEMENT_SUPPORT_MODELS_H
#define TESTS_ELEMENT_SUPPORT_MODELS_H

#include "support.h"

/* A small network that gives p_fake (0 < p_fake < 1) for every picture, saved at path. Its third
 * class, which never counts, moves with the picture: a constant model is refused. */
void model_save_constant(const char *path, guint64 generation, double p_fake);

/* A network of random weights that sees side x side pixels: the time it takes goes with the square
 * of the side. */
void model_save_random(const char *path, guint64 generation, gint side);

/* Write the bytes of a file beside `path` and rename them over it, as a trainer does. */
void model_publish(const char *from, const char *path);

#endif /* TESTS_ELEMENT_SUPPORT_MODELS_H */
