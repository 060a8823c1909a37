/* SPDX-License-Identifier: MIT
 * E24, E25, E27: what goes along the stream beside frames. Events and queries pass unchanged and in
 * order, what downstream answers reaches upstream, and frames are dropped only when asked for. The
 * argument is how often pads are taken apart. */
#include "support.h"

#include <stdlib.h>

#define CAPS "video/x-raw,format=I420,width=64,height=48,framerate=25/1"
#define MODEL 3
#define FRAME (40 * GST_MSECOND)

static const char *const modes[] = {"sync", "latest", "delay"};
static guint n_times = 50;

static void open_mode(Rig *rig, const char *mode) {
  rig_open(rig, support_model(MODEL), CAPS, "mode", mode, "delay", "120000000", "inference-region",
           "full-frame", NULL);
}

/* ---- Events and queries --------------------------------------------------------------------- */

static GstPadProbeReturn note(GstPad *pad, GstPadProbeInfo *info, gpointer list) {
  (void)pad;
  g_ptr_array_add(list, gst_mini_object_ref(info->data));
  return GST_PAD_PROBE_OK;
}

static void unref_item(gpointer item) {
  gst_mini_object_unref(item);
}

/* What passes a pad from now on. */
static GPtrArray *listen(GstPad *pad, GstPadProbeType types) {
  GPtrArray *list = g_ptr_array_new_with_free_func(unref_item);
  gst_pad_add_probe(pad, types, note, list, NULL);
  return list;
}

static GstEvent *custom(GstEventType type, const char *name, guint number) {
  return gst_event_new_custom(type, gst_structure_new(name, "number", G_TYPE_UINT, number, "text",
                                                      G_TYPE_STRING, "a\"b", NULL));
}

static GstEvent *toc_event(void) {
  GstToc *toc = gst_toc_new(GST_TOC_SCOPE_GLOBAL);
  GstTocEntry *entry = gst_toc_entry_new(GST_TOC_ENTRY_TYPE_CHAPTER, "1");
  gst_toc_entry_set_start_stop_times(entry, 0, GST_SECOND);
  gst_toc_append_entry(toc, entry);
  GstEvent *event = gst_event_new_toc(toc, FALSE);
  gst_toc_unref(toc);
  return event;
}

static GstEvent *segment_event(GstClockTime start) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  segment.offset = 7;
  return gst_event_new_segment(&segment);
}

static GstEvent *nth_event(guint n) {
  GstMessage *message;
  GstEvent *event;
  switch (n) {
  case 0:
    return gst_event_new_gap(FRAME, FRAME);
  case 1:
    return gst_event_new_tag(
        gst_tag_list_new(GST_TAG_TITLE, "talk", GST_TAG_TRACK_NUMBER, 3u, NULL));
  case 2:
    return custom(GST_EVENT_CUSTOM_DOWNSTREAM, "somebody/elses", n);
  case 3:
    return toc_event();
  case 4:
    return segment_event(0);
  case 5:
    return custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "somebody/sticky", n);
  case 6:
    return gst_event_new_buffer_size(GST_FORMAT_BYTES, 1, 2, FALSE);
  case 7:
    message = gst_message_new_element(NULL, gst_structure_new_empty("sunk"));
    event = gst_event_new_sink_message("sunk", message);
    gst_message_unref(message);
    return event;
  case 8:
    return gst_event_new_segment_done(GST_FORMAT_TIME, GST_SECOND);
  case 9:
    return gst_event_new_protection("0", gst_buffer_new(), "origin");
  case 10:
    return custom(GST_EVENT_CUSTOM_BOTH, "somebody/both", n);
  case 11:
    return gst_event_new_stream_start("another stream");
  default:
    return NULL;
  }
}

static gboolean same_event(GstEvent *a, GstEvent *b) {
  const GstStructure *sa = gst_event_get_structure(a), *sb = gst_event_get_structure(b);
  return GST_EVENT_TYPE(a) == GST_EVENT_TYPE(b) && GST_EVENT_SEQNUM(a) == GST_EVENT_SEQNUM(b) &&
         (sa && sb ? gst_structure_is_equal(sa, sb) : sa == sb);
}

