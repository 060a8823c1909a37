/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "evaluate.h"

bool progress_init(Progress *at) {
  *at = (Progress){.best = -(double)INFINITY, .history = json_array()};
  return at->history != NULL;
}

void progress_clear(Progress *at) {
  json_decref(at->history);
  at->history = NULL;
}

void progress_next_epoch(Progress *at) {
  at->epoch++;
  at->next_batch = 0;
  at->sums = (LossSums){0};
}

/* ---- In a checkpoint ------------------------------------------------------------------------- */

json_t *progress_json(const Progress *at) {
  json_t *json =
      json_pack("{s:i,s:I,s:i,s:O}", "epoch", at->epoch, "next_batch", (json_int_t)at->next_batch,
                "best_epoch", at->best_epoch, "history", at->history);
  json_object_set_new(json, "best", json_figure(at->best));
  json_object_set_new(json, "sums", loss_sums_json(&at->sums));
  return json;
}

static bool bad_position(const char *what, json_int_t most, const json_t *found,
                         CoredError *error) {
  char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                  "the checkpoint's position: %s: expected 0 to %lld, found %.64s", what,
                  (long long)most, text ? text : "nothing");
  free(text);
  return false;
}

static bool read_count(const json_t *json, const char *key, json_int_t most, json_int_t *value,
                       CoredError *error) {
  const json_t *found = json_object_get(json, key);
  *value = json_integer_value(found);
  return (json_is_integer(found) && *value >= 0 && *value <= most) ||
         bad_position(key, most, found, error);
}

/* A row for every epoch that is over, in order. */
static bool check_history(const json_t *history, json_int_t epoch, CoredError *error) {
  bool ok = json_is_array(history) && json_array_size(history) == (size_t)epoch;
  for (size_t i = 0; ok && i < (size_t)epoch; i++) {
    const json_t *row = json_array_get(history, i);
    ok = json_integer_value(json_object_get(row, "epoch")) == (json_int_t)i + 1 &&
         json_is_object(json_object_get(row, "train")) &&
         json_is_array(json_object_get(row, "tasks"));
  }
  return ok ||
         cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                         "the checkpoint's position: history: expected a row for each of %lld "
                         "epochs, found %zu",
                         (long long)epoch, json_array_size(history));
}

bool progress_read(Progress *at, const json_t *json, const ProgressLimits *limits,
                   CoredError *error) {
  enum { MOST_EPOCHS = 1000000000 };
  const json_t *best = json_object_get(json, "best"), *history = json_object_get(json, "history");
  const json_t *sums = json_object_get(json, "sums");
  const uint64_t n_batches = limits->n_batches, k = limits->accumulate;
  json_int_t epoch, batch, best_epoch;
  if (!read_count(json, "epoch", MOST_EPOCHS, &epoch, error) ||
      !read_count(json, "next_batch", (json_int_t)n_batches, &batch, error) ||
      !read_count(json, "best_epoch", epoch, &best_epoch, error) ||
      !check_history(history, epoch, error))
    return false;
  if (best_epoch > 0 ? !json_is_number(best) : !json_is_null(best))
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: best: expected a number, or null without a "
                           "best epoch");
  if (!loss_sums_read(&at->sums, sums))
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: sums: expected %d numbers",
                           N_LOSS_TERMS + 2);
  const uint64_t steps =
      (uint64_t)epoch * ((n_batches + k - 1) / k) + ((uint64_t)batch + k - 1) / k;
  if (limits->steps != steps)
    return cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                           "the checkpoint's position: epoch %lld, batch %lld is %llu steps from "
                           "the start, its optimizer made %llu",
                           (long long)epoch + 1, (long long)batch, (unsigned long long)steps,
                           (unsigned long long)limits->steps);
  json_decref(at->history);
  at->history = json_deep_copy(history);
  at->epoch = (int)epoch;
  at->next_batch = (uint64_t)batch;
  at->best = json_is_number(best) ? json_number_value(best) : -(double)INFINITY;
  at->best_epoch = (int)best_epoch;
  return true;
}

