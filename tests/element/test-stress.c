/* SPDX-License-Identifier: MIT
 * E35, E02, E05: everything at once, from several threads: frames with changing caps and EOS,
 * flushes and seeks, models set, published, asked for again and taken back, properties read and
 * set, state changes, and the end of the element while all this goes on. The argument is the
 * number of operations. Built with -Db_sanitize=thread or address this is where races show. */
#include "process.h"
#include "twins.h"

#include <stdlib.h>

#define SIDE 80 /* of the largest frame */

static guint n_operations = 2000;

typedef struct Stress {
  GMutex mutex; /* of element */
  GstElement *element;
  GstPad *source, *sink; /* ours: source pushes into the element, sink takes what it gives */
  GstBus *bus;
  char *path;       /* that is published to */
  gint done, over;  /* atomic: operations; everybody is to stop */
  gint came, heard; /* atomic: frames at the sink, messages */
  gint elements;    /* atomic */
} Stress;

static void count(Stress *stress) {
  g_atomic_int_inc(&stress->done);
}

static gboolean is_over(Stress *stress) {
  return g_atomic_int_get(&stress->done) >= (gint)n_operations || g_atomic_int_get(&stress->over);
}

/* The element of the moment; the caller owns a reference, which may turn out to be the last. */
static GstElement *current(Stress *stress) {
  g_mutex_lock(&stress->mutex);
  GstElement *element = gst_object_ref(stress->element);
  g_mutex_unlock(&stress->mutex);
  return element;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static GstFlowReturn take(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
  Stress *stress = gst_pad_get_element_private(pad);
  (void)parent;
  cored_meta_get(buffer);
  g_atomic_int_inc(&stress->came);
  gst_buffer_unref(buffer);
  return GST_FLOW_OK;
}

static void begin_stream(Stress *stress, GRand *rand, GstVideoInfo *info) {
  static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_RGB,
                                           GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_GRAY8};
  GstSegment segment;
  gst_video_info_set_format(info, formats[g_rand_int_range(rand, 0, 4)],
                            (guint)g_rand_int_range(rand, 1, SIDE),
                            (guint)g_rand_int_range(rand, 1, SIDE));
  GST_VIDEO_INFO_FPS_N(info) = 25;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  GstCaps *caps = gst_video_info_to_caps(info);
  gst_pad_push_event(stress->source, gst_event_new_stream_start("stress"));
  gst_pad_push_event(stress->source, gst_event_new_caps(caps));
  gst_pad_push_event(stress->source, gst_event_new_segment(&segment));
  gst_caps_unref(caps);
}

static gpointer stream(gpointer data) {
  Stress *stress = data;
  GRand *rand = g_rand_new_with_seed(1);
  GstVideoInfo info;
  begin_stream(stress, rand, &info);
  for (guint n = 0; !is_over(stress); n++) {
    /* Large enough for any caps: new ones may not get through, and then the old ones hold. */
    GstBuffer *frame = gst_buffer_new_allocate(NULL, SIDE * SIDE * 4, NULL);
    gst_buffer_memset(frame, 0, (guint8)n, SIDE * SIDE * 4);
    GST_BUFFER_PTS(frame) = n * 40 * GST_MSECOND;
    const GstFlowReturn flow = gst_pad_push(stress->source, frame);
    const gint dice = g_rand_int_range(rand, 0, 40);
    if (dice == 0)
      gst_pad_push_event(stress->source, gst_event_new_eos());
    if (dice <= 2 || flow != GST_FLOW_OK)
      begin_stream(stress, rand, &info);
    if (dice <= 2 && flow == GST_FLOW_OK)
      count(stress);
    if (flow != GST_FLOW_OK)
      g_usleep(200); /* stopped, or between two elements */
  }
  g_rand_free(rand);
  return NULL;
}

/* ---- Flushes and seeks ---------------------------------------------------------------------- */

static gpointer disturb(gpointer data) {
  Stress *stress = data;
  GRand *rand = g_rand_new_with_seed(2);
  while (!is_over(stress)) {
    if (g_rand_int_range(rand, 0, 2)) {
      gst_pad_push_event(stress->source, gst_event_new_flush_start());
      gst_pad_push_event(stress->source, gst_event_new_flush_stop(g_rand_boolean(rand)));
      /* Once more for who is downstream: the element may have been stopped in between. */
      gst_pad_send_event(stress->sink, gst_event_new_flush_stop(TRUE));
    } else {
      gst_pad_push_event(stress->sink,
                         gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_NONE,
                                            GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
      gst_pad_push_event(stress->sink, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5,
                                                         20 * (GstClockTimeDiff)GST_MSECOND, 0));
    }
    count(stress);
    g_usleep((gulong)g_rand_int_range(rand, 0, 2000));
  }
  g_rand_free(rand);
  return NULL;
}

