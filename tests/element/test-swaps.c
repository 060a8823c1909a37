/* SPDX-License-Identifier: MIT
 * R01, E34: models replaced thousands of times while frames flow. Every frame comes out once, in
 * order, judged by exactly the model that it names, and nothing is left behind. The argument is the
 * number of replacements. */
#include "models.h"
#include "process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define GROWTH_MIB 2.0
#define PATIENCE_FRAMES 100000

static guint n_swaps = 60;

static const double p_of[] = {0.0, 0.25, 0.75}; /* by generation */

static char *models[3];

static int save_models(void **state) {
  if (support_setup(state) != 0)
    return -1;
  for (guint i = 1; i <= 2; i++) {
    models[i] = support_path(i == 1 ? "quarter.safetensors" : "three-quarters.safetensors");
    model_save_constant(models[i], i, p_of[i]);
  }
  return 0;
}

static int forget_models(void **state) {
  g_free(models[1]);
  g_free(models[2]);
  return support_teardown(state);
}

typedef struct Stream {
  Rig rig;
  GstBuffer *frame;
  guint number, seen[3];
} Stream;

static void open_stream(Stream *stream, guint generation) {
  *stream = (Stream){0};
  rig_open(&stream->rig, models[generation], CAPS, "inference-region", "full-frame", "smoothing",
           "0", "message-interval", "0", NULL);
  stream->frame = frame_new(&stream->rig.info, 1, 0);
}

static void close_stream(Stream *stream) {
  assert_int_equal(rig_stat(&stream->rig, "frames-in"), stream->number);
  assert_int_equal(rig_stat(&stream->rig, "inferred"), stream->number);
  assert_int_equal(rig_stat(&stream->rig, "swap-failures"), 0);
  assert_int_equal(gst_harness_buffers_received(stream->rig.harness), stream->number);
  gst_buffer_unref(stream->frame);
  rig_close(&stream->rig);
}

/* One frame in, the same one out; the generation that judged it. */
static guint pass(Stream *stream) {
  const GstStructure *result;
  GstBuffer *frame = gst_buffer_copy(stream->frame);
  const GstClockTime pts = stream->number * 40 * GST_MSECOND;
  GST_BUFFER_PTS(frame) = pts;
  GstBuffer *out = rig_frame(&stream->rig, frame, &result);
  const guint64 generation = result_uint64(result, "model-generation");
  const double p = result_double(result, "p-fake");
  assert_true(GST_BUFFER_PTS(out) == pts);
  assert_true(generation == 1 || generation == 2);
  if (!(fabs(p - p_of[generation]) < 1e-12))
    fail_msg("frame %u: generation %u with p-fake %.17g", stream->number, (guint)generation, p);
  gst_buffer_unref(out);
  stream->number++;
  stream->seen[generation]++;
  return (guint)generation;
}

static void pass_until(Stream *stream, guint generation) {
  for (guint i = 0; pass(stream) != generation; i++) {
    if (i == PATIENCE_FRAMES)
      fail_msg("generation %u never came", generation);
  }
}

/* Nothing but model messages and results may be said; returns how often a model was loaded. */
static guint read_bus(Stream *stream) {
  guint loaded = 0;
  GstMessage *message;
  while ((message = rig_message(&stream->rig, GST_MESSAGE_ANY))) {
    const GstStructure *said = gst_message_get_structure(message);
    assert_false(GST_MESSAGE_TYPE(message) & (GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
    if (said && gst_structure_has_name(said, CORED_MESSAGE_MODEL)) {
      assert_string_equal(gst_structure_get_string(said, "status"), "loaded");
      loaded++;
    }
    gst_message_unref(message);
  }
  return loaded;
}

static void check_growth(const Stream *stream, const char *what, double before) {
  const double grown = process_resident_mib() - before;
  print_message("%s: %u frames (%u + %u), slowest exchange %u us, %.2f MiB grown\n", what,
                stream->number, stream->seen[1], stream->seen[2],
                (guint)rig_stat((Rig *)&stream->rig, "max-swap-us"), grown);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed */
  assert_true(grown <= GROWTH_MIB);
#endif
}

/* How a test exchanges the model. */
typedef void Exchange(GstElement *element, guint generation);

static void by_property(GstElement *element, guint generation) {
  g_object_set(element, "model", models[generation], NULL);
}

static void by_action(GstElement *element, guint generation) {
  (void)generation;
  g_signal_emit_by_name(element, "previous-model");
}

static void exchange_many(Exchange *exchange, const char *what) {
  Stream stream;
  double before = 0;
  guint loaded = 0;
  open_stream(&stream, 1);
  pass_until(&stream, 1);
  by_property(stream.rig.element, 2);
  pass_until(&stream, 2);
  for (guint i = 1; i <= n_swaps; i++) {
    exchange(stream.rig.element, i % 2 ? 1 : 2);
    pass_until(&stream, i % 2 ? 1 : 2);
    loaded += read_bus(&stream);
    if (i == n_swaps / 5)
      before = process_resident_mib();
  }
  check_growth(&stream, what, before);
  assert_int_equal(loaded, n_swaps + 2);
  assert_int_equal(rig_stat(&stream.rig, "model-swaps"), n_swaps + 1);
  close_stream(&stream);
}

/* Libraries make threads and descriptors of their own when first used. */
static void warm_up(void) {
  Stream stream;
  open_stream(&stream, 1);
  pass(&stream);
  close_stream(&stream);
}

static void swaps_lose_nothing_and_leave_nothing(void **state) {
  (void)state;
  warm_up();
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  exchange_many(by_property, "swaps by the property");
  exchange_many(by_action, "swaps by the action");
  assert_int_equal(process_settled_threads(), threads);
  assert_int_equal(process_descriptors(), descriptors);
}

/* Set before every frame, faster than models load: the last one wins, the others cost nothing. */
static void a_model_before_every_frame(void **state) {
  (void)state;
  Stream stream;
  double before = 0;
  warm_up();
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  open_stream(&stream, 1);
  for (guint i = 1; i <= n_swaps; i++) {
    by_property(stream.rig.element, i % 3 ? 1 : 2);
    pass(&stream);
    read_bus(&stream);
    if (i == n_swaps / 5)
      before = process_resident_mib();
  }
  by_property(stream.rig.element, 2);
  pass_until(&stream, 2);
  for (guint i = 0; i < 50; i++) /* nothing that was overtaken comes later */
    assert_int_equal(pass(&stream), 2);
  read_bus(&stream);
  check_growth(&stream, "set before every frame", before);
  close_stream(&stream);
  assert_int_equal(process_settled_threads(), threads);
  assert_int_equal(process_descriptors(), descriptors);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(swaps_lose_nothing_and_leave_nothing),
      cmocka_unit_test(a_model_before_every_frame),
  };
  if (argc > 1)
    n_swaps = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, save_models, forget_models);
}
