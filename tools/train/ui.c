/* SPDX-License-Identifier: MIT */
#include "ui.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

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
  if (ui->silent)
    return;
  clear_bar(ui);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
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
  fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, line);
  fflush(stderr);
  ui->drawn = true;
  ui->drawn_at = now;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t utf8_length(const unsigned char *p) {
  static const unsigned lowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const size_t n = p[0] < 0x80       ? 1
                   : p[0] >> 5 == 6  ? 2
                   : p[0] >> 4 == 14 ? 3
                   : p[0] >> 3 == 30 ? 4
                                     : 0;
  unsigned code = n == 1 ? p[0] : p[0] & (0x7fU >> n);
  for (size_t i = 1; i < n; i++) {
    if (p[i] >> 6 != 2)
      return 0;
    code = code << 6 | (p[i] & 0x3f);
  }
  return n && code >= lowest[n] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? n : 0;
}

void ui_escape(const char *name, char *out, size_t size) {
  size_t at = 0;
  for (const unsigned char *p = (const unsigned char *)name; *p && at + 5 < size;) {
    const size_t n = utf8_length(p);
    const bool plain = n > 1 || (n == 1 && *p >= 0x20 && *p != 0x7f);
    if (plain) {
      memcpy(out + at, p, n);
      at += n;
      p += n;
    } else {
      at += (size_t)snprintf(out + at, size - at, "\\x%02x", *p++);
    }
  }
  out[at] = '\0';
}

void ui_duration(double seconds, char out[32]) {
  const long s = seconds < 0.0 || seconds > 1e8 ? 0 : (long)(seconds + 0.5);
  if (s >= 3600)
    snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
}
