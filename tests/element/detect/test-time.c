/* SPDX-License-Identifier: MIT
 * One clock for all: with time stamps, without, with some; standing still, jumping, reversed. */
#include "models.h"

#include "analysis/clock.h"

#define CAPS "video/x-raw,format=GRAY8,width=64,height=64,framerate=25/1"
#define NONE GST_CLOCK_TIME_NONE
#define MS GST_MSECOND
#define FRAME (40 * MS)

/* ---- The clock by itself -------------------------------------------------------------------- */

typedef struct Stream {
  CoredClock clock;
  GstSegment segment;
  GstVideoInfo info;
} Stream;

static void begin(Stream *stream, gint fps) {
  cored_clock_init(&stream->clock);
  gst_segment_init(&stream->segment, GST_FORMAT_TIME);
  gst_video_info_set_format(&stream->info, GST_VIDEO_FORMAT_GRAY8, 64, 64);
  stream->info.fps_n = fps;
  stream->info.fps_d = 1;
}

/* Running time in milliseconds; *cut may be NULL. */
static guint64 tick_flagged(Stream *stream, GstClockTime pts, gboolean discont, gboolean *cut) {
  GstBuffer *buffer = gst_buffer_new();
  GST_BUFFER_PTS(buffer) = pts;
  if (discont)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  const gboolean is_cut =
      cored_clock_update(&stream->clock, buffer, &stream->segment, &stream->info);
  gst_buffer_unref(buffer);
  if (cut)
    *cut = is_cut;
  else
    assert_false(is_cut);
  return stream->clock.running_time / MS;
}

static guint64 tick(Stream *stream, GstClockTime pts, gboolean *cut) {
  return tick_flagged(stream, pts, FALSE, cut);
}

static void frames_without_time_stamps_are_counted(void **state) {
  (void)state;
  static const struct {
    gint fps;
    guint64 each;
  } cases[] = {{10, 100}, {25, 40}, {0, 40}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Stream s;
    begin(&s, cases[i].fps);
    for (guint n = 0; n < 200; n++) {
      assert_int_equal(tick(&s, NONE, NULL), n * cases[i].each);
      assert_int_equal(s.clock.stream_time, n * cases[i].each * MS);
    }
  }
}

/* Backwards from an end that nobody told: time stamps are taken as they are. */
static void a_reversed_segment_may_have_no_end(void **state) {
  (void)state;
  Stream s;
  gboolean cut;
  begin(&s, 25);
  s.segment.rate = -1.0;
  assert_int_equal(tick(&s, NONE, &cut), 0);
  cored_clock_resync(&s.clock);
  assert_int_equal(tick(&s, 4000 * MS, &cut), 4000);
  assert_int_equal(s.clock.stream_time, 4000 * MS);
  assert_false(cut);
  assert_int_equal(tick(&s, NONE, &cut), 3960);
  assert_int_equal(tick(&s, 3920 * MS, NULL), 3920);
  tick(&s, 3930 * MS, &cut); /* forwards is the wrong way */
  assert_true(cut);
}

/* Counted from the last time stamp; what frames were counted too far is waited for. */
static void mixed_streams_stay_monotonic(void **state) {
  (void)state;
  Stream s;
  begin(&s, 25);
  assert_int_equal(tick(&s, 1000 * MS, NULL), 1000);
  assert_int_equal(tick(&s, NONE, NULL), 1040);
  assert_int_equal(tick(&s, NONE, NULL), 1080);
  assert_int_equal(tick(&s, 1050 * MS, NULL), 1080); /* they came faster than the caps say */
  assert_int_equal(tick(&s, NONE, NULL), 1090);
  assert_int_equal(tick(&s, 1500 * MS, NULL), 1500); /* or slower */
  assert_int_equal(tick(&s, 1500 * MS, NULL), 1540); /* a repeated one says nothing */
  assert_int_equal(tick(&s, NONE, NULL), 1580);
  assert_int_equal(tick(&s, 1600 * MS, NULL), 1600);
  /* A time stamp now and then, further apart than a leap. */
  for (guint n = 1; n < 500; n++)
    assert_int_equal(tick(&s, n % 100 ? NONE : (1600 + n * 40) * MS, NULL), 1600 + n * 40);
}

