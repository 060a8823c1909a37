/* SPDX-License-Identifier: MIT
 * E22: seeks of all kinds while a file plays. The files are made here: one of JPEG pictures, one of
 * VP8 with twelve frames to a key frame. What the element must say of each frame is known from the
 * engine alone. Probes before and behind the element check every frame. */
#include "counts.h"
#include "plugins.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MODEL 3
#define FRAMES 150
#define FRAME (40 * GST_MSECOND)
#define LENGTH (FRAMES * FRAME)
#define PATIENCE (120 * G_TIME_SPAN_SECOND)
#define LEAST 26 /* seeks: each kind twice */

static const char *const system_plugins[] = {"coreelements", "videotestsrc", "jpeg",
                                             "isomp4",       "matroska",     "vpx"};

typedef struct Film {
  const char *encode, *decode, *name;
  char *path;
  double p[FRAMES]; /* of the frames that its decoder gives */
} Film;

static Film films[] = {
    {"jpegenc ! qtmux", "qtdemux ! jpegdec", "film.mov", NULL, {0}},
    {"vp8enc deadline=1 keyframe-max-dist=12 ! matroskamux",
     "matroskademux ! vp8dec threads=1",
     "film.mkv",
     NULL,
     {0}},
};

/* Time stamps are rounded by the containers. */
static guint index_of(GstClockTime pts) {
  return (guint)MIN((pts + FRAME / 2) / FRAME, FRAMES - 1);
}

/* ---- Films ---------------------------------------------------------------------------------- */

static GstElement *launch(char *description) {
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(description, &error);
  if (!pipeline || error)
    fail_msg("%s: %s", description, error ? error->message : "");
  g_free(description);
  return pipeline;
}

static void play_to_the_end(GstElement *pipeline) {
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered(bus, PATIENCE * GST_USECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  assert_non_null(message);
  assert_int_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_EOS);
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
}

/* In the streaming thread, with the main thread waiting. */
static void compute_expected(GstElement *sink, GstBuffer *frame, GstPad *pad, gpointer user) {
  Film *film = user;
  GstVideoInfo info;
  GstCaps *caps = gst_pad_get_current_caps(pad);
  (void)sink;
  gst_video_info_from_caps(&info, caps);
  const CoredBox box = {0, 0, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)};
  film->p[index_of(GST_BUFFER_PTS(frame))] =
      reference_p_fake(support_model(MODEL), &info, frame, &box);
  gst_caps_unref(caps);
}

static void film_make(Film *film) {
  film->path = support_path(film->name);
  play_to_the_end(launch(g_strdup_printf(
      "videotestsrc num-buffers=%d pattern=snow ! video/x-raw,width=64,height=48,framerate=25/1 ! "
      "%s ! filesink location=%s",
      FRAMES, film->encode, film->path)));
  GstElement *pipeline =
      launch(g_strdup_printf("filesrc location=%s ! %s ! fakesink name=sink signal-handoffs=true",
                             film->path, film->decode));
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  g_signal_connect(sink, "handoff", G_CALLBACK(compute_expected), film);
  gst_object_unref(sink);
  play_to_the_end(pipeline);
  for (guint i = 0; i < FRAMES; i++) { /* all known, and no frame can be taken for the next */
    assert_true(film->p[i] > 0.0);
    assert_true(i == 0 || fabs(film->p[i] - film->p[i - 1]) > 1e-5);
  }
}

/* ---- What comes in and goes out ------------------------------------------------------------- */

/* A run of one film. A stretch is what lies between two flushes or segments. */
typedef struct Run {
  const Film *film;
  GstElement *pipeline, *detector;
  GstBus *bus;
  gboolean exact;            /* each frame carries its own result */
  gboolean delayed;          /* more than one frame may be inside */
  GMutex mutex;              /* all below */
  char *failure;             /* the first; threads of a pipeline cannot fail a test themselves */
  GQueue inside;             /* PTS of the frames between the probes, oldest first */
  gboolean was_here[FRAMES]; /* in this stretch */
  gboolean first;            /* no frame went out in this stretch so far */
  gboolean fresh;            /* none with its own result */
  guint64 newest_track, stretch_track;
  GstClockTime last; /* PTS that went out */
  guint in, out, lost, stretches, backwards;
} Run;

static void note_failure(Run *run, char *failure) {
  if (run->failure)
    g_free(failure);
  else
    run->failure = failure;
}

