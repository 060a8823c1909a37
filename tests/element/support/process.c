/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define MIB (1024.0 * 1024.0)

static guint entries(const char *folder) {
  guint n = 0;
  GDir *dir = g_dir_open(folder, 0, NULL);
  while (g_dir_read_name(dir))
    n++;
  g_dir_close(dir);
  return n;
}

gdouble process_resident_mib(void) {
  unsigned long size, resident = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (!statm || fscanf(statm, "%lu %lu", &size, &resident) != 2)
    g_error("/proc/self/statm cannot be read");
  fclose(statm);
  return (gdouble)resident * (gdouble)sysconf(_SC_PAGESIZE) / MIB;
}

gdouble process_kept_mib(void) {
  gdouble least = G_MAXDOUBLE;
  for (guint i = 0; i < 20; i++) {
    malloc_trim(0);
    least = MIN(least, process_resident_mib());
    g_usleep(10000);
  }
  return least;
}

gdouble process_allocated_mib(void) {
  const struct mallinfo2 info = mallinfo2();
  return (gdouble)(info.uordblks + info.hblkhd) / MIB;
}

gdouble process_settled_mib(void) {
  gdouble least = G_MAXDOUBLE;
  for (guint i = 0; i < 40; i++) {
    least = MIN(least, process_allocated_mib());
    g_usleep(3000);
  }
  return least;
}

guint process_descriptors(void) {
  return entries("/proc/self/fd") - 1; /* that of the folder */
}

guint process_threads(void) {
  return entries("/proc/self/task");
}

guint process_settled_threads(void) {
  guint least = G_MAXUINT;
  for (guint i = 0; i < 100; i++) {
    least = MIN(least, process_threads());
    g_usleep(3000);
  }
  return least;
}
