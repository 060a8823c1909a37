/* SPDX-License-Identifier: MIT
 * Pieces of HTML and SVG, appended to a growing text. Numbers are written with "." in every
 * locale, names are added with cored_text_add_html. */
#ifndef CORED_TOOLS_REPORT_HTML_H
#define CORED_TOOLS_REPORT_HTML_H

#include "base/text.h"

void cored_html_fixed(CoredText *out, double value, int decimals); /* 0..6; an en dash for NAN */
void cored_html_format(CoredText *out, const char *format, ...)    /* %s, %d and the like only */
    __attribute__((format(printf, 2, 3)));
/* " name='value'" with a fixed-point number, as SVG attributes want it. */
void cored_html_attribute(CoredText *out, const char *name, double value);

/* A picture as a "data:image/png;base64,…" URI. */
void cored_html_picture(CoredText *out, const uint8_t *rgb, int width, int height);

#endif /* CORED_TOOLS_REPORT_HTML_H */
