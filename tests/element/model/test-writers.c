/* SPDX-License-Identifier: MIT
 * Seven ways to write a model file, the writer killed anywhere on the way: frames are always
 * evaluated by a whole model, and when there is a whole one at the path, that one. The argument is
 * how often each writer is killed. */
#include "twins.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 16384
#define SLOW_CHUNK 61
#define STABLE_MS 400 /* twice what a version has to stay as it is */

static guint n_kills = 2;

/* ---- Writers: in a child, system calls only ------------------------------------------------- */

typedef struct Job {
  const char *path, *beside, *old; /* the file, one next to it, where the old one goes */
  const guint8 *bytes;
  gsize size;
  glong steps; /* before the writer is killed; after the last step it ends by itself */
} Job;

static void step(Job *job) {
  if (job->steps-- == 0)
    kill(getpid(), SIGKILL);
}

static int must_open(Job *job, const char *path, int flags) {
  step(job);
  const int fd = open(path, flags, 0644);
  if (fd < 0)
    _exit(1);
  return fd;
}

static void put(Job *job, int fd, gsize from, gsize n) {
  step(job);
  if (write(fd, job->bytes + from, n) != (ssize_t)n)
    _exit(1);
}

static void put_all(Job *job, int fd, gsize chunk) {
  for (gsize at = 0; at < job->size; at += chunk)
    put(job, fd, at, MIN(chunk, job->size - at));
}

static void must_rename(Job *job, const char *from, const char *to) {
  step(job);
  if (rename(from, to) != 0)
    _exit(1);
}

static void by_rename(Job *job) {
  const int fd = must_open(job, job->beside, O_WRONLY | O_CREAT | O_TRUNC);
  put_all(job, fd, CHUNK);
  step(job);
  fsync(fd);
  must_rename(job, job->beside, job->path);
}

static void in_place(Job *job) {
  const int fd = must_open(job, job->path, O_WRONLY | O_CREAT);
  put_all(job, fd, CHUNK);
  step(job);
  if (ftruncate(fd, (off_t)job->size) != 0)
    _exit(1);
}

static void slowly(Job *job) {
  const int fd = must_open(job, job->path, O_WRONLY | O_CREAT | O_TRUNC);
  for (gsize at = 0, n = 0; at < job->size; at += SLOW_CHUNK, n++) {
    put(job, fd, at, MIN(SLOW_CHUNK, job->size - at));
    if (n % 100 == 99)
      usleep(1000);
  }
}

/* Closed without its end for longer than a version has to stay as it is, then completed. */
static void truncated(Job *job) {
  const gsize most = job->size - job->size / 5;
  int fd = must_open(job, job->path, O_WRONLY | O_CREAT | O_TRUNC);
  put(job, fd, 0, most);
  close(fd);
  for (guint i = 0; i < 10; i++) {
    step(job);
    usleep(STABLE_MS * 100);
  }
  fd = must_open(job, job->path, O_WRONLY | O_APPEND);
  put(job, fd, most, job->size - most);
}

static void appending(Job *job) {
  close(must_open(job, job->path, O_WRONLY | O_CREAT | O_TRUNC));
  for (gsize at = 0; at < job->size; at += CHUNK) {
    const int fd = must_open(job, job->path, O_WRONLY | O_APPEND);
    put(job, fd, at, MIN(CHUNK, job->size - at));
    close(fd);
  }
}

/* The path is a link; the new file has another name. */
static void by_link(Job *job) {
  char target[PATH_MAX], link[PATH_MAX];
  snprintf(target, sizeof target, "%s.%d", job->path, getpid());
  snprintf(link, sizeof link, "%s.link", job->path);
  const int fd = must_open(job, target, O_WRONLY | O_CREAT | O_TRUNC);
  put_all(job, fd, CHUNK);
  step(job);
  unlink(link);
  step(job);
  if (symlink(target, link) != 0)
    _exit(1);
  must_rename(job, link, job->path);
}

/* As editors save: the old one out of the way, then the new one in its place. */
static void by_copy_and_rename(Job *job) {
  const int fd = must_open(job, job->beside, O_WRONLY | O_CREAT | O_TRUNC);
  put_all(job, fd, CHUNK);
  step(job);
  if (access(job->path, F_OK) == 0)
    must_rename(job, job->path, job->old);
  step(job);
  usleep(1000);
  must_rename(job, job->beside, job->path);
}

typedef struct Style {
  const char *name;
  void (*write)(Job *job);
  glong steps; /* about as many as it takes */
} Style;

/* ---- The trial ------------------------------------------------------------------------------ */

typedef struct Whole {
  char *bytes;
  gsize size;
} Whole;

static Whole whole[3];

