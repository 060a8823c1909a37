/* SPDX-License-Identifier: MIT
 * Sequences of what can happen to the model of a running element. Each byte of an input is one
 * operation on one of two elements that share a file: set a path, publish a good, bad, older or
 * truncated file, remove it, ask again, go back, restart, or evaluate a frame. At every moment a
 * frame comes out with the verdict of a model that was good, or without one before the first. */
#include <glib/gstdio.h>

#include "element-rig.h"
#include "fuzz.h"
#include "gstcoredmeta.h"

enum { ELEMENTS = 2, GENERATIONS = 4, MAX_STEPS = 40, SIDE = 16 };

static struct { char *good[GENERATIONS], *live, *other; } paths;

static void make_paths(void) {
  if (paths.live)
    return;
  paths.live = element_rig_path("live.safetensors");
  paths.other = element_rig_path("other.safetensors");
  for (guint i = 0; i < GENERATIONS; i++) {
    char name[32];
    g_snprintf(name, sizeof name, "good-%u.safetensors", i);
    paths.good[i] = element_rig_path(name);
    element_rig_save(paths.good[i], i + 1);
  }
}

static void publish(const char *from, const char *to, gsize keep) {
  char *bytes;
  gsize n;
  fuzz_expect(g_file_get_contents(from, &bytes, &n, NULL));
  fuzz_expect(g_file_set_contents(to, bytes, (gssize)MIN(n, keep), NULL));
  g_free(bytes);
}

static GstHarness *open_element(GstElement **element) {
  *element = gst_element_factory_make("coreddetect", NULL);
  fuzz_expect(*element != NULL);
  g_object_set(*element, "model", paths.live, "threads", 1, "min-sharpness", 0.0, NULL);
  gst_util_set_object_arg(G_OBJECT(*element), "face-detector", "none");
  gst_util_set_object_arg(G_OBJECT(*element), "mode", "sync");
  GstHarness *const harness = gst_harness_new_with_element(*element, "sink", "src");
  gst_harness_set_src_caps_str(harness, "video/x-raw,format=GRAY8,width=16,height=16,"
                                        "framerate=25/1");
  return harness;
}

static void evaluate_frame(GstHarness *harness) {
  GstBuffer *const frame = gst_buffer_new_allocate(NULL, SIDE * SIDE, NULL);
  gst_buffer_memset(frame, 0, 99, SIDE * SIDE);
  if (gst_harness_push(harness, frame) != GST_FLOW_OK)
    return; /* it was stopped */
  GstBuffer *const out = gst_harness_try_pull(harness);
  fuzz_expect(out != NULL);
  const GstStructure *const result = cored_meta_get(out);
  guint64 generation = 0;
  double p = 0;
  fuzz_expect(result && gst_structure_get_uint64(result, "model-generation", &generation));
  fuzz_expect(generation <= GENERATIONS);
  fuzz_expect(gst_structure_get_double(result, "p-fake", &p) == (generation > 0));
  fuzz_expect(p >= 0 && p <= 1);
  gst_buffer_unref(out);
}

static void operate(GstHarness *harness, GstElement *element, unsigned what, unsigned which) {
  switch (what) {
  case 0:
  case 1:
    evaluate_frame(harness);
    break;
  case 2:
    publish(paths.good[which], paths.live, G_MAXSIZE);
    break;
  case 3:
    publish(paths.good[which], paths.live, 1000);
    break;
  case 4:
    publish(paths.good[which], paths.other, which == 3 ? 1000 : G_MAXSIZE);
    break;
  case 5:
    g_remove(which & 1 ? paths.other : paths.live);
    break;
  case 6:
    g_object_set(element, "model", which & 1 ? paths.other : paths.live, NULL);
    break;
  case 7:
    g_signal_emit_by_name(element, which & 1 ? "reload-model" : "previous-model");
    break;
  case 8:
    g_object_set(element, "shadow-model", which == 0 ? NULL : paths.good[which], NULL);
    break;
  case 9:
    if (which == 0) {
      gst_element_set_state(element, GST_STATE_READY);
      gst_element_set_state(element, GST_STATE_PLAYING);
    } else {
      g_usleep(which * 1000);
    }
    break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  GstElement *elements[ELEMENTS];
  GstHarness *harnesses[ELEMENTS];
  FuzzInput in = {data, size};
  element_rig_init();
  make_paths();
  publish(paths.good[0], paths.live, G_MAXSIZE);
  publish(paths.good[1], paths.other, G_MAXSIZE);
  for (int i = 0; i < ELEMENTS; i++)
    harnesses[i] = open_element(&elements[i]);
  for (int step = 0; step < MAX_STEPS && in.size > 0; step++) {
    const unsigned byte = fuzz_byte(&in), at = byte & 1;
    operate(harnesses[at], elements[at], byte / 2 % 10, byte / 20 % GENERATIONS);
  }
  for (int i = 0; i < ELEMENTS; i++) {
    gst_harness_teardown(harnesses[i]);
    gst_object_unref(elements[i]);
  }
  return 0;
}

/* An operation as the byte that stands for it. */
#define OPERATION(what, which, element) (uint8_t)(((which)*10 + (what)) * 2 + (element))

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const uint8_t seeds[][8] = {
      {OPERATION(0, 0, 0), OPERATION(2, 1, 0), OPERATION(9, 3, 0), OPERATION(7, 1, 0),
       OPERATION(0, 0, 0), OPERATION(7, 0, 0), OPERATION(0, 0, 0), OPERATION(0, 0, 1)},
      {OPERATION(3, 1, 0), OPERATION(7, 1, 0), OPERATION(0, 0, 0), OPERATION(6, 1, 1),
       OPERATION(0, 0, 1), OPERATION(2, 2, 0), OPERATION(7, 1, 1), OPERATION(0, 0, 0)},
      {OPERATION(5, 0, 0), OPERATION(7, 1, 0), OPERATION(9, 0, 1), OPERATION(0, 0, 1),
       OPERATION(8, 2, 0), OPERATION(0, 0, 0), OPERATION(2, 3, 0), OPERATION(9, 0, 1)},
  };
  if (index >= sizeof seeds / sizeof *seeds || max < sizeof *seeds)
    return 0;
  memcpy(out, seeds[index], sizeof *seeds);
  return sizeof *seeds;
}
