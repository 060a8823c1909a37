/* SPDX-License-Identifier: MIT
 * Reading cascade files: good ones in full, every kind of bad one refused with a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cascade-text.h"
#include "vision/faces/cascade-file.h"

#include <dirent.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static CoredCascade *parse_ok(const char *xml) {
  CoredError error;
  CoredCascade *const c = cored_cascade_parse(xml, strlen(xml), "text", &error);
  if (!c)
    fail_msg("%s", error.message);
  return c;
}

static void test_reads_haar(void **state) {
  (void)state;
  CoredCascade *const c = parse_ok(CASCADE_HAAR);
  assert_int_equal(c->kind, CORED_CASCADE_HAAR);
  assert_int_equal(c->width, 12);
  assert_int_equal(c->height, 12);
  assert_int_equal(c->n_stages, 1);
  assert_int_equal(c->n_trees, 2);
  assert_int_equal(c->n_features, 2);
  assert_int_equal(c->largest_tree, 1);
  assert_false(c->tilted);
  assert_true(c->stages[0].threshold == 1.5f - 1e-5f);
  assert_int_equal(c->nodes[1].feature, 1);
  assert_true(c->nodes[1].threshold == 0.5f);
  assert_int_equal(c->nodes[1].right, -1);
  assert_true(c->leaves[2] == -1.f && c->leaves[3] == 1.f);
  assert_int_equal(c->features[1].n_rects, 2);
  assert_int_equal(c->features[1].rect[1].y, 8);
  assert_true(c->features[1].rect[1].weight == 1.f);
  cored_cascade_free(c);
}

static void test_reads_lbp(void **state) {
  (void)state;
  CoredCascade *const c = parse_ok(CASCADE_LBP);
  assert_int_equal(c->kind, CORED_CASCADE_LBP);
  assert_int_equal(c->nodes[0].subset[0], 1);
  assert_int_equal(c->nodes[0].subset[7], 0);
  assert_int_equal(c->features[0].rect[0].w, 3);
  cored_cascade_free(c);
}

/* A decimal comma must not matter. */
static void test_locale(void **state) {
  (void)state;
  char *const old = strdup(setlocale(LC_NUMERIC, NULL));
  if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
    print_message("no German locale here: only the C locale is tested\n");
  CoredCascade *const c = parse_ok(CASCADE_HAAR);
  assert_true(c->nodes[0].threshold == 0.5f);
  cored_cascade_free(c);
  setlocale(LC_NUMERIC, old);
  free(old);
}

/* text with the first `from` in it replaced. */
static char *with(const char *text, const char *from, const char *to) {
  const char *const at = strstr(text, from);
  if (!at)
    fail_msg("no '%s' in the text", from);
  const size_t size = strlen(text) - strlen(from) + strlen(to) + 1;
  char *const out = malloc(size);
  assert_non_null(out);
  snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  return out;
}

static void expect_refused(const char *xml, const char *what) {
  CoredError error = {0};
  CoredCascade *const c = cored_cascade_parse(xml, strlen(xml), "text", &error);
  if (c)
    fail_msg("not refused: %s", what);
  assert_int_equal(error.code, CORED_ERROR_CASCADE_FORMAT);
  assert_non_null(strstr(error.message, "cascade 'text', line "));
}

typedef struct Edit {
  const char *from, *to;
} Edit;

