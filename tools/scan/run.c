/* SPDX-License-Identifier: MIT
 * One input through the pipeline
 *
 *   uridecodebin ! queue ! videoconvert ! videoflip ! coreddetect ! (fakesink | annotated file)
 *
 * videoconvert passes through what the detector takes as it is, videoflip turns a phone's sideways
 * video upright. The first video stream is judged, all others and the sound are thrown away
 * undecoded. Streaming threads tell the main thread everything by messages on the bus. */
#include "tools/scan/run.h"

#include "tools/common/detector.h"
#include "tools/scan/annotate.h"
#include "tools/scan/results.h"

#include <gst/pbutils/pbutils.h>

#define TICK_MS 100
#define CLOSE_MS 5000 /* how long the branch behind the detector gets to finish its file */
#define CUT_WITHOUT_HEADER_S 2.0
#define STALL_MS 15000 /* a source that sends nothing for so long, without an end, is given up */
#define CUT_S 0.5      /* so much less than the file says is a file that was cut off */
#define DRAINED "cored-scan-drained"
#define NO_VIDEO "cored-scan-no-video"

typedef struct Run {
  const ScanContext *context;
  ScanReport *report;
  ScanResults *results;
  ScanContainer container;
  GstElement *pipeline, *front, *detect, *sink; /* front: what stands before the detector */
  GMainLoop *loop;
  ScanProgress progress;
  char *part;       /* the annotated video while it is written, NULL: none */
  gboolean linked;  /* a video stream was found; set and read by the decoder's thread only */
  gboolean fatal;   /* the element could not be set up */
  gboolean drained; /* the last element has all there is */
  int closing_ms;   /* time left to drain, 0 while running */
  int idle_ms;      /* since the last frame, while the detector waits for one */
  guint frames;     /* at the last look */
} Run;

static void fail(Run *run, const char *text) {
  if (!run->report->problem) /* the first one is the cause */
    run->report->problem = g_strdup(text);
}

/* Takes text over; what was said already is not said again. */
static void note(ScanReport *report, char *text) {
  char *before = report->note;
  if (!before || !strstr(before, text)) {
    report->note = before ? g_strconcat(before, "; ", text, NULL) : g_strdup(text);
    g_free(before);
  }
  g_free(text);
}

static void post(Run *run, const char *name) {
  GstObject *source = GST_OBJECT(run->pipeline);
  gst_element_post_message(run->pipeline,
                           gst_message_new_application(source, gst_structure_new_empty(name)));
}

/* ---- Decoding, in streaming threads ---- */

/* The end of the video is the end of the run, however long the sound goes on. */
static GstPadProbeReturn on_sink_event(GstPad *pad, GstPadProbeInfo *info, gpointer run) {
  (void)pad;
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS)
    post(run, DRAINED);
  return GST_PAD_PROBE_OK;
}

static void discard(Run *run, GstPad *pad) {
  GstElement *sink = gst_element_factory_make("fakesink", NULL);
  g_object_set(sink, "sync", FALSE, "async", FALSE, NULL);
  gst_bin_add(GST_BIN(run->pipeline), sink);
  gst_element_sync_state_with_parent(sink);
  GstPad *target = gst_element_get_static_pad(sink, "sink");
  scan_results_watch_other(run->results, target);
  gst_pad_link(pad, target);
  gst_object_unref(target);
}

static void on_pad(GstElement *decoder, GstPad *pad, gpointer data) {
  Run *run = data;
  GstCaps *caps = gst_pad_get_current_caps(pad);
  gboolean video = caps && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
  (void)decoder;
  if (video && !run->linked) {
    GstPad *target = gst_element_get_static_pad(run->front, "sink");
    run->linked = gst_pad_link(pad, target) == GST_PAD_LINK_OK;
    gst_object_unref(target);
  } else {
    discard(run, pad);
  }
  g_clear_pointer(&caps, gst_caps_unref);
}

static void on_no_more_pads(GstElement *decoder, gpointer data) {
  Run *run = data;
  (void)decoder;
  if (!run->linked)
    post(run, NO_VIDEO);
}

static void on_element(GstBin *pipeline, GstBin *bin, GstElement *element, gpointer data) {
  Run *run = data;
  GstElementFactory *factory = gst_element_get_factory(element);
  (void)pipeline, (void)bin;
  if (factory &&
      gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_DECODER |
                                                    GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO |
                                                    GST_ELEMENT_FACTORY_TYPE_MEDIA_IMAGE))
    scan_results_watch_decoder(run->results, element);
}