/* ---- Models --------------------------------------------------------------------------------- */

static gpointer reload(gpointer data) {
  Stress *stress = data;
  GRand *rand = g_rand_new_with_seed(3);
  while (!is_over(stress)) {
    GstElement *element = current(stress);
    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
      model_publish(twin((guint)g_rand_int_range(rand, 1, 3)), stress->path);
      break;
    case 1:
      g_object_set(element, "model", twin((guint)g_rand_int_range(rand, 1, 3)), NULL);
      break;
    case 2:
      g_object_set(element, "model", stress->path, NULL);
      break;
    case 3:
      g_object_set(element, "shadow-model", g_rand_boolean(rand) ? twin(2) : NULL, NULL);
      break;
    case 4:
    case 5:
      g_signal_emit_by_name(element, "reload-model");
      break;
    default:
      g_signal_emit_by_name(element, "previous-model");
    }
    gst_object_unref(element);
    count(stress);
    g_usleep((gulong)g_rand_int_range(rand, 0, 2000));
  }
  g_rand_free(rand);
  return NULL;
}

/* ---- Properties ----------------------------------------------------------------------------- */

static void set_default(GstElement *element, GParamSpec *spec) {
  GValue value = G_VALUE_INIT;
  if (!(spec->flags & G_PARAM_WRITABLE) || !(spec->flags & GST_PARAM_MUTABLE_PLAYING) ||
      g_str_has_suffix(spec->name, "model"))
    return;
  g_value_init(&value, spec->value_type);
  g_param_value_set_default(spec, &value);
  g_object_set_property(G_OBJECT(element), spec->name, &value);
  g_value_unset(&value);
}

static void read_one(GstElement *element, GParamSpec *spec) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  g_object_get_property(G_OBJECT(element), spec->name, &value);
  g_value_unset(&value);
}

static gpointer fiddle(gpointer data) {
  Stress *stress = data;
  GRand *rand = g_rand_new_with_seed(4);
  guint n;
  GstElement *first = current(stress);
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(first), &n);
  gst_object_unref(first);
  while (!is_over(stress)) {
    GstElement *element = current(stress);
    GParamSpec *spec = specs[g_rand_int_range(rand, 0, (gint)n)];
    if (g_type_is_a(spec->owner_type, G_OBJECT_TYPE(element))) { /* not GstObject's */
      if (spec->flags & G_PARAM_READABLE)
        read_one(element, spec);
      set_default(element, spec);
      count(stress);
    }
    gst_object_unref(element);
    g_usleep((gulong)g_rand_int_range(rand, 0, 2000));
  }
  g_free(specs);
  g_rand_free(rand);
  return NULL;
}

/* ---- Messages ------------------------------------------------------------------------------- */

static gpointer listen(gpointer data) {
  Stress *stress = data;
  while (!g_atomic_int_get(&stress->over)) {
    GstMessage *message = gst_bus_timed_pop(stress->bus, 5 * GST_MSECOND);
    if (!message)
      continue;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
      g_error("%s", gst_structure_to_string(gst_message_get_structure(message)));
    g_atomic_int_inc(&stress->heard);
    gst_message_unref(message);
  }
  return NULL;
}

/* ---- States and ends ------------------------------------------------------------------------ */

static void join_pads(GstPad *from, GstPad *to) {
  assert_int_equal(gst_pad_link_full(from, to, GST_PAD_LINK_CHECK_NOTHING), GST_PAD_LINK_OK);
}