static void begin_stretch(Run *run) {
  memset(run->was_here, 0, sizeof run->was_here);
  run->first = run->fresh = TRUE;
  run->last = 0;
  run->stretches++;
}

static gboolean is_of(const Run *run, guint index, double p) {
  return run->was_here[index] && fabs(p - run->film->p[index]) < 1e-6;
}

/* Is the result that of a frame of this film and this stretch, `age` before the one at pts? One
 * that left without its own, because it was too late, may carry that of a later one. */
static void check_origin(Run *run, const GstStructure *result, GstClockTime pts, guint64 age,
                         gboolean inferred) {
  double p;
  if (!gst_structure_get_double(result, "p-fake", &p))
    return;
  const guint index = index_of(pts - MIN(age, pts));
  gboolean known = is_of(run, index, p);
  for (guint i = index; !known && !inferred && age == 0 && i < FRAMES; i++)
    known = is_of(run, i, p);
  if (!known)
    note_failure(run, g_strdup_printf("frame %u, age %" G_GUINT64_FORMAT ": p-fake %.7f, not %.7f",
                                      index_of(pts), age, p, run->film->p[index]));
}

/* Nobody is followed from one stretch into the next, and nothing smoothed across. */
static void check_track(Run *run, const GstStructure *result) {
  const guint64 track = result_uint64(result_face(result, 0), "track-id");
  if (run->fresh && track <= run->newest_track)
    note_failure(run, g_strdup_printf("track %" G_GUINT64_FORMAT " went on", track));
  if (run->first && result_double(result, "p-fake") != result_double(result, "p-fake-smoothed"))
    note_failure(run, g_strdup("smoothed across a seek"));
  run->fresh = FALSE;
  run->newest_track = MAX(run->newest_track, track);
}

static void check_result(Run *run, GstBuffer *buffer) {
  const GstStructure *result = cored_meta_get(buffer);
  gboolean inferred = FALSE;
  guint64 age = 0;
  if (!result) {
    note_failure(run, g_strdup("a frame without a result"));
    return;
  }
  gst_structure_get_boolean(result, "inferred", &inferred);
  gst_structure_get_uint64(result, "result-age-ns", &age);
  if (run->exact && !inferred)
    note_failure(run,
                 g_strdup_printf("frame %u was not evaluated", index_of(GST_BUFFER_PTS(buffer))));
  check_origin(run, result, GST_BUFFER_PTS(buffer), age, inferred);
  if (inferred)
    check_track(run, result);
}

static void note_in(Run *run, GstBuffer *buffer) {
  GstClockTime *pts = g_new(GstClockTime, 1);
  *pts = GST_BUFFER_PTS(buffer);
  g_queue_push_tail(&run->inside, pts);
  run->was_here[index_of(*pts)] = TRUE;
  run->in++;
}

static void note_out(Run *run, GstBuffer *buffer) {
  GstClockTime *pts = g_queue_pop_head(&run->inside);
  if (!pts || *pts != GST_BUFFER_PTS(buffer))
    note_failure(run, g_strdup_printf("frame %u is not the one that came in",
                                      index_of(GST_BUFFER_PTS(buffer))));
  g_free(pts);
  check_result(run, buffer);
  run->backwards += GST_BUFFER_PTS(buffer) < run->last;
  run->last = GST_BUFFER_PTS(buffer);
  run->first = FALSE;
  run->out++;
}

static void drop_inside(Run *run) {
  if (run->inside.length > 1 && !run->delayed)
    note_failure(run, g_strdup_printf("%u frames were inside", run->inside.length));
  run->lost += run->inside.length;
  g_queue_clear_full(&run->inside, g_free);
}

static GstPadProbeReturn before(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  Run *run = user;
  (void)pad;
  g_mutex_lock(&run->mutex);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    note_in(run, GST_PAD_PROBE_INFO_BUFFER(info));
  else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP)
    drop_inside(run);
  g_mutex_unlock(&run->mutex);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn behind(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  Run *run = user;
  (void)pad;
  g_mutex_lock(&run->mutex);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    note_out(run, GST_PAD_PROBE_INFO_BUFFER(info));
  } else {
    const GstEventType type = GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info));
    const gboolean border =
        type == GST_EVENT_SEGMENT || type == GST_EVENT_SEGMENT_DONE || type == GST_EVENT_EOS;
    if (border && run->inside.length)
      note_failure(run, g_strdup_printf("%s overtook a frame", gst_event_type_get_name(type)));
    if (type == GST_EVENT_SEGMENT)
      begin_stretch(run);
  }
  g_mutex_unlock(&run->mutex);
  return GST_PAD_PROBE_OK;
}

