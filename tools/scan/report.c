/* SPDX-License-Identifier: MIT
 * The report on one input, for people and for programs. */
#include "tools/scan/report.h"

#include "base/threshold-text.h"
#include "base/escape.h"

#define MAX_SPANS 6
#define MAX_TRACKS 8
#define BOLD_RED "\033[1;31m"
#define BOLD_GREEN "\033[1;32m"
#define BOLD_YELLOW "\033[1;33m"
#define RESET "\033[0m"

ScanReport *scan_report_new(const char *argument, const char *uri) {
  ScanReport *report = g_new0(ScanReport, 1);
  report->uri = g_utf8_make_valid(uri, -1);
  report->name = g_strdup(argument);
  report->tracks = cored_tracks_new();
  report->threshold = 0.5;
  return report;
}

void scan_report_free(ScanReport *report) {
  if (!report)
    return;
  cored_tracks_free(report->tracks);
  g_free(report->uri);
  g_free(report->name);
  g_free(report->problem);
  g_free(report->note);
  g_free(report->reason);
  g_free(report->model_id);
  g_free(report->annotated);
  g_free(report);
}

static void append_track(GString *text, const CoredJudgedTrack *track) {
  if (track->full_frame)
    g_string_append(text, "the whole frame");
  else
    g_string_append_printf(text, "face %" G_GUINT64_FORMAT, track->id);
}

/* "0:01-0:04 (0.97), 0:07 (0.81)" */
static void append_spans(GString *text, const GArray *spans, double threshold) {
  for (guint i = 0; i < spans->len && i < MAX_SPANS; i++) {
    const CoredTrackSpan *span = &g_array_index(spans, CoredTrackSpan, i);
    char first[16], last[16];
    g_string_append(text, i == 0 ? "" : ", ");
    g_string_append(text, cored_time_text(span->first, first));
    if (span->last != span->first)
      g_string_append_printf(text, "-%s", cored_time_text(span->last, last));
    g_string_append_printf(text, " (%s)", cored_threshold_text(span->p_fake, threshold).p);
  }
  if (spans->len > MAX_SPANS)
    g_string_append_printf(text, " and %u more times", spans->len - MAX_SPANS);
}

/* What of a track reaches the threshold: the same seconds that the time line marks. Where the track
 * as a whole does not, they are told as what they are, moments. */
static void append_evidence(GString *text, const ScanReport *report,
                            const CoredJudgedTrack *track) {
  GArray *spans = cored_track_spans(track, report->threshold);
  append_track(text, track);
  if (spans->len == 0) {
    g_string_append(text, ", no second of which reaches the threshold");
  } else if (cored_track_p_fake(track) >= report->threshold) {
    g_string_append(text, " looks fake at ");
    append_spans(text, spans, report->threshold);
  } else {
    g_string_append(text, " is under the threshold on the whole, and reaches it at ");
    append_spans(text, spans, report->threshold);
  }
  g_array_unref(spans);
}

static void append_unknown(GString *text, const ScanReport *report) {
  if (report->tracks->tracks->len > 0)
    g_string_append_printf(text, "no face was judged in %d frames over %d s",
                           CORED_TRACK_MIN_JUDGED, CORED_TRACK_MIN_SECONDS);
  else if (report->frames == 0)
    g_string_append(text, "there was no frame to judge");
  else if (!report->reason || g_str_equal(report->reason, "no-face"))
    g_string_append_printf(text, "no face in %u frames", report->frames);
  else if (g_str_equal(report->reason, "too-small"))
    g_string_append(text, "the faces in it are too small to judge");
  else
    g_string_append_printf(text, "nothing was judged (%s)", report->reason);
}

