/* SPDX-License-Identifier: MIT
 * The parts of cored-scan that need no video: tracks and verdict, evidence, time line, JSON. */
#include "base/threshold-text.h"
#include "tools/scan/container.h"
#include "tools/scan/progress.h"
#include "tools/scan/report.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void add(CoredJudgedTracks *tracks, double time, guint64 track, double p_fake) {
  CoredJudgedFace face = {.track = track, .p_fake = p_fake, .p_fake_smoothed = p_fake};
  cored_tracks_add(tracks, time, &face, 1);
}

static void mean_of_logits(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  /* logits 2, 2, -1, 1, 1: mean 1 */
  const double logits[] = {2, 2, -1, 1, 1};
  for (int i = 0; i < 5; i++)
    add(tracks, i, 7, 1 / (1 + exp(-logits[i])));
  CoredTrackVerdict verdict = cored_tracks_verdict(tracks, 0.73, TRUE);
  assert_int_equal(verdict.outcome, CORED_OUTCOME_FAKE);
  assert_true(fabs(verdict.p_fake - 1 / (1 + exp(-1.0))) < 1e-9);
  assert_int_equal(verdict.worst->id, 7);
  assert_int_equal(cored_tracks_verdict(tracks, 0.74, TRUE).outcome, CORED_OUTCOME_REAL);
  /* At the threshold itself it is fake. */
  assert_int_equal(cored_tracks_verdict(tracks, verdict.p_fake, TRUE).outcome, CORED_OUTCOME_FAKE);
  cored_tracks_free(tracks);
}

/* What was not read may be forged: a file of which a part is missing is never real. */
static void a_part_is_not_the_whole(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  for (int i = 0; i < 10; i++)
    add(tracks, i, 1, 0.25);
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_REAL);
  CoredTrackVerdict part = cored_tracks_verdict(tracks, 0.5, FALSE);
  assert_int_equal(part.outcome, CORED_OUTCOME_UNKNOWN);
  assert_non_null(part.worst);
  assert_true(fabs(part.p_fake - 0.25) < 1e-9);
  assert_int_equal(cored_tracks_verdict(tracks, 0.2, FALSE).outcome, CORED_OUTCOME_FAKE);
  cored_tracks_free(tracks);
}

static void certain_frames_stay_finite(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  for (int i = 0; i < 10; i++)
    add(tracks, i, 1, i == 0 ? 1.0 : 0.0);
  CoredTrackVerdict verdict = cored_tracks_verdict(tracks, 0.5, TRUE);
  assert_int_equal(verdict.outcome, CORED_OUTCOME_REAL);
  assert_true(verdict.p_fake > 0 && verdict.p_fake < 1e-3);
  cored_tracks_free(tracks);
}

static void worst_track_decides(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  for (int i = 0; i < 20; i++) {
    CoredJudgedFace faces[2] = {{.track = 1, .p_fake = 0.1}, {.track = 2, .p_fake = 0.9}};
    cored_tracks_add(tracks, i, faces, 2);
  }
  CoredTrackVerdict verdict = cored_tracks_verdict(tracks, 0.5, TRUE);
  assert_int_equal(verdict.outcome, CORED_OUTCOME_FAKE);
  assert_int_equal(verdict.worst->id, 2);
  assert_int_equal(tracks->judged, 20);
  cored_tracks_free(tracks);
}

static void brief_tracks_do_not_count(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_UNKNOWN);
  cored_tracks_add(tracks, 0, NULL, 0); /* nothing judged: no frame of a short file either */
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_UNKNOWN);
  /* A picture has one frame: it is judged. */
  add(tracks, 0, 1, 0.9);
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_FAKE);
  /* Then another face comes: neither was seen in all frames, none often or long enough. */
  for (int i = 1; i < CORED_TRACK_MIN_JUDGED; i++)
    add(tracks, i / 10.0, 2, 0.2);
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_UNKNOWN);
  add(tracks, 0.9, 2, 0.2); /* often, but over 0.8 s */
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_UNKNOWN);
  add(tracks, 0.1 + CORED_TRACK_MIN_SECONDS, 2, 0.2);
  assert_int_equal(cored_tracks_verdict(tracks, 0.5, TRUE).outcome, CORED_OUTCOME_REAL);
  assert_false(cored_track_counts(tracks, g_ptr_array_index(tracks->tracks, 0)));
  cored_tracks_free(tracks);
}

