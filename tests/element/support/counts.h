/* SPDX-License-Identifier: MIT
 * How often a case is run. Tests name the full count; the first argument of the program divides
 * it: 1 runs all, 10 a tenth, and without an argument it is few enough for every build. */
#ifndef TESTS_ELEMENT_SUPPORT_COUNTS_H
#define TESTS_ELEMENT_SUPPORT_COUNTS_H

#include <glib.h>

void counts_divide(int argc, char **argv);
guint counts_of(guint full); /* at least 2: there is a before and an after */
/* Say what was done since `start` (monotonic microseconds), for the record. */
void counts_tell(const char *what, guint n, gint64 start);

#endif /* TESTS_ELEMENT_SUPPORT_COUNTS_H */
