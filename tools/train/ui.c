/* SPDX-License-Identifier: MIT */
#include "ui.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/escape.h"

double ui_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

Ui ui_init(bool quiet, bool silent) {
  return (Ui){.silent = silent, .bar = !quiet && !silent && isatty(STDERR_FILENO)};
}

static void clear_bar(Ui *ui) {
  if (ui->drawn)
    fputs("\r\033[K", stderr);
  ui->drawn = false;
}

void ui_line(Ui *ui, const char *format, ...) {
  va_list args;
  char *line = NULL;
  if (ui->silent)
    return;
  va_start(args, format);
  const int length = vasprintf(&line, format, args);
  va_end(args);
  if (length < 0)
    return;
  clear_bar(ui);
  fprintf(stderr, "%s\n", cored_show(line).text);
  free(line);
}

static int terminal_width(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void ui_bar(Ui *ui, const char *label, size_t done, size_t total, const char *text) {
  enum { CELLS = 20 };
  char line[512], cells[CELLS + 1];
  const double now = ui_clock();
  if (!ui->bar || (ui->drawn && done < total && now - ui->drawn_at < 0.1))
    return;
  const size_t full = total ? done * CELLS / total : 0;
  for (size_t i = 0; i < CELLS; i++)
    cells[i] = i < full ? '#' : '.';
  cells[CELLS] = '\0';
  snprintf(line, sizeof line, "%s [%s] %zu/%zu %s", label, cells, done, total, text);
  fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, cored_show(line).text);
  fflush(stderr);
  ui->drawn = true;
  ui->drawn_at = now;
}

void ui_duration(double seconds, char out[32]) {
  const long s = seconds < 0.0 || seconds > 1e8 ? 0 : (long)(seconds + 0.5);
  if (s >= 3600)
    snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
}