/* Sound, subtitles and the like come out as they are in the file and need no decoder. */
static gboolean on_continue(GstElement *decoder, GstPad *pad, GstCaps *caps, gpointer data) {
  const char *name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  (void)decoder, (void)pad, (void)data;
  return !g_str_has_prefix(name, "audio/") && !g_str_has_prefix(name, "text/") &&
         !g_str_has_prefix(name, "subpicture/") && !g_str_has_prefix(name, "application/x-ssa") &&
         !g_str_has_prefix(name, "application/x-ass");
}

/* ---- The pipeline ---- */

static void watch_sink(Run *run) {
  GstElement *last = GST_IS_BIN(run->sink) ? gst_bin_get_by_name(GST_BIN(run->sink), "file")
                                           : gst_object_ref(run->sink);
  GstPad *pad = gst_element_get_static_pad(last, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_sink_event, run, NULL);
  gst_object_unref(pad);
  gst_object_unref(last);
}

/* Put an element, which may be NULL, into the pipeline, which owns it from then on. */
static GstElement *add(Run *run, GstElement *element) {
  if (element)
    gst_bin_add(GST_BIN(run->pipeline), element);
  return element;
}

static GstElement *add_plain(Run *run, const char *factory, GError **error) {
  GstElement *element = gst_element_factory_make(factory, NULL);
  if (!element)
    g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
                "the element %s is missing: install gstreamer1.0-plugins-base", factory);
  return add(run, element);
}

static GstElement *add_sink(Run *run, GError **error) {
  if (run->part)
    return add(run, scan_annotate_new(run->part, error));
  GstElement *sink = add_plain(run, "fakesink", error);
  if (sink)
    g_object_set(sink, "sync", FALSE, "async", FALSE, NULL);
  return sink;
}

static gboolean build(Run *run, GError **error) {
  run->pipeline = gst_pipeline_new(NULL);
  GstElement *decoder = add_plain(run, "uridecodebin", error);
  run->front =
      !decoder
          ? NULL
          : add(run, gst_parse_bin_from_description("queue max-size-buffers=4 max-size-bytes=0 "
                                                    "max-size-time=0 ! videoconvert ! "
                                                    "videoflip video-direction=auto",
                                                    TRUE, error));
  run->detect = !run->front ? NULL : add(run, scan_detector_new(run->context->options, error));
  run->sink = !run->detect ? NULL : add_sink(run, error);
  if (!run->sink)
    return FALSE;
  gst_element_link_many(run->front, run->detect, run->sink, NULL);
  g_object_set(decoder, "uri", run->report->uri, NULL);
  g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), run);
  g_signal_connect(decoder, "no-more-pads", G_CALLBACK(on_no_more_pads), run);
  g_signal_connect(decoder, "autoplug-continue", G_CALLBACK(on_continue), run);
  run->results = scan_results_new(run->detect, run->report, run->context->json);
  g_signal_connect(run->pipeline, "deep-element-added", G_CALLBACK(on_element), run);
  watch_sink(run);
  return TRUE;
}

/* ---- Running, in the main thread ---- */

/* End the run. An annotated file is whole only when an EOS has come to its writer: it goes in where
 * the decoder would send it, whatever state that is in, and gets there behind the last frame. */
static void close_down(Run *run) {
  guint frames;
  if (run->closing_ms)
    return;
  run->closing_ms = CLOSE_MS;
  scan_results_position(run->results, &frames);
  GstPad *pad = gst_element_get_static_pad(run->front, "sink");
  if (!run->part || frames == 0 || !gst_pad_send_event(pad, gst_event_new_eos()))
    g_main_loop_quit(run->loop);
  gst_object_unref(pad);
}

/* Errors of sources say little of themselves ("Internal data stream error."). */
static void fail_with_message(Run *run, GstMessage *message) {
  GError *error = NULL;
  GstObject *source = GST_MESSAGE_SRC(message);
  gst_message_parse_error(message, &error, NULL);
  char *text = GST_OBJECT_FLAG_IS_SET(source, GST_ELEMENT_FLAG_SOURCE)
                   ? g_strdup_printf("the source cannot be read: %s", error->message)
                   : g_strdup(error->message);
  fail(run, text);
  g_free(text);
  g_error_free(error);
}

static void on_error(Run *run, GstMessage *message) {
  GstState state = GST_STATE_NULL;
  GstObject *source = GST_MESSAGE_SRC(message);
  fail_with_message(run, message);
  gst_element_get_state(run->detect, &state, NULL, 0);
  /* Without a model, or with a wrong one, no other file will do better. */
  run->fatal |= source == GST_OBJECT(run->detect) && state < GST_STATE_PAUSED;
  if (gst_object_has_as_ancestor(source, GST_OBJECT(run->sink)))
    g_main_loop_quit(run->loop); /* the writer itself failed */
  else
    close_down(run);
}