static void spans_are_whole_seconds(void **state) {
  CoredJudgedTracks *tracks = cored_tracks_new();
  (void)state;
  /* Second 0 real, 1 and 2 fake, 3 real by its mean, 4 not judged, 5 and 7 fake (6 not judged). */
  const struct {
    double time, p;
  } samples[] = {{0.2, 0.1}, {1.0, 0.8}, {1.9, 0.9}, {2.5, 0.7},
                 {3.1, 0.6}, {3.2, 0.1}, {5.0, 0.6}, {7.9, 0.95}};
  for (gsize i = 0; i < G_N_ELEMENTS(samples); i++)
    add(tracks, samples[i].time, 1, samples[i].p);
  GArray *spans = cored_track_spans(g_ptr_array_index(tracks->tracks, 0), 0.5);
  assert_int_equal(spans->len, 2);
  const CoredTrackSpan *span = &g_array_index(spans, CoredTrackSpan, 0);
  assert_int_equal(span->first, 1);
  assert_int_equal(span->last, 2);
  /* worst second: the mean of logits of 0.8 and 0.9 */
  double worst = cored_track_sigmoid((log(0.8 / 0.2) + log(0.9 / 0.1)) / 2);
  assert_true(fabs(span->p_fake - worst) < 1e-9);
  assert_int_equal(g_array_index(spans, CoredTrackSpan, 1).first, 5);
  assert_int_equal(g_array_index(spans, CoredTrackSpan, 1).last, 7);
  g_array_unref(spans);
  cored_tracks_free(tracks);
}

/* What print writes about report to a terminal of 57 columns. */
__attribute__((noinline)) static char *printed(const ScanReport *report, gboolean utf8,
                                               gboolean colour) {
  char *text = NULL;
  size_t size;
  CoredTerminal terminal = {.utf8 = utf8, .colour = colour, .width = 57};
  terminal.file = open_memstream(&text, &size);
  scan_report_print(report, &terminal, TRUE);
  fclose(terminal.file);
  return text;
}

static ScanReport *example(void) {
  ScanReport *report = scan_report_new("clip.mp4", "file:///tmp/clip.mp4");
  for (int i = 0; i < 40; i++)
    add(report->tracks, i / 4.0, 3, i < 20 ? 0.05 : 0.95);
  report->frames = 41;
  report->duration = 10;
  report->threshold = 0.5;
  report->complete = TRUE;
  report->verdict = cored_tracks_verdict(report->tracks, report->threshold, TRUE);
  return report;
}

static void timeline_as_text(void **state) {
  ScanReport *report = example();
  (void)state;
  char *text = printed(report, FALSE, FALSE);
  assert_string_equal(text, "clip.mp4  (0:10, 41 frames, 40 judged)\n"
                            "  face 3   0000000000000000000099999999999999999999  0.50\n"
                            "           0:00  0:02      0:05      0:07      0:10\n"
                            "  fake  p-fake 0.50, threshold 0.50: face 3 looks fake at "
                            "0:05-0:09 (0.95)\n");
  free(text);
  text = printed(report, TRUE, FALSE);
  assert_non_null(strstr(text, "▁▁▁██"));
  assert_null(strchr(text, '\033'));
  free(text);
  text = printed(report, TRUE, TRUE);
  assert_non_null(strstr(text, "\033[31m█"));
  assert_non_null(strstr(text, "\033[32m▁"));
  free(text);
  scan_report_free(report);
}

static void check_agreement(const char *text, const ScanReport *report) {
  const gboolean fake = report->verdict.outcome == CORED_OUTCOME_FAKE;
  double p, threshold;
  const char *numbers = strstr(text, "p-fake ");
  assert_non_null(numbers);
  assert_int_equal(sscanf(numbers, "p-fake %lf, threshold %lf", &p, &threshold), 2);
  assert_int_equal(p >= threshold, fake);
  assert_int_equal(strstr(text, "looks fake") != NULL, fake);
  GArray *spans = cored_track_spans(report->verdict.worst, report->threshold);
  assert_int_equal(strstr(text, "\033[31m") != NULL, spans->len > 0);
  assert_int_equal(strstr(text, "reaches it at") != NULL, spans->len > 0 && !fake);
  g_array_unref(spans);
}

