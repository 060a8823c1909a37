/* SPDX-License-Identifier: MIT
 * A process that sees this plugin and a few of the system's: quick to start, and free of the leaks
 * that the libraries of the others have. */
#ifndef TESTS_ELEMENT_SUPPORT_PLUGINS_H
#define TESTS_ELEMENT_SUPPORT_PLUGINS_H

#include <glib.h>

/* Before gst_init: of the system's plugins only those of these names ("jpeg", ...; n of them) are
 * there. What is not installed is left out. */
void plugins_only(const char *const *names, guint n);

#endif /* TESTS_ELEMENT_SUPPORT_PLUGINS_H */
