/* SPDX-License-Identifier: MIT
 * E37: the folder of a watched model is taken away, made anew, closed, and exchanged through links,
 * as trainers and orchestrators do. The old model runs meanwhile; in the end the new one does. */
#include "twins.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define NOBODY 65534
#define QUIET_MS 400

typedef struct Place {
  char *root, *folder, *path;
  Twins twins;
  Told told;
} Place;

static char *in(const char *folder, const char *name) {
  return g_build_filename(folder, name, NULL);
}

static void publish_in(const char *folder, guint generation) {
  char *path = in(folder, "m.safetensors");
  model_publish(twin(generation), path);
  g_free(path);
}

/* root/models/current/m.safetensors, of which generation 1 runs. */
static void open_place(Place *place, const char *name) {
  *place = (Place){.root = support_path(name)};
  char *models = in(place->root, "models");
  place->folder = in(models, "current");
  place->path = in(place->folder, "m.safetensors");
  assert_int_equal(g_mkdir_with_parents(place->folder, 0755), 0);
  publish_in(place->folder, 1);
  twins_open(&place->twins, place->path);
  place->twins.pause_us = 2000;
  twins_pass_until(&place->twins, 1);
  g_free(models);
}

static void close_place(Place *place) {
  twins_close(&place->twins);
  g_free(place->root);
  g_free(place->folder);
  g_free(place->path);
}

static void expect_told(Place *place, guint failed) {
  twins_hear(&place->twins, &place->told);
  if (place->told.failed != failed)
    fail_msg("%u failures instead of %u, the last %s", place->told.failed, failed,
             place->told.code);
  assert_int_equal(place->told.warnings, failed);
}

static void remove_empty(const char *path) {
  assert_int_equal(g_rmdir(path), 0);
}

/* Deleted with what is in it and above it, and made again, at once or after a while. */
static void the_folder_is_deleted(void **state) {
  (void)state;
  Place place;
  guint warnings = 0, generation = 1;
  open_place(&place, "deleted");
  for (guint i = 0; i < 4; i++) {
    const gboolean at_once = i % 2;
    char *models = g_path_get_dirname(place.folder);
    const gint64 gone = g_get_monotonic_time();
    assert_int_equal(g_unlink(place.path), 0);
    remove_empty(place.folder);
    remove_empty(models);
    if (!at_once) {
      twins_pass_until_warned(&place.twins, &place.told, ++warnings);
      assert_string_equal(place.told.code, "NOT_FOUND");
      twins_stay(&place.twins, generation, QUIET_MS);
    }
    assert_int_equal(g_mkdir(models, 0755), 0);
    assert_int_equal(g_mkdir(place.folder, 0755), 0);
    generation = other_twin(generation);
    publish_in(place.folder, generation);
    const gint64 away = g_get_monotonic_time() - gone;
    twins_pass_until(&place.twins, generation);
    twins_hear(&place.twins, &place.told);
    if (at_once && away > G_USEC_PER_SEC / 2) /* the machine was busy: it may have been missed */
      warnings = place.told.failed;
    expect_told(&place, warnings);
    g_free(models);
  }
  close_place(&place);
}

/* The whole tree is renamed away and another one renamed into its place. */
static void the_folder_is_exchanged(void **state) {
  (void)state;
  Place place;
  guint generation = 1;
  open_place(&place, "exchanged");
  for (guint i = 0; i < 4; i++) {
    char *fresh = in(place.root, "fresh"), *old = g_strdup_printf("%s/old-%u", place.root, i);
    generation = other_twin(generation);
    assert_int_equal(g_mkdir(fresh, 0755), 0);
    publish_in(fresh, generation);
    assert_int_equal(g_rename(place.folder, old), 0);
    assert_int_equal(g_rename(fresh, place.folder), 0);
    twins_pass_until(&place.twins, generation);
    publish_in(old, other_twin(generation)); /* nobody's business any more */
    twins_stay(&place.twins, generation, QUIET_MS);
    g_free(fresh);
    g_free(old);
  }
  expect_told(&place, 0);
  close_place(&place);
}

/* As Kubernetes mounts: current/m.safetensors -> ..data/m.safetensors, ..data -> version; only
 * ..data is ever exchanged, and the old version deleted. */
static void a_link_of_the_way_is_swapped(void **state) {
  (void)state;
  Place place;
  guint generation = 1;
  open_place(&place, "links");
  char *data = in(place.folder, "..data"), *next = in(place.folder, "..data_tmp"), *last = NULL;
  for (guint i = 0; i < 6; i++) {
    char *name = g_strdup_printf("..version-%u", i), *version = in(place.folder, name);
    generation = other_twin(generation);
    assert_int_equal(g_mkdir(version, 0755), 0);
    publish_in(version, generation);
    assert_int_equal(symlink(name, next), 0);
    assert_int_equal(g_rename(next, data), 0);
    if (i == 0) {
      assert_int_equal(symlink("..data/m.safetensors", next), 0);
      assert_int_equal(g_rename(next, place.path), 0);
    } else {
      char *old = in(last, "m.safetensors");
      assert_int_equal(g_unlink(old), 0);
      remove_empty(last);
      g_free(old);
    }
    twins_pass_until(&place.twins, generation);
    g_free(last);
    last = version;
    g_free(name);
  }
  expect_told(&place, 0);
  g_free(last);
  g_free(data);
  g_free(next);
  close_place(&place);
}

/* A folder nobody may enter, for a process that is not root: the file cannot be seen. */
static void the_folder_is_closed(void **state) {
  (void)state;
  Place place;
  const uid_t before = geteuid();
  if (before == 0 && seteuid(NOBODY) != 0) {
    print_message("skipped: root enters any folder, and its rights cannot be dropped here\n");
    skip();
  }
  if (before == 0) { /* who is nobody may read the models all the same */
    assert_int_equal(seteuid(0), 0);
    char *folder = support_path(".");
    assert_int_equal(g_chmod(folder, 0755), 0);
    g_free(folder);
    assert_int_equal(seteuid(NOBODY), 0);
  }
  char *own = g_dir_make_tmp("cored-closed-XXXXXX", NULL);
  assert_non_null(own);
  place = (Place){.root = own, .folder = in(own, "closed")};
  place.path = in(place.folder, "m.safetensors");
  assert_int_equal(g_mkdir(place.folder, 0755), 0);
  publish_in(place.folder, 1);
  twins_open(&place.twins, place.path);
  place.twins.pause_us = 2000;
  twins_pass_until(&place.twins, 1);
  for (guint i = 1; i <= 2; i++) {
    publish_in(place.folder, i);
    twins_pass_until(&place.twins, i);
    assert_int_equal(g_chmod(place.folder, 0), 0);
    assert_int_not_equal(faccessat(AT_FDCWD, place.path, F_OK, AT_EACCESS), 0);
    twins_pass_until_warned(&place.twins, &place.told, i);
    twins_stay(&place.twins, i, QUIET_MS);
    assert_int_equal(g_chmod(place.folder, 0755), 0);
    twins_stay(&place.twins, i, QUIET_MS);
    expect_told(&place, i);
  }
  publish_in(place.folder, 1);
  twins_pass_until(&place.twins, 1);
  assert_int_equal(g_unlink(place.path), 0);
  remove_empty(place.folder);
  remove_empty(place.root);
  close_place(&place);
  assert_int_equal(seteuid(before), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_folder_is_deleted),
      cmocka_unit_test(the_folder_is_exchanged),
      cmocka_unit_test(a_link_of_the_way_is_swapped),
      cmocka_unit_test(the_folder_is_closed),
  };
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
