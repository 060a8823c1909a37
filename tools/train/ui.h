/* SPDX-License-Identifier: MIT
 * What a person watching sees, on standard error: lines, and on a terminal one bar below them. */
#ifndef CORED_TOOLS_TRAIN_UI_H
#define CORED_TOOLS_TRAIN_UI_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Ui {
  bool silent; /* this process is not the one that speaks */
  bool bar;    /* draw bars */
  bool drawn;  /* a bar stands on the last line */
  double drawn_at;
} Ui;

/* Seconds since some moment. */
double ui_clock(void);
/* A bar is drawn when standard error is a terminal and quiet is false. */
Ui ui_init(bool quiet, bool silent);
/* One line, escaped as escape.h says: names need no care, and no newline stands in format. */
__attribute__((format(printf, 2, 3))) void ui_line(Ui *ui, const char *format, ...);
/* done of total, with text behind; redrawn ten times a second at most, and at the end. */
void ui_bar(Ui *ui, const char *label, size_t done, size_t total, const char *text);
/* "1:02:03" */
void ui_duration(double seconds, char out[32]);

#endif /* CORED_TOOLS_TRAIN_UI_H */
