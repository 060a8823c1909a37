/* SPDX-License-Identifier: MIT
 * The history of a run as an event file. */
#include <stdio.h>
#include <time.h>

#include "run.h"

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool run_open_events(Run *run, CoredError *error) {
  const char *folder = run->options->output.tensorboard;
  if (!folder || run->parallel->rank != 0)
    return true;
  run->board = cored_tensorboard_open(folder, seconds_now(), error);
  return run->board != NULL;
}

/* Every number of object as PREFIX/KEY; what is not defined (null) has no point. */
static bool write_object(Run *run, int64_t step, const char *prefix, const json_t *object,
                         CoredError *error) {
  const char *key;
  json_t *value;
  char tag[256];
  json_object_foreach((json_t *)object, key, value) {
    snprintf(tag, sizeof tag, "%s/%s", prefix, key);
    if (json_is_number(value) && !cored_tensorboard_scalar(run->board, seconds_now(), step, tag,
                                                           json_number_value(value), error))
      return false;
  }
  return true;
}

bool run_write_events(Run *run, CoredError *error) {
  const size_t n = json_array_size(run->at.history);
  if (!run->board || n == 0)
    return true;
  const json_t *row = json_array_get(run->at.history, n - 1),
               *tasks = json_object_get(row, "tasks");
  const int64_t step = json_integer_value(json_object_get(row, "epoch"));
  bool ok = write_object(run, step, "train", json_object_get(row, "train"), error) &&
            cored_tensorboard_scalar(run->board, seconds_now(), step, "train/learning_rate",
                                     json_number_value(json_object_get(row, "rate")), error);
  for (size_t i = 0; ok && i < json_array_size(tasks); i++) {
    const json_t *task = json_array_get(tasks, i);
    char prefix[128];
    snprintf(prefix, sizeof prefix, "val/%s", json_string_value(json_object_get(task, "name")));
    ok = write_object(run, step, prefix, task, error);
  }
  return ok && cored_tensorboard_flush(run->board, error);
}
