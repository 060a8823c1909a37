/* SPDX-License-Identifier: MIT
 * E17-E19: other caps before every frame, of other sizes or formats, also while the frame before is
 * being evaluated. Each picture has one p-fake, known from the engine alone: every result must be
 * that of its own frame. */
#include "counts.h"
#include "held.h"

#include <math.h>
#include <string.h>

#define MODEL 3
#define FRAME (40 * GST_MSECOND)
#define LONG_DELAY "10000000000" /* nothing comes too late */
#define MAX_LOOKS 32

static const char *const modes[] = {"sync", "latest", "delay"};

/* ---- Pictures ------------------------------------------------------------------------------- */

typedef struct Look { /* caps, and a picture of theirs */
  char *caps;
  GstVideoInfo info;
  GstBuffer *frame;
  double p;
} Look;

static void look_init(Look *look, char *caps, guint seed) {
  GstCaps *parsed = gst_caps_from_string(caps);
  look->caps = caps;
  assert_true(gst_video_info_from_caps(&look->info, parsed));
  look->frame = frame_new(&look->info, seed, 0);
  const CoredBox box = {0, 0, GST_VIDEO_INFO_WIDTH(&look->info),
                        GST_VIDEO_INFO_HEIGHT(&look->info)};
  look->p = reference_p_fake(support_model(MODEL), &look->info, look->frame, &box);
  gst_caps_unref(parsed);
}

static void looks_clear(Look *looks, guint n) {
  for (guint i = 0; i < n; i++) {
    gst_buffer_unref(looks[i].frame);
    g_free(looks[i].caps);
  }
}

