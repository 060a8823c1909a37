/* SPDX-License-Identifier: MIT */
#include "report-cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/data/reader.h"

enum { MAX_MISTAKES = 12, MAX_SIDE = 112 };

static bool no_memory(CoredError *error) {
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
}

/* ---- Which samples are shown ----------------------------------------------------------------- */

typedef struct Candidate {
  size_t index;   /* in the prediction */
  uint32_t group; /* of one video or person only the worst sample is shown */
  double error;   /* distance of p-fake from the truth */
  double p_fake;
} Candidate;

static int worst_first(const void *a, const void *b) {
  const Candidate *x = a, *y = b;
  if (x->error != y->error)
    return x->error < y->error ? 1 : -1;
  return (x->index > y->index) - (x->index < y->index);
}

static bool is_shown(const Candidate *list, size_t n, uint32_t group) {
  for (size_t i = 0; i < n; i++)
    if (list[i].group == group)
      return true;
  return false;
}

/* The worst mistakes at the model's threshold, worst first, moved to the front of list. */
static size_t choose(Candidate *list, const Prediction *prediction, const double *scores,
                     const uint8_t *positive, double threshold) {
  size_t n = 0, kept = 0;
  for (size_t i = 0; i < prediction->n; i++)
    if ((scores[i] >= threshold) != (positive[i] != 0))
      list[n++] = (Candidate){.index = i,
                              .group = prediction->groups[i],
                              .error = positive[i] ? 1 - scores[i] : scores[i],
                              .p_fake = scores[i]};
  qsort(list, n, sizeof *list, worst_first);
  for (size_t i = 0; i < n && kept < MAX_MISTAKES; i++)
    if (!is_shown(list, kept, list[i].group))
      list[kept++] = list[i];
  return kept;
}

/* ---- Their pictures -------------------------------------------------------------------------- */

/* Network input back to bytes, made smaller by averaging factor x factor pixels. */
static uint8_t *make_thumbnail(const float *input, const CoredDataParams *params, int *width,
                               int *height) {
  const int larger = params->width > params->height ? params->width : params->height;
  const int factor = (larger + MAX_SIDE - 1) / MAX_SIDE;
  *width = params->width / factor;
  *height = params->height / factor;
  uint8_t *rgb = malloc((size_t)*width * (size_t)*height * 3);
  for (int y = 0; rgb && y < *height; y++)
    for (int x = 0; x < *width; x++)
      for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int i = 0; i < factor * factor; i++) {
          const int row = y * factor + i / factor, column = x * factor + i % factor;
          sum +=
              (double)input[((size_t)row * (size_t)params->width + (size_t)column) * 3 + (size_t)c];
        }
        const double value = sum / (factor * factor) * (double)params->std[c];
        rgb[((size_t)y * (size_t)*width + (size_t)x) * 3 + (size_t)c] =
            (uint8_t)lround(255 * fmin(fmax(value + (double)params->mean[c], 0), 1));
      }
  return rgb;
}

/* "sub/folder/name.jpg", or "video.mp4, frame 7". */
static char *sample_name(const CoredDataset *set, CoredDataSample sample) {
  const CoredDataFile *file = cored_dataset_file(set, sample.file);
  const char *root = cored_dataset_root(set), *path = file->path;
  const size_t length = strlen(root);
  char *name;
  if (strncmp(path, root, length) == 0 && path[length] == '/')
    path += length + 1;
  const int n = file->video ? asprintf(&name, "%s, frame %u", path, sample.frame + 1)
                            : asprintf(&name, "%s", path);
  return n < 0 ? NULL : name;
}

static bool describe(CoredReportMistake *mistake, const CoredDataset *set, CoredDataReader *reader,
                     float *input, uint32_t index) {
  const CoredDataParams *params = cored_dataset_params(set);
  mistake->name = sample_name(set, cored_dataset_sample(set, index));
  if (reader && cored_dataset_read(set, index, reader, input, NULL))
    mistake->rgb = make_thumbnail(input, params, &mistake->width, &mistake->height);
  return mistake->name != NULL;
}

static bool add_mistakes(CoredReportCell *cell, const Prediction *prediction,
                         const CoredDataset *set, const Candidate *list, size_t n,
                         CoredError *error) {
  const CoredDataParams *params = cored_dataset_params(set);
  CoredReportMistake *mistakes = calloc(n + 1, sizeof *mistakes);
  float *input = malloc((size_t)params->width * (size_t)params->height * 3 * sizeof *input);
  CoredDataReader *reader = input ? cored_data_reader_new(params, NULL) : NULL;
  bool ok = mistakes && input;
  cell->mistakes = mistakes;
  for (size_t i = 0; i < n && ok; i++) {
    const size_t at = list[i].index;
    mistakes[i].truth = cell->info->labels[prediction->labels[at]];
    mistakes[i].p_fake = list[i].p_fake;
    cell->n_mistakes++;
    ok = describe(&mistakes[i], set, reader, input, prediction->samples[at]);
  }
  cored_data_reader_free(reader);
  free(input);
  return ok || no_memory(error);
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static bool fill(CoredReportCell *cell, const EvalResult *result, int i, int j, CoredError *error) {
  const EvalCell *from = &result->cells[i * result->n_tasks + j];
  const CoredPredictions view = prediction_view(&from->prediction);
  const CoredModelInfo *info = &result->infos[i];
  double *scores = malloc((view.n + 1) * sizeof *scores);
  uint8_t *positive = malloc(view.n + 1);
  Candidate *list = malloc((view.n + 1) * sizeof *list);
  CoredRocPoint *roc = NULL;
  char *title = NULL, *label = eval_label(result, i);
  bool ok = scores && positive && list && label &&
            asprintf(&title, "%s, on %s", label, result->names[j]) >= 0;
  *cell = (CoredReportCell){.title = ok ? title : NULL,
                            .info = info,
                            .metrics = &from->metrics,
                            .by_group = from->grouped ? &from->by_group : NULL};
  if (!ok) {
    no_memory(error);
  } else {
    cored_predictions_scores(&view, info->temperature, scores, positive);
    ok = cored_metrics_roc(scores, positive, view.n, &roc, &cell->n_roc, error);
    cell->roc = roc;
    ok = ok &&
         add_mistakes(cell, &from->prediction, result->sets[i * result->n_tasks + j], list,
                      choose(list, &from->prediction, scores, positive, info->threshold), error);
  }
  free(scores);
  free(positive);
  free(list);
  free(label);
  return ok;
}

bool report_cells_build(ReportCells *cells, const EvalResult *result, CoredError *error) {
  const int n = result->n_models * result->n_tasks;
  *cells = (ReportCells){.cells = calloc((size_t)n + 1, sizeof *cells->cells)};
  if (!cells->cells)
    return no_memory(error);
  for (int k = 0; k < n; k++) {
    cells->n++;
    if (!fill(&cells->cells[k], result, k / result->n_tasks, k % result->n_tasks, error))
      return false;
  }
  return true;
}

void report_cells_clear(ReportCells *cells) {
  for (size_t k = 0; k < cells->n; k++) {
    CoredReportCell *cell = &cells->cells[k];
    for (size_t i = 0; i < cell->n_mistakes; i++) {
      free((char *)cell->mistakes[i].name);
      free((uint8_t *)cell->mistakes[i].rgb);
    }
    free((CoredReportMistake *)cell->mistakes);
    free((CoredRocPoint *)cell->roc);
    free((char *)cell->title);
  }
  free(cells->cells);
  *cells = (ReportCells){0};
}
