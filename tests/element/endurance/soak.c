/* SPDX-License-Identifier: MIT
 * A pipeline at full speed that is given a new model every few seconds, and what it holds of the
 * machine meanwhile. Every frame's result must be that of the generation it names. Environment:
 *   CORED_SOAK_SECONDS  how long (default 30)
 *   CORED_SOAK_PERIOD   seconds between two models (default 10, in short runs 2)
 *   CORED_SOAK_CSV      where the curve goes (default: nowhere)
 * Printed at the end: the least-squares slope of the resident memory after the first quarter, at
 * most ten minutes. From an hour on it is judged; descriptors and threads always are. */
#include "models.h"
#include "process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP 600.0          /* seconds */
#define LONG_ENOUGH 3600.0     /* for a slope */
#define STEEPEST 0.1           /* MiB/h */
#define PATIENCE_SECONDS 60.0  /* for a model to take over */
#define SAMPLES_PER_PERIOD 2.0 /* right before a model comes, and in the middle */

typedef struct Sample {
  double seconds, resident, allocated;
  guint descriptors, threads;
  guint64 generation, frames, swaps;
} Sample;

typedef struct Soak {
  char *watched, *models[2]; /* generation 1 says 0.25, 2 says 0.75 */
  GstElement *pipeline, *detect;
  GstBus *bus;
  gint64 start;
  double seconds, period;
  gint frames, wrong; /* atomic */
  gint told;          /* generation of the last frame, atomic */
  guint published;
  GArray *samples;
  FILE *csv;
} Soak;

static double from_environment(const char *name, double otherwise) {
  const char *text = g_getenv(name);
  return text ? g_ascii_strtod(text, NULL) : otherwise;
}

static double elapsed(const Soak *soak) {
  return (double)(g_get_monotonic_time() - soak->start) / G_USEC_PER_SEC;
}

/* Streaming thread: what came out must be what the model that is named gives. */
static GstPadProbeReturn check_frame(GstPad *pad, GstPadProbeInfo *probe, gpointer user) {
  Soak *soak = user;
  const GstStructure *result = cored_meta_get(GST_PAD_PROBE_INFO_BUFFER(probe));
  guint64 generation = 0;
  double p = NAN;
  (void)pad;
  g_atomic_int_inc(&soak->frames);
  if (!result || !gst_structure_get_uint64(result, "model-generation", &generation) ||
      !gst_structure_get_double(result, "p-fake", &p) ||
      !(fabs(p - (generation == 1 ? 0.25 : 0.75)) < 1e-9))
    g_atomic_int_inc(&soak->wrong);
  g_atomic_int_set(&soak->told, (gint)generation);
  return GST_PAD_PROBE_OK;
}

static guint64 stat_of(Soak *soak, const char *name) {
  GstStructure *stats;
  guint64 value = 0;
  g_object_get(soak->detect, "stats", &stats, NULL);
  assert_true(gst_structure_get_uint64(stats, name, &value));
  gst_structure_free(stats);
  return value;
}

static void open_soak(Soak *soak) {
  GError *error = NULL;
  soak->seconds = from_environment("CORED_SOAK_SECONDS", 30.0);
  soak->period = from_environment("CORED_SOAK_PERIOD", soak->seconds < 300.0 ? 2.0 : 10.0);
  soak->samples = g_array_new(FALSE, FALSE, sizeof(Sample));
  soak->watched = support_path("watched.safetensors");
  for (guint i = 0; i < 2; i++) {
    soak->models[i] = support_path(i ? "b.safetensors" : "a.safetensors");
    model_save_constant(soak->models[i], i + 1, i ? 0.75 : 0.25);
  }
  model_publish(soak->models[0], soak->watched);
  if (g_getenv("CORED_SOAK_CSV")) {
    soak->csv = fopen(g_getenv("CORED_SOAK_CSV"), "w");
    assert_non_null(soak->csv);
    setvbuf(soak->csv, NULL, _IOLBF, 0);
    fprintf(soak->csv, "seconds,resident_mib,allocated_mib,descriptors,threads,generation,frames,"
                       "swaps\n");
  }
  char *description = g_strdup_printf(
      "videotestsrc pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
      "coreddetect name=detect mode=sync threads=1 inference-region=full-frame heat-map=true "
      "smoothing=0 model=\"%s\" ! fakesink name=sink sync=false",
      soak->watched);
  soak->pipeline = gst_parse_launch(description, &error);
  g_free(description);
  if (error)
    fail_msg("%s", error->message);
  soak->detect = gst_bin_get_by_name(GST_BIN(soak->pipeline), "detect");
  soak->bus = gst_element_get_bus(soak->pipeline);
  GstElement *sink = gst_bin_get_by_name(GST_BIN(soak->pipeline), "sink");
  GstPad *pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, check_frame, soak, NULL);
  gst_object_unref(pad);
  gst_object_unref(sink);
}

