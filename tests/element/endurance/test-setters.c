/* SPDX-License-Identifier: MIT
 * E05: every writable property of coreddetect and coredoverlay is set from four threads, over its
 * whole range, while a fifth pushes frames through both. The argument is the number of sets. No
 * frame is lost, and afterwards a property still is what it is set to. */
#include "ends.h"
#include "twins.h"
#include "values.h"

#include <stdlib.h>

#define SETTERS 4
#define SETS_PER_FRAME 100 /* of each of them at most: a set is much quicker than a frame */

static guint n_sets = 20000;

typedef struct Target { /* one property */
  GstElement *element;
  GParamSpec *spec;
} Target;

typedef struct Setters {
  Ends ends;
  GArray *targets; /* of Target */
  gint over;       /* relaxed atomic */
  guint pushed;    /* relaxed atomic, of the thread that streams */
} Setters;

/* `name` and `parent` are GstObject's. */
static void add_targets(Setters *setters, GstElement *element) {
  guint n;
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n);
  for (guint i = 0; i < n; i++) {
    const Target target = {element, specs[i]};
    if ((specs[i]->flags & G_PARAM_WRITABLE) && specs[i]->owner_type != GST_TYPE_OBJECT)
      g_array_append_val(setters->targets, target);
  }
  g_free(specs);
}

/* Models are ones that exist: others are refused, which takes time and is another test's. */
static void any_value(GValue *value, GParamSpec *spec, GRand *rand) {
  if (!g_str_equal(spec->name, "model") && !g_str_equal(spec->name, "shadow-model")) {
    value_any(value, spec, rand);
    return;
  }
  g_value_init(value, G_TYPE_STRING);
  g_value_set_static_string(value, twin((guint)g_rand_int_range(rand, 1, 3)));
}

static gpointer set(gpointer data) {
  Setters *setters = data;
  GRand *rand = g_rand_new();
  for (guint i = 0; i < n_sets / SETTERS; i++) {
    GValue value = G_VALUE_INIT;
    const Target *target = &g_array_index(setters->targets, Target,
                                          g_rand_int_range(rand, 0, (gint)setters->targets->len));
    while (i / SETS_PER_FRAME > __atomic_load_n(&setters->pushed, __ATOMIC_RELAXED))
      g_usleep(100);
    any_value(&value, target->spec, rand);
    g_object_set_property(G_OBJECT(target->element), target->spec->name, &value);
    g_value_unset(&value);
  }
  g_rand_free(rand);
  return NULL;
}

static gpointer stream(gpointer data) {
  Setters *setters = data;
  GRand *rand = g_rand_new_with_seed(1);
  while (!__atomic_load_n(&setters->over, __ATOMIC_RELAXED)) {
    if (setters->pushed % 100 == 0)
      ends_begin_stream(&setters->ends, rand);
    assert_int_equal(ends_push(&setters->ends, setters->pushed), GST_FLOW_OK);
    __atomic_store_n(&setters->pushed, setters->pushed + 1, __ATOMIC_RELAXED);
  }
  g_rand_free(rand);
  return NULL;
}

/* What it is set to, it is: with nobody else about. */
static void check_sets(const Setters *setters) {
  GRand *rand = g_rand_new_with_seed(2);
  for (guint i = 0; i < setters->targets->len; i++) {
    const Target *target = &g_array_index(setters->targets, Target, i);
    GValue given = G_VALUE_INIT, got = G_VALUE_INIT;
    any_value(&given, target->spec, rand);
    g_object_set_property(G_OBJECT(target->element), target->spec->name, &given);
    g_value_init(&got, target->spec->value_type);
    g_object_get_property(G_OBJECT(target->element), target->spec->name, &got);
    if (g_param_values_cmp(target->spec, &given, &got) != 0 &&
        !g_str_equal(target->spec->name, "object-class")) /* none is "" */
      fail_msg("%s is %s after it was set to %s", target->spec->name, g_strdup_value_contents(&got),
               g_strdup_value_contents(&given));
    g_value_unset(&given);
    g_value_unset(&got);
  }
  g_rand_free(rand);
}

static void check_frames(const Setters *setters, GstElement *detect) {
  GstStructure *stats;
  guint64 in = 0;
  assert_int_equal(setters->ends.came, setters->pushed);
  g_object_get(detect, "stats", &stats, NULL);
  assert_true(gst_structure_get_uint64(stats, "frames-in", &in));
  assert_int_equal(in, setters->pushed);
  gst_structure_free(stats);
}

static GstElement *overlay_new(GstElement *detect) {
  GstElement *overlay = gst_element_factory_make("coredoverlay", NULL);
  if (!overlay)
    return NULL; /* built without it */
  gst_object_ref_sink(overlay);
  GstPad *out = gst_element_get_static_pad(detect, "src");
  GstPad *in = gst_element_get_static_pad(overlay, "sink");
  assert_int_equal(gst_pad_link(out, in), GST_PAD_LINK_OK);
  gst_object_unref(out);
  gst_object_unref(in);
  return overlay;
}

static void set_all_while_frames_pass(void **state) {
  Setters setters = {0};
  GThread *threads[SETTERS], *streamer;
  (void)state;
  ends_open(&setters.ends);
  GstElement *detect = ends_detector_new(twin(1), twin(2), "sync");
  GstElement *overlay = overlay_new(detect);
  setters.targets = g_array_new(FALSE, FALSE, sizeof(Target));
  add_targets(&setters, detect);
  if (overlay)
    add_targets(&setters, overlay);
  ends_join(&setters.ends, detect, overlay ? overlay : detect);
  streamer = g_thread_new("stream", stream, &setters);
  for (guint i = 0; i < SETTERS; i++)
    threads[i] = g_thread_new("set", set, &setters);
  for (guint i = 0; i < SETTERS; i++)
    g_thread_join(threads[i]);
  __atomic_store_n(&setters.over, 1, __ATOMIC_RELAXED);
  g_thread_join(streamer);
  print_message("%u sets of %u properties, %u frames\n", n_sets / SETTERS * SETTERS,
                setters.targets->len, setters.pushed);
  check_frames(&setters, detect);
  check_sets(&setters);
  ends_part(&setters.ends);
  g_array_unref(setters.targets);
  gst_object_unref(detect);
  gst_clear_object(&overlay);
  ends_close(&setters.ends);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(set_all_while_frames_pass)};
  if (argc > 1)
    n_sets = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
