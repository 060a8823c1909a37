/* SPDX-License-Identifier: MIT
 * What this process holds of the machine. */
#ifndef TESTS_ELEMENT_SUPPORT_PROCESS_H
#define TESTS_ELEMENT_SUPPORT_PROCESS_H

#include <glib.h>

gdouble process_resident_mib(void);
/* The least of it within 0.2 s, without what is free: a retired model that is on its way out, and
 * pages that the allocator keeps for later, are not counted. */
gdouble process_kept_mib(void);
gdouble process_allocated_mib(void); /* in use by malloc, all arenas */
/* The same once other threads have freed what they were told to: the least of some looks. */
gdouble process_settled_mib(void);
guint process_descriptors(void);
guint process_threads(void);
/* Threads after those that were told to end have ended: the least of some looks. */
guint process_settled_threads(void);

#endif /* TESTS_ELEMENT_SUPPORT_PROCESS_H */
