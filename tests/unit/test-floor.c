/* SPDX-License-Identifier: MIT
 * The file of generations that were used last: it only rises, whoever writes it, and a file that is
 * not what was written is never read as something else. */
#include "watch-rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define PROCESSES 6
#define EACH 20

static Place place; /* a folder; nothing is watched */

static int open_place(void **state) {
  (void)state;
  place = place_new();
  snprintf(place.path, sizeof place.path, "%s/state", place.folder);
  return 0;
}

static int close_place(void **state) {
  (void)state;
  place_free(&place);
  return 0;
}

static void expect(const char *key, uint64_t generation, CoredErrorCode code) {
  CoredError error = {0};
  const bool ok = cored_floor_raise(place.path, key, generation, "m.safetensors", &error);
  if (ok != (code == CORED_ERROR_NONE) || error.code != code)
    fail_msg("generation %llu: expected %s, found %s: %s", (unsigned long long)generation,
             cored_error_code_name(code), cored_error_code_name(error.code), error.message);
}

static void write_text(const char *text) {
  put_in_place(place.path, (const uint8_t *)text, strlen(text));
  assert_int_equal(chmod(place.path, 0600), 0);
}

static void it_only_rises(void **state) {
  (void)state;
  struct stat st;
  expect(KEY, 3, CORED_ERROR_NONE);
  expect(KEY, 3, CORED_ERROR_NONE);
  expect(KEY, 2, CORED_ERROR_GENERATION);
  expect(OTHER, 1, CORED_ERROR_NONE);
  expect(KEY, UINT64_MAX, CORED_ERROR_NONE);
  expect(KEY, UINT64_MAX - 1, CORED_ERROR_GENERATION);
  expect(OTHER, 0, CORED_ERROR_GENERATION);
  expect("no key", 9, CORED_ERROR_ARGUMENT);
  assert_int_equal(stat(place.path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
}

/* Two names of one file are one floor. */
static void a_link_shares_the_file(void **state) {
  (void)state;
  CoredError error = {0};
  struct stat st;
  char link[sizeof place.path];
  snprintf(link, sizeof link, "%s/link", place.folder);
  expect(KEY, 3, CORED_ERROR_NONE);
  assert_int_equal(symlink("state", link), 0);
  assert_true(cored_floor_raise(link, KEY, 5, "m.safetensors", &error));
  assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
  expect(KEY, 4, CORED_ERROR_GENERATION);
  unlink(link);
}

static void a_damaged_file_is_an_error(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "\n",
                                      "cored-trust-state-1",
                                      "cored-trust-state-2\n",
                                      "cored-trust-state-1\n" KEY "\n",
                                      "cored-trust-state-1\n" KEY " 5",
                                      "cored-trust-state-1\n" KEY " 05\n",
                                      "cored-trust-state-1\n" KEY " -5\n",
                                      "cored-trust-state-1\n" KEY " 18446744073709551616\n",
                                      "cored-trust-state-1\n" KEY " 5\n" KEY " 4\n",
                                      "cored-trust-state-1\n0123456789ABCDEF 5\n",
                                      "cored-trust-state-1\n" KEY " 5\n\n"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    write_text(texts[i]);
    expect(KEY, 9, CORED_ERROR_TRUST_STATE);
  }
  put_in_place(place.path, (const uint8_t *)"cored-trust-state-1\n\0", 21);
  expect(KEY, 9, CORED_ERROR_TRUST_STATE);
  write_text("cored-trust-state-1\n" KEY " 5\n");
  expect(KEY, 4, CORED_ERROR_GENERATION);
  assert_int_equal(chmod(place.path, 0666), 0);
  expect(KEY, 9, CORED_ERROR_TRUST_STATE);
}

static void what_is_no_file_is_an_error(void **state) {
  (void)state;
  assert_int_equal(mkdir(place.path, 0755), 0);
  expect(KEY, 1, CORED_ERROR_NOT_REGULAR);
  assert_int_equal(rmdir(place.path), 0);
  assert_int_equal(symlink("nowhere", place.path), 0); /* where the floors were cannot be read */
  expect(KEY, 1, CORED_ERROR_NOT_FOUND);
  assert_int_equal(unlink(place.path), 0);
  snprintf(place.path, sizeof place.path, "%s/no/state", place.folder);
  expect(KEY, 1, CORED_ERROR_TRUST_STATE); /* cannot be locked */
}

static void a_lock_held_by_another_is_waited_for(void **state) {
  (void)state;
  char name[160];
  snprintf(name, sizeof name, "%s.lock", place.path);
  const int fd = open(name, O_RDWR | O_CREAT, 0600);
  assert_true(fd >= 0);
  const pid_t child = fork();
  if (child == 0) {
    flock(fd, LOCK_EX);
    pause_ms(300);
    _exit(0);
  }
  close(fd);
  pause_ms(50);
  expect(KEY, 1, CORED_ERROR_NONE);
  waitpid(child, NULL, 0);
}

/* None of what several processes put in is lost. */
static void processes_take_turns(void **state) {
  (void)state;
  pid_t children[PROCESSES];
  for (int p = 0; p < PROCESSES; p++) {
    children[p] = fork();
    if (children[p] != 0)
      continue;
    bool ok = true;
    for (int i = 1; i <= EACH; i++) {
      char key[17];
      snprintf(key, sizeof key, "%016x", p * EACH + i);
      ok = cored_floor_raise(place.path, key, (uint64_t)i, "m", NULL) && ok;
    }
    _exit(ok ? 0 : 1);
  }
  for (int p = 0; p < PROCESSES; p++) {
    int status;
    waitpid(children[p], &status, 0);
    assert_int_equal(status, 0);
  }
  for (int i = 1; i <= PROCESSES * EACH; i++) {
    char key[17];
    snprintf(key, sizeof key, "%016x", i);
    expect(key, (uint64_t)((i - 1) % EACH), CORED_ERROR_GENERATION);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(it_only_rises),
      TEST(a_link_shares_the_file),
      TEST(a_damaged_file_is_an_error),
      TEST(what_is_no_file_is_an_error),
      TEST(a_lock_held_by_another_is_waited_for),
      TEST(processes_take_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