static void cuts_are_where_time_does_not_go_on(void **state) {
  (void)state;
  gboolean cut;
  Stream s;
  begin(&s, 25);
  tick(&s, 0, NULL);
  tick(&s, 40 * MS, NULL);
  assert_int_equal(tick(&s, 20 * MS, &cut), 20); /* back */
  assert_true(cut);
  assert_int_equal(tick(&s, 3020 * MS, NULL), 3020);
  assert_int_equal(tick(&s, 6021 * MS, &cut), 6021); /* a leap */
  assert_true(cut);
  for (guint n = 1; n <= 100; n++) /* counted for four seconds, and only two passed */
    tick(&s, NONE, NULL);
  assert_int_equal(tick(&s, 8021 * MS, NULL), 10021);
  for (guint n = 1; n <= 100; n++)
    tick(&s, NONE, NULL);
  assert_int_equal(tick(&s, 8900 * MS, &cut), 8900); /* further off than that is another time */
  assert_true(cut);
  assert_int_equal(tick_flagged(&s, 8940 * MS, TRUE, NULL), 8940); /* nothing is missing */
  assert_int_equal(tick_flagged(&s, 8960 * MS, TRUE, NULL), 8960);
  assert_int_equal(tick_flagged(&s, 9040 * MS, TRUE, &cut), 9040); /* a frame is */
  assert_true(cut);
  assert_int_equal(tick_flagged(&s, NONE, TRUE, &cut), 9080); /* who knows */
  assert_true(cut);
  assert_int_equal(tick(&s, G_MAXUINT64 - 1, &cut), (G_MAXUINT64 - 1) / MS); /* no wrap */
  assert_true(cut);
  for (guint n = 0; n < 10; n++)
    assert_true(tick(&s, NONE, NULL) >= (G_MAXUINT64 - 1) / MS);
}

/* The mark that belongs to the first frame of a stream may come on its second: that is no cut. */
static void the_first_discont_may_come_late(void **state) {
  (void)state;
  gboolean cut;
  Stream s;
  begin(&s, 25);
  tick(&s, 0, NULL);
  tick_flagged(&s, 40 * MS, TRUE, NULL);
  tick_flagged(&s, 240 * MS, TRUE, &cut);
  assert_true(cut);
  begin(&s, 25);
  tick_flagged(&s, NONE, TRUE, NULL);
  tick_flagged(&s, NONE, TRUE, NULL);
  begin(&s, 25);
  tick(&s, 100 * MS, NULL);
  tick_flagged(&s, 20 * MS, TRUE, &cut); /* time says more than the flag */
  assert_true(cut);
}

static void segments_give_the_time(void **state) {
  (void)state;
  gboolean cut;
  Stream s;
  begin(&s, 25);
  s.segment.start = s.segment.time = 5 * GST_SECOND;
  s.segment.base = 2 * GST_SECOND;
  assert_int_equal(tick(&s, NONE, NULL), 2000); /* it begins where the segment does */
  assert_int_equal(s.clock.stream_time, 5 * GST_SECOND);
  assert_int_equal(tick(&s, 5 * GST_SECOND + FRAME, NULL), 2040);
  cored_clock_resync(&s.clock); /* the same segment again: it goes on */
  assert_int_equal(tick(&s, NONE, NULL), 2080);
  cored_clock_resync(&s.clock); /* another, which has no such time: it begins */
  s.segment.base = 20 * GST_SECOND;
  assert_int_equal(tick(&s, NONE, NULL), 20000);
  cored_clock_init(&s.clock); /* a flush */
  s.segment.base = 0;
  assert_int_equal(tick(&s, NONE, NULL), 0);
  assert_int_equal(tick(&s, 4 * GST_SECOND, NULL), 0); /* before the segment */
  assert_true(s.clock.stream_time == 5 * GST_SECOND);

  begin(&s, 25); /* backwards: running time goes on */
  s.segment.rate = -1.0;
  s.segment.stop = 10 * GST_SECOND;
  for (guint n = 0; n < 20; n++) {
    assert_int_equal(tick(&s, NONE, NULL), n * 40);
    assert_int_equal(s.clock.stream_time, 10 * GST_SECOND - n * FRAME);
  }
  assert_int_equal(tick(&s, 9 * GST_SECOND, &cut), 1000);

  begin(&s, 25); /* time stamps in a segment of bytes stand for themselves */
  gst_segment_init(&s.segment, GST_FORMAT_BYTES);
  assert_int_equal(tick(&s, NONE, NULL), 0);
  assert_int_equal(tick(&s, 70 * MS, NULL), 70);
  assert_int_equal(tick(&s, NONE, NULL), 110);
}

/* ---- The element ---------------------------------------------------------------------------- */