/* ---- As CSV ---------------------------------------------------------------------------------- */

/* Two columns of the history: a task's name may hold anything that a folder's can. */
static void put_titles(FILE *file, const char *task) {
  static const char *const what[] = {"accuracy", "auc"};
  for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
    CoredText title = {0}, cell = {0};
    cored_text_add(&title, task);
    cored_text_add(&title, " ");
    cored_text_add(&title, what[i]);
    cored_text_add_csv(&cell, title.failed ? what[i] : title.s);
    fputc(',', file);
    fwrite(cell.s, 1, cell.n, file);
    cored_text_clear(&title);
    cored_text_clear(&cell);
  }
}

bool progress_write_csv(const Progress *at, const char *const *tasks, int n_tasks, const char *path,
                        CoredError *error) {
  char *text = NULL;
  size_t size = 0, i;
  FILE *file = open_memstream(&text, &size);
  json_t *row, *task;
  if (!file)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "history");
  fputs("epoch,rate,loss,student,distillation,representation,starting_point,classifier,accuracy,"
        "score",
        file);
  for (int k = 0; k < n_tasks; k++)
    put_titles(file, tasks[k]);
  json_array_foreach(at->history, i, row) {
    static const char *const terms[] = {"total",          "student",        "distillation",
                                        "representation", "starting_point", "classifier",
                                        "accuracy"};
    const json_t *train = json_object_get(row, "train"), *figures = json_object_get(row, "tasks");
    fprintf(file, "\n%d,%.9g", (int)json_integer_value(json_object_get(row, "epoch")),
            json_number_value(json_object_get(row, "rate")));
    for (size_t k = 0; k < sizeof terms / sizeof terms[0]; k++)
      fprintf(file, ",%.9g", json_number_value(json_object_get(train, terms[k])));
    fprintf(file, ",%.9g", json_number_value(json_object_get(row, "score")));
    size_t k;
    json_array_foreach(figures, k, task)
        fprintf(file, ",%.9g,%.9g", json_number_value(json_object_get(task, "accuracy")),
                json_number_value(json_object_get(task, "auc")));
  }
  fputc('\n', file);
  fclose(file);
  const CoredChunk chunk = {text, size};
  const bool ok = cored_file_write(path, &chunk, 1, 0666, error);
  free(text);
  return ok;
}

/* ---- As TensorBoard's events ----------------------------------------------------------------- */

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

CoredTensorboard *progress_open_events(const char *folder, CoredError *error) {
  return cored_tensorboard_open(folder, seconds_now(), error);
}

/* Every number of object as PREFIX/KEY; what is not defined (null) has no point. */
static bool write_object(CoredTensorboard *board, int64_t step, const char *prefix,
                         const json_t *object, CoredError *error) {
  const char *key;
  json_t *value;
  char tag[256];
  json_object_foreach((json_t *)object, key, value) {
    snprintf(tag, sizeof tag, "%s/%s", prefix, key);
    if (json_is_number(value) &&
        !cored_tensorboard_scalar(board, seconds_now(), step, tag, json_number_value(value), error))
      return false;
  }
  return true;
}

bool progress_write_events(const Progress *at, CoredTensorboard *board, CoredError *error) {
  const size_t n = json_array_size(at->history);
  if (n == 0)
    return true;
  const json_t *row = json_array_get(at->history, n - 1), *tasks = json_object_get(row, "tasks");
  const int64_t step = json_integer_value(json_object_get(row, "epoch"));
  bool ok = write_object(board, step, "train", json_object_get(row, "train"), error) &&
            cored_tensorboard_scalar(board, seconds_now(), step, "train/learning_rate",
                                     json_number_value(json_object_get(row, "rate")), error);
  for (size_t i = 0; ok && i < json_array_size(tasks); i++) {
    const json_t *task = json_array_get(tasks, i);
    char prefix[128];
    snprintf(prefix, sizeof prefix, "val/%s", json_string_value(json_object_get(task, "name")));
    ok = write_object(board, step, prefix, task, error);
  }
  return ok && cored_tensorboard_flush(board, error);
}
