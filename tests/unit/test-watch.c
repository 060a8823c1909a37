/* SPDX-License-Identifier: MIT
 * Watching a model file: every way a new version can come is noticed once, a bad version is told
 * once and never loaded, and the end is quick. Times here are how long a test waits at most or how
 * long it makes sure that nothing comes; none is asserted. */
#include "watch-rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void a_rename_is_noticed(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  put(place.path, 1);
  expect_loaded(place.log, 1);
  put(place.path, 2);
  expect_loaded(place.log, 2);
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

static void a_write_in_place_is_noticed(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  put_in_place(place.path, models[1].data, models[1].size);
  expect_loaded(place.log, 1);
  place_free(&place);
}

static void a_known_version_is_not_loaded_again(void **state) {
  (void)state;
  Place place = place_new();
  put(place.path, 0);
  CoredFileStamp stamp;
  assert_true(cored_file_stamp(place.path, &stamp));
  place_watch(&place, (CoredWatchParams){.known = &stamp});
  memset(&stamp, 0, sizeof stamp); /* it was copied */
  expect_nothing(place.log, QUIET_MS);
  put(place.path, 1);
  expect_loaded(place.log, 1);
  cored_watch_trigger(place.watch); /* asked for: told even though nothing changed */
  expect_loaded(place.log, 1);
  put(place.path, 1); /* another file, the same bytes */
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

static void a_change_before_the_watch_is_noticed(void **state) {
  (void)state;
  Place place = place_new();
  put(place.path, 0);
  CoredFileStamp stamp;
  assert_true(cored_file_stamp(place.path, &stamp));
  put(place.path, 1);
  place_watch(&place, (CoredWatchParams){.known = &stamp});
  expect_loaded(place.log, 1);
  place_free(&place);
}

static void a_swapped_link_is_noticed(void **state) {
  (void)state;
  Place place = place_new();
  char first[160], second[160], link[160];
  snprintf(first, sizeof first, "%s/first", place.folder);
  snprintf(second, sizeof second, "%s/second", place.folder);
  snprintf(link, sizeof link, "%s/link", place.folder);
  put(first, 0);
  put(second, 1);
  assert_int_equal(symlink("first", place.path), 0);
  place_watch(&place, (CoredWatchParams){0});
  expect_loaded(place.log, 0);
  assert_int_equal(symlink("second", link), 0);
  assert_int_equal(rename(link, place.path), 0);
  expect_loaded(place.log, 1);
  put(second, 2); /* the target, in place of the link */
  expect_loaded(place.log, 2);
  put(first, 1); /* not what the link points to */
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

/* As a volume of a container orchestrator: m -> ..data/m, ..data -> ..1, swapped as a whole. */
static void a_swapped_folder_link_is_noticed(void **state) {
  (void)state;
  Place place = place_new();
  char path[160], data[160];
  for (int i = 1; i <= 2; i++) {
    snprintf(path, sizeof path, "%s/..%d", place.folder, i);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/..%d/m.safetensors", place.folder, i);
    put(path, i);
  }
  snprintf(data, sizeof data, "%s/..data", place.folder);
  snprintf(path, sizeof path, "%s/..data_tmp", place.folder);
  assert_int_equal(symlink("..1", data), 0);
  assert_int_equal(symlink("..data/m.safetensors", place.path), 0);
  place_watch(&place, (CoredWatchParams){0});
  expect_loaded(place.log, 1);
  assert_int_equal(symlink("..2", path), 0);
  assert_int_equal(rename(path, data), 0);
  expect_loaded(place.log, 2);
  place_free(&place);
}

static void a_folder_that_comes_back_is_noticed(void **state) {
  (void)state;
  Place place = place_new();
  char folder[160];
  snprintf(folder, sizeof folder, "%s/a/b", place.folder);
  snprintf(place.path, sizeof place.path, "%s/a/b/m", place.folder);
  snprintf(folder, sizeof folder, "%s/a", place.folder);
  for (int round = 0; round < 2; round++) {
    char inner[180];
    snprintf(inner, sizeof inner, "%s/b", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    if (round == 1)
      pause_ms(STABLE_MS);
    assert_int_equal(mkdir(inner, 0755), 0);
    put(place.path, round);
    if (round == 0)
      place_watch(&place, (CoredWatchParams){0});
    expect_loaded(place.log, round);
    if (round == 0) {
      remove_tree(folder);
      expect_failed(place.log, CORED_ERROR_NOT_FOUND);
    }
  }
  place_free(&place);
}

static void a_missing_file_is_told_once_and_found_later(void **state) {
  (void)state;
  Place place = place_new();
  place_watch(&place, (CoredWatchParams){0});
  expect_failed(place.log, CORED_ERROR_NOT_FOUND);
  expect_nothing(place.log, QUIET_MS);
  put(place.path, 0);
  expect_loaded(place.log, 0);
  unlink(place.path); /* away and back sooner than anybody need know */
  pause_ms(100);
  put(place.path, 1);
  expect_loaded(place.log, 1);
  place_free(&place);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void a_slow_writer_is_waited_for(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  const int fd = open(place.path, O_WRONLY | O_TRUNC);
  assert_true(fd >= 0);
  const size_t piece = models[1].size / 12 + 1;
  double longest = 0; /* that the file stayed as it was */
  for (size_t at = 0; at < models[1].size; at += piece) {
    const double start = seconds();
    const size_t left = models[1].size - at;
    assert_true(write(fd, models[1].data + at, left < piece ? left : piece) > 0);
    pause_ms(at / piece % 2 ? STABLE_MS * 2 : STABLE_MS / 4); /* pauses longer than that, too */
    longest = seconds() - start > longest ? seconds() - start : longest;
  }
  close(fd);
  Told told;
  for (;;) {
    if (!next(place.log, WAIT_MS, &told))
      fail_msg("the model was not noticed");
    if (told.status != CORED_WATCH_FAILED)
      break;
    if (longest < 0.8) /* else this machine stood still so long that a warning is right */
      fail_msg("told while the file was being written: %s", told.message);
  }
  assert_int_equal(told.status, CORED_WATCH_LOADED);
  assert_string_equal(told.hash, hashes[1]);
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

static void a_bad_version_is_told_once(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  put_by_rename(place.path, models[1].data, models[1].size / 2);
  expect_failed(place.log, CORED_ERROR_TRUNCATED);
  expect_nothing(place.log, 2500); /* it is tried again meanwhile, in silence */
  put_by_rename(place.path, (const uint8_t *)"no model at all", 15);
  expect_failed(place.log, CORED_ERROR_HEADER_LENGTH);
  put(place.path, 1);
  expect_loaded(place.log, 1);
  place_free(&place);
}

static void a_good_version_that_comes_back_is_told(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  for (int round = 0; round < 2; round++) {
    put_by_rename(place.path, (const uint8_t *)"no model at all", 15);
    expect_failed(place.log, CORED_ERROR_HEADER_LENGTH);
    put(place.path, 0);
    Told told;
    assert_true(next(place.log, WAIT_MS, &told));
    assert_int_equal(told.status, CORED_WATCH_BACK);
    expect_nothing(place.log, QUIET_MS);
  }
  put(place.path, 0); /* nothing had been wrong */
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

static void good_and_bad_alternate(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){.stable_ms = 10});
  Blob bad = blob_replace(&models[0], "\"cored.format\":\"1\"", "\"cored.format\":\"9\"");
  for (int i = 1; i <= 30; i++) {
    put_by_rename(place.path, bad.data, bad.size);
    expect_failed(place.log, CORED_ERROR_VERSION);
    put(place.path, i % 3);
    expect_loaded(place.log, i % 3);
  }
  expect_nothing(place.log, QUIET_MS);
  blob_free(&bad);
  place_free(&place);
}

static void the_last_of_a_storm_wins(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  for (int i = 0; i < 300; i++)
    put(place.path, i % 2);
  put(place.path, 2);
  Told told = {0};
  int loads = 0;
  while (next(place.log, WAIT_MS, &told)) {
    assert_int_equal(told.status, CORED_WATCH_LOADED);
    loads++;
    if (strcmp(told.hash, hashes[2]) == 0)
      break;
  }
  assert_string_equal(told.hash, hashes[2]);
  assert_true(loads < 100);
  expect_nothing(place.log, QUIET_MS);
  place_free(&place);
}

static void the_same_size_and_time_is_noticed(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  struct stat st;
  assert_int_equal(stat(place.path, &st), 0);
  assert_int_equal(models[0].size, models[1].size);
  char other[160];
  snprintf(other, sizeof other, "%s.other", place.path);
  put(other, 1);
  const struct timespec times[2] = {st.st_atim, st.st_mtim};
  assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
  assert_int_equal(rename(other, place.path), 0);
  expect_loaded(place.log, 1);
  place_free(&place);
}

static bool same_but_for_content(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size &&
         memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim) == 0 &&
         memcmp(&a->st_ctim, &b->st_ctim, sizeof a->st_ctim) == 0;
}

/* Written in place twice between two ticks of the clock that files are stamped by. */
static void two_versions_of_one_tick_differ(void **state) {
  (void)state;
  Place place = place_new();
  CoredFileStamp first, second;
  struct stat before, after;
  int tries = 0;
  do {
    if (++tries > 500) {
      place_free(&place);
      print_message("skipped: time stamps of this file system are too fine\n");
      skip();
    }
    put_in_place(place.path, models[0].data, models[0].size);
    assert_true(cored_file_stamp(place.path, &first));
    assert_int_equal(stat(place.path, &before), 0);
    put_in_place(place.path, models[1].data, models[1].size);
    assert_int_equal(stat(place.path, &after), 0);
  } while (!same_but_for_content(&before, &after));
  assert_true(cored_file_stamp(place.path, &second));
  assert_int_not_equal(memcmp(&first, &second, sizeof first), 0);
  place_free(&place);
}

static void another_path_can_be_watched(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){0});
  char other[160];
  snprintf(other, sizeof other, "%s/other", place.folder);
  put(other, 1);
  assert_true(cored_watch_set_path(place.watch, other));
  expect_loaded(place.log, 1);
  put(place.path, 2); /* nobody's business now */
  expect_nothing(place.log, QUIET_MS);
  put(other, 2);
  expect_loaded(place.log, 2);
  place_free(&place);
}

static void an_older_generation_is_refused(void **state) {
  (void)state;
  Place place = place_new();
  CoredError error;
  CoredModel *const model = model_random("meso4", 1);
  CoredModelInfo info = *cored_model_info(model);
  static const uint64_t generations[] = {5, 4, 6};
  for (int i = 0; i < 3; i++) {
    info.generation = generations[i];
    CoredModel *const next_model = cored_model_with_info(model, &info, &error);
    assert_true(cored_model_save(next_model, place.path, &error));
    cored_model_unref(next_model);
    if (i == 0)
      place_watch(&place, (CoredWatchParams){.refuse_older = true, .generation = 3});
    if (i == 1) {
      expect_failed(place.log, CORED_ERROR_GENERATION);
    } else {
      Told told;
      assert_true(next(place.log, WAIT_MS, &told));
      assert_int_equal(told.status, CORED_WATCH_LOADED);
      assert_int_equal(told.generation, generations[i]);
    }
  }
  cored_model_unref(model);
  place_free(&place);
}

/* A network that finds faces, where one is watched for; anything else is refused. */
static void only_the_kind_that_is_wanted_is_loaded(void **state) {
  (void)state;
  Place place = place_new();
  CoredError error = {0};
  Told told;
  CoredModel *const locator = cored_model_built_in_locator(&error);
  assert_true(locator && cored_model_save(locator, place.path, &error));
  place_watch(&place, (CoredWatchParams){.kind = CORED_MODEL_LOCATOR});
  assert_true(next(place.log, WAIT_MS, &told));
  assert_int_equal(told.status, CORED_WATCH_LOADED);
  assert_true(told.with_model);
  assert_string_equal(told.hash, cored_model_info(locator)->sha256);
  put(place.path, 1);
  expect_failed(place.log, CORED_ERROR_MODEL_KIND);
  assert_true(cored_model_save(locator, place.path, &error));
  assert_true(next(place.log, WAIT_MS, &told));
  assert_int_equal(told.status, CORED_WATCH_BACK);
  cored_model_unref(locator);
  place_free(&place);
}

static void a_plan_of_another_size_is_made(void **state) {
  (void)state;
  Place place = place_new();
  CoredModel *const model = model_random("cored-compact", 1);
  CoredError error = {0};
  assert_true(cored_model_save(model, place.path, &error));
  cored_model_unref(model);
  place_watch(&place, (CoredWatchParams){
                          .use_plan = true,
                          .plan = {.input_width = 64, .input_height = 96, .cpu = CORED_CPU_C}});
  Told told;
  assert_true(next(place.log, WAIT_MS, &told));
  if (told.status != CORED_WATCH_LOADED)
    fail_msg("%s", told.message);
  place_free(&place);
}

/* A writer that dies anywhere in the middle of publishing leaves the old model or the new one. */
static void a_killed_writer_leaves_no_partial_model(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){.stable_ms = 10});
  CoredModel *made[2];
  for (int i = 0; i < 2; i++)
    made[i] = cored_model_load_memory(models[i].data, models[i].size, "m", NULL, NULL);
  for (int i = 0; i < 40; i++) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int k = 0;; k++)
        cored_model_save(made[k % 2], place.path, NULL);
    }
    pause_ms(1 + i * 7 % 23);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CoredError error = {0};
    CoredModel *const model = cored_model_load(place.path, NULL, &error);
    if (!model)
      fail_msg("kill %d: %s", i, error.message);
    cored_model_unref(model);
  }
  Told told;
  while (next(place.log, QUIET_MS, &told))
    assert_int_equal(told.status, CORED_WATCH_LOADED);
  cored_model_unref(made[0]);
  cored_model_unref(made[1]);
  place_free(&place);
}