static void check_same(const GPtrArray *sent, const GPtrArray *came) {
  assert_int_equal(came->len, sent->len);
  for (guint i = 0; i < sent->len; i++) {
    GstMiniObject *a = sent->pdata[i], *b = came->pdata[i];
    if (GST_IS_BUFFER(a))
      assert_true(GST_IS_BUFFER(b) && GST_BUFFER_PTS(a) == GST_BUFFER_PTS(b));
    else if (!GST_IS_EVENT(b) || !same_event(GST_EVENT(a), GST_EVENT(b)))
      fail_msg("item %u: sent %s", i, GST_EVENT_TYPE_NAME(GST_EVENT(a)));
  }
}

/* Frames and events come out in the order they went in, in the mode that holds frames back, too. */
static void events_keep_their_place(void **state) {
  (void)state;
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    open_mode(&rig, modes[m]);
    GPtrArray *sent = listen(rig.harness->srcpad, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM);
    GPtrArray *came = listen(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM);
    GstEvent *event;
    for (guint n = 0; (event = nth_event(n)); n++) {
      for (guint k = 0; k < n % 5; k++)
        assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, 5 * n + k)),
                         GST_FLOW_OK);
      assert_true(gst_harness_push_event(rig.harness, event));
    }
    gst_harness_push_event(rig.harness, segment_event(0)); /* a stream begins with one */
    assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, 100)), GST_FLOW_OK);
    assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
    check_same(sent, came);
    g_ptr_array_unref(sent);
    g_ptr_array_unref(came);
    rig_close(&rig);
  }
}

/* What is out of band does not wait for frames that do. */
static void out_of_band_events_pass_by(void **state) {
  (void)state;
  Rig rig;
  open_mode(&rig, "delay");
  assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, 0)), GST_FLOW_OK);
  GPtrArray *came = listen(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM);
  assert_true(
      gst_harness_push_event(rig.harness, custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "urgent", 1)));
  assert_int_equal(came->len, 1);
  assert_true(gst_event_has_name(came->pdata[0], "urgent"));
  g_ptr_array_unref(came);
  rig_close(&rig);
}

static void events_go_upstream_unchanged(void **state) {
  (void)state;
  Rig rig;
  open_mode(&rig, "latest");
  GstEvent *events[] = {
      gst_event_new_qos(GST_QOS_TYPE_THROTTLE, 0.5, -3, 5),
      gst_event_new_seek(2.0, GST_FORMAT_TIME, GST_SEEK_FLAG_KEY_UNIT, GST_SEEK_TYPE_SET, 1,
                         GST_SEEK_TYPE_NONE, -1),
      gst_event_new_step(GST_FORMAT_BUFFERS, 3, 1.0, FALSE, FALSE),
      gst_event_new_navigation(gst_structure_new_empty("application/x-gst-navigation")),
      gst_event_new_latency(123),
      custom(GST_EVENT_CUSTOM_UPSTREAM, "somebody/up", 1),
      custom(GST_EVENT_CUSTOM_BOTH_OOB, "somebody/both", 2),
  };
  GPtrArray *sent = g_ptr_array_new_with_free_func(unref_item);
  GPtrArray *came = listen(rig.harness->srcpad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM);
  for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
    g_ptr_array_add(sent, gst_event_ref(events[i]));
    assert_true(gst_harness_push_upstream_event(rig.harness, events[i]));
  }
  check_same(sent, came);
  g_ptr_array_unref(sent);
  g_ptr_array_unref(came);
  rig_close(&rig);
}

static GstPadProbeReturn answer(GstPad *pad, GstPadProbeInfo *info, gpointer unused) {
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  (void)pad;
  (void)unused;
  if (GST_QUERY_TYPE(query) != GST_QUERY_CUSTOM)
    return GST_PAD_PROBE_OK;
  gst_structure_set(gst_query_writable_structure(query), "answer", G_TYPE_INT, 42, NULL);
  return GST_PAD_PROBE_HANDLED;
}

