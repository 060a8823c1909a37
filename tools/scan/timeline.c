/* SPDX-License-Identifier: MIT
 * The time line in the terminal. */
#include "tools/scan/timeline.h"

#include "base/threshold-text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 11 /* "  face 12  " */
#define SCORE_WIDTH 6  /* "  0.87" */
#define RED "\033[31m"
#define GREEN "\033[32m"
#define RESET "\033[0m"

const char *scan_block(double p_fake, gboolean utf8) {
  static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  double p = CLAMP(p_fake, 0, 1);
  return utf8 ? blocks[MIN((int)(p * 8), 7)] : digits[MIN((int)(p * 10), 9)];
}

typedef struct Column { /* what falls into the time of one column */
  double sum;           /* of logits */
  guint n;
  gboolean fake; /* a second of it is among the evidence */
} Column;

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median distance of a track's samples in time, 0 with fewer than two. */
static double usual_distance(const CoredTrackSample *samples, guint n) {
  double *distances = g_new(double, n);
  for (guint i = 1; i < n; i++)
    distances[i - 1] = samples[i].time - samples[i - 1].time;
  qsort(distances, n - 1, sizeof *distances, compare_doubles);
  double median = n > 1 ? distances[(n - 1) / 2] : 0;
  g_free(distances);
  return median;
}

static gboolean is_within(const GArray *spans, double time) {
  for (guint i = 0; i < spans->len; i++) {
    const CoredTrackSpan *span = &g_array_index(spans, CoredTrackSpan, i);
    if (time >= span->first && time < span->last + 1)
      return TRUE;
  }
  return FALSE;
}

/* Where every Nth frame was judged, a sample stands for the time up to the next; a real gap, longer
 * than three usual distances, stays empty. */
static Column *columns_of(const CoredJudgedTrack *track, double duration, double threshold,
                          int n_columns) {
  Column *columns = g_new0(Column, n_columns);
  GArray *spans = cored_track_spans(track, threshold);
  const CoredTrackSample *samples = &g_array_index(track->samples, CoredTrackSample, 0);
  guint n = track->samples->len;
  double usual = usual_distance(samples, n);
  for (guint i = 0; i < n; i++) {
    double next = i + 1 < n ? samples[i + 1].time : samples[i].time + usual;
    double until = next - samples[i].time <= 3 * usual ? next : samples[i].time;
    int first = CLAMP((int)(samples[i].time / duration * n_columns), 0, n_columns - 1);
    int last = CLAMP((int)ceil(until / duration * n_columns) - 1, first, n_columns - 1);
    for (int c = first; c <= last; c++) {
      columns[c].sum += cored_track_logit(samples[i].p_fake);
      columns[c].n++;
      columns[c].fake |= is_within(spans, samples[i].time);
    }
  }
  g_array_unref(spans);
  return columns;
}

static void print_line(const CoredTerminal *terminal, const CoredJudgedTrack *track,
                       double duration, double threshold, int n_columns) {
  Column *columns = columns_of(track, duration, threshold, n_columns);
  const char *colour = "";
  for (int c = 0; c < n_columns; c++) {
    guint n = columns[c].n;
    double p = n ? cored_track_sigmoid(columns[c].sum / n) : 0;
    const char *want = !n ? "" : columns[c].fake ? RED : GREEN;
    if (terminal->colour && want != colour)
      fprintf(terminal->file, RESET "%s", want);
    colour = want;
    fputs(n ? scan_block(p, terminal->utf8) : " ", terminal->file);
  }
  if (terminal->colour)
    fputs(RESET, terminal->file);
  g_free(columns);
}

/* Five times under the line, as far as they fit. */
static void print_axis(const CoredTerminal *terminal, double duration, int columns) {
  char *axis = g_strnfill(columns + 16, ' ');
  int free_from = 0, end = 0;
  for (int i = 0; i <= 4; i++) {
    char text[16];
    int length = (int)strlen(cored_time_text(duration * i / 4, text));
    int at = MAX(0, columns * i / 4 - (i ? length : 0));
    if (at < free_from || at + length > columns + 15)
      continue;
    memcpy(axis + at, text, length);
    end = at + length;
    free_from = end + 2;
  }
  axis[end] = '\0';
  fprintf(terminal->file, "%*s%s\n", LABEL_WIDTH, "", axis);
  g_free(axis);
}

void scan_timeline_print(const CoredTerminal *terminal, const CoredJudgedTracks *tracks,
                         double duration, double threshold, guint max_tracks) {
  int columns = terminal->width - LABEL_WIDTH - SCORE_WIDTH;
  guint shown = 0, left_out = 0;
  if (tracks->tracks->len == 0)
    return;
  if (!(duration > 0))
    duration = 1;
  for (int pass = 0; pass < 2; pass++) { /* those that count come first */
    for (guint i = 0; i < tracks->tracks->len; i++) {
      const CoredJudgedTrack *track = g_ptr_array_index(tracks->tracks, i);
      char label[32];
      if (cored_track_counts(tracks, track) != (pass == 0))
        continue;
      if (shown == max_tracks) {
        left_out++;
        continue;
      }
      if (track->full_frame)
        g_strlcpy(label, "frame", sizeof label);
      else
        snprintf(label, sizeof label, "face %" G_GUINT64_FORMAT, track->id);
      fprintf(terminal->file, "  %-*s", LABEL_WIDTH - 2, label);
      print_line(terminal, track, duration, threshold, columns);
      fprintf(terminal->file, "  %s\n",
              cored_threshold_text(cored_track_p_fake(track), threshold).p);
      shown++;
    }
  }
  print_axis(terminal, duration, columns);
  if (left_out)
    fprintf(terminal->file, "  and %u more faces, seen briefly\n", left_out);
}
