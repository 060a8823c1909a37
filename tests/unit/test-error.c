/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"

static void every_code_has_a_name_and_a_text(void **state) {
  (void)state;
  for (int i = 0; i < CORED_N_ERROR_CODES; i++) {
    assert_true(strlen(cored_error_code_name((CoredErrorCode)i)) > 0);
    assert_true(strlen(cored_error_code_text((CoredErrorCode)i)) > 0);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(cored_error_code_name((CoredErrorCode)i),
                              cored_error_code_name((CoredErrorCode)j));
  }
  assert_string_equal(cored_error_code_name(CORED_ERROR_HASH), "HASH");
  assert_string_equal(cored_error_code_name((CoredErrorCode)-1), "UNKNOWN");
  assert_string_equal(cored_error_code_name(CORED_N_ERROR_CODES), "UNKNOWN");
}

static void control_characters_are_escaped(void **state) {
  (void)state;
  CoredError error;
  assert_false(
      cored_error_set(&error, CORED_ERROR_READ, "name '%s' %s", "a\nb\033[2J\177", "\xc3\xa9"));
  assert_int_equal(error.code, CORED_ERROR_READ);
  assert_string_equal(error.message, "name 'a\\x0ab\\x1b[2J\\x7f' \xc3\xa9");
  assert_false(cored_error_set(NULL, CORED_ERROR_READ, "x"));
}

static void long_messages_are_cut(void **state) {
  (void)state;
  char text[2000];
  memset(text, '\t', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  CoredError error;
  cored_error_set(&error, CORED_ERROR_READ, "%s", text);
  assert_true(strlen(error.message) < sizeof error.message);
  assert_true(strlen(error.message) > sizeof error.message - 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_has_a_name_and_a_text),
      cmocka_unit_test(control_characters_are_escaped),
      cmocka_unit_test(long_messages_are_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