typedef enum Stamps { ALL, BUT_ONE, TWO_OF_THREE, FIRST, NEVER, STANDING, N_STAMPS } Stamps;

static GstClockTime stamp(Stamps stamps, guint n) {
  const gboolean has = stamps == ALL || (stamps == BUT_ONE && n != 10) ||
                       (stamps == TWO_OF_THREE && n % 3 != 1) || (stamps == FIRST && n == 0);
  return has ? n * FRAME : stamps == STANDING ? 0 : NONE;
}

typedef struct Said {
  guint results, begins, ends;
  GstClockTime since, begun, duration;
} Said;

static void listen(Rig *rig, Said *said) {
  GstMessage *message;
  while ((message = rig_message(rig, GST_MESSAGE_ELEMENT))) {
    const GstStructure *s = gst_message_get_structure(message);
    if (gst_structure_has_name(s, CORED_MESSAGE_RESULT)) {
      said->results++;
      assert_true(result_uint64(s, "running-time") == result_uint64(s, "stream-time"));
      assert_int_equal(result_uint64(s, "running-time") % FRAME, 0);
    } else if (gst_structure_has_name(s, CORED_MESSAGE_ALERT)) {
      const char *state = gst_structure_get_string(s, "state");
      if (g_str_equal(state, "begin")) {
        said->begins++;
        said->since = result_uint64(s, "begin-running-time");
        said->begun = result_uint64(s, "running-time");
      } else if (g_str_equal(state, "end")) {
        said->ends++;
        said->duration = result_uint64(s, "duration");
      }
    }
    gst_message_unref(message);
  }
}

/* 100 frames, all fake, four seconds. */
static Said play(Stamps stamps, const char *min_duration) {
  char *model = support_path("fake.safetensors");
  Said said = {0};
  Rig rig;
  model_save_constant(model, 1, 0.9);
  rig_open(&rig, model, CAPS, "face-detector", "none", "min-sharpness", "0", "min-duration",
           min_duration, NULL);
  for (guint n = 0; n < 100; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, n, n);
    GST_BUFFER_PTS(frame) = stamp(stamps, n);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    assert_int_equal(result_uint64(result, "stream-time"), n * FRAME);
    assert_int_equal(result_uint64(result_face(result, 0), "track-id"), 1);
    gst_buffer_unref(out);
  }
  rig_finish(&rig);
  listen(&rig, &said);
  assert_int_equal(rig_stat(&rig, "resets"), 0);
  rig_close(&rig);
  g_free(model);
  return said;
}

/* Whatever has a time stamp, messages are a second apart, and an alert is of what was seen. */
static void messages_and_alerts_go_by_it(void **state) {
  (void)state;
  for (Stamps stamps = ALL; stamps < N_STAMPS; stamps++) {
    const Said none = play(stamps, "10000000000"), one = play(stamps, "1000000000");
    assert_int_equal(none.results, 4);
    assert_int_equal(none.begins, 0);
    assert_int_equal(one.results, 4);
    assert_int_equal(one.begins, 1);
    assert_int_equal(one.ends, 1);
    assert_int_equal(one.since, 0);
    assert_int_equal(one.begun, GST_SECOND);
    assert_int_equal(one.duration, 99 * FRAME);
  }
}

static void max_fps_goes_by_it(void **state) {
  (void)state;
  for (Stamps stamps = ALL; stamps < N_STAMPS; stamps++) {
    Rig rig;
    rig_open(&rig, support_model(3), CAPS, "inference-region", "full-frame", "max-fps", "5", NULL);
    for (guint n = 0; n < 100; n++) {
      const GstStructure *result;
      GstBuffer *frame = frame_new(&rig.info, n, n);
      GST_BUFFER_PTS(frame) = stamp(stamps, n);
      GstBuffer *out = rig_frame(&rig, frame, &result);
      assert_int_equal(result_uint64(result, "result-age-ns"), n % 5 * FRAME);
      gst_buffer_unref(out);
    }
    assert_int_equal(rig_stat(&rig, "inferred"), 20);
    rig_close(&rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_without_time_stamps_are_counted),
      cmocka_unit_test(a_reversed_segment_may_have_no_end),
      cmocka_unit_test(mixed_streams_stay_monotonic),
      cmocka_unit_test(cuts_are_where_time_does_not_go_on),
      cmocka_unit_test(the_first_discont_may_come_late),
      cmocka_unit_test(segments_give_the_time),
      cmocka_unit_test(messages_and_alerts_go_by_it),
      cmocka_unit_test(max_fps_goes_by_it),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
