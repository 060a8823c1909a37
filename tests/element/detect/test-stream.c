/* SPDX-License-Identifier: MIT
 * The element as a link of a stream: caps changes, flushes, cuts, EOS, states, memory. */
#include "support.h"

#include <stdio.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define MODEL 3

static guint64 first_track(const GstStructure *result) {
  return result_uint64(result_face(result, 0), "track-id");
}

/* Push a frame with one face; the id of its track tells whether the past was forgotten. */
static guint64 track_of_frame(Rig *rig, guint number, GstBufferFlags flags) {
  const GstStructure *result;
  GstBuffer *frame = frame_new(&rig->info, number, number);
  frame_add_roi(frame, "face", 10, 10, 90, 90);
  GST_BUFFER_FLAG_SET(frame, flags);
  GstBuffer *out = rig_frame(rig, frame, &result);
  const guint64 track = first_track(result);
  gst_buffer_unref(out);
  return track;
}

static void cuts_forget_the_past(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  assert_int_equal(track_of_frame(&rig, 10, 0), 1);
  assert_int_equal(track_of_frame(&rig, 11, 0), 1);
  assert_int_equal(track_of_frame(&rig, 11, 0), 1);                       /* same time */
  assert_int_equal(track_of_frame(&rig, 12, GST_BUFFER_FLAG_DISCONT), 1); /* nothing is missing */
  assert_int_equal(track_of_frame(&rig, 15, GST_BUFFER_FLAG_DISCONT), 2); /* two frames are */
  assert_int_equal(track_of_frame(&rig, 16, 0), 2);
  assert_int_equal(track_of_frame(&rig, 5, 0), 3); /* back in time */
  assert_int_equal(track_of_frame(&rig, 6, 0), 3);
  assert_int_equal(track_of_frame(&rig, 300, 0), 4); /* a leap of 12 s */
  rig_set_caps(&rig, "video/x-raw,format=NV12,width=160,height=120,framerate=25/1");
  assert_int_equal(track_of_frame(&rig, 301, 0), 5);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = GST_SECOND;
  gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
  assert_int_equal(track_of_frame(&rig, 302, 0), 6);
  gst_harness_push_event(rig.harness, gst_event_new_flush_start());
  gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
  gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
  assert_int_equal(track_of_frame(&rig, 303, 0), 7);
  assert_int_equal(track_of_frame(&rig, 304, 0), 7);
  rig_close(&rig);
}

/* The mark of the beginning, one frame late, makes no track of the first frame alone. */
static void a_beginning_marked_late_is_no_cut(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  assert_int_equal(track_of_frame(&rig, 0, 0), 1);
  assert_int_equal(track_of_frame(&rig, 1, GST_BUFFER_FLAG_DISCONT), 1);
  assert_int_equal(track_of_frame(&rig, 2, 0), 1);
  assert_int_equal(rig_stat(&rig, "resets"), 0);
  assert_int_equal(track_of_frame(&rig, 9, GST_BUFFER_FLAG_DISCONT), 2);
  rig_close(&rig);
}

static void a_cut_is_evaluated_at_once(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-interval", "1000", NULL);
  for (guint n = 0; n < 6; n++)
    track_of_frame(&rig, n < 3 ? n : n + 5, n == 3 ? GST_BUFFER_FLAG_DISCONT : 0);
  assert_int_equal(rig_stat(&rig, "inferred"), 2);
  assert_int_equal(rig_stat(&rig, "resets"), 1);
  rig_close(&rig);
}

static void renegotiation_before_every_frame(void **state) {
  (void)state;
  static const char *const formats[] = {"I420", "BGRx", "YUY2", "GRAY8", "P010_10LE"};
  static const gint sizes[][2] = {{64, 64}, {640, 360}, {1, 1}, {33, 77}};
  Rig rig;
  rig_open(&rig, support_model(MODEL), NULL, "inference-region", "full-frame", NULL);
  for (guint n = 0; n < 200; n++) {
    const GstStructure *result;
    const gint *size = sizes[n % G_N_ELEMENTS(sizes)];
    char *caps = g_strdup_printf("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1",
                                 formats[n % G_N_ELEMENTS(formats)], size[0], size[1]);
    rig_set_caps(&rig, caps);
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_int_equal(result_uint(result, "frame-width"), size[0]);
    assert_int_equal(result_uint(result, "frame-height"), size[1]);
    assert_true(result_double(result, "p-fake") >= 0.0);
    gst_buffer_unref(out);
    g_free(caps);
  }
  rig_close(&rig);
}

static void time_flags_and_metas_pass_unchanged(void **state) {
  (void)state;
  static const GstClockTime times[] = {0, GST_CLOCK_TIME_NONE, 5 * GST_SECOND, 4 * GST_SECOND,
                                       G_MAXUINT64 - 2};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
    GstBuffer *frame = frame_new(&rig.info, 1, 0);
    GST_BUFFER_PTS(frame) = times[i];
    GST_BUFFER_DTS(frame) = 77;
    GST_BUFFER_DURATION(frame) = 123 + i;
    GST_BUFFER_OFFSET(frame) = 9;
    GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_MARKER);
    gst_buffer_add_video_region_of_interest_meta(frame, "car", 1, 2, 3, 4);
    gst_buffer_ref(frame); /* shared: the element has to make its own */
    GstBuffer *out = rig_frame(&rig, frame, NULL);
    assert_ptr_not_equal(out, frame);
    assert_ptr_equal(gst_buffer_peek_memory(out, 0), gst_buffer_peek_memory(frame, 0));
    assert_true(GST_BUFFER_PTS(out) == times[i] && GST_BUFFER_DTS(out) == 77);
    assert_true(GST_BUFFER_DURATION(out) == 123 + i && GST_BUFFER_OFFSET(out) == 9);
    assert_true(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_MARKER));
    assert_non_null(gst_buffer_get_meta(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
    assert_null(cored_meta_get(frame)); /* nothing was written to the shared one */
    gst_buffer_unref(out);
    gst_buffer_unref(frame);
  }
  rig_close(&rig);
}

