/* SPDX-License-Identifier: MIT
 * cored-scan: judge whole video files with coreddetect and say when and where a face looks fake. */
#include "tools/common/detector.h"
#include "tools/scan/run.h"

#include "base/escape.h"

#include <glib-unix.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#ifndef CORED_VERSION
#error "CORED_VERSION comes from meson"
#endif

typedef struct Interrupt {
  gboolean seen;
  gint64 since; /* monotonic microseconds */
} Interrupt;

/* Ctrl-C: end the file at hand well; again, a second later or more: at once. (A shell may send one
 * signal twice, to the process and to its group.) */
static gboolean on_interrupt(gpointer data) {
  Interrupt *interrupt = data;
  gint64 now = g_get_monotonic_time();
  if (!interrupt->seen)
    interrupt->since = now;
  else if (now - interrupt->since > G_USEC_PER_SEC)
    _exit(SCAN_EXIT_INTERRUPTED);
  interrupt->seen = TRUE;
  return G_SOURCE_CONTINUE;
}

/* TRUE when the run may go on with other inputs. */
static gboolean scan_one(const ScanContext *context, guint index, const CoredTerminal *terminal,
                         gboolean *failed) {
  const char *argument = context->options->inputs[index];
  char **annotated = context->options->annotated;
  gboolean go_on = TRUE;
  char *problem;
  char *uri = cored_detector_input_uri(argument, FALSE, &problem);
  ScanReport *report = scan_report_new(argument, uri ? uri : argument);
  report->annotated = g_strdup(annotated ? annotated[index] : NULL);
  if (uri) {
    go_on = scan_run(context, report);
  } else {
    report->problem = problem;
    g_clear_pointer(&report->annotated, g_free);
  }
  if (context->json)
    scan_report_write(report, context->json);
  scan_report_print(report, terminal, !context->options->quiet);
  *failed |= report->problem != NULL;
  scan_report_free(report);
  g_free(uri);
  return go_on && !*context->interrupted;
}

static CoredJsonMode json_mode(const ScanOptions *options) {
  return options->append      ? CORED_JSON_APPEND
         : options->overwrite ? CORED_JSON_OVERWRITE
                              : CORED_JSON_NEW;
}

static ScanExit scan_all(const ScanOptions *options) {
  GError *error = NULL;
  gboolean failed = FALSE;
  Interrupt interrupt = {FALSE, 0};
  gboolean json_on_stdout = options->json && strcmp(options->json, "-") == 0;
  CoredTerminal terminal = cored_terminal_of(json_on_stdout ? stderr : stdout);
  CoredTerminal display = cored_terminal_of(stderr);
  terminal.utf8 &= !options->ascii;
  display.utf8 &= !options->ascii;
  ScanContext context = {.options = options,
                         .display = options->quiet ? NULL : &display,
                         .interrupted = &interrupt.seen};
  if (options->json &&
      !(context.json = cored_json_lines_open(options->json, json_mode(options), &error))) {
    g_printerr("cored-scan: %s\n", cored_show(error->message).text);
    g_error_free(error);
    return SCAN_EXIT_USAGE;
  }
  guint sigint = g_unix_signal_add(SIGINT, on_interrupt, &interrupt);
  guint sigterm = g_unix_signal_add(SIGTERM, on_interrupt, &interrupt);
  for (guint i = 0; options->inputs[i]; i++)
    if (!scan_one(&context, i, &terminal, &failed))
      break;
  g_source_remove(sigint);
  g_source_remove(sigterm);
  if (!cored_json_lines_close(context.json, &error)) {
    g_printerr("cored-scan: %s\n", cored_show(error->message).text);
    g_error_free(error);
    failed = TRUE;
  }
  if (interrupt.seen)
    return SCAN_EXIT_INTERRUPTED;
  return failed ? SCAN_EXIT_FAILED : SCAN_EXIT_JUDGED;
}

/* What would make every input fail is found before the first. */
static gboolean check_detector(const ScanOptions *options, GError **error) {
  GstElement *detector = scan_detector_new(options, error);
  if (!detector)
    return FALSE;
  gst_object_unref(gst_object_ref_sink(detector));
  return TRUE;
}

int main(int argc, char **argv) {
  ScanOptions options;
  ScanExit status = SCAN_EXIT_USAGE;
  GError *error = NULL;
  setlocale(LC_CTYPE, ""); /* and no other category: numbers have points everywhere */
  if (!scan_options_parse(&options, argc, argv, &error) ||
      (!options.version && !check_detector(&options, &error))) {
    gboolean usage = error->domain == G_OPTION_ERROR;
    g_printerr("cored-scan: %s\n%s", cored_show(error->message).text, usage ? "Try --help.\n" : "");
    status = usage ? SCAN_EXIT_USAGE : SCAN_EXIT_FAILED;
    g_error_free(error);
  } else if (options.version) {
    g_print("cored-scan %s\n", CORED_VERSION);
    status = SCAN_EXIT_JUDGED;
  } else {
    status = scan_all(&options);
  }
  scan_options_clear(&options);
  return status;
}