static const Edit haar_edits[] = {
    {"<?xml", "<xml"},
    {"<opencv_storage>", "<!DOCTYPE a [<!ENTITY b \"c\">]><opencv_storage>"},
    {"<opencv_storage>", "<html>"},
    {"</opencv_storage>", ""},
    {"</opencv_storage>", "</opencv_storage><more/>"},
    {"BOOST", "SVM"},
    {">HAAR<", ">HOG<"},
    {">HAAR<", ">LBP<"},
    {"<featureType>HAAR</featureType>", ""},
    {"<featureType>", "<featureType>HAAR</featureType><featureType>"},
    {"<height>12", "<height>3"},
    {"<height>12", "<height>257"},
    {"<height>12", "<height>-12"},
    {"<height>12", "<height>12 12"},
    {"<height>12", "<height>1e1000"},
    {"<height>12", "<height>nan"},
    {"<height>12", "<height>0xc"},
    {"<height>12", "<height>12.5"},
    {"<height>12</height>", ""},
    {"<height>12</height>", "<height>12</height><height>12</height>"},
    {"<width>12</width>", ""},
    {"<maxCatCount>0", "<maxCatCount>256"},
    {"<stageNum>1", "<stageNum>2"},
    {"<stageNum>1", "<stageNum>0"},
    {"<stageNum>1</stageNum>", ""},
    {"<stages>", "<stages><what/>"},
    {"<stages><_><maxWeakCount>2", "<stages><_><maxWeakCount>3"},
    {"<stageThreshold>1.5</stageThreshold>", ""},
    {"<stageThreshold>1.5", "<stageThreshold>1.5.2"},
    {"<stageThreshold>1.5", "<stageThreshold>inf"},
    {"<stageThreshold>1.5", "<stageThreshold>"},
    {"0 -1 0 5.0e-01", "0 -1 0"},
    {"0 -1 0 5.0e-01", "0 -1 0 5.0e-01 1"},
    {"0 -1 0 5.0e-01", ""},
    {"0 -1 0 5.0e-01", "0 -1 2 5.0e-01"},
    {"0 -1 0 5.0e-01", "0 -1 -1 5.0e-01"},
    {"0 -1 0 5.0e-01", "0 -2 0 5.0e-01"},
    {"0 -1 0 5.0e-01", "0 1 0 5.0e-01"},
    {"0 -1 0 5.0e-01", "0 -1 0 5.0e-01 0 -2 0 1"},
    {"0 -1 0 5.0e-01", "0 -1 0.5 5.0e-01"},
    {"0 -1 0 5.0e-01", "0 -1 0 5.0e-01&amp;"},
    {"0 -1 0 5.0e-01", "0 -1 0 5.0e+300"},
    {"<leafValues>-1. 1.</leafValues>", ""},
    {"<leafValues>-1. 1.", "<leafValues>-1."},
    {"<leafValues>-1. 1.", "<leafValues>-1. 1. 1."},
    {"<leafValues>-1. 1.</leafValues>",
     "<leafValues>-1. 1.</leafValues><leafValues>-1. 1.</leafValues>"},
    {"0 0 4 12 -1.", "0 0 4 13 -1."},
    {"0 0 4 12 -1.", "9 0 4 12 -1."},
    {"0 0 4 12 -1.", "-1 0 4 12 -1."},
    {"0 0 4 12 -1.", "0 0 0 12 -1."},
    {"0 0 4 12 -1.", "0 0 4 12"},
    {"0 0 4 12 -1.", "0 0 4 12 -1. 3"},
    {"0 0 4 12 -1.", "2147483647 0 2147483647 12 -1."},
    {"<tilted>0", "<tilted>2"},
    {"<tilted>0", "<tilted>1"}, /* a tilted 4x12 at 0,0 leaves the window */
    {"<rects><_>", "<rects><_>0 0 1 1 1.</_><_>0 0 1 1 1.</_><_>"},
    {"<rects><_>0 0 4 12 -1.</_><_>8 0 4 12 1.</_></rects>", ""},
    {"<rects><_>0 0 4 12 -1.", "<rect>0 0 3 3</rect><rects><_>0 0 4 12 -1."},
    {"opencv-cascade-classifier\">", "opencv-haar-classifier\"><size>20 20</size>"},
};

static const Edit lbp_edits[] = {
    {"0 -1 0 1 0 0 0 0 0 0 0", "0 -1 0 1 0 0 0 0 0 0"},
    {"0 -1 0 1 0 0 0 0 0 0 0", "0 -1 0 1 0 0 0 0 0 0 4294967296"},
    {"0 -1 0 1 0 0 0 0 0 0 0", "0 -1 0 1 0 0 0 0 0 0 0.5"},
    {"<rect>0 0 3 3", "<rect>1 0 3 3"},
    {"<rect>0 0 3 3", "<rect>0 0 3 3 1"},
    {"<rect>0 0 3 3", "<rect>0 0 3"},
    {"<rect>0 0 3 3</rect>", "<rect>0 0 3 3</rect><rect>0 0 3 3</rect>"},
    {"<rect>0 0 3 3</rect>", "<rects><_>0 0 3 3 1</_></rects>"},
    {"<rect>0 0 3 3</rect>", "<rect>0 0 3 3</rect><tilted>1</tilted>"},
    {"<maxCatCount>256", "<maxCatCount>0"},
    {"<features>", "<features><_/>"},
};

static void test_refuses_edits(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof haar_edits / sizeof *haar_edits; i++) {
    char *const xml = with(CASCADE_HAAR, haar_edits[i].from, haar_edits[i].to);
    expect_refused(xml, haar_edits[i].to);
    free(xml);
  }
  for (size_t i = 0; i < sizeof lbp_edits / sizeof *lbp_edits; i++) {
    char *const xml = with(CASCADE_LBP, lbp_edits[i].from, lbp_edits[i].to);
    expect_refused(xml, lbp_edits[i].to);
    free(xml);
  }
}

static void test_refuses_truncated(void **state) {
  (void)state;
  const char *const xml = CASCADE_HAAR;
  const size_t size = strlen(xml) - 1; /* without the last newline */
  for (size_t n = 0; n < size; n++) {
    CoredError error = {0};
    assert_null(cored_cascade_parse(xml, n, "cut", &error));
    assert_int_equal(error.code, CORED_ERROR_CASCADE_FORMAT);
  }
}

