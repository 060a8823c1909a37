/* SPDX-License-Identifier: MIT */
#include "twins.h"

#include <math.h>

#define PATIENCE (60 * G_USEC_PER_SEC)

static const double p_of[] = {0.0, 0.25, 0.75}; /* by generation */
static char *paths[3];

int twins_setup(void **state) {
  if (support_setup(state) != 0)
    return -1;
  for (guint i = 1; i <= 2; i++) {
    paths[i] = support_path(i == 1 ? "quarter.safetensors" : "three-quarters.safetensors");
    model_save_constant(paths[i], i, p_of[i]);
  }
  return 0;
}

int twins_teardown(void **state) {
  g_free(paths[1]);
  g_free(paths[2]);
  return support_teardown(state);
}

const char *twin(guint generation) {
  return paths[generation];
}

guint other_twin(guint generation) {
  return generation == 1 ? 2 : 1;
}

void twins_open(Twins *twins, const char *path) {
  *twins = (Twins){0};
  rig_open(&twins->rig, path, TWINS_CAPS, "inference-region", "full-frame", "smoothing", "0",
           "message-interval", "0", NULL);
  twins->frame = frame_new(&twins->rig.info, 1, 0);
}

void twins_close(Twins *twins) {
  assert_int_equal(rig_stat(&twins->rig, "frames-in"), twins->number);
  assert_int_equal(rig_stat(&twins->rig, "inferred"), twins->number);
  assert_int_equal(gst_harness_buffers_received(twins->rig.harness), twins->number);
  gst_buffer_unref(twins->frame);
  rig_close(&twins->rig);
}

guint twins_pass(Twins *twins) {
  const GstStructure *result;
  GstBuffer *frame = gst_buffer_copy(twins->frame);
  const GstClockTime pts = twins->number * 40 * GST_MSECOND;
  GST_BUFFER_PTS(frame) = pts;
  GstBuffer *out = rig_frame(&twins->rig, frame, &result);
  const guint64 generation = result_uint64(result, "model-generation");
  const double p = result_double(result, "p-fake");
  assert_true(GST_BUFFER_PTS(out) == pts);
  assert_true(generation == 1 || generation == 2);
  if (!(fabs(p - p_of[generation]) < 1e-12))
    fail_msg("frame %u: generation %u with p-fake %.17g", twins->number, (guint)generation, p);
  gst_buffer_unref(out);
  twins->number++;
  twins->seen[generation]++;
  return (guint)generation;
}

static void rest(const Twins *twins) {
  if (twins->pause_us)
    g_usleep(twins->pause_us);
}

void twins_pass_until(Twins *twins, guint generation) {
  for (const gint64 start = g_get_monotonic_time(); twins_pass(twins) != generation; rest(twins)) {
    if (g_get_monotonic_time() - start > PATIENCE)
      fail_msg("generation %u never came", generation);
  }
}

void twins_stay(Twins *twins, guint generation, guint milliseconds) {
  const gint64 start = g_get_monotonic_time();
  do {
    assert_int_equal(twins_pass(twins), generation);
    rest(twins);
  } while (g_get_monotonic_time() - start < milliseconds * 1000);
}

static void note_model(Told *told, const GstStructure *said) {
  const char *status = gst_structure_get_string(said, "status");
  const char *code = gst_structure_get_string(said, "code");
  told->loaded += g_str_equal(status, "loaded");
  told->failed += g_str_equal(status, "failed");
  told->degraded += !g_str_equal(status, "loaded") && !g_str_equal(status, "failed");
  if (code)
    g_strlcpy(told->code, code, sizeof told->code);
}

void twins_hear(Twins *twins, Told *told) {
  GstMessage *message;
  while ((message = rig_message(&twins->rig, GST_MESSAGE_ANY))) {
    const GstStructure *said = gst_message_get_structure(message);
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
      told->warnings++;
    else if (said && gst_structure_has_name(said, CORED_MESSAGE_MODEL))
      note_model(told, said);
    gst_message_unref(message);
  }
}

void twins_pass_until_warned(Twins *twins, Told *told, guint warnings) {
  for (const gint64 start = g_get_monotonic_time(); told->warnings < warnings; rest(twins)) {
    twins_pass(twins);
    twins_hear(twins, told);
    if (g_get_monotonic_time() - start > PATIENCE)
      fail_msg("expected %u warnings, heard %u", warnings, told->warnings);
  }
}