static void print_verdict(const ScanReport *report, const CoredTerminal *terminal) {
  static const char *const colours[] = {BOLD_YELLOW, BOLD_GREEN, BOLD_RED};
  const CoredTrackVerdict *verdict = &report->verdict;
  GString *text = g_string_new(NULL);
  if (!verdict->worst) {
    append_unknown(text, report);
  } else {
    if (verdict->outcome == CORED_OUTCOME_UNKNOWN)
      g_string_append(text, "the rest was not seen; until then ");
    const CoredThresholdText numbers = cored_threshold_text(verdict->p_fake, report->threshold);
    g_string_append_printf(text, "p-fake %s, threshold %s: ", numbers.p, numbers.threshold);
    append_evidence(text, report, verdict->worst);
  }
  const char *colour = terminal->colour ? colours[verdict->outcome] : "";
  fprintf(terminal->file, "  %s%s%s  %s\n", colour, cored_outcome_name(verdict->outcome),
          terminal->colour ? RESET : "", cored_show(text->str).text);
  g_string_free(text, TRUE);
}

/* Other faces that were fake at times, whatever the verdict's face is. */
static void print_others(const ScanReport *report, const CoredTerminal *terminal) {
  for (guint i = 0, shown = 0; i < report->tracks->tracks->len && shown < MAX_TRACKS; i++) {
    const CoredJudgedTrack *track = g_ptr_array_index(report->tracks->tracks, i);
    if (track == report->verdict.worst || !cored_track_counts(report->tracks, track) ||
        cored_track_p_fake(track) < report->threshold)
      continue;
    GString *text = g_string_new(NULL);
    append_evidence(text, report, track);
    fprintf(terminal->file, "        %s\n", cored_show(text->str).text);
    g_string_free(text, TRUE);
    shown++;
  }
}

void scan_report_print(const ScanReport *report, const CoredTerminal *terminal, gboolean timeline) {
  char time[16];
  fprintf(terminal->file, "%s  (%s, %u frame%s, %u judged)\n", cored_show(report->name).text,
          cored_time_text(report->duration, time), report->frames, report->frames == 1 ? "" : "s",
          report->tracks->judged);
  if (timeline)
    scan_timeline_print(terminal, report->tracks, report->duration, report->threshold, MAX_TRACKS);
  if (!report->problem || report->frames > 0) {
    print_verdict(report, terminal);
    print_others(report, terminal);
  }
  if (report->annotated)
    fprintf(terminal->file, "  annotated: %s\n", cored_show(report->annotated).text);
  if (report->note)
    fprintf(terminal->file, "  note: %s\n", cored_show(report->note).text);
  if (report->problem)
    fprintf(terminal->file, "  failed: %s\n", cored_show(report->problem).text);
  fflush(terminal->file);
}

/* ---- For programs ---------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *text) {
  if (text)
    json_object_set_new(object, key, json_string(cored_show_utf8(text).text));
}

void scan_report_write(const ScanReport *report, CoredJsonLines *json) {
  const CoredTrackVerdict *verdict = &report->verdict;
  json_t *object = json_pack("{s:s, s:s, s:s}", "type", "verdict", "uri", report->uri, "verdict",
                             cored_outcome_name(verdict->outcome));
  if (verdict->outcome != CORED_OUTCOME_UNKNOWN) {
    json_object_set_new(object, "p-fake", json_real(verdict->p_fake));
    json_object_set_new(object, "face",
                        cored_json_track_name(verdict->worst->id, verdict->worst->full_frame));
  }
  json_object_set_new(object, "threshold", json_real(report->threshold));
  json_object_set_new(object, "duration", json_real(report->duration));
  json_object_set_new(object, "frames", json_integer(report->frames));
  json_object_set_new(object, "judged", json_integer(report->tracks->judged));
  json_object_set_new(object, "complete", json_boolean(report->complete));
  json_object_set_new(object, "damaged", json_integer(report->damaged));
  set_text(object, "reason", verdict->worst ? NULL : report->reason);
  set_text(object, "error", report->problem);
  set_text(object, "note", report->note);
  set_text(object, "annotated", report->annotated);
  set_text(object, "model-id", report->model_id);
  json_object_set_new(object, "model-generation", json_integer((json_int_t)report->generation));
  json_object_set_new(object, "tracks", cored_json_tracks(report->tracks, report->threshold));
  cored_json_lines_write(json, object);
}
