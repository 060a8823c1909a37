/* SPDX-License-Identifier: MIT
 * What may be shown, and as what it is shown where it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"

static void wrong_utf8_is_found(void **state) {
  static const char *const good[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  static const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xed\xa0\x80",
                                    "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
                                    "\xc3",         "\xf0\x80\x80\x80", "a\xe2\x82"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(cored_utf8_is_valid(good[i], strlen(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(cored_utf8_is_valid(bad[i], strlen(bad[i])));
}

static const struct {
  const char *name, *shown;
} cases[] = {
    {"clip \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80.mp4",
     "clip \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80.mp4"},
    {"a\nb\r\t\033[2J\177", "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f"},
    {"\xc2\x9b"
     "31m",
     "\\xc2\\x9b31m"}, /* CSI as one character of C1 */
    {"\x9b"
     "31m",
     "\\x9b31m"}, /* and as a byte */
    {"\xe2\x80\xae"
     "4pm.clip",
     "\\xe2\\x80\\xae4pm.clip"},                                      /* right-to-left override */
    {"\xe2\x81\xa6x\xe2\x81\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9"}, /* isolates */
    {"\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", "\\xd8\\x9c\\xe2\\x80\\x8e\\xe2\\x80\\x8f"}, /* marks */
    {"re\xe2\x80\x8b"
     "al",
     "re\\xe2\\x80\\x8bal"},                               /* zero-width space */
    {"\xef\xbb\xbf\xc2\xad", "\\xef\\xbb\\xbf\\xc2\\xad"}, /* byte order mark, soft hyphen */
    {"\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"}, /* line, paragraph */
    {"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"},                   /* a tag */
    {"\xed\xa0\x80\xff\xc3", "\\xed\\xa0\\x80\\xff\\xc3"},          /* no UTF-8 */
};

static void harmful_characters_are_escaped(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const CoredShown shown = cored_show(cases[i].name);
    assert_string_equal(shown.text, cases[i].shown);
    assert_string_equal(cored_show(shown.text).text, shown.text); /* twice is once */
    CoredText text = {0};
    cored_text_add_shown(&text, cases[i].name);
    assert_string_equal(text.s, cases[i].shown);
    cored_text_clear(&text);
    CoredError error;
    cored_error_set(&error, CORED_ERROR_READ, "%s", cases[i].name);
    assert_string_equal(error.message, cases[i].shown);
  }
  assert_string_equal(cored_show(NULL).text, "");
}

/* Of all code points. */
static void letters_stay(void **state) {
  size_t escaped = 0;
  (void)state;
  for (unsigned c = 1; c <= 0x10ffff; c++) {
    const bool two = c < 0x800, three = c < 0x10000;
    const char s[5] = {(char)(c < 0x80 ? c
                              : two    ? 0xc0 | c >> 6
                              : three  ? 0xe0 | c >> 12
                                       : 0xf0 | c >> 18),
                       (char)(c < 0x80 ? 0
                              : two    ? 0x80 | (c & 63)
                                       : 0x80 | (c >> (three ? 6 : 12) & 63)),
                       (char)(two ? 0 : 0x80 | (three ? c & 63 : c >> 6 & 63)),
                       (char)(three ? 0 : 0x80 | (c & 63))};
    if (c >= 0xd800 && c <= 0xdfff)
      continue;
    escaped += strcmp(cored_show(s).text, s) != 0;
  }
  /* C0 without NUL, DEL and C1; tags and selectors above U+E0000; the rest one block a number */
  assert_int_equal(escaped, 31 + 33 + 4096 +
                                (1 + 1 + 1 + 2 + 2 + 5 + 5 + 7 + 16 + 1 + 16 + 1 + 1 + 12 + 4 + 8));
}

static void what_does_not_fit_is_cut(void **state) {
  char out[32];
  (void)state;
  assert_string_equal(cored_escape("0123456789", 10, out, 8), "0123...");
  assert_string_equal(cored_escape("0123456", 7, out, 8), "0123456");
  assert_string_equal(cored_escape("\n\n\n", 3, out, 10), "\\x0a...");
  assert_string_equal(cored_escape("a\0b", 3, out, sizeof out), "a\\x00b");
}

static void json_strings_keep_what_json_can_hold(void **state) {
  (void)state;
  assert_string_equal(cored_show_utf8("a\n\xe2\x80\xae\xff").text, "a\n\xe2\x80\xae\\xff");
}

static char *made(CoredText *text, void (*add)(CoredText *, const char *), const char *s) {
  cored_text_clear(text);
  add(text, s);
  return text->s;
}

static void cells_are_no_formulas(void **state) {
  CoredText t = {0};
  (void)state;
  assert_string_equal(made(&t, cored_text_add_csv, "fake/a 1.jpg"), "fake/a 1.jpg");
  assert_string_equal(made(&t, cored_text_add_csv, "a,\"b\".jpg"), "\"a,\"\"b\"\".jpg\"");
  assert_string_equal(made(&t, cored_text_add_csv, "a;b"), "\"a;b\"");
  assert_string_equal(made(&t, cored_text_add_csv, "=1+1"), "\"'=1+1\"");
  assert_string_equal(made(&t, cored_text_add_csv, "+1"), "\"'+1\"");
  assert_string_equal(made(&t, cored_text_add_csv, "-1"), "\"'-1\"");
  assert_string_equal(made(&t, cored_text_add_csv, "@A1"), "\"'@A1\"");
  assert_string_equal(made(&t, cored_text_add_csv, "  =1"), "\"'  =1\"");
  assert_string_equal(made(&t, cored_text_add_csv, "\t=1\r\n"), "\\x09=1\\x0d\\x0a");
  assert_string_equal(made(&t, cored_text_add_csv, "=\"\xff"), "\"'=\"\"\\xff\"");
  assert_string_equal(made(&t, cored_text_add_csv, ""), "");
  cored_text_clear(&t);
}

static void html_has_no_markup_of_others(void **state) {
  CoredText t = {0};
  (void)state;
  assert_string_equal(made(&t, cored_text_add_html, "<b a='&\">\n\xff\xc3\xa9"),
                      "&lt;b a=&#39;&amp;&quot;&gt;\\x0a\\xff\xc3\xa9");
  cored_text_clear(&t);
}

static void json_is_the_same_for_a_parser(void **state) {
  CoredText t = {0};
  (void)state;
  assert_string_equal(
      made(&t, cored_text_add_json, "{\"a\": \"\xc2\x9b\xe2\x80\xae\177\xc3\xa9\"}\n"),
      "{\"a\": \"\\u009b\\u202e\\u007f\xc3\xa9\"}\n");
  assert_string_equal(made(&t, cored_text_add_json, "\"\xf3\xa0\x81\x81\""), "\"\\udb40\\udc41\"");
  cored_text_clear(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_utf8_is_found),
      cmocka_unit_test(harmful_characters_are_escaped),
      cmocka_unit_test(letters_stay),
      cmocka_unit_test(what_does_not_fit_is_cut),
      cmocka_unit_test(json_strings_keep_what_json_can_hold),
      cmocka_unit_test(cells_are_no_formulas),
      cmocka_unit_test(html_has_no_markup_of_others),
      cmocka_unit_test(json_is_the_same_for_a_parser),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