/* ---- A run ---------------------------------------------------------------------------------- */

static void add_probe(Run *run, const char *name, GstPadProbeCallback probe) {
  GstPad *pad = gst_element_get_static_pad(run->detector, name);
  gst_pad_add_probe(pad,
                    GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                        GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                    probe, run, NULL);
  gst_object_unref(pad);
}

static void run_open(Run *run, const Film *film, const char *mode) {
  *run = (Run){
      .film = film, .exact = g_str_equal(mode, "sync"), .delayed = g_str_equal(mode, "delay")};
  g_mutex_init(&run->mutex);
  g_queue_init(&run->inside);
  run->pipeline = launch(g_strdup_printf(
      "filesrc location=%s ! %s ! coreddetect name=det model=%s mode=%s delay=200000000 threads=1 "
      "inference-region=full-frame message-interval=0 ! fakesink sync=false",
      film->path, film->decode, support_model(MODEL), mode));
  run->detector = gst_bin_get_by_name(GST_BIN(run->pipeline), "det");
  run->bus = gst_element_get_bus(run->pipeline);
  add_probe(run, "sink", before);
  add_probe(run, "src", behind);
  gst_element_set_state(run->pipeline, GST_STATE_PLAYING);
  assert_int_equal(gst_element_get_state(run->pipeline, NULL, NULL, PATIENCE * GST_USECOND),
                   GST_STATE_CHANGE_SUCCESS);
}

/* What the bus says must be right as well; true: the film, or the part asked for, is over. */
static gboolean check_message(Run *run, GstMessage *message) {
  const GstMessageType type = GST_MESSAGE_TYPE(message);
  const GstStructure *said = gst_message_get_structure(message);
  assert_int_not_equal(type, GST_MESSAGE_ERROR);
  assert_int_not_equal(type, GST_MESSAGE_WARNING);
  if (said && gst_structure_has_name(said, CORED_MESSAGE_RESULT)) {
    const guint64 pts = result_uint64(said, "timestamp");
    assert_true(fabs(result_double(said, "p-fake") - run->film->p[index_of(pts)]) < 1e-6);
    assert_true(result_uint64(said, "stream-time") == pts);
  }
  return type == GST_MESSAGE_EOS || type == GST_MESSAGE_SEGMENT_DONE;
}

static void check_run(Run *run) {
  g_mutex_lock(&run->mutex);
  char *failure = g_strdup(run->failure);
  g_mutex_unlock(&run->mutex);
  if (failure)
    fail_msg("%s: %s", run->film->name, failure);
}

/* Until so many frames have gone since, or all. */
static gboolean play(Run *run, guint frames) {
  const gint64 end = g_get_monotonic_time() + PATIENCE;
  gboolean over = FALSE;
  g_mutex_lock(&run->mutex);
  const guint goal = run->out + MIN(frames, FRAMES * 10);
  g_mutex_unlock(&run->mutex);
  for (guint out = 0; !over && out < goal;) {
    GstMessage *message = gst_bus_timed_pop(run->bus, GST_MSECOND);
    if (message) {
      over = check_message(run, message);
      gst_message_unref(message);
    }
    g_mutex_lock(&run->mutex);
    out = run->out;
    g_mutex_unlock(&run->mutex);
    check_run(run);
    assert_true(g_get_monotonic_time() < end);
  }
  return over;
}

static void run_close(Run *run) {
  GstMessage *message;
  guint64 frames_in = 0, inferred = 0;
  GstStructure *stats;
  gst_element_set_state(run->pipeline, GST_STATE_NULL);
  while ((message = gst_bus_pop(run->bus))) {
    check_message(run, message);
    gst_message_unref(message);
  }
  check_run(run);
  g_object_get(run->detector, "stats", &stats, NULL);
  gst_structure_get_uint64(stats, "frames-in", &frames_in);
  gst_structure_get_uint64(stats, "inferred", &inferred);
  gst_structure_free(stats);
  printf("%s: %u stretches, %u frames in, %u out, %u lost to flushes, %u evaluated\n",
         run->film->name, run->stretches, run->in, run->out, run->lost + run->inside.length,
         (guint)inferred);
  assert_int_equal(run->in, run->out + run->lost + run->inside.length);
  assert_true(frames_in <= run->in && inferred > 0 && run->backwards > 0);
  drop_inside(run);
  gst_object_unref(run->bus);
  gst_object_unref(run->detector);
  gst_object_unref(run->pipeline);
  g_mutex_clear(&run->mutex);
}

