/* SPDX-License-Identifier: MIT
 * E31, E32: model files that have to be refused, at start and while frames flow: the right message,
 * once for each, and the old model goes on. The files come from the tests of the loader, which are
 * the arguments behind the first; the first is N: every N-th of them is also put where a model is
 * watched. */
#include "twins.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUIET_MS 1500 /* longer than all a bad version is tried again after */

static guint every;
static char **makers;  /* programs, ended by NULL */
static GPtrArray *bad; /* of Bad */

typedef struct Bad {
  char *path, *code;
} Bad;

/* ---- The files ------------------------------------------------------------------------------ */

static void add_bad(char *path, const char *code) {
  Bad *item = g_new(Bad, 1);
  item->path = path;
  item->code = g_strdup(code);
  g_ptr_array_add(bad, item);
}

static void free_bad(gpointer data) {
  Bad *item = data;
  g_free(item->path);
  g_free(item->code);
  g_free(item);
}

static gint by_path(gconstpointer a, gconstpointer b) {
  return strcmp((*(Bad *const *)a)->path, (*(Bad *const *)b)->path);
}

/* "0123-CODE.safetensors": made by a test that expects that code. */
static void collect(const char *folder) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name(dir))) {
    char *code = g_strndup(name + 5, strlen(name) - 5 - strlen(".safetensors"));
    add_bad(g_build_filename(folder, name, NULL), code);
    g_free(code);
  }
  g_dir_close(dir);
}

static void make_files(const char *maker, guint number) {
  char *argv[] = {(char *)maker, NULL}, *name = g_strdup_printf("bad-%u", number);
  char *folder = support_path(name), **environment = g_get_environ();
  gint status = -1;
  assert_int_equal(g_mkdir(folder, 0755), 0);
  environment = g_environ_setenv(environment, "CORED_TEST_KEEP", folder, TRUE);
  assert_true(g_spawn_sync(NULL, argv, environment,
                           G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                           NULL, NULL, &status, NULL));
  assert_int_equal(status, 0);
  collect(folder);
  g_strfreev(environment);
  g_free(folder);
  g_free(name);
}

/* What no bytes are. */
static void make_odd_ones(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char *path = support_path("folder");
  assert_int_equal(g_mkdir(path, 0755), 0);
  add_bad(path, "NOT_REGULAR");
  path = support_path("fifo");
  assert_int_equal(mkfifo(path, 0600), 0);
  add_bad(path, "NOT_REGULAR");
  path = support_path("socket");
  const int s = socket(AF_UNIX, SOCK_STREAM, 0);
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  assert_int_equal(bind(s, (const struct sockaddr *)&address, sizeof address), 0);
  close(s);
  add_bad(path, "NOT_REGULAR");
  add_bad(g_strdup("/dev/zero"), "NOT_REGULAR");
  path = support_path("sparse");
  const int fd = g_open(path, O_WRONLY | O_CREAT, 0644);
  assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
  close(fd);
  add_bad(path, "FILE_TOO_LARGE");
  path = support_path("loop");
  assert_int_equal(symlink("loop", path), 0);
  add_bad(path, "OPEN");
  add_bad(support_path("nowhere"), "NOT_FOUND");
}

/* A good model cut and with one byte changed, at places all over it. */
static void make_damaged_ones(void) {
  char *bytes, *path, name[32];
  gsize size;
  assert_true(g_file_get_contents(twin(2), &bytes, &size, NULL));
  for (guint i = 0; i < 16; i++) {
    const gsize header = 8 + *(const guint64 *)(const void *)bytes;
    const gsize n = size * i / 16 + 3;
    g_snprintf(name, sizeof name, "cut-%u", i);
    path = support_path(name);
    assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
    add_bad(path, n < 8 ? "FILE_TOO_SMALL" : n < header ? "HEADER_LENGTH" : "TRUNCATED");
    g_snprintf(name, sizeof name, "changed-%u", i);
    path = support_path(name);
    bytes[MAX(n, header)] ^= 0x10;
    assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    bytes[MAX(n, header)] ^= 0x10;
    add_bad(path, "HASH");
  }
  g_free(bytes);
}

static int setup(void **state) {
  if (twins_setup(state) != 0)
    return -1;
  bad = g_ptr_array_new_with_free_func(free_bad);
  for (guint i = 0; makers[i]; i++)
    make_files(makers[i], i);
  make_odd_ones();
  make_damaged_ones();
  g_ptr_array_sort(bad, by_path);
  print_message("%u bad files\n", bad->len);
  return bad->len > 200 ? 0 : -1;
}

