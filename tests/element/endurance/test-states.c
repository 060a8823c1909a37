/* SPDX-License-Identifier: MIT
 * E02: four threads send the element to states at random while frames come, in every mode. The
 * argument is the number of transitions; they are counted by the messages of the element. */
#include "ends.h"
#include "process.h"
#include "twins.h"

#include <stdlib.h>

#define WALKERS 4
#define N_STATES (GST_STATE_PLAYING + 1)

static guint n_transitions = 600;

typedef struct Walk {
  Ends ends;
  GstElement *element;
  guint wanted;
  guint seen; /* relaxed atomic, of the thread that listens: transitions */
  guint from_to[N_STATES][N_STATES];
} Walk;

static gboolean is_over(Walk *walk) {
  return __atomic_load_n(&walk->seen, __ATOMIC_RELAXED) >= walk->wanted;
}

static gpointer stream(gpointer data) {
  Walk *walk = data;
  GRand *rand = g_rand_new_with_seed(1);
  ends_begin_stream(&walk->ends, rand);
  for (guint n = 0; !is_over(walk); n++) {
    if (ends_push(&walk->ends, n) == GST_FLOW_OK)
      continue;
    g_usleep(50); /* stopped */
    ends_begin_stream(&walk->ends, rand);
  }
  g_rand_free(rand);
  return NULL;
}

static gpointer wander(gpointer data) {
  Walk *walk = data;
  while (!is_over(walk)) {
    gst_element_set_state(walk->element,
                          (GstState)g_random_int_range(GST_STATE_NULL, GST_STATE_PLAYING + 1));
    g_usleep((gulong)g_random_int_range(0, 200));
  }
  return NULL;
}

static void hear(Walk *walk, GstMessage *message) {
  GstState from, to;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    g_error("%s", gst_structure_to_string(gst_message_get_structure(message)));
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STATE_CHANGED) {
    gst_message_parse_state_changed(message, &from, &to, NULL);
    walk->from_to[from][to] += from != to;
    __atomic_store_n(&walk->seen, walk->seen + (from != to), __ATOMIC_RELAXED);
  }
  gst_message_unref(message);
}

static void listen(Walk *walk) {
  GstMessage *message;
  while (!is_over(walk))
    if ((message = gst_bus_timed_pop(walk->ends.bus, 5 * GST_MSECOND)))
      hear(walk, message);
}

/* After all that it works as if nothing had been: frames and EOS go through. */
static void check_works(Walk *walk) {
  GRand *rand = g_rand_new_with_seed(2);
  const guint came = walk->ends.came;
  guint64 in = 0;
  GstStructure *stats;
  gst_element_set_state(walk->element, GST_STATE_NULL);
  gst_element_set_state(walk->element, GST_STATE_PLAYING);
  ends_begin_stream(&walk->ends, rand);
  for (guint n = 0; n < 3; n++)
    assert_int_equal(ends_push(&walk->ends, n), GST_FLOW_OK);
  assert_true(gst_pad_push_event(walk->ends.source, gst_event_new_eos()));
  assert_int_equal(walk->ends.came, came + 3);
  g_object_get(walk->element, "stats", &stats, NULL);
  assert_true(gst_structure_get_uint64(stats, "frames-in", &in));
  assert_int_equal(in, 3);
  gst_structure_free(stats);
  g_rand_free(rand);
}

static void walk_in_mode(const char *mode, guint wanted) {
  static const GstState up[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED,
                                GST_STATE_PLAYING};
  GThread *walkers[WALKERS], *streamer;
  Walk walk = {.wanted = wanted};
  ends_open(&walk.ends);
  walk.element = ends_detector_new(twin(1), twin(2), mode);
  ends_join(&walk.ends, walk.element, walk.element);
  streamer = g_thread_new("stream", stream, &walk);
  for (guint i = 0; i < WALKERS; i++)
    walkers[i] = g_thread_new("wander", wander, &walk);
  listen(&walk);
  for (guint i = 0; i < WALKERS; i++)
    g_thread_join(walkers[i]);
  g_thread_join(streamer);
  print_message("%s: %u transitions", mode, walk.seen);
  for (guint i = 0; i + 1 < G_N_ELEMENTS(up); i++)
    print_message(", %s to %s %u and back %u", gst_element_state_get_name(up[i]),
                  gst_element_state_get_name(up[i + 1]), walk.from_to[up[i]][up[i + 1]],
                  walk.from_to[up[i + 1]][up[i]]);
  print_message("; %u frames came through\n", walk.ends.came);
  check_works(&walk);
  ends_part(&walk.ends);
  gst_object_unref(walk.element);
  ends_close(&walk.ends);
}

static void random_walk(void **state) {
  static const char *const modes[] = {"sync", "latest", "delay"};
  (void)state;
  /* Keeps the models loaded, so that a state change is quick. */
  GstElement *anchor = ends_detector_new(twin(1), twin(2), "sync");
  gst_element_set_state(anchor, GST_STATE_PAUSED);
  walk_in_mode("latest", 12); /* libraries make threads and descriptors when first used */
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++)
    walk_in_mode(modes[i], n_transitions / (guint)G_N_ELEMENTS(modes));
  assert_true(process_settled_threads() <= threads);
  assert_int_equal(process_descriptors(), descriptors);
  gst_element_set_state(anchor, GST_STATE_NULL);
  gst_object_unref(anchor);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_walk)};
  if (argc > 1)
    n_transitions = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
