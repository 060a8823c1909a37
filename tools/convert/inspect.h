/* SPDX-License-Identifier: MIT
 * What is in a weight file, as JSON and as a table for people. */
#ifndef CORED_CONVERT_INSPECT_H
#define CORED_CONVERT_INSPECT_H

#include <jansson.h>
#include <stdio.h>

#include "tools/convert/reader.h"

/* Describe a file of any format: an object with "file", "format", "tensors" and what else there
 * is; "error" {"code", "message"} when the file is refused, beside whatever could be read before.
 * NULL only without memory. */
json_t *cored_inspect(const char *path, const CoredReadOptions *options, uint64_t max_bytes);

/* Print such an object as readable lines; control characters in names are escaped. */
void cored_inspect_print(const json_t *description, FILE *out);

/* Print the ops that the plan of a model file of this project computes, one a line: number, op,
 * name, input and output shape, multiply-adds, bytes of weights, what it reads and what was fused
 * into it. False with *error set when the file is no such model. */
bool cored_inspect_print_plan(const char *path, FILE *out, CoredError *error);

#endif /* CORED_CONVERT_INSPECT_H */