#define REQUESTS 150

typedef struct Crowd {
  Place *place;
  char other[160];
} Crowd;

static void *publish_much(void *arg) {
  const Crowd *const crowd = arg;
  for (int i = 0; i < REQUESTS; i++) {
    put(crowd->place->path, i % 2);
    put(crowd->other, i % 2);
  }
  return NULL;
}

static void *trigger_much(void *arg) {
  const Crowd *const crowd = arg;
  for (int i = 0; i < REQUESTS; i++)
    cored_watch_trigger(crowd->place->watch);
  return NULL;
}

static void *move_much(void *arg) {
  const Crowd *const crowd = arg;
  for (int i = 0; i < REQUESTS; i++)
    assert_true(
        cored_watch_set_path(crowd->place->watch, i % 2 ? crowd->place->path : crowd->other));
  return NULL;
}

/* Requests from all sides at once; when they have ended the last one holds. */
static void requests_come_from_many_threads(void **state) {
  (void)state;
  Place place = place_running((CoredWatchParams){.stable_ms = 5});
  Crowd crowd = {.place = &place};
  snprintf(crowd.other, sizeof crowd.other, "%s/other", place.folder);
  put(crowd.other, 1);
  void *(*const work[])(void *) = {publish_much, trigger_much, move_much};
  pthread_t threads[3];
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, work[i], &crowd), 0);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  put(crowd.other, 2);
  assert_true(cored_watch_set_path(place.watch, crowd.other));
  Told told = {0};
  while (strcmp(told.hash, hashes[2]) != 0)
    if (!next(place.log, WAIT_MS, &told))
      fail_msg("the last request was not served");
  place_free(&place);
}