static void eos_in_every_place(void **state) {
  (void)state;
  for (guint before = 0; before < 3; before++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), before > 0 ? CAPS : NULL, NULL);
    if (before > 1)
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, 0), NULL));
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    GstEvent *event = NULL;
    gboolean eos = FALSE;
    while (!eos && (event = gst_harness_try_pull_event(rig.harness))) {
      eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
      gst_event_unref(event);
    }
    assert_true(eos);
    rig_close(&rig);
  }
}

static void states_a_hundred_times(void **state) {
  (void)state;
  static const GstState up_down[] = {GST_STATE_READY,  GST_STATE_PAUSED, GST_STATE_PLAYING,
                                     GST_STATE_PAUSED, GST_STATE_READY,  GST_STATE_NULL};
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  g_object_set(element, "model", support_model(MODEL), "face-detector", 0, NULL);
  for (guint i = 0; i < 100; i++) {
    for (guint j = 0; j < G_N_ELEMENTS(up_down); j++)
      assert_int_equal(gst_element_set_state(element, up_down[j]), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state(element, GST_STATE_PLAYING);
    gst_element_set_state(element, GST_STATE_NULL);
  }
  gst_object_unref(element);
  for (guint i = 0; i < 1000; i++)
    gst_object_unref(gst_element_factory_make("coreddetect", NULL));
}

/* What downstream can take is what upstream is told, no more: buffers go on as they come. */
static void allocation_queries_are_downstreams(void **state) {
  (void)state;
  for (guint with_meta = 0; with_meta < 2; with_meta++) {
    Rig rig;
    GstAllocationParams params = {.align = 31};
    rig_open(&rig, support_model(MODEL), CAPS, NULL);
    gst_harness_set_propose_allocator(rig.harness, NULL, &params);
    if (with_meta)
      gst_harness_add_propose_allocation_meta(rig.harness, GST_VIDEO_META_API_TYPE, NULL);
    gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, 0), NULL));
    GstCaps *caps = gst_pad_get_current_caps(rig.harness->srcpad);
    GstQuery *query = gst_query_new_allocation(caps, TRUE);
    assert_true(gst_pad_peer_query(rig.harness->srcpad, query));
    assert_int_equal(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL),
                     with_meta);
    gst_query_unref(query);
    gst_caps_unref(caps);
    rig_close(&rig);
  }
}

static void downstream_flow_returns_go_upstream(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  gst_harness_set_drop_buffers(rig.harness, TRUE);
  GST_PAD_SET_FLUSHING(rig.harness->sinkpad);
  assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, 0)), GST_FLOW_FLUSHING);
  rig_close(&rig);
}

#ifdef __SANITIZE_ADDRESS__ /* its quarantine */
#define FREED_MEMORY_IS_KEPT 1
#else
#define FREED_MEMORY_IS_KEPT 0
#endif

static void ten_thousand_frames_leave_nothing_behind(void **state) {
  (void)state;
  gulong before = 0, pages, resident = 0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-interval", "10", "message-interval",
           "1000000000", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  for (guint n = 0; n < 10000; n++) {
    GstBuffer *copy = gst_buffer_copy(frame);
    GST_BUFFER_PTS(copy) = n * 40 * GST_MSECOND;
    frame_add_roi(copy, "face", n % 50, 10, 90, 90);
    gst_buffer_unref(rig_frame(&rig, copy, NULL));
    rig_drop_messages(&rig);
    if (n != 1000 && n != 9999)
      continue;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(statm, "%lu %lu", &pages, &resident), 2);
    fclose(statm);
    if (n == 1000)
      before = resident;
  }
  /* 1 MiB of slack for the allocator; one leaked result per frame would be 9 MB or more. */
  if (!FREED_MEMORY_IS_KEPT && resident > before + 256)
    fail_msg("resident pages grew from %lu to %lu", before, resident);
  assert_int_equal(rig_stat(&rig, "frames-in"), 10000);
  assert_int_equal(rig_stat(&rig, "inferred"), 1000);
  gst_buffer_unref(frame);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cuts_forget_the_past),
      cmocka_unit_test(a_beginning_marked_late_is_no_cut),
      cmocka_unit_test(a_cut_is_evaluated_at_once),
      cmocka_unit_test(renegotiation_before_every_frame),
      cmocka_unit_test(time_flags_and_metas_pass_unchanged),
      cmocka_unit_test(eos_in_every_place),
      cmocka_unit_test(states_a_hundred_times),
      cmocka_unit_test(allocation_queries_are_downstreams),
      cmocka_unit_test(downstream_flow_returns_go_upstream),
      cmocka_unit_test(ten_thousand_frames_leave_nothing_behind),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