static int teardown(void **state) {
  g_ptr_array_unref(bad);
  return twins_teardown(state);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void check_domain(const GError *error, const char *code) {
  const gboolean stream = error->domain == GST_STREAM_ERROR;
  if (g_str_equal(code, "NOT_FOUND"))
    assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  else if (g_str_equal(code, "OPEN") || g_str_equal(code, "NOT_REGULAR"))
    assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ));
  else if (g_str_equal(code, "MODEL_KIND")) /* The file is good, the property is the wrong one. */
    assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  else
    assert_true(stream && error->code == GST_STREAM_ERROR_FORMAT);
}

static void check_code(const Bad *item, const char *code) {
  if (g_strcmp0(code, item->code) != 0)
    fail_msg("%s: told as %s", item->path, code);
}

/* E31: the state change fails with one error that names the code, the same element starts after. */
static void refused_at_start(void **state) {
  (void)state;
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  g_object_set(element, "face-detector", 0, "threads", 1, NULL);
  for (guint i = 0; i < bad->len; i++) {
    const Bad *item = bad->pdata[i];
    const GstStructure *details;
    GError *error;
    g_object_set(element, "model", item->path, NULL);
    assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    assert_non_null(message);
    gst_message_parse_error(message, &error, NULL);
    gst_message_parse_error_details(message, &details);
    check_code(item, gst_structure_get_string(details, "cored-code"));
    check_domain(error, item->code);
    assert_non_null(strstr(error->message, item->path));
    g_error_free(error);
    gst_message_unref(message);
    assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  }
  g_object_set(element, "model", twin(1), NULL);
  assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
  gst_object_unref(bus);
}

static void expect_told(Twins *twins, Told *told, guint n) {
  twins_hear(twins, told);
  assert_int_equal(told->warnings, n);
  assert_int_equal(told->failed, n);
  assert_int_equal(told->degraded, 0);
  assert_int_equal(rig_stat(&twins->rig, "swap-failures"), n);
}

/* E32, by the property: each is told once, with its code; generation 1 runs all along. */
static void refused_while_frames_flow(void **state) {
  (void)state;
  Twins twins;
  Told told = {0};
  twins_open(&twins, twin(1));
  twins.pause_us = 500;
  for (guint i = 0; i < bad->len; i++) {
    const Bad *item = bad->pdata[i];
    g_object_set(twins.rig.element, "model", item->path, NULL);
    twins_pass_until_warned(&twins, &told, i + 1);
    check_code(item, told.code);
    assert_int_equal(twins_pass(&twins), 1);
    expect_told(&twins, &told, i + 1);
  }
  twins_stay(&twins, 1, QUIET_MS);
  expect_told(&twins, &told, bad->len);
  assert_int_equal(twins.seen[2], 0);
  g_object_set(twins.rig.element, "model", twin(2), NULL);
  twins_pass_until(&twins, 2);
  twins_close(&twins);
}

/* Put the bytes of a file in the place of another; FALSE when it has none to read. */
static gboolean put_in_place(const Bad *item, const char *path) {
  struct stat st;
  if (stat(item->path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > 1 << 26)
    return FALSE;
  model_publish(item->path, path);
  return TRUE;
}

/* E32, where the file is watched; a good version between, now and then. */
static void refused_where_it_is_watched(void **state) {
  (void)state;
  Twins twins;
  Told told = {0};
  guint n = 0, good = 1;
  char *path = support_path("watched.safetensors");
  model_publish(twin(1), path);
  twins_open(&twins, path);
  twins.pause_us = 2000;
  for (guint i = every / 2; i < bad->len; i += every) {
    const Bad *item = bad->pdata[i];
    if (!put_in_place(item, path))
      continue;
    twins_pass_until_warned(&twins, &told, ++n);
    check_code(item, told.code);
    assert_int_equal(twins_pass(&twins), good);
    expect_told(&twins, &told, n);
    if (n % 10 == 0) {
      good = other_twin(good);
      model_publish(twin(good), path);
      twins_pass_until(&twins, good);
    }
  }
  print_message("%u bad versions, %u frames, generations %u and %u\n", n, twins.number,
                twins.seen[1], twins.seen[2]);
  twins_stay(&twins, good, QUIET_MS);
  expect_told(&twins, &told, n);
  assert_true(n > 2);
  twins_close(&twins);
  g_free(path);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refused_at_start),
      cmocka_unit_test(refused_while_frames_flow),
      cmocka_unit_test(refused_where_it_is_watched),
  };
  if (argc < 3) {
    print_error("usage: %s EVERY PROGRAM...\n", argv[0]);
    return 2;
  }
  every = MAX(1, (guint)strtoul(argv[1], NULL, 10));
  makers = argv + 2;
  return cmocka_run_group_tests(tests, setup, teardown);
}