static void check_asked(GstPad *from, GstPad *to, GstPadProbeType type) {
  int number;
  GstQuery *query = gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty("unknown"));
  assert_false(gst_pad_peer_query(from, query)); /* nobody knows */
  const gulong id = gst_pad_add_probe(to, type, answer, NULL, NULL);
  assert_true(gst_pad_peer_query(from, query));
  assert_true(gst_structure_get_int(gst_query_get_structure(query), "answer", &number));
  assert_int_equal(number, 42);
  gst_pad_remove_probe(to, id);
  gst_query_unref(query);
}

static void unknown_queries_reach_the_other_side(void **state) {
  (void)state;
  Rig rig;
  open_mode(&rig, "sync");
  check_asked(rig.harness->srcpad, rig.harness->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM);
  check_asked(rig.harness->sinkpad, rig.harness->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM);
  rig_close(&rig);
}

/* ---- What downstream answers ---------------------------------------------------------------- */

static struct {
  guint calls, bad; /* so far; the call that is answered with `flow` */
  GstFlowReturn flow;
} downstream;

static GstFlowReturn take(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
  (void)pad;
  (void)parent;
  gst_buffer_unref(buffer);
  return downstream.calls++ == downstream.bad ? downstream.flow : GST_FLOW_OK;
}

#define ANSWERS 8 /* frames, and places of the bad answer */

/* Of some frames, the one whose push lets the bad one out gets the answer, all others OK. */
static void check_flow(Rig *rig, guint bad, GstFlowReturn flow) {
  guint got = 0;
  downstream.calls = 0;
  downstream.bad = bad;
  downstream.flow = flow;
  for (guint n = 0; n < ANSWERS; n++) {
    const guint calls = downstream.calls;
    const GstFlowReturn now = gst_harness_push(rig->harness, frame_new(&rig->info, 1, n));
    const gboolean hit = calls <= bad && bad < downstream.calls;
    if (now != (hit ? flow : GST_FLOW_OK))
      fail_msg("frame %u, call %u: %s instead of %s", n, bad, gst_flow_get_name(now),
               gst_flow_get_name(hit ? flow : GST_FLOW_OK));
    got += now != GST_FLOW_OK;
  }
  assert_int_equal(got, bad < downstream.calls);
  gst_harness_push_event(rig->harness, gst_event_new_eos());
  assert_int_equal(downstream.calls, ANSWERS);
  gst_harness_push_event(rig->harness, gst_event_new_flush_start());
  gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE));
  gst_harness_push_event(rig->harness, segment_event(0));
  assert_null(rig_message(rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
}

static void flow_returns_go_upstream_from_every_frame(void **state) {
  (void)state;
  static const GstFlowReturn flows[] = {GST_FLOW_FLUSHING,       GST_FLOW_EOS,
                                        GST_FLOW_NOT_LINKED,     GST_FLOW_ERROR,
                                        GST_FLOW_NOT_NEGOTIATED, GST_FLOW_CUSTOM_ERROR};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    open_mode(&rig, modes[m]);
    gst_pad_set_chain_function(rig.harness->sinkpad, take);
    for (guint i = 0; i < G_N_ELEMENTS(flows); i++) {
      for (guint bad = 0; bad < ANSWERS; bad++)
        check_flow(&rig, bad, flows[i]);
    }
    rig_close(&rig);
  }
}

/* Frames from a thread of their own while pads come apart. */
typedef struct Feed {
  Rig *rig;
  gint stop; /* atomic */
  guint pushed, passed, unlinked;
} Feed;

static gpointer feed_frames(gpointer data) {
  Feed *feed = data;
  GstBuffer *frame = frame_new(&feed->rig->info, 1, 0);
  for (; !g_atomic_int_get(&feed->stop); feed->pushed++) {
    GstBuffer *copy = gst_buffer_copy(frame);
    GST_BUFFER_PTS(copy) = feed->pushed * FRAME;
    const GstFlowReturn flow = gst_harness_push(feed->rig->harness, copy);
    feed->passed += flow == GST_FLOW_OK;
    feed->unlinked += flow == GST_FLOW_NOT_LINKED;
    g_usleep(200);
  }
  gst_buffer_unref(frame);
  return NULL;
}

static guint n_received(Rig *rig) {
  return gst_harness_buffers_received(rig->harness);
}

/* A frame is either there or its push said that nobody took it. Whoever is linked anew hears first
 * which stream it is. */
