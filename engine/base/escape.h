/* SPDX-License-Identifier: MIT
 * Names and texts out of files, off the command line or from a peer, as they may be shown.
 *
 * A terminal obeys control characters, and a reader believes what stands on the screen: a file name
 * with a newline and an escape code in it can forge a line of output or hide one. Whatever was not
 * written by this project goes through here before a terminal, a message or a log gets it. Its
 * siblings for CSV, HTML and JSON are in base/text.h. */
#ifndef CORED_BASE_ESCAPE_H
#define CORED_BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the well-formed UTF-8 sequence at s (Unicode 15, table 3-7: no overlong forms, no
 * surrogates, at most U+10FFFF), 0 where there is none. left is at least 1. */
size_t cored_utf8_length(const void *s, size_t left);
bool cored_utf8_is_valid(const void *s, size_t size);

/* Write text into out (size bytes, always terminated) and return out. As \xNN stand the bytes of
 * control characters (C0, DEL, C1, line and paragraph separators), of characters that turn the
 * direction of what follows or that nobody sees (Unicode's Default_Ignorable_Code_Point), and bytes
 * that are not UTF-8. Cut with "..." where it does not fit. Escaping twice changes nothing. */
char *cored_escape(const void *text, size_t length, char *out, size_t size);

typedef struct CoredShown {
  char text[4096];
} CoredShown;

/* The same by value, for an argument of printf: cored_show(name).text. NULL is shown as "". */
CoredShown cored_show(const char *text);
/* Only bytes that are not UTF-8 become \xNN: for JSON strings, which programs read. */
CoredShown cored_show_utf8(const char *text);

/* What stands at s, as cored_escape sees it: the number of bytes that belong together (1 where
 * they are not UTF-8), *code their code point, -1 where they are not UTF-8, and *harmless whether
 * they may be shown as they are. */
size_t cored_escape_next(const void *s, size_t left, long *code, bool *harmless);

#endif /* CORED_BASE_ESCAPE_H */
