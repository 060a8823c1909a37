/* SPDX-License-Identifier: MIT
 * E01, E03, E36, E38: elements come, change their states and go, many times; threads and
 * descriptors must be where they were. */
#include "counts.h"
#include "process.h"
#include "twins.h"

#define MODEL_MIB 1.2

static const char *const elements[] = {"coreddetect", "coredoverlay"};
static const char *const modes[] = {"sync", "latest", "delay", "auto"};

typedef struct Baseline {
  guint threads, descriptors;
} Baseline;

static void settle(Baseline *baseline) {
  Twins twins; /* libraries make threads and descriptors of their own when first used */
  twins_open(&twins, twin(1));
  twins_pass(&twins);
  twins_close(&twins);
  *baseline = (Baseline){process_settled_threads(), process_descriptors()};
}

static void check_settled(const Baseline *baseline) {
  assert_true(process_settled_threads() <= baseline->threads);
  assert_int_equal(process_descriptors(), baseline->descriptors);
}

static GstElement *detector_new(const char *mode) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  assert_non_null(element);
  g_object_set(element, "model", twin(1), "threads", 1, NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", mode);
  return element;
}

/* NULL where the build has no such element. The number chooses a mode. */
static GstElement *element_new(const char *name, guint number) {
  if (g_str_equal(name, "coreddetect"))
    return detector_new(modes[number % G_N_ELEMENTS(modes)]);
  return gst_element_factory_make(name, NULL);
}

/* ---- E01 ------------------------------------------------------------------------------------ */

static GstState state_of(char letter) {
  switch (letter) {
  case 'R':
    return GST_STATE_READY;
  case 'P':
    return GST_STATE_PAUSED;
  case 'L':
    return GST_STATE_PLAYING;
  default:
    return GST_STATE_NULL;
  }
}

/* The walks that GStreamer's own check of states takes every element through: up and down, up,
 * down. */
static void states_up_and_down(void **state) {
  (void)state;
  static const char *const walks[] = {"RPLPRNPRLPN", "RPRPLPRN", "RPLPLPRPLPRN"};
  const guint n = counts_of(1000);
  Baseline baseline;
  settle(&baseline);
  for (guint e = 0; e < G_N_ELEMENTS(elements); e++) {
    for (guint w = 0; w < G_N_ELEMENTS(walks); w++) {
      const gint64 start = g_get_monotonic_time();
      guint walked = 0;
      for (; walked < n; walked++) {
        GstElement *element = element_new(elements[e], walked);
        if (!element)
          break;
        for (const char *step = walks[w]; *step; step++)
          assert_int_equal(gst_element_set_state(element, state_of(*step)),
                           GST_STATE_CHANGE_SUCCESS);
        gst_object_unref(element);
      }
      counts_tell(elements[e], walked, start);
    }
  }
  check_settled(&baseline);
}

/* ---- E03, E38 ------------------------------------------------------------------------------- */

static void dispose_twice(GstElement *element) {
  g_object_run_dispose(G_OBJECT(element));
  g_object_run_dispose(G_OBJECT(element));
  gst_object_unref(element);
}

static void elements_never_started(void **state) {
  (void)state;
  const guint n = counts_of(10000);
  Baseline baseline;
  settle(&baseline);
  for (guint e = 0; e < G_N_ELEMENTS(elements); e++) {
    const gint64 start = g_get_monotonic_time();
    GstElement *element;
    guint i = 0;
    for (; i < n && (element = element_new(elements[e], i)); i++) {
      gst_object_unref(element);
      dispose_twice(element_new(elements[e], i));
    }
    counts_tell(elements[e], i, start);
  }
  check_settled(&baseline);
}

/* The application keeps no reference of its own, or takes the element out while it plays: either
 * way the bin's was the last but one. */
static void elements_gone_while_playing(void **state) {
  (void)state;
  const guint n = counts_of(10000);
  Baseline baseline;
  settle(&baseline);
  const gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < n; i++) {
    GstElement *bin = gst_bin_new(NULL);
    GstElement *detector = gst_object_ref_sink(detector_new(modes[i % G_N_ELEMENTS(modes)]));
    GstElement *overlay = gst_element_factory_make("coredoverlay", NULL);
    gst_bin_add(GST_BIN(bin), detector);
    if (overlay)
      gst_bin_add(GST_BIN(bin), overlay);
    assert_int_equal(gst_element_set_state(bin, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    if (i % 2) {
      gst_element_set_locked_state(detector, TRUE);
      gst_element_set_state(detector, GST_STATE_NULL);
      assert_true(gst_bin_remove(GST_BIN(bin), detector));
      dispose_twice(detector);
    } else {
      gst_object_unref(detector);
    }
    gst_element_set_state(bin, GST_STATE_NULL);
    gst_object_unref(bin);
  }
  counts_tell("gone while playing", n, start);
  check_settled(&baseline);
}

static void many_elements_at_once(void **state) {
  (void)state;
  enum { AT_ONCE = 100 };
  GstElement *many[AT_ONCE];
  Baseline baseline;
  settle(&baseline);
  for (guint i = 0; i < AT_ONCE; i++) {
    many[i] = detector_new("latest");
    assert_int_equal(gst_element_set_state(many[i], GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  }
  /* The threads are shared: no more for a hundred than for one. */
  assert_true(process_threads() <= baseline.threads + 2 * g_get_num_processors() + 2);
  for (guint i = 0; i < AT_ONCE; i++) {
    gst_element_set_state(many[i], GST_STATE_NULL);
    gst_object_unref(many[i]);
  }
  check_settled(&baseline);
}

/* ---- E36 ------------------------------------------------------------------------------------ */

/* Many elements, one copy of the weights, and a new version for all of them. */
static void many_share_one_model(void **state) {
  (void)state;
  enum { STREAMS = 16 };
  Twins twins[STREAMS];
  char *path = support_path("shared.safetensors");
  Baseline baseline;
  settle(&baseline);
  model_publish(twin(1), path);
  twins_open(&twins[0], path);
  twins_pass(&twins[0]);
  const double resident = process_kept_mib();
  for (guint i = 1; i < STREAMS; i++) {
    twins_open(&twins[i], path);
    twins_pass(&twins[i]);
  }
  const double grown = process_kept_mib() - resident;
  print_message("%d more streams: %.2f MiB more\n", STREAMS - 1, grown);
#ifndef __SANITIZE_ADDRESS__
  assert_true(grown < 0.5 * (STREAMS - 1) * MODEL_MIB);
#endif
  assert_true(process_threads() <= baseline.threads + 1 + 2); /* one watch, two that load */
  for (guint k = 0; k < 20; k++) {
    model_publish(twin(k % 2 ? 1 : 2), path);
    for (guint i = 0; i < STREAMS; i++)
      twins_pass_until(&twins[i], k % 2 ? 1 : 2);
  }
  for (guint i = 0; i < STREAMS; i++)
    twins_close(&twins[i]);
  g_free(path);
  check_settled(&baseline);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_up_and_down),          cmocka_unit_test(elements_never_started),
      cmocka_unit_test(elements_gone_while_playing), cmocka_unit_test(many_elements_at_once),
      cmocka_unit_test(many_share_one_model),
  };
  counts_divide(argc, argv);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