static guint looks_of_sizes(Look *looks) {
  static const gint sizes[][2] = {{64, 64}, {1920, 1080}, {1, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    look_init(&looks[i],
              g_strdup_printf("video/x-raw,format=I420,width=%d,height=%d,framerate=25/1",
                              sizes[i][0], sizes[i][1]),
              i + 1);
  return G_N_ELEMENTS(sizes);
}

/* Every format of the pad template, each of another size. */
static guint looks_of_formats(Look *looks) {
  GstElementFactory *factory = gst_element_factory_find("coreddetect");
  const GstStaticPadTemplate *pad = gst_element_factory_get_static_pad_templates(factory)->data;
  GstCaps *caps = gst_static_pad_template_get_caps((GstStaticPadTemplate *)pad);
  const GValue *formats = gst_structure_get_value(gst_caps_get_structure(caps, 0), "format");
  const guint n = gst_value_list_get_size(formats);
  assert_in_range(n, 20, MAX_LOOKS);
  for (guint i = 0; i < n; i++)
    look_init(&looks[i],
              g_strdup_printf("video/x-raw,format=%s,width=%u,height=%u,framerate=25/1",
                              g_value_get_string(gst_value_list_get_value(formats, i)), 40 + 3 * i,
                              90 - 3 * i),
              i + 1);
  gst_caps_unref(caps);
  gst_object_unref(factory);
  return n;
}

/* ---- Results -------------------------------------------------------------------------------- */

static void check_result(const GstStructure *result, const Look *look) {
  assert_int_equal(result_uint(result, "frame-width"), GST_VIDEO_INFO_WIDTH(&look->info));
  assert_int_equal(result_uint(result, "frame-height"), GST_VIDEO_INFO_HEIGHT(&look->info));
  const double p = result_double(result, "p-fake");
  if (!(fabs(p - look->p) < 1e-6))
    fail_msg("%s: p-fake %.9f, not %.9f", look->caps, p, look->p);
}

/* A stream of frames, number i with a look that order says. */
typedef struct Stream {
  Rig rig;
  const Look *looks;
  guint (*order)(guint i, guint n_looks);
  guint n_looks, pushed, pulled, told;
  gboolean exact; /* every frame carries its own result, else only messages tell */
} Stream;

static const Look *look_of(const Stream *stream, guint i) {
  return &stream->looks[stream->order(i, stream->n_looks)];
}

static void stream_open(Stream *stream, const char *mode) {
  rig_open(&stream->rig, support_model(MODEL), NULL, "mode", mode, "delay", LONG_DELAY,
           "inference-region", "full-frame", "message-interval", "0", NULL);
  stream->exact = !g_str_equal(mode, "latest");
  stream->pushed = stream->pulled = stream->told = 0;
}

/* After the first time without a segment, which would be a cut of its own. */
static void set_caps(Stream *stream, const Look *look) {
  GstHarness *harness = stream->rig.harness;
  if (stream->pushed == 0) {
    rig_set_caps(&stream->rig, look->caps);
    return;
  }
  GstCaps *caps = gst_caps_from_string(look->caps);
  assert_true(gst_harness_push_event(harness, gst_event_new_caps(caps)));
  gst_caps_unref(caps);
}

static void check_frames(Stream *stream) {
  GstBuffer *out;
  for (; (out = gst_harness_try_pull(stream->rig.harness)); stream->pulled++) {
    const Look *look = look_of(stream, stream->pulled);
    assert_true(GST_BUFFER_PTS(out) == stream->pulled * FRAME);
    assert_int_equal(gst_buffer_get_size(out), GST_VIDEO_INFO_SIZE(&look->info));
    if (stream->exact)
      check_result(cored_meta_get(out), look);
    else /* that of the frame before is of another picture: nothing is known */
      assert_false(gst_structure_has_field(cored_meta_get(out), "p-fake"));
    gst_buffer_unref(out);
  }
}

static void check_messages(Stream *stream) {
  GstMessage *message;
  while ((message = rig_message(&stream->rig, GST_MESSAGE_ANY))) {
    const GstStructure *said = gst_message_get_structure(message);
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_WARNING);
    if (said && gst_structure_has_name(said, CORED_MESSAGE_RESULT)) {
      check_result(said, look_of(stream, (guint)(result_uint64(said, "timestamp") / FRAME)));
      stream->told++;
    }
    gst_message_unref(message);
  }
}

static void stream_push(Stream *stream, GstBuffer *frame) {
  GST_BUFFER_PTS(frame) = stream->pushed * FRAME;
  assert_int_equal(gst_harness_push(stream->rig.harness, frame), GST_FLOW_OK);
  stream->pushed++;
  check_frames(stream);
  check_messages(stream);
}

static void stream_close(Stream *stream) {
  Rig *rig = &stream->rig;
  gst_harness_push_event(rig->harness, gst_event_new_eos());
  check_frames(stream);
  check_messages(stream);
  assert_int_equal(stream->pulled, stream->pushed);
  assert_int_equal(rig_stat(rig, "frames-in"), stream->pushed);
  assert_int_equal(rig_stat(rig, "inferred"), stream->told);
  assert_int_equal(rig_stat(rig, "inferred") + rig_skipped(rig), stream->pushed);
  if (stream->exact)
    assert_int_equal(stream->told, stream->pushed);
  rig_close(rig);
}

/* ---- E17, E18: as fast as it goes ----------------------------------------------------------- */

static void renegotiate(const char *what, Stream *stream, guint n) {
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    const gint64 start = g_get_monotonic_time();
    stream_open(stream, modes[m]);
    for (guint i = 0; i <= n; i++) {
      set_caps(stream, look_of(stream, i));
      stream_push(stream, gst_buffer_copy(look_of(stream, i)->frame));
    }
    stream_close(stream);
    counts_tell(what, n, start);
  }
}

/* Each followed by each other. */
static guint to_and_fro(guint i, guint n_looks) {
  static const guint order[] = {0, 1, 2, 0, 2, 1};
  assert_int_equal(n_looks, 3);
  return order[i % G_N_ELEMENTS(order)];
}

static void sizes_change_before_every_frame(void **state) {
  (void)state;
  Look looks[MAX_LOOKS];
  Stream stream = {.looks = looks, .n_looks = looks_of_sizes(looks), .order = to_and_fro};
  renegotiate("sizes", &stream, counts_of(10000));
  looks_clear(looks, stream.n_looks);
}

/* Looks in the order in which every ordered pair follows one another. */
static guint next_pair[MAX_LOOKS * MAX_LOOKS], n_pairs;

static guint along_all_pairs(guint i, guint n_looks) {
  (void)n_looks;
  return next_pair[i % n_pairs];
}

/* A closed way that goes every ordered pair of n exactly once (Hierholzer's). */
static void find_way(guint n) {
  guint stack[MAX_LOOKS * MAX_LOOKS] = {0}, depth = 1, gone[MAX_LOOKS] = {0}, found = 0;
  while (depth > 0) {
    const guint at = stack[depth - 1];
    guint to = gone[at]++; /* the next that was not gone to from here */
    to += to >= at;
    if (to < n)
      stack[depth++] = to;
    else
      next_pair[found++] = stack[--depth];
  }
  n_pairs = found - 1; /* the last is the first */
  assert_int_equal(n_pairs, n * (n - 1));
}