static void read_twins(void) {
  for (guint i = 1; i <= 2; i++)
    assert_true(g_file_get_contents(twin(i), &whole[i].bytes, &whole[i].size, NULL));
}

/* The generation of the whole model at the path, 0 when there is none. */
static guint whole_at(const char *path) {
  char *bytes;
  gsize size;
  guint found = 0;
  if (!g_file_get_contents(path, &bytes, &size, NULL))
    return 0;
  for (guint i = 1; i <= 2; i++) {
    if (size == whole[i].size && memcmp(bytes, whole[i].bytes, size) == 0)
      found = i;
  }
  g_free(bytes);
  return found;
}

static void run_writer(Twins *twins, const Style *style, Job *job) {
  int status = 0;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    style->write(job);
    _exit(0);
  }
  while (waitpid(child, &status, WNOHANG) == 0) { /* frames flow meanwhile */
    twins_pass(twins);
    g_usleep(twins->pause_us);
  }
  assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
}

typedef struct Outcome {
  guint whole, partial;
} Outcome;

static void try_writer(Twins *twins, const Style *style, Job *job, guint *active, Outcome *sum) {
  run_writer(twins, style, job);
  const guint expected = whole_at(job->path);
  if (expected) {
    twins_pass_until(twins, expected);
    *active = expected;
    sum->whole++;
  } else {
    twins_stay(twins, *active, STABLE_MS);
    sum->partial++;
  }
}

/* Where the writer is killed: anywhere, but often enough near the end or not at all. */
static glong pick_steps(GRand *rand, const Style *style) {
  const gint where = g_rand_int_range(rand, 0, 4);
  if (where == 0)
    return style->steps + 1000000;
  if (where == 1)
    return style->steps - g_rand_int_range(rand, 0, MIN(6, (gint)style->steps));
  return g_rand_int_range(rand, 0, (gint)style->steps);
}

static void remove_leftovers(const char *path) {
  char *folder = g_path_get_dirname(path);
  GDir *dir = g_dir_open(folder, 0, NULL);
  const char *name;
  char *linked = g_file_read_link(path, NULL);
  while ((name = g_dir_read_name(dir))) {
    char *full = g_build_filename(folder, name, NULL);
    if (strcmp(full, path) != 0 && g_strcmp0(full, linked) != 0)
      unlink(full);
    g_free(full);
  }
  g_dir_close(dir);
  g_free(folder);
  g_free(linked);
}

static void try_style(const Style *style, guint seed) {
  Twins twins;
  Outcome sum = {0};
  guint active = 1;
  GRand *rand = g_rand_new_with_seed(seed);
  char *folder = support_path("published"), *path = g_build_filename(folder, "m.safetensors", NULL);
  char *beside = g_build_filename(folder, "m.tmp", NULL),
       *old = g_build_filename(folder, "m~", NULL);
  assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
  unlink(path);
  model_publish(twin(1), path);
  twins_open(&twins, path);
  twins.pause_us = 2000;
  twins_pass_until(&twins, 1);
  for (guint i = 0; i < n_kills; i++) {
    const Whole *next = &whole[other_twin(active)];
    Job job = {path, beside, old, (const guint8 *)next->bytes, next->size, pick_steps(rand, style)};
    try_writer(&twins, style, &job, &active, &sum);
    rig_drop_messages(&twins.rig);
    remove_leftovers(path);
  }
  /* And after all that a good writer is heard. */
  model_publish(twin(other_twin(active)), path);
  twins_pass_until(&twins, other_twin(active));
  print_message("%s: killed or done %u times: whole %u, partial %u; %u frames\n", style->name,
                n_kills, sum.whole, sum.partial, twins.number);
  twins_close(&twins);
  g_rand_free(rand);
  g_free(folder);
  g_free(path);
  g_free(beside);
  g_free(old);
}

static void writers_of_all_styles(void **state) {
  (void)state;
  read_twins();
  const glong chunks = (glong)(whole[1].size / CHUNK) + 1;
  const Style styles[] = {
      {"rename", by_rename, chunks + 3},
      {"in place", in_place, chunks + 2},
      {"slowly", slowly, (glong)(whole[1].size / SLOW_CHUNK) + 2},
      {"truncated", truncated, 14},
      {"append", appending, 2 * chunks + 1},
      {"link", by_link, chunks + 4},
      {"copy and rename", by_copy_and_rename, chunks + 5},
  };
  const char *only = g_getenv("CORED_WRITER");
  for (guint i = 0; i < G_N_ELEMENTS(styles); i++) {
    if (!only || g_str_equal(only, styles[i].name))
      try_style(&styles[i], 100 + i);
  }
  for (guint i = 1; i <= 2; i++)
    g_free(whole[i].bytes);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(writers_of_all_styles)};
  if (argc > 1)
    n_kills = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
