/* SPDX-License-Identifier: MIT */
#include "wall-clock.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

WallClock wall_clock;

static int real(clockid_t clock, struct timespec *t) {
  return (int)syscall(SYS_clock_gettime, clock, t);
}

static void look(const void *caller, struct timespec *t) {
  Dl_info info;
  real(CLOCK_REALTIME, t);
  t->tv_sec += wall_clock.ahead;
  wall_clock.reads++;
  if (dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "gstcored"))
    wall_clock.plugin_reads++;
}

#pragma GCC visibility push(default) /* the plugin has to find them */

int clock_gettime(clockid_t clock, struct timespec *t) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
    return real(clock, t);
  look(__builtin_return_address(0), t);
  return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  (void)zone;
  look(__builtin_return_address(0), &now);
  *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *t) {
  struct timespec now;
  look(__builtin_return_address(0), &now);
  if (t)
    *t = now.tv_sec;
  return now.tv_sec;
}

#pragma GCC visibility pop
