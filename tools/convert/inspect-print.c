/* SPDX-License-Identifier: MIT
 * What is in a weight file, as a table for people. */
#include <string.h>

#include "base/escape.h"
#include "tools/convert/inspect.h"

#define LABEL "%-14s"

static CoredShown show(const json_t *text) {
  return cored_show(json_is_string(text) ? json_string_value(text) : "");
}

static void print_text(const json_t *object, const char *key, const char *label, FILE *out) {
  const json_t *value = json_object_get(object, key);
  if (value)
    fprintf(out, LABEL "%s\n", label, show(value).text);
}

static void print_lines(const json_t *object, const char *key, const char *label, FILE *out) {
  const json_t *array = json_object_get(object, key);
  for (size_t i = 0; i < json_array_size(array); i++)
    fprintf(out, LABEL "%s\n", i == 0 ? label : "", show(json_array_get(array, i)).text);
}

static void print_numbers(const json_t *model, const char *key, FILE *out) {
  const json_t *array = json_object_get(model, key);
  for (size_t i = 0; i < json_array_size(array); i++)
    fprintf(out, "%s%g", i ? ", " : "", json_number_value(json_array_get(array, i)));
}

static void print_classes(const json_t *model, FILE *out) {
  const json_t *labels = json_object_get(model, "labels");
  size_t fake = (size_t)json_integer_value(json_object_get(model, "fake_class"));
  size_t real = (size_t)json_integer_value(json_object_get(model, "real_class"));
  fprintf(out, LABEL, "classes:");
  for (size_t i = 0; i < json_array_size(labels); i++)
    fprintf(out, "%s%zu '%s'%s", i ? ", " : "", i, show(json_array_get(labels, i)).text,
            i == fake   ? " (shown as fake)"
            : i == real ? " (real)"
                        : "");
  fprintf(out, "\n");
}

static void print_tasks(const json_t *model, FILE *out) {
  const json_t *tasks = json_object_get(model, "tasks");
  for (size_t i = 0; i < json_array_size(tasks); i++) {
    const json_t *task = json_array_get(tasks, i), *auc = json_object_get(task, "auc");
    fprintf(out, LABEL "%s", i == 0 ? "tasks:" : "", show(json_object_get(task, "name")).text);
    if (json_is_number(auc))
      fprintf(out, " (AUC %.4f)", json_number_value(auc));
    fprintf(out, "\n");
  }
}

static void print_model(const json_t *model, FILE *out) {
  fprintf(out, LABEL "%s, %s\n", "network:", show(json_object_get(model, "network")).text,
          show(json_object_get(model, "title")).text);
  print_classes(model, out);
  fprintf(out, LABEL, "input:");
  print_numbers(model, "input_size", out);
  fprintf(out, " pixels; mean ");
  print_numbers(model, "mean", out);
  fprintf(out, "; std ");
  print_numbers(model, "std", out);
  fprintf(out, "\n" LABEL "threshold %g, temperature %g\n",
          "decision:", json_number_value(json_object_get(model, "threshold")),
          json_number_value(json_object_get(model, "temperature")));
  fprintf(out, LABEL "%lld\n",
          "generation:", (long long)json_integer_value(json_object_get(model, "generation")));
  print_tasks(model, out);
}

static void print_metadata(const json_t *metadata, FILE *out) {
  const char *key;
  json_t *value;
  bool first = true;
  json_object_foreach((json_t *)metadata, key, value) {
    fprintf(out, LABEL "%s = %s\n", first ? "metadata:" : "", cored_show(key).text,
            show(value).text);
    first = false;
  }
}

static long long print_shape(const json_t *shape, FILE *out) {
  int64_t dims[CORED_LOOSE_MAX_RANK] = {0};
  int rank = (int)json_array_size(shape);
  long long count = 1;
  for (int i = 0; i < rank; i++)
    count *= dims[i] = json_integer_value(json_array_get(shape, (size_t)i));
  char text[256];
  fprintf(out, "  %-18s", cored_loose_shape(dims, rank, text, sizeof text));
  return count;
}

static void print_tensors(const json_t *tensors, FILE *out) {
  long long total = 0;
  int width = 20;
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    int n = (int)strlen(show(json_object_get(json_array_get(tensors, i), "name")).text);
    width = n > width && n <= 60 ? n : width;
  }
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    const json_t *tensor = json_array_get(tensors, i);
    fprintf(out, "  %-*s  %-4s", width, show(json_object_get(tensor, "name")).text,
            show(json_object_get(tensor, "dtype")).text);
    long long count = print_shape(json_object_get(tensor, "shape"), out);
    fprintf(out, "%lld\n", count);
    total += count;
  }
  fprintf(out, LABEL "%zu tensors, %lld values\n", "together:", json_array_size(tensors), total);
}

void cored_inspect_print(const json_t *d, FILE *out) {
  print_text(d, "file", "file:", out);
  print_text(d, "format", "format:", out);
  const json_t *bytes = json_object_get(d, "bytes");
  if (bytes)
    fprintf(out, LABEL "%lld bytes\n", "size:", (long long)json_integer_value(bytes));
  print_text(d, "file_sha256", "file hash:", out);
  print_text(d, "weights_sha256", "weights hash:", out);
  if (json_object_get(d, "model"))
    print_model(json_object_get(d, "model"), out);
  print_metadata(json_object_get(d, "metadata"), out);
  print_lines(d, "globals", "globals:", out);
  print_lines(d, "refused", "REFUSED:", out);
  print_lines(d, "notes", "notes:", out);
  if (json_object_get(d, "tensors")) {
    fprintf(out, "tensors:\n");
    print_tensors(json_object_get(d, "tensors"), out);
  }
  const json_t *error = json_object_get(d, "error");
  if (!error)
    return;
  fprintf(out, LABEL "%s: %s\n", "ERROR:", show(json_object_get(error, "code")).text,
          show(json_object_get(error, "message")).text);
  print_text(error, "advice", "what to do:", out);
}