/* The detector goes on without something that it was told to use: that bears on the verdict. */
static void on_warning(Run *run, GstMessage *message) {
  GError *error = NULL;
  if (GST_MESSAGE_SRC(message) != GST_OBJECT(run->detect))
    return;
  gst_message_parse_warning(message, &error, NULL);
  note(run->report, g_strdup(error->message));
  g_error_free(error);
}

static void on_element_message(Run *run, GstMessage *message) {
  if (!gst_is_missing_plugin_message(message))
    return;
  char *what = gst_missing_plugin_message_get_description(message);
  char *text = g_strdup_printf("GStreamer has no %s here", what);
  fail(run, text);
  g_free(text);
  g_free(what);
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  Run *run = data;
  (void)bus;
  switch (GST_MESSAGE_TYPE(message)) {
  case GST_MESSAGE_ERROR:
    on_error(run, message);
    break;
  case GST_MESSAGE_WARNING:
    on_warning(run, message);
    break;
  case GST_MESSAGE_ELEMENT:
    on_element_message(run, message);
    break;
  case GST_MESSAGE_APPLICATION:
    if (gst_message_has_name(message, NO_VIDEO))
      fail(run, "no video in it");
    else
      run->drained = TRUE;
    g_main_loop_quit(run->loop);
    break;
  case GST_MESSAGE_EOS:
    g_main_loop_quit(run->loop);
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

static double duration_of(const Run *run) {
  gint64 duration = -1;
  gst_element_query_duration(run->pipeline, GST_FORMAT_TIME, &duration);
  return duration > 0 ? (double)duration / GST_SECOND : 0;
}

static gboolean on_tick(gpointer data) {
  Run *run = data;
  guint frames;
  double position = scan_results_position(run->results, &frames);
  if (run->context->display)
    scan_progress_update(&run->progress, position, duration_of(run), frames);
  gboolean waiting = frames == run->frames && !scan_results_busy(run->results);
  run->idle_ms = waiting ? run->idle_ms + TICK_MS : 0;
  run->frames = frames;
  if (run->closing_ms > TICK_MS)
    run->closing_ms -= TICK_MS;
  else if (run->closing_ms)
    g_main_loop_quit(run->loop);
  else if (*run->context->interrupted)
    close_down(run);
  else if (run->idle_ms >= STALL_MS) {
    fail(run, frames ? "no more frames come, and no end" : "no frame comes out of it");
    close_down(run);
  }
  return G_SOURCE_CONTINUE;
}

static void play(Run *run) {
  run->loop = g_main_loop_new(NULL, FALSE);
  GstBus *bus = gst_pipeline_get_bus(GST_PIPELINE(run->pipeline));
  guint watch = gst_bus_add_watch(bus, on_message, run);
  guint tick = g_timeout_add(TICK_MS, on_tick, run);
  if (run->context->display)
    scan_progress_begin(&run->progress, run->context->display);
  /* A refused state change has its error on the bus, which ends the loop. */
  gst_element_set_state(run->pipeline, GST_STATE_PLAYING);
  g_main_loop_run(run->loop);
  if (run->context->display)
    scan_progress_end(&run->progress);
  g_source_remove(tick);
  g_source_remove(watch);
  gst_object_unref(bus);
  g_main_loop_unref(run->loop);
}

/* ---- The report ----------------------------------------------------------------------------- */

static char *cut_text(double read, double said) {
  char at[16], end[16];
  return g_strdup_printf("the video is cut off: it ends at %s of %s (%.1f s of %.1f s)",
                         cored_time_text(read, at), cored_time_text(said, end), read, said);
}

/* Where no header was read there is GStreamer's duration only, that of the longest stream; and the
 * end of the video may come before that of the sound was seen. */
static void check_duration(Run *run, double duration) {
  const double span = scan_results_span(run->results);
  if (duration - span <= CUT_WITHOUT_HEADER_S)
    return;
  char *text = cut_text(span, duration);
  if (scan_results_others(run->results) == 0)
    fail(run, text);
  else
    note(run->report, g_strdup_printf("%s, or its sound is longer", text));
  g_free(text);
}

/* Against what the file says of itself. */
static void check_whole(Run *run, double duration) {
  const ScanContainer *c = &run->container;
  const double said = c->video > 0 ? c->video : c->all;
  const double read = c->video > 0 ? run->report->duration : scan_results_span(run->results);
  char *text = said - read > CUT_S ? cut_text(read, said) : NULL;
  if (c->cut || text)
    fail(run, c->cut ? c->cut : text);
  else if (!c->read)
    check_duration(run, duration);
  else if (!c->bytes_known && said <= 0)
    note(run->report, g_strdup("nothing in it says how long it is: whether its end is missing "
                               "cannot be known"));
  g_free(text);
}

static void check_range(Run *run) {
  static const char *const names[] = {"unknown", "limited", "full"};
  const ScanRange said = run->container.range, told = scan_results_range(run->results);
  if (said != SCAN_RANGE_UNKNOWN && told != SCAN_RANGE_UNKNOWN && said != told)
    note(run->report, g_strdup_printf("its header says that the colours have %s range, GStreamer "
                                      "reads them as %s: the probabilities are off",
                                      names[said], names[told]));
}

static void check_damage(Run *run) {
  ScanReport *report = run->report;
  report->damaged = run->drained && !run->closing_ms ? scan_results_damaged(run->results) : 0;
  if (report->damaged)
    note(report, g_strdup_printf("%u frame%s could not be decoded rightly", report->damaged,
                                 report->damaged == 1 ? "" : "s"));
}

static void conclude(Run *run, double duration) {
  ScanReport *report = run->report;
  guint frames;
  report->duration = scan_results_position(run->results, &frames);
  report->reason = g_strdup(scan_results_reason(run->results));
  if (*run->context->interrupted)
    fail(run, "interrupted");
  else if (!report->problem && frames == 0)
    fail(run, "no frame in it");
  else if (!report->problem)
    check_whole(run, duration);
  check_damage(run);
  check_range(run);
  report->complete = !report->problem;
  report->verdict = cored_tracks_verdict(report->tracks, report->threshold, report->complete);
}

static void finish_annotated(Run *run) {
  GError *error = NULL;
  guint frames;
  scan_results_position(run->results, &frames);
  const gboolean whole = run->drained && frames > 0;
  const gboolean fine = scan_annotate_finish(run->part, whole ? run->report->annotated : NULL,
                                             run->context->options->overwrite, &error);
  if (!fine)
    fail(run, error->message);
  else if (!run->drained && frames > 0)
    fail(run, "the annotated video could not be finished");
  if (!fine || !whole) /* there is none of that name, or another's */
    g_clear_pointer(&run->report->annotated, g_free);
  g_clear_error(&error);
}

/* FALSE where the annotated video of this input cannot be begun; that of others may. */
static gboolean begin_annotated(Run *run) {
  GError *error = NULL;
  if (!run->report->annotated)
    return TRUE;
  run->part = scan_annotate_part(run->report->annotated, &error);
  if (run->part)
    return TRUE;
  fail(run, error->message);
  g_clear_pointer(&run->report->annotated, g_free);
  g_error_free(error);
  return FALSE;
}

GstElement *scan_detector_new(const ScanOptions *options, GError **error) {
  GstElement *detector = cored_detector_new(error);
  if (!detector)
    return NULL;
  /* One run, one model; and every due frame is judged before it goes on, whatever the source. */
  g_object_set(detector, "inference-interval", (guint)options->every, "post-messages", FALSE,
               "model-watch", FALSE, NULL);
  gst_util_set_object_arg(G_OBJECT(detector), "mode", "sync");
  if (options->model)
    g_object_set(detector, "model", options->model, NULL);
  if (!cored_detector_set(detector, options->settings, error) ||
      !cored_detector_has_model(detector, error)) {
    gst_object_ref_sink(detector);
    g_clear_pointer(&detector, gst_object_unref);
  }
  return detector;
}

gboolean scan_run(const ScanContext *context, ScanReport *report) {
  Run run = {.context = context, .report = report};
  GError *error = NULL;
  if (!begin_annotated(&run))
    return TRUE;
  scan_container_read(&run.container, report->uri, context->interrupted);
  if (build(&run, &error)) {
    play(&run);
    conclude(&run, duration_of(&run));
    gst_element_set_state(run.pipeline, GST_STATE_NULL);
    if (run.part)
      finish_annotated(&run);
  } else {
    fail(&run, error->message);
    if (run.part)
      scan_annotate_finish(run.part, NULL, FALSE, NULL);
    g_clear_pointer(&report->annotated, g_free);
    run.fatal = TRUE;
    g_error_free(error);
  }
  gst_object_unref(run.pipeline);
  scan_results_free(run.results);
  scan_container_clear(&run.container);
  g_free(run.part);
  return !run.fatal;
}