static GstElement *element_new(Stress *stress, GRand *rand) {
  static const char *const modes[] = {"sync", "latest", "delay"};
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  assert_non_null(element);
  gst_object_ref_sink(element);
  g_object_set(element, "model", stress->path, "threads", 1, "message-interval",
               G_GUINT64_CONSTANT(0), NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", modes[g_rand_int_range(rand, 0, 3)]);
  gst_util_set_object_arg(G_OBJECT(element), "inference-region", "full-frame");
  gst_element_set_bus(element, stress->bus);
  GstPad *in = gst_element_get_static_pad(element, "sink");
  GstPad *out = gst_element_get_static_pad(element, "src");
  join_pads(out, stress->sink);
  gst_element_set_state(element, GST_STATE_PLAYING);
  join_pads(stress->source, in);
  gst_object_unref(in);
  gst_object_unref(out);
  g_atomic_int_inc(&stress->elements);
  return element;
}

static void take_out(Stress *stress, GstElement *element) {
  GstPad *in = gst_pad_get_peer(stress->source), *out = gst_pad_get_peer(stress->sink);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_pad_unlink(stress->source, in);
  gst_pad_unlink(out, stress->sink);
  gst_object_unref(in);
  gst_object_unref(out);
  gst_element_set_bus(element, NULL);
}

/* Whoever has a reference still uses the old one. */
static void replace_element(Stress *stress, GRand *rand) {
  GstElement *old = stress->element; /* only this thread replaces it */
  take_out(stress, old);
  GstElement *next = element_new(stress, rand);
  g_mutex_lock(&stress->mutex);
  stress->element = next;
  g_mutex_unlock(&stress->mutex);
  gst_object_unref(old);
}

static void change_states(Stress *stress) {
  GRand *rand = g_rand_new_with_seed(5);
  while (!is_over(stress)) {
    const gint dice = g_rand_int_range(rand, 0, 12);
    if (dice == 0)
      replace_element(stress, rand);
    else
      gst_element_set_state(stress->element, (GstState)(GST_STATE_NULL + dice % 4));
    count(stress);
    g_usleep((gulong)g_rand_int_range(rand, 0, 4000));
    gst_element_set_state(stress->element, GST_STATE_PLAYING);
    count(stress);
    g_usleep((gulong)g_rand_int_range(rand, 0, 3000));
  }
  g_rand_free(rand);
}

/* ---- Test ----------------------------------------------------------------------------------- */

static GstStaticPadTemplate anything =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void open_stress(Stress *stress) {
  GRand *rand = g_rand_new_with_seed(6);
  g_mutex_init(&stress->mutex);
  stress->path = support_path("stress.safetensors");
  model_publish(twin(1), stress->path);
  stress->bus = gst_bus_new();
  stress->source = gst_pad_new("source", GST_PAD_SRC);
  stress->sink = gst_pad_new_from_static_template(&anything, "sink");
  GST_PAD_SET_ACCEPT_TEMPLATE(stress->sink);
  gst_pad_set_element_private(stress->sink, stress);
  gst_pad_set_chain_function(stress->sink, take);
  gst_pad_set_active(stress->source, TRUE);
  gst_pad_set_active(stress->sink, TRUE);
  stress->element = element_new(stress, rand);
  g_rand_free(rand);
}

static void close_stress(Stress *stress) {
  take_out(stress, stress->element);
  gst_object_unref(stress->element);
  gst_pad_set_active(stress->source, FALSE);
  gst_pad_set_active(stress->sink, FALSE);
  gst_object_unref(stress->source);
  gst_object_unref(stress->sink);
  gst_bus_set_flushing(stress->bus, TRUE);
  gst_object_unref(stress->bus);
  g_mutex_clear(&stress->mutex);
  g_free(stress->path);
}

/* Flushes take away the segment while frames are on their way, which GStreamer remarks upon. */
static void ignore(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer user) {
  (void)domain;
  (void)level;
  (void)text;
  (void)user;
}

static void run_stress(void) {
  static const GThreadFunc functions[] = {stream, disturb, reload, fiddle, listen};
  GThread *threads[G_N_ELEMENTS(functions)];
  Stress stress = {0};
  open_stress(&stress);
  for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
    threads[i] = g_thread_new("stress", functions[i], &stress);
  change_states(&stress);
  g_atomic_int_set(&stress.over, 1);
  for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
    g_thread_join(threads[i]);
  print_message("%d operations on %d elements, %d frames came through, %d messages\n", stress.done,
                stress.elements, stress.came, stress.heard);
  if (n_operations >= 1000)
    assert_true(stress.came > 0 && stress.heard > 0);
  close_stress(&stress);
}

static void everything_at_once(void **state) {
  (void)state;
  g_log_set_handler("GStreamer", G_LOG_LEVEL_WARNING, ignore, NULL);
  const guint wanted = n_operations;
  n_operations = MIN(wanted, 100);
  run_stress(); /* libraries make threads and descriptors of their own when first used */
  n_operations = wanted;
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  run_stress();
  assert_true(process_settled_threads() <= threads);
  assert_int_equal(process_descriptors(), descriptors);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(everything_at_once)};
  if (argc > 1)
    n_operations = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