static int count_entries(const char *folder) {
  int n = 0;
  DIR *const dir = opendir(folder);
  while (dir && readdir(dir))
    n++;
  closedir(dir);
  return n;
}

static void nothing_is_left_behind(void **state) {
  (void)state;
  const int threads = count_entries("/proc/self/task"), files = count_entries("/proc/self/fd");
  struct timespec longest = {0, 0};
  for (int i = 0; i < 50; i++) {
    Place place = place_new();
    put(place.path, 0);
    place_watch(&place, (CoredWatchParams){0});
    pause_ms(i % 10);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    cored_watch_free(place.watch);
    clock_gettime(CLOCK_MONOTONIC, &end);
    place.watch = NULL;
    place_free(&place);
    const long ns = (end.tv_sec - start.tv_sec) * 1000000000L + end.tv_nsec - start.tv_nsec;
    if (ns > longest.tv_nsec)
      longest.tv_nsec = ns;
  }
  print_message("longest end: %.1f ms\n", (double)longest.tv_nsec * 1e-6);
  assert_int_equal(count_entries("/proc/self/task"), threads);
  assert_int_equal(count_entries("/proc/self/fd"), files);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_rename_is_noticed),
      cmocka_unit_test(a_write_in_place_is_noticed),
      cmocka_unit_test(a_known_version_is_not_loaded_again),
      cmocka_unit_test(a_change_before_the_watch_is_noticed),
      cmocka_unit_test(a_swapped_link_is_noticed),
      cmocka_unit_test(a_swapped_folder_link_is_noticed),
      cmocka_unit_test(a_folder_that_comes_back_is_noticed),
      cmocka_unit_test(a_missing_file_is_told_once_and_found_later),
      cmocka_unit_test(a_slow_writer_is_waited_for),
      cmocka_unit_test(a_bad_version_is_told_once),
      cmocka_unit_test(a_good_version_that_comes_back_is_told),
      cmocka_unit_test(good_and_bad_alternate),
      cmocka_unit_test(the_last_of_a_storm_wins),
      cmocka_unit_test(the_same_size_and_time_is_noticed),
      cmocka_unit_test(two_versions_of_one_tick_differ),
      cmocka_unit_test(another_path_can_be_watched),
      cmocka_unit_test(an_older_generation_is_refused),
      cmocka_unit_test(only_the_kind_that_is_wanted_is_loaded),
      cmocka_unit_test(a_plan_of_another_size_is_made),
      cmocka_unit_test(a_killed_writer_leaves_no_partial_model),
      cmocka_unit_test(requests_come_from_many_threads),
      cmocka_unit_test(nothing_is_left_behind),
  };
  return cmocka_run_group_tests(tests, watch_setup, watch_teardown);
}