static void pads_come_apart_while_frames_flow(void **state) {
  (void)state;
  for (guint m = 0; m < 2; m++) {
    Rig rig;
    open_mode(&rig, modes[m]);
    gst_harness_set_drop_buffers(rig.harness, TRUE);
    GstPad *src = gst_element_get_static_pad(rig.element, "src");
    Feed feed = {.rig = &rig};
    GThread *thread = g_thread_new("feed", feed_frames, &feed);
    for (guint i = 0; i < n_times; i++) {
      for (const guint before = n_received(&rig); n_received(&rig) == before;)
        g_usleep(100);
      assert_true(gst_pad_unlink(src, rig.harness->sinkpad));
      g_usleep(i % 7 * 300);
      gst_pad_set_active(rig.harness->sinkpad, FALSE); /* forgets what it was told */
      gst_pad_set_active(rig.harness->sinkpad, TRUE);
      assert_int_equal(gst_pad_link(src, rig.harness->sinkpad), GST_PAD_LINK_OK);
    }
    for (const guint before = n_received(&rig); n_received(&rig) == before;)
      g_usleep(100);
    g_atomic_int_set(&feed.stop, TRUE);
    g_thread_join(thread);
    GstCaps *caps = gst_pad_get_current_caps(rig.harness->sinkpad);
    assert_non_null(caps);
    gst_caps_unref(caps);
    assert_int_equal(feed.passed + feed.unlinked, feed.pushed);
    assert_int_equal(n_received(&rig), feed.passed);
    print_message("%s: %u frames, nobody there for %u\n", modes[m], feed.pushed, feed.unlinked);
    assert_int_equal(rig_stat(&rig, "frames-in"), feed.pushed);
    assert_null(rig_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    gst_object_unref(src);
    rig_close(&rig);
  }
}

/* ---- Lateness ------------------------------------------------------------------------------- */

/* How many QoS messages there are; what each says must be true of the frames so far, but for those
 * that wait. */
static guint read_qos(Rig *rig, guint waiting) {
  GstMessage *message;
  GstFormat format;
  guint64 processed, dropped, timestamp;
  guint n = 0;
  while ((message = rig_message(rig, GST_MESSAGE_QOS))) {
    gst_message_parse_qos_stats(message, &format, &processed, &dropped);
    gst_message_parse_qos(message, NULL, NULL, NULL, &timestamp, NULL);
    assert_int_equal(format, GST_FORMAT_BUFFERS);
    assert_int_equal(dropped, ++n); /* one message for each */
    assert_int_equal(processed + dropped + waiting, timestamp / FRAME + 1);
    gst_message_unref(message);
  }
  return n;
}

/* With `qos` late frames are dropped, told one by one, and the sums are exact; without, none is. */
static void only_qos_drops_frames(void **state) {
  (void)state;
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    for (guint qos = 0; qos < 2; qos++) {
      guint in = 0;
      Rig rig;
      open_mode(&rig, modes[m]);
      g_object_set(rig.element, "qos", qos, NULL);
      for (; in < 60; in++) {
        if (in % 20 == 10)
          gst_harness_push_upstream_event(
              rig.harness,
              gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 80 * GST_MSECOND, (in - 1) * FRAME));
        assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, in)), GST_FLOW_OK);
      }
      gst_harness_push_event(rig.harness, gst_event_new_eos());
      const guint out = n_received(&rig), dropped = read_qos(&rig, m == 2 ? 3 : 0);
      assert_int_equal(in - out, dropped);
      assert_true(qos ? dropped >= 6 : dropped == 0); /* 80 ms late, three times */
      assert_int_equal(rig_stat(&rig, "frames-in"), out);
      assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), out);
      rig_close(&rig);
    }
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(events_keep_their_place),
      cmocka_unit_test(out_of_band_events_pass_by),
      cmocka_unit_test(events_go_upstream_unchanged),
      cmocka_unit_test(unknown_queries_reach_the_other_side),
      cmocka_unit_test(flow_returns_go_upstream_from_every_frame),
      cmocka_unit_test(pads_come_apart_while_frames_flow),
      cmocka_unit_test(only_qos_drops_frames),
  };
  if (argc > 1)
    n_times = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