static void take_sample(Soak *soak) {
  const Sample s = {.seconds = elapsed(soak),
                    .resident = process_resident_mib(),
                    .allocated = process_allocated_mib(),
                    .descriptors = process_descriptors(),
                    .threads = process_threads(),
                    .generation = (guint64)g_atomic_int_get(&soak->told),
                    .frames = stat_of(soak, "frames-in"),
                    .swaps = stat_of(soak, "model-swaps")};
  g_array_append_val(soak->samples, s);
  if (soak->csv)
    fprintf(soak->csv,
            "%.1f,%.3f,%.3f,%u,%u,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT
            "\n",
            s.seconds, s.resident, s.allocated, s.descriptors, s.threads, s.generation, s.frames,
            s.swaps);
}

/* Read the bus, as an application does; a warning or an error is the end. */
static void read_bus(Soak *soak, double until) {
  for (double left; (left = until - elapsed(soak)) > 0.0;) {
    GstMessage *message = gst_bus_timed_pop(soak->bus, (GstClockTime)(left * GST_SECOND));
    if (!message)
      continue;
    if (GST_MESSAGE_TYPE(message) & (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))
      fail_msg("%s", gst_structure_to_string(gst_message_get_structure(message)));
    gst_message_unref(message);
  }
}

static void publish_next(Soak *soak) {
  const gint generation = (gint)(++soak->published % 2) + 1;
  model_publish(soak->models[generation - 1], soak->watched);
  const double limit = elapsed(soak) + PATIENCE_SECONDS;
  while (g_atomic_int_get(&soak->told) != generation) {
    if (elapsed(soak) > limit)
      fail_msg("model %u never took over", soak->published);
    read_bus(soak, elapsed(soak) + 0.05);
  }
}

static void run_soak(Soak *soak) {
  soak->start = g_get_monotonic_time();
  gst_element_set_state(soak->pipeline, GST_STATE_PLAYING);
  while (g_atomic_int_get(&soak->frames) == 0)
    read_bus(soak, elapsed(soak) + 0.05);
  for (double next = 0.0; elapsed(soak) < soak->seconds; next += soak->period) {
    read_bus(soak, next + soak->period / SAMPLES_PER_PERIOD);
    take_sample(soak);
    read_bus(soak, next + soak->period);
    take_sample(soak);
    publish_next(soak);
  }
}

/* Least squares, MiB per hour, of the samples from `first` on. */
static double slope(const Soak *soak, guint first) {
  double n = 0, t = 0, y = 0, tt = 0, ty = 0;
  for (guint i = first; i < soak->samples->len; i++) {
    const Sample *s = &g_array_index(soak->samples, Sample, i);
    const double hours = s->seconds / 3600.0;
    n += 1;
    t += hours;
    y += s->resident;
    tt += hours * hours;
    ty += hours * s->resident;
  }
  return (n * ty - t * y) / (n * tt - t * t);
}

static guint first_warm(const Soak *soak) {
  const double warm = fmin(WARM_UP, soak->seconds / 4.0);
  guint i = 0;
  while (i + 2 < soak->samples->len && g_array_index(soak->samples, Sample, i).seconds < warm)
    i++;
  return i;
}

static void check_memory(const Soak *soak) {
  const guint first = first_warm(soak);
  const Sample *from = &g_array_index(soak->samples, Sample, first);
  const Sample *to = &g_array_index(soak->samples, Sample, soak->samples->len - 1);
  double least = from->resident, most = from->resident;
  for (guint i = first; i < soak->samples->len; i++) {
    const Sample *s = &g_array_index(soak->samples, Sample, i);
    least = fmin(least, s->resident);
    most = fmax(most, s->resident);
    assert_true(s->descriptors <= from->descriptors);
    assert_true(s->threads <= from->threads); /* GLib ends idle ones now and then */
  }
  const double per_hour = slope(soak, first), hours = (to->seconds - from->seconds) / 3600.0;
  print_message(
      "soak: %.0f s, %" G_GUINT64_FORMAT " frames, %u models; after %.0f s: resident "
      "%.2f to %.2f MiB, slope %+.4f MiB/h; descriptors %u, then %u; threads %u, then %u\n",
      to->seconds, to->frames, soak->published, from->seconds, least, most, per_hour,
      from->descriptors, to->descriptors, from->threads, to->threads);
  if (hours * 3600.0 >= LONG_ENOUGH)
    assert_true(per_hour <= STEEPEST);
}

static void close_soak(Soak *soak) {
  gst_element_set_state(soak->pipeline, GST_STATE_NULL);
  gst_object_unref(soak->bus);
  gst_object_unref(soak->detect);
  gst_object_unref(soak->pipeline);
  g_array_unref(soak->samples);
  if (soak->csv)
    fclose(soak->csv);
  g_free(soak->watched);
  for (guint i = 0; i < 2; i++)
    g_free(soak->models[i]);
}

static void weeks_in_a_hurry(void **state) {
  (void)state;
  Soak soak = {0};
  open_soak(&soak);
  run_soak(&soak);
  assert_int_equal(g_atomic_int_get(&soak.wrong), 0);
  assert_int_equal(stat_of(&soak, "swap-failures"), 0);
  assert_int_equal(stat_of(&soak, "model-swaps"), soak.published);
  check_memory(&soak);
  close_soak(&soak);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(weeks_in_a_hurry)};
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