/* Verdict, evidence, time line and the numbers beside them say the same of every p and threshold.
 */
static void nothing_contradicts(void **state) {
  (void)state;
  for (int k = 0; k < 200; k++) {
    ScanReport *report = scan_report_new("clip.mp4", "file:///tmp/clip.mp4");
    const double base = 0.3 + k * 0.002;
    for (int i = 0; i < 40; i++)
      add(report->tracks, i / 4.0, 1, CLAMP(base + (i % 8 < 4 ? 0.08 : -0.08), 0, 1));
    const double p = cored_track_p_fake(g_ptr_array_index(report->tracks->tracks, 0));
    report->frames = 40;
    report->duration = 10;
    report->complete = TRUE;
    report->threshold = k % 2 ? 0.5 : p + (k % 4 ? 1e-4 : 1e-12);
    report->verdict = cored_tracks_verdict(report->tracks, report->threshold, TRUE);
    char *text = printed(report, TRUE, TRUE);
    check_agreement(text, report);
    free(text);
    scan_report_free(report);
  }
}

static void check_numbers(double p, double threshold, const char *shown) {
  const CoredThresholdText text = cored_threshold_text(p, threshold);
  char both[100];
  g_snprintf(both, sizeof both, "%s %s", text.p, text.threshold);
  assert_string_equal(both, shown);
}

static void numbers_stay_on_their_side(void **state) {
  (void)state;
  check_numbers(0.37, 0.5, "0.37 0.50");
  check_numbers(0.496, 0.5, "0.496 0.500");
  check_numbers(0.5, 0.5, "0.50 0.50");
  check_numbers(0.5 - 1e-15, 0.5, "0.499999999 0.500000000");
  check_numbers(1, 0.39, "1.00 0.39");
  check_numbers(0, 1, "0.00 1.00");
  check_numbers(0, 1e-12, "0.000000000 0.000000001");
}

/* Sparse samples fill the time up to the next; a pause between two appearances stays empty. */
static void timeline_holds_samples(void **state) {
  ScanReport *report = scan_report_new("clip.mp4", "file:///tmp/clip.mp4");
  const double times[] = {0, 1, 2, 3, 8, 9};
  (void)state;
  for (gsize i = 0; i < G_N_ELEMENTS(times); i++)
    add(report->tracks, times[i], 1, 0.95);
  report->duration = 10;
  char *text = printed(report, FALSE, FALSE);
  assert_non_null(strstr(text, "face 1   9999999999999                   99999999  0.95"));
  free(text);
  scan_report_free(report);
}

static void unknown_says_why(void **state) {
  ScanReport *report = scan_report_new("x", "file:///x");
  (void)state;
  report->frames = 12;
  report->reason = g_strdup("no-face");
  char *text = printed(report, FALSE, FALSE);
  assert_non_null(strstr(text, "  unknown  no face in 12 frames\n"));
  free(text);
  report->frames = 0;
  report->problem = g_strdup("no video in it");
  text = printed(report, FALSE, FALSE);
  assert_null(strstr(text, "unknown"));
  assert_non_null(strstr(text, "  failed: no video in it\n"));
  free(text);
  scan_report_free(report);
}

static void blocks(void **state) {
  (void)state;
  assert_string_equal(scan_block(0, TRUE), "▁");
  assert_string_equal(scan_block(1, TRUE), "█");
  assert_string_equal(scan_block(0.5, TRUE), "▅");
  assert_string_equal(scan_block(0.49, FALSE), "4");
  assert_string_equal(scan_block(-3, FALSE), "0");
}

static void progress_text(void **state) {
  CoredTerminal terminal = {.is_tty = TRUE, .width = 60};
  (void)state;
  char *text = scan_progress_text(&terminal, 3, 12, 75, 2);
  assert_string_equal(text, "  [###...........]  25 %  0:03 of 0:12  ETA 0:06  38 frames/s");
  g_free(text);
  text = scan_progress_text(&terminal, 3, 0, 75, 2);
  assert_string_equal(text, "   0:03  38 frames/s");
  g_free(text);
  char time[16];
  assert_string_equal(cored_time_text(3723.9, time), "1:02:03");
  assert_string_equal(cored_time_text(-1, time), "0:00");
}

