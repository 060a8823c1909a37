/* SPDX-License-Identifier: MIT
 * Values of properties, over all that a property takes: its least, greatest and default value, and
 * any between. */
#ifndef TESTS_ELEMENT_SUPPORT_VALUES_H
#define TESTS_ELEMENT_SUPPORT_VALUES_H

#include <glib-object.h>

/* Fills an unset value; the caller unsets it. */
void value_any(GValue *value, GParamSpec *spec, GRand *rand);

#endif /* TESTS_ELEMENT_SUPPORT_VALUES_H */
