/* SPDX-License-Identifier: MIT
 * Progress bar. */
#include "tools/scan/progress.h"

#include "base/escape.h"

#define BAR_EVERY (G_USEC_PER_SEC / 8)
#define LINE_EVERY (5 * G_USEC_PER_SEC)
#define TEXT_WIDTH 46 /* what stands beside the bar */

void scan_progress_begin(ScanProgress *progress, const CoredTerminal *terminal) {
  progress->terminal = *terminal;
  progress->began = g_get_monotonic_time();
  progress->next = progress->began + (terminal->is_tty ? BAR_EVERY : LINE_EVERY);
  progress->drawn = FALSE;
}

static void append_bar(GString *text, double done, int width, gboolean utf8) {
  int full = (int)(done * width);
  g_string_append(text, utf8 ? "▕" : "[");
  for (int i = 0; i < width; i++)
    g_string_append(text, i < full ? (utf8 ? "█" : "#") : (utf8 ? "·" : "."));
  g_string_append(text, utf8 ? "▏" : "]");
}

char *scan_progress_text(const CoredTerminal *terminal, double position, double duration,
                         guint frames, double elapsed) {
  GString *text = g_string_new("  ");
  char at[16], end[16], eta[16];
  double rate = elapsed > 0 ? frames / elapsed : 0;
  if (duration > 0) {
    double done = CLAMP(position / duration, 0, 1);
    int width = MIN(terminal->width - TEXT_WIDTH, 40);
    if (terminal->is_tty && width >= 5)
      append_bar(text, done, width, terminal->utf8);
    g_string_append_printf(text, " %3d %%  %s of %s", (int)(done * 100),
                           cored_time_text(position, at), cored_time_text(duration, end));
    if (done > 0.01)
      g_string_append_printf(text, "  ETA %s", cored_time_text(elapsed * (1 / done - 1), eta));
  } else {
    g_string_append_printf(text, " %s", cored_time_text(position, at));
  }
  g_string_append_printf(text, "  %.0f frames/s", rate);
  return g_string_free(text, FALSE);
}

void scan_progress_update(ScanProgress *progress, double position, double duration, guint frames) {
  gint64 now = g_get_monotonic_time();
  const CoredTerminal *terminal = &progress->terminal;
  if (now < progress->next)
    return;
  progress->next = now + (terminal->is_tty ? BAR_EVERY : LINE_EVERY);
  double elapsed = (double)(now - progress->began) / G_USEC_PER_SEC;
  char *text = scan_progress_text(terminal, position, duration, frames, elapsed);
  if (terminal->is_tty)
    fprintf(terminal->file, "\r\033[K%s", cored_show(text).text);
  else
    fprintf(terminal->file, "%s\n", cored_show(text).text);
  fflush(terminal->file);
  progress->drawn = terminal->is_tty;
  g_free(text);
}

void scan_progress_end(ScanProgress *progress) {
  if (!progress->drawn)
    return;
  fputs("\r\033[K", progress->terminal.file);
  fflush(progress->terminal.file);
  progress->drawn = FALSE;
}