static json_t *next_line(FILE *file) {
  char line[8192];
  json_error_t error;
  assert_non_null(fgets(line, sizeof line, file));
  json_t *object = json_loads(line, 0, &error);
  assert_non_null(object);
  return object;
}

static double number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

/* A decimal comma in the locale must not reach the file. */
static void json_lines(void **state) {
  char path[] = "/tmp/cored-scan-XXXXXX";
  GError *error = NULL;
  ScanReport *report = example();
  CoredJudgedFace faces[2] = {{.track = 3, .x = 1, .y = 2, .w = 30, .h = 40, .p_fake = 0.25},
                              {.track = 4, .p_fake = 0.75, .p_fake_smoothed = 0.5}};
  (void)state;
  if (!setlocale(LC_ALL, "de_DE.UTF-8"))
    print_message("no locale de_DE.UTF-8: not tested with a decimal comma\n");
  close(mkstemp(path));
  CoredJsonLines *json = cored_json_lines_open(path, CORED_JSON_NEW, &error);
  assert_non_null(json);
  cored_json_lines_frame(json, report->uri, 1.5, 0, faces, 2);
  scan_report_write(report, json);
  assert_true(cored_json_lines_close(json, &error));
  setlocale(LC_ALL, "C");

  FILE *file = fopen(path, "r");
  json_t *object = next_line(file);
  assert_string_equal(json_string_value(json_object_get(object, "type")), "frame");
  assert_true(number(object, "time") == 1.5);
  assert_true(number(object, "p-fake") == 0.75);
  assert_true(number(object, "face") == 4);
  assert_int_equal(json_array_size(json_object_get(object, "faces")), 2);
  assert_true(number(json_array_get(json_object_get(object, "faces"), 0), "h") == 40);
  json_decref(object);
  object = next_line(file);
  assert_string_equal(json_string_value(json_object_get(object, "type")), "verdict");
  assert_string_equal(json_string_value(json_object_get(object, "uri")), "file:///tmp/clip.mp4");
  assert_string_equal(json_string_value(json_object_get(object, "verdict")), "fake");
  assert_true(fabs(number(object, "p-fake") - report->verdict.p_fake) < 1e-8);
  assert_true(json_is_true(json_object_get(object, "complete")));
  const json_t *track = json_array_get(json_object_get(object, "tracks"), 0);
  const json_t *span = json_array_get(json_object_get(track, "fake-seconds"), 0);
  assert_true(number(span, "from") == 5 && number(span, "to") == 10);
  json_decref(object);
  assert_int_equal(fgetc(file), EOF);
  fclose(file);
  unlink(path);
  scan_report_free(report);
}

static void json_errors_are_told(void **state) {
  GError *error = NULL;
  ScanReport *report = example();
  (void)state;
  assert_null(cored_json_lines_open("/nonexistent/file", CORED_JSON_NEW, &error));
  assert_non_null(strstr(error->message, "/nonexistent/file"));
  g_clear_error(&error);
  CoredJsonLines *json = cored_json_lines_open("/dev/full", CORED_JSON_NEW, &error);
  assert_non_null(json);
  scan_report_write(report, json);
  assert_false(cored_json_lines_close(json, &error));
  assert_non_null(strstr(error->message, "No space left"));
  g_clear_error(&error);
  scan_report_free(report);
}

/* A file of these bytes, as the container reader sees it. */
static ScanContainer looked_at(const void *bytes, gsize n) {
  char path[] = "/tmp/cored-scan-XXXXXX";
  const gboolean stop = FALSE;
  ScanContainer container;
  const int fd = mkstemp(path);
  assert_int_equal(write(fd, bytes, n), n);
  close(fd);
  char *uri = g_filename_to_uri(path, NULL, NULL);
  scan_container_read(&container, uri, &stop);
  g_free(uri);
  unlink(path);
  return container;
}

