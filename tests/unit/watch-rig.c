/* SPDX-License-Identifier: MIT
 * See watch-rig.h. */
#include "watch-rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

Blob models[3];
char hashes[3][65];

static void note(void *user, const CoredWatchEvent *event) {
  Log *const log = user;
  Told told = {.status = event->status};
  if (event->error) {
    told.code = event->error->code;
    snprintf(told.message, sizeof told.message, "%s", event->error->message);
  }
  if (event->plan) {
    snprintf(told.hash, sizeof told.hash, "%s", cored_plan_info(event->plan)->sha256);
    told.generation = cored_plan_info(event->plan)->generation;
    told.with_model =
        event->model && strcmp(cored_model_info(event->model)->sha256, told.hash) == 0;
  }
  pthread_mutex_lock(&log->lock);
  if (log->n < 1024)
    log->told[log->n++] = told;
  pthread_cond_signal(&log->more);
  pthread_mutex_unlock(&log->lock);
}

static struct timespec in_ms(int ms) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_sec += ms / 1000;
  t.tv_nsec += ms % 1000 * 1000000L;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

bool next(Log *log, int ms, Told *told) {
  const struct timespec end = in_ms(ms);
  pthread_mutex_lock(&log->lock);
  while (log->n == log->taken && pthread_cond_timedwait(&log->more, &log->lock, &end) == 0) {
  }
  const bool came = log->n > log->taken;
  if (came)
    *told = log->told[log->taken++];
  pthread_mutex_unlock(&log->lock);
  return came;
}

void expect_loaded(Log *log, int model) {
  Told told;
  if (!next(log, WAIT_MS, &told))
    fail_msg("model %d was not noticed", model);
  if (told.status != CORED_WATCH_LOADED)
    fail_msg("expected model %d, found: %s", model, told.message);
  assert_string_equal(told.hash, hashes[model]);
}

void expect_failed(Log *log, CoredErrorCode code) {
  Told told;
  if (!next(log, WAIT_MS, &told))
    fail_msg("expected %s, nothing came", cored_error_code_name(code));
  if (told.status != CORED_WATCH_FAILED || told.code != code)
    fail_msg("expected %s, found %s: %s", cored_error_code_name(code),
             cored_error_code_name(told.code), told.message);
}

void expect_nothing(Log *log, int ms) {
  Told told;
  if (next(log, ms, &told))
    fail_msg("expected nothing, found status %d: %s", (int)told.status, told.message);
}

void put_in_place(const char *path, const uint8_t *data, size_t size) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, data, size), size);
  close(fd);
}

void put_by_rename(const char *path, const uint8_t *data, size_t size) {
  char temporary[256];
  snprintf(temporary, sizeof temporary, "%s.new", path);
  put_in_place(temporary, data, size);
  assert_int_equal(rename(temporary, path), 0);
}

void put(const char *path, int model) {
  put_by_rename(path, models[model].data, models[model].size);
}

void pause_ms(int ms) {
  const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&t, NULL);
}

void remove_tree(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0)
    return;
  if (S_ISDIR(st.st_mode)) {
    DIR *const folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
      char inner[512];
      snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
        remove_tree(inner);
    }
    closedir(folder);
    rmdir(path);
  } else {
    unlink(path);
  }
}

Place place_new(void) {
  Place place = {.folder = "/tmp/cored-test-XXXXXX"};
  assert_non_null(mkdtemp(place.folder));
  snprintf(place.path, sizeof place.path, "%s/m.safetensors", place.folder);
  place.log = calloc(1, sizeof *place.log);
  pthread_mutex_init(&place.log->lock, NULL);
  pthread_cond_init(&place.log->more, NULL);
  return place;
}

void place_watch(Place *place, CoredWatchParams params) {
  CoredError error = {0};
  if (!params.stable_ms)
    params.stable_ms = STABLE_MS;
  if (!params.poll_ms)
    params.poll_ms = 150;
  place->watch = cored_watch_new(place->path, &params, note, place->log, &error);
  if (!place->watch)
    fail_msg("%s", error.message);
}

void place_free(Place *place) {
  cored_watch_free(place->watch);
  pthread_mutex_destroy(&place->log->lock);
  pthread_cond_destroy(&place->log->more);
  free(place->log);
  remove_tree(place->folder);
}

Place place_running(CoredWatchParams params) {
  Place place = place_new();
  put(place.path, 0);
  place_watch(&place, params);
  expect_loaded(place.log, 0);
  return place;
}

int watch_setup(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    CoredModel *const model = model_random("meso4", (uint64_t)i + 1);
    models[i] = blob_save(model);
    snprintf(hashes[i], sizeof hashes[i], "%s", cored_model_info(model)->sha256);
    cored_model_unref(model);
  }
  return 0;
}

int watch_teardown(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++)
    blob_free(&models[i]);
  return 0;
}
