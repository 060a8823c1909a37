/* SPDX-License-Identifier: MIT
 * A strict reader for the JSON in model files: the header and the JSON texts in metadata values.
 *
 * Own code rather than a library because the header of a file nobody trusts needs what the
 * libraries at hand do not give: the byte offset of every complaint, memory bounded by the input
 * (a tree of empty arrays takes thirty times its text), numbers that are kept apart from what they
 * are rounded to ("4.0", "-0", 2^64), and no hash seed shared by the process.
 *
 * It is a cursor over mutable text: the caller says what it expects next, strings are unescaped in
 * place. There is no recursion and nothing is allocated. After the first failure every call
 * fails, and *error holds the first complaint. Input must be valid UTF-8 without NUL
 * (cored_json_check_text) and stay alive. */
#ifndef CORED_BASE_JSON_H
#define CORED_BASE_JSON_H

#include "cored.h"

typedef struct CoredJson {
  const char *what;        /* for messages: "m.safetensors: header" */
  CoredErrorCode syntax;   /* code for text that is not JSON */
  CoredErrorCode encoding; /* code for strings that are not clean UTF-8 */
  CoredError *error;
  char *begin, *p, *end;
  uint64_t base; /* offset of begin in the file, for messages */
  bool failed;
} CoredJson;

typedef struct CoredJsonString {
  char *s; /* unescaped; the closing quote is overwritten by a NUL */
  size_t n;
  uint64_t offset; /* of the first character in the file */
  bool escaped;    /* held escapes: s is shorter than the text it came from */
} CoredJsonString;

/* Check the whole text for valid UTF-8 without NUL; the code on failure is j->encoding. */
bool cored_json_check_text(CoredJson *j);
/* Offset of the cursor in the file. */
uint64_t cored_json_offset(const CoredJson *j);
/* Complain about the text at the cursor with a code of the caller's. Returns false. */
bool cored_json_fail(CoredJson *j, CoredErrorCode code, const char *expected);

/* First character of the next token (`{`, `[`, `"`, a digit, `-`, a letter), 0 at the end. */
char cored_json_peek(CoredJson *j);
/* Take the punctuation c. */
bool cored_json_expect(CoredJson *j, char c);
/* In an object or array whose opening bracket was taken: is there another member? Takes the comma
 * or the closing bracket. *first must be true before the first call. */
bool cored_json_more(CoredJson *j, char close, bool *first);
/* Take "key" and the colon. */
bool cored_json_key(CoredJson *j, CoredJsonString *key);
bool cored_json_string(CoredJson *j, CoredJsonString *string);
/* A number of digits alone, fails with `code` on any other; over 2^64-1 gives 2^64-1. */
bool cored_json_uint(CoredJson *j, CoredErrorCode code, uint64_t *value);
bool cored_json_double(CoredJson *j, CoredErrorCode code, double *value);
/* Take the word null if it is next. */
bool cored_json_null(CoredJson *j);
/* Nothing but white space is left. */
bool cored_json_end(CoredJson *j);

#endif /* CORED_BASE_JSON_H */