static void test_refuses_bombs(void **state) {
  (void)state;
  /* Deep nesting where content is ignored, an endless name, an endless text. */
  enum { SIZE = 1 << 18 };
  char *const deep = malloc(SIZE), *const xml = malloc(2 * SIZE);
  assert_true(deep && xml);
  for (size_t i = 0; i + 4 < SIZE; i += 3)
    memcpy(deep + i, "<a>", 4);
  char *edited = with(CASCADE_HAAR, "<stageParams>", "<stageParams>@");
  char *text = with(edited, "@", deep);
  expect_refused(text, "deep nesting");
  free(text);
  free(edited);
  memset(deep, ' ', SIZE - 1);
  deep[SIZE - 1] = '\0';
  text = with(CASCADE_HAAR, "<stageThreshold>", "<stageThreshold>@");
  edited = with(text, "@", deep);
  expect_refused(edited, "endless text");
  free(text);
  free(edited);
  memset(deep, 'x', SIZE - 1);
  snprintf(xml, 2 * SIZE, "<%s/>", deep);
  expect_refused(xml, "endless name");
  free(deep);
  free(xml);
}

/* Nothing that a few changed bytes do may crash; most of it is refused. */
static void test_survives_noise(void **state) {
  (void)state;
  static const char *const texts[] = {CASCADE_HAAR, CASCADE_LBP};
  uint32_t seed = 2020;
  int refused = 0;
  for (int i = 0; i < 4000; i++) {
    char *const xml = strdup(texts[i & 1]);
    assert_non_null(xml);
    const size_t n = strlen(xml);
    for (int k = 0; k <= i % 3; k++) {
      seed = seed * 1664525u + 1013904223u;
      xml[(seed >> 8) % n] = "0123456789-. <>/_ae\n\xff"[(seed >> 3) % 21];
    }
    CoredCascade *const c = cored_cascade_parse(xml, n, "noise", NULL);
    refused += !c;
    cored_cascade_free(c);
    free(xml);
  }
  assert_in_range(refused, 1000, 4000);
}

static void test_files(void **state) {
  (void)state;
  CoredError error = {0};
  assert_null(cored_cascade_load("/nonexistent/cascade.xml", &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "/nonexistent/cascade.xml"));
  assert_non_null(strstr(error.message, "opencv-data"));
  assert_null(cored_cascade_load("/", &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);
  assert_null(cored_cascade_load("/dev/null", &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);

  char path[] = "/tmp/cored-cascade-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_null(cored_cascade_load(path, &error));
  assert_int_equal(error.code, CORED_ERROR_CASCADE_FORMAT);
  assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
  assert_null(cored_cascade_load(path, &error));
  assert_int_equal(error.code, CORED_ERROR_FILE_TOO_LARGE);
  assert_int_equal(ftruncate(fd, 0), 0);
  assert_int_equal(write(fd, CASCADE_LBP, strlen(CASCADE_LBP)), strlen(CASCADE_LBP));
  CoredCascade *const c = cored_cascade_load(path, &error);
  assert_non_null(c);
  cored_cascade_free(c);
  close(fd);
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_null(cored_cascade_load(path, &error));
  assert_int_equal(error.code, CORED_ERROR_NOT_REGULAR);
  unlink(path);
}

/* Every cascade of opencv-data is read, but for the one in the old format. */
static void test_installed_cascades(void **state) {
  (void)state;
  static const char *const folders[] = {"/usr/share/opencv4/lbpcascades",
                                        "/usr/share/opencv4/haarcascades"};
  int n = 0;
  for (size_t i = 0; i < 2; i++) {
    DIR *const folder = opendir(folders[i]);
    if (!folder) {
      print_message("opencv-data is not installed: no %s\n", folders[i]);
      skip();
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
      char path[512];
      CoredError error = {0};
      if (entry->d_name[0] == '.')
        continue;
      snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
      CoredCascade *const c = cored_cascade_load(path, &error);
      if (strstr(path, "_plate_rus_16stages")) {
        assert_null(c);
        assert_non_null(strstr(error.message, "old format"));
      } else if (!c) {
        fail_msg("%s", error.message);
      }
      cored_cascade_free(c);
      n++;
    }
    closedir(folder);
  }
  assert_true(n > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_haar),
      cmocka_unit_test(test_reads_lbp),
      cmocka_unit_test(test_locale),
      cmocka_unit_test(test_refuses_edits),
      cmocka_unit_test(test_refuses_truncated),
      cmocka_unit_test(test_refuses_bombs),
      cmocka_unit_test(test_survives_noise),
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_installed_cascades),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
