/* SPDX-License-Identifier: MIT */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_DIVISOR 400

static guint divisor = DEFAULT_DIVISOR;

void counts_divide(int argc, char **argv) {
  if (argc > 1)
    divisor = (guint)MAX(1, strtoul(argv[1], NULL, 10));
}

guint counts_of(guint full) {
  return MAX(2, full / divisor);
}

void counts_tell(const char *what, guint n, gint64 start) {
  printf("%s: %u in %.1f s\n", what, n, (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
  fflush(stdout);
}