/* ---- Seeks ---------------------------------------------------------------------------------- */

typedef struct SeekKind {
  const char *name;
  double rate;
  GstSeekFlags flags;
} SeekKind;

#define FLUSH GST_SEEK_FLAG_FLUSH
#define ACCURATE GST_SEEK_FLAG_ACCURATE
#define SEGMENT GST_SEEK_FLAG_SEGMENT

/* One without a flush must come before the end of the stream: those before it are of segments. */
static const SeekKind kinds[] = {
    {"flush", 1.0, FLUSH},
    {"accurate", 1.0, FLUSH | ACCURATE},
    {"key unit", 1.0, FLUSH | GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_NEAREST},
    {"double", 2.0, FLUSH | ACCURATE},
    {"half", 0.5, FLUSH | ACCURATE},
    {"reverse", -1.0, FLUSH | ACCURATE},
    {"reverse double", -2.0, FLUSH},
    {"trick", 4.0, FLUSH | GST_SEEK_FLAG_TRICKMODE},
    {"trick, key units", 8.0, FLUSH | GST_SEEK_FLAG_TRICKMODE | GST_SEEK_FLAG_TRICKMODE_KEY_UNITS},
    {"trick, reverse", -4.0, FLUSH | GST_SEEK_FLAG_TRICKMODE | GST_SEEK_FLAG_TRICKMODE_KEY_UNITS},
    {"segment", 1.0, FLUSH | ACCURATE | SEGMENT},
    {"next segment", 1.0, ACCURATE | SEGMENT},
    {"next segment, double", 2.0, SEGMENT},
};

/* A part of the film of at least a second. */
static void seek(Run *run, const SeekKind *kind, GRand *random) {
  const guint from = (guint)g_rand_int_range(random, 0, FRAMES - 50);
  const guint to = (guint)g_rand_int_range(random, (gint)from + 25, FRAMES);
  const gboolean open = g_rand_boolean(random) && kind->rate > 0.0;
  /* Without a flush a sink that waits to be set playing would never let go of its frame. */
  if (!(kind->flags & FLUSH))
    assert_int_equal(gst_element_get_state(run->pipeline, NULL, NULL, PATIENCE * GST_USECOND),
                     GST_STATE_CHANGE_SUCCESS);
  if (!gst_element_seek(run->pipeline, kind->rate, GST_FORMAT_TIME, kind->flags, GST_SEEK_TYPE_SET,
                        (gint64)(from * FRAME), GST_SEEK_TYPE_SET,
                        open ? -1 : (gint64)(to * FRAME)))
    fail_msg("%s: the seek '%s' failed", run->film->name, kind->name);
}

/* Most seeks come in the middle of the last one's part, some at its end. */
static void seek_often(Run *run, guint n) {
  GRand *random = g_rand_new_with_seed(1);
  play(run, 10);
  for (guint i = 0; i < n; i++) {
    const SeekKind *kind = &kinds[i % G_N_ELEMENTS(kinds)];
    seek(run, kind, random);
    play(run, i % 5 == 4 ? G_MAXUINT : (guint)g_rand_int_range(random, 0, 12));
  }
  g_rand_free(random);
}

static void seeks_in_a_playing_file(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  const guint n = MAX(LEAST, counts_of(1000));
  for (guint f = 0; f < G_N_ELEMENTS(films); f++) {
    for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
      const gint64 start = g_get_monotonic_time();
      Run run;
      run_open(&run, &films[f], modes[m]);
      seek_often(&run, n);
      run_close(&run);
      counts_tell(modes[m], n, start);
    }
  }
}

static int setup(void **state) {
  plugins_only(system_plugins, G_N_ELEMENTS(system_plugins));
  if (support_setup(state) != 0)
    return -1;
  for (guint i = 0; i < G_N_ELEMENTS(films); i++)
    film_make(&films[i]);
  return 0;
}

static int teardown(void **state) {
  for (guint i = 0; i < G_N_ELEMENTS(films); i++)
    g_free(films[i].path);
  return support_teardown(state);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(seeks_in_a_playing_file)};
  counts_divide(argc, argv);
  return cmocka_run_group_tests(tests, setup, teardown);
}