static void check_way(guint n) {
  gboolean seen[MAX_LOOKS][MAX_LOOKS] = {{FALSE}};
  for (guint i = 0; i < n_pairs; i++) {
    gboolean *pair = &seen[along_all_pairs(i, n)][along_all_pairs(i + 1, n)];
    assert_false(*pair);
    *pair = TRUE;
  }
}

static void formats_change_before_every_frame(void **state) {
  (void)state;
  Look looks[MAX_LOOKS];
  Stream stream = {.looks = looks, .n_looks = looks_of_formats(looks), .order = along_all_pairs};
  find_way(stream.n_looks);
  check_way(stream.n_looks);
  renegotiate("pairs of formats", &stream, n_pairs);
  looks_clear(looks, stream.n_looks);
}

/* ---- E19: an inference is in flight --------------------------------------------------------- */

typedef struct Release {
  guint n; /* of the inference that is in flight */
  guint seen;
} Release;

/* In the pad, before the element: from now on both go on at once. */
static GstPadProbeReturn on_event(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  Release *release = user;
  (void)pad;
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_CAPS) {
    release->seen++;
    held_let(release->n);
  }
  return GST_PAD_PROBE_OK;
}

static void caps_change_during_inferences(void **state) {
  (void)state;
  Look looks[MAX_LOOKS];
  const guint n = counts_of(10000);
  Stream stream = {.looks = looks, .n_looks = looks_of_formats(looks), .order = along_all_pairs};
  find_way(stream.n_looks);
  for (guint m = 1; m < G_N_ELEMENTS(modes); m++) {
    const gint64 start = g_get_monotonic_time();
    Release release = {0, 0};
    stream_open(&stream, modes[m]);
    GstPad *pad = gst_element_get_static_pad(stream.rig.element, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, &release, NULL);
    held_begin();
    for (guint i = 0; i <= n; i++) {
      held_await(i); /* the frame before */
      release.n = i;
      set_caps(&stream, look_of(&stream, i));
      assert_int_equal(release.seen, i + 1);
      stream_push(&stream, held_frame_copy(look_of(&stream, i)->frame));
    }
    held_end();
    gst_object_unref(pad);
    stream_close(&stream);
    assert_int_equal(stream.told, n + 1); /* all evaluated, none dropped */
    counts_tell("in flight", n, start);
  }
  looks_clear(looks, stream.n_looks);
}

/* Another frame rate, which decoders state at the end of every fragment of a file, is the same
 * stream: the same track. Another size is not. */
static void a_frame_rate_is_no_other_stream(void **state) {
  (void)state;
  static const struct {
    const char *caps;
    gboolean same;
  } steps[] = {{"video/x-raw,format=I420,width=64,height=64,framerate=0/1", TRUE},
               {"video/x-raw,format=I420,width=64,height=64,framerate=25/1", TRUE},
               {"video/x-raw,format=I420,width=64,height=48,framerate=25/1", FALSE}};
  const GstStructure *result;
  guint64 track, first;
  Rig rig;
  rig_open(&rig, support_model(MODEL), "video/x-raw,format=I420,width=64,height=64,framerate=25/1",
           "inference-region", "full-frame", NULL);
  GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 1, 0), &result);
  assert_true(gst_structure_get_uint64(result_face(result, 0), "track-id", &first));
  gst_buffer_unref(out);
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    GstCaps *caps = gst_caps_from_string(steps[i].caps);
    GstVideoInfo info;
    assert_true(gst_video_info_from_caps(&info, caps));
    assert_true(gst_harness_push_event(rig.harness, gst_event_new_caps(caps)));
    gst_caps_unref(caps);
    out = rig_frame(&rig, frame_new(&info, 1, i + 1), &result);
    assert_true(gst_structure_get_uint64(result_face(result, 0), "track-id", &track));
    assert_int_equal(track == first, steps[i].same);
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_change_before_every_frame),
      cmocka_unit_test(formats_change_before_every_frame),
      cmocka_unit_test(caps_change_during_inferences),
      cmocka_unit_test(a_frame_rate_is_no_other_stream),
  };
  counts_divide(argc, argv);
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
