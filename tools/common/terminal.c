/* SPDX-License-Identifier: MIT */
#include "tools/common/terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int terminal_width(int fd) {
  struct winsize size;
  const char *columns = getenv("COLUMNS");
  long width = 0;
  if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
    width = size.ws_col;
  if (width <= 0 && columns)
    width = strtol(columns, NULL, 10);
  if (width <= 0)
    width = 80;
  return (int)CLAMP(width, 40, 240);
}

CoredTerminal cored_terminal_of(FILE *file) {
  const char *no_color = getenv("NO_COLOR");
  gboolean is_tty = isatty(fileno(file));
  return (CoredTerminal){
      .file = file,
      .is_tty = is_tty,
      .colour = is_tty && !(no_color && *no_color),
      .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
      .width = terminal_width(fileno(file)),
  };
}

const char *cored_time_text(double seconds, char buffer[16]) {
  guint whole = seconds > 0 && seconds < 3.6e7 ? (guint)seconds : 0;
  if (whole >= 3600)
    g_snprintf(buffer, 16, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
  else
    g_snprintf(buffer, 16, "%u:%02u", whole / 60, whole % 60);
  return buffer;
}