/* Every length of a small file: what says more than there is is cut off, and nothing else. */
static void bytes_are_counted(void **state) {
#define BOX(size, type) "\0\0\0" size type
  static const struct {
    const char *bytes;
    gsize n;
    gsize whole[4]; /* lengths that are no cut: those between parts */
    gsize spare;    /* bytes at the end that nobody misses */
  } files[] = {
      {BOX("\x10", "ftyp") "isommp41" BOX("\x0c", "moov") "abcd" BOX("\x09", "mdat") "x",
       37,
       {16, 28, 37},
       0},
      {BOX("\x10", "ftyp") "isommp41\0\0\0\1mdat\0\0\0\0\0\0\0\x12xy", 34, {16, 34}, 0},
      {"RIFF\x14\0\0\0AVI LISTabcdefghijkl", 28, {28}, 8},
      {"\x1a\x45\xdf\xa3\x83xyz\x18\x53\x80\x67\x40\x04"
       "abcd",
       18,
       {18},
       0},
      {"FLV\1\5\0\0\0\x09\0\0\0\0\x09\0\0\x02\0\0\0\0\0\0\0xy\0\0\0\x0d", 30, {13, 30}, 4},
  };
  (void)state;
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
    for (gsize n = 12; n <= files[i].n; n++) {
      ScanContainer c = looked_at(files[i].bytes, n);
      gboolean whole = FALSE, begun = TRUE;
      for (gsize k = 0; k < 4; k++) {
        whole |= n == files[i].whole[k];
        /* A head that is not all there says nothing. */
        begun &= !(files[i].whole[k] && n > files[i].whole[k] && n < files[i].whole[k] + 8);
      }
      if (whole)
        assert_null(c.cut);
      else if (begun && c.bytes_known)
        assert_true(c.cut || n < files[i].n);
      if (n + files[i].spare + 1 == files[i].n)
        assert_non_null(c.cut);
      if (n + files[i].spare >= files[i].n)
        assert_null(c.cut);
      scan_container_clear(&c);
    }
  /* Sizes that are not known, and what no size is. */
  static const struct {
    const char *bytes;
    gsize n;
  } open[] = {
      {"\x1a\x45\xdf\xa3\x83xyz\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
       "ab",
       22},
      {"RIFF\xff\xff\xff\xff"
       "AVI LIST",
       16},
      {BOX("\x10", "ftyp") "isommp41\0\0\0\0mdatxy", 26},
      {BOX("\x10", "ftyp") "isommp41\0\0\xff\0\0\0\0\0", 24},
      {"G\x40\x11\x10\0\0\0\0\0\0\0\0\0", 13},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(open); i++) {
    ScanContainer c = looked_at(open[i].bytes, open[i].n);
    assert_null(c.cut);
    scan_container_clear(&c);
  }
  /* The largest sizes that can be said overflow nothing. */
  ScanContainer c =
      looked_at(BOX("\x10", "ftyp") "isommp41\0\0\0\1mdat\xff\xff\xff\xff\xff\xff\xff\xff", 32);
  assert_non_null(c.cut);
  scan_container_clear(&c);
}

/* A list that names other files is not followed. */
static void lists_are_not_followed(void **state) {
  static const char video[] = "YUV4MPEG2 W2 H2 F25:1 Ip C420jpeg\nFRAME\n123456";
  char path[] = "/tmp/cored-scan-XXXXXX";
  (void)state;
  const int fd = mkstemp(path);
  assert_int_equal(write(fd, video, sizeof video - 1), sizeof video - 1);
  close(fd);
  char *base = g_path_get_basename(path);
  char *list = g_strdup_printf("ffconcat version 1.0\nfile %s\n", base);
  ScanContainer c = looked_at(list, strlen(list));
  assert_false(c.read);
  scan_container_clear(&c);
  g_free(list);
  g_free(base);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mean_of_logits),
      cmocka_unit_test(a_part_is_not_the_whole),
      cmocka_unit_test(certain_frames_stay_finite),
      cmocka_unit_test(worst_track_decides),
      cmocka_unit_test(brief_tracks_do_not_count),
      cmocka_unit_test(spans_are_whole_seconds),
      cmocka_unit_test(timeline_as_text),
      cmocka_unit_test(timeline_holds_samples),
      cmocka_unit_test(nothing_contradicts),
      cmocka_unit_test(numbers_stay_on_their_side),
      cmocka_unit_test(unknown_says_why),
      cmocka_unit_test(bytes_are_counted),
      cmocka_unit_test(lists_are_not_followed),
      cmocka_unit_test(blocks),
      cmocka_unit_test(progress_text),
      cmocka_unit_test(json_lines),
      cmocka_unit_test(json_errors_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
