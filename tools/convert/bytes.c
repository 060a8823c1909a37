/* SPDX-License-Identifier: MIT
 * Untrusted files in memory. */
#include "tools/convert/bytes.h"

/* The shortest input that any of the readers could accept is longer; this only keeps empty files
 * and scraps from being called an unknown format. */
#define SMALLEST 8

bool cored_refuse_error(CoredRefusal *refusal, const CoredError *error) {
  static const struct {
    CoredErrorCode error;
    CoredRefusalCode refusal;
  } same[] = {
      {CORED_ERROR_NO_MEMORY, CORED_REFUSAL_NO_MEMORY},
      {CORED_ERROR_NOT_FOUND, CORED_REFUSAL_OPEN},
      {CORED_ERROR_OPEN, CORED_REFUSAL_OPEN},
      {CORED_ERROR_READ, CORED_REFUSAL_READ},
      {CORED_ERROR_WRITE, CORED_REFUSAL_WRITE},
      {CORED_ERROR_NOT_REGULAR, CORED_REFUSAL_NOT_REGULAR},
      {CORED_ERROR_FILE_TOO_SMALL, CORED_REFUSAL_FILE_TOO_SMALL},
      {CORED_ERROR_FILE_TOO_LARGE, CORED_REFUSAL_FILE_TOO_LARGE},
      {CORED_ERROR_FILE_CHANGED, CORED_REFUSAL_FILE_CHANGED},
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i].error == error->code)
      return cored_refuse(refusal, same[i].refusal, "%s", error->message);
  return cored_refuse(refusal, CORED_REFUSAL_ENGINE, "%s: %s", cored_error_code_name(error->code),
                      error->message);
}

bool cored_input_read(const char *path, uint64_t max, CoredBytes *bytes, CoredRefusal *refusal) {
  CoredError error = {0};
  return cored_file_read(path, SMALLEST, max, NULL, bytes, &error) ||
         cored_refuse_error(refusal, &error);
}
