/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/file.h"
#include "face-detector.h"
#include "model/format.h"
#include "model/model.h"

enum { DRAWS = 2000 };

/* ---- Measuring ------------------------------------------------------------------------------- */

/* One model on one task. */
typedef struct Scores {
  Prediction prediction;
  double *p_fake;
  uint8_t *positive; /* by the classes of the data set, that is, the candidate's */
  size_t n;
} Scores;

static void scores_clear(Scores *scores) {
  prediction_clear(&scores->prediction);
  free(scores->p_fake);
  free(scores->positive);
  *scores = (Scores){0};
}

static bool scores_fill(Scores *scores, double temperature, int real_label, CoredError *error) {
  const CoredPredictions view = prediction_view(&scores->prediction);
  scores->n = view.n;
  scores->p_fake = malloc((view.n + 1) * sizeof *scores->p_fake);
  scores->positive = malloc(view.n + 1);
  if (!scores->p_fake || !scores->positive)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "scores of %zu samples", view.n);
  cored_predictions_scores(&view, temperature, scores->p_fake, scores->positive);
  /* The order of classes of the model that was asked need not be that of the data set. */
  for (size_t i = 0; i < view.n; i++)
    scores->positive[i] = view.labels[i] != (uint32_t)real_label;
  return true;
}

/* A model and the sets read for it. */
typedef struct Side {
  const CoredModel *model;
  DataSets own;         /* read for this model's input, where that is another */
  const DataSets *sets; /* own or the candidate's */
  Evaluator *evaluator;
} Side;

static void side_close(Side *side) {
  evaluator_free(side->evaluator);
  data_sets_close(&side->own);
}

/* The validation data of sets, which were read for info, as another input needs them. */
static bool reread(DataSets *own, const DataSets *sets, const CoredModelInfo *info,
                   const CoredModelInfo *input, const Options *options, Ui *ui, CoredError *error) {
  CoredModelInfo needed = *info;
  char text[INPUT_TEXT_SIZE];
  info_input_text(input, text);
  ui_line(ui, "the live model has %s: reading the validation data once more for it", text);
  info_copy_input(&needed, input);
  return data_sets_open_val(own, sets, &options->data, &needed, options->loader_threads, ui, error);
}

static bool side_open(Side *side, const CoredModel *model, const GateJob *job, Ui *ui,
                      CoredError *error) {
  const CoredModelInfo *info = cored_model_info(model), *like = cored_model_info(job->candidate);
  *side = (Side){.model = model, .sets = job->sets};
  if (!info_same_input(info, like)) {
    if (!reread(&side->own, job->sets, like, info, job->options, ui, error))
      return false;
    side->sets = &side->own;
  }
  side->evaluator = evaluator_new(model, job->options->recipe.train.threads, error);
  return side->evaluator != NULL;
}

static bool side_score(Side *side, int task, const GateJob *job, Ui *ui, Scores *scores,
                       CoredError *error) {
  return evaluator_predict(side->evaluator, side->sets->val[task], job->options->loader_threads, ui,
                           side->sets->names[task], &scores->prediction, error) &&
         scores_fill(scores, cored_model_info(side->model)->temperature,
                     cored_model_info(job->candidate)->real_class, error);
}

static bool measure_figures(const Scores *scores, double threshold, GateFigures *figures,
                            CoredError *error) {
  CoredRocPoint *points;
  size_t n_points, n_fake = 0, alarms = 0, missed = 0;
  if (!cored_metrics_roc(scores->p_fake, scores->positive, scores->n, &points, &n_points, error))
    return false;
  for (size_t i = 0; i < scores->n; i++) {
    const bool fake = scores->p_fake[i] >= threshold;
    n_fake += scores->positive[i];
    alarms += fake && !scores->positive[i];
    missed += !fake && scores->positive[i];
  }
  figures->auc = cored_roc_auc(points, n_points);
  figures->false_alarms = (double)alarms / (double)(scores->n - n_fake); /* 0/0 is NAN */
  figures->misses = (double)missed / (double)n_fake;
  free(points);
  return true;
}

static int by_number(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* How many groups have a sample of each class. */
static bool count_independent(const Scores *scores, GateTask *task, CoredError *error) {
  uint64_t *keys = malloc((scores->n + 1) * sizeof *keys);
  if (!keys)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu samples", scores->n);
  for (size_t i = 0; i < scores->n; i++)
    keys[i] = (uint64_t)scores->prediction.groups[i] << 1 | scores->positive[i];
  qsort(keys, scores->n, sizeof *keys, by_number);
  for (size_t i = 0; i < scores->n; i++)
    if (i == 0 || keys[i] != keys[i - 1])
      ++*(keys[i] & 1 ? &task->n_fake : &task->n_real);
  free(keys);
  return true;
}

/* Both have to have seen the same samples, one by one. */
static bool check_pairs(const Scores *now, const Scores *old, const char *name, CoredError *error) {
  const Prediction *a = &now->prediction, *b = &old->prediction;
  if (a->n == b->n && memcmp(a->samples, b->samples, a->n * sizeof *a->samples) == 0 &&
      memcmp(now->positive, old->positive, a->n) == 0)
    return true;
  return cored_error_set(error, CORED_ERROR_DATASET,
                         "validation data of '%s': %zu samples can be read for the new model and "
                         "%zu for the live one, which cannot be compared",
                         name, a->n, b->n);
}

static bool measure_task(GateTask *task, const Scores *now, const Scores *old, const GateJob *job,
                         const CoredModel *old_model, CoredError *error) {
  const uint32_t *groups = now->prediction.groups;
  const double confidence = job->options->output.gate.confidence / 100.0;
  task->old = (GateFigures){.auc = 0.5};
  if (!count_independent(now, task, error) ||
      !measure_figures(now, cored_model_info(job->candidate)->threshold, &task->now, error) ||
      !cored_metrics_auc_gain(now->p_fake, NULL, now->positive, groups, now->n, DRAWS, 1,
                              confidence, &task->over_guessing, error))
    return false;
  return !old_model ||
         (check_pairs(now, old, task->name, error) &&
          measure_figures(old, cored_model_info(old_model)->threshold, &task->old, error) &&
          cored_metrics_auc_gain(now->p_fake, old->p_fake, now->positive, groups, now->n, DRAWS, 1,
                                 confidence, &task->over_old, error));
}

static bool measure(GateResult *result, const GateJob *job, const CoredModel *old, Ui *ui,
                    CoredError *error) {
  Side new_side = {0}, old_side = {0};
  bool ok = side_open(&new_side, job->candidate, job, ui, error) &&
            (!old || side_open(&old_side, old, job, ui, error));
  for (int i = 0; ok && i < job->sets->n_tasks; i++) {
    Scores now = {0}, before = {0};
    result->tasks[i].name = job->sets->names[i];
    ok = side_score(&new_side, i, job, ui, &now, error) &&
         (!old || side_score(&old_side, i, job, ui, &before, error)) &&
         measure_task(&result->tasks[i], &now, &before, job, old, error);
    scores_clear(&now);
    scores_clear(&before);
  }
  result->n_tasks = job->sets->n_tasks;
  side_close(&new_side);
  side_close(&old_side);
  return ok;
}

bool gate_open_live(const char *path, CoredModel **live, CoredError *error) {
  CoredError reason = {0};
  *live = NULL;
  if (access(path, F_OK) != 0 && errno == ENOENT)
    return true;
  *live = cored_model_load(path, NULL, &reason);
  return *live || cored_error_set(error, reason.code,
                                  "--publish: the live model cannot be read, so nothing can be "
                                  "compared with it; move it away to publish a first one. %s",
                                  reason.message);
}

/* Samples that only one of the two inputs can be read for could not be compared later. */
static bool check_counts(const DataSets *sets, const DataSets *own, CoredError *error) {
  for (int i = 0; i < sets->n_tasks; i++) {
    const size_t ours = cored_dataset_n_samples(sets->val[i]);
    const size_t theirs = cored_dataset_n_samples(own->val[i]);
    if (ours != theirs)
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "validation data of '%s': %zu samples can be read for the new model "
                             "and %zu for the live one, which cannot be compared",
                             sets->names[i], ours, theirs);
  }
  return true;
}

bool gate_check_live(const DataSets *sets, const CoredModelInfo *info, const Options *options,
                     Ui *ui, CoredError *error) {
  CoredModel *live;
  DataSets own = {0};
  if (!gate_open_live(options->output.publish, &live, error))
    return false;
  if (live)
    face_detector_compare(&sets->detector, live, options->output.publish, ui);
  const bool ok = !live || info_same_input(cored_model_info(live), info) ||
                  (reread(&own, sets, info, cored_model_info(live), options, ui, error) &&
                   check_counts(sets, &own, error));
  data_sets_close(&own);
  cored_model_unref(live);
  return ok;
}

static void note_identity(const CoredModel *live, char identity[CORED_SHA256_HEX + 1]) {
  const char *hash = live ? cored_model_metadata(live, CORED_KEY_HEADER_SHA256) : NULL;
  snprintf(identity, CORED_SHA256_HEX + 1, "%s", hash ? hash : "");
}

bool gate_judge(GateResult *result, const GateJob *job, Ui *ui, CoredError *error) {
  CoredModel *live;
  *result = (GateResult){0};
  if (!gate_open_live(job->options->output.publish, &live, error))
    return false;
  note_identity(live, result->live);
  result->against = live ? "the live model" : job->teacher ? "the model of -w" : "guessing";
  const bool ok = measure(result, job, live ? live : job->teacher, ui, error);
  if (ok)
    gate_compare(result, &job->options->output.gate, cored_model_info(job->candidate)->temperature);
  cored_model_unref(live);
  return ok;
}

/* ---- Publishing ------------------------------------------------------------------------------ */

static CoredModel *next_generation(const GateResult *result, const CoredModel *candidate,
                                   const char *path, CoredError *error) {
  CoredModelInfo info = *cored_model_info(candidate);
  uint64_t live_generation = 0;
  CoredModel *live;
  char identity[CORED_SHA256_HEX + 1];
  if (!gate_open_live(path, &live, error))
    return NULL;
  note_identity(live, identity);
  if (strcmp(identity, result->live) != 0) {
    cored_model_unref(live);
    cored_error_set(error, CORED_ERROR_FILE_CHANGED,
                    "'%s' was replaced while the new model was judged against the one before: "
                    "nothing was published, run again with --resume",
                    path);
    return NULL;
  }
  if (live)
    live_generation = cored_model_info(live)->generation;
  cored_model_unref(live);
  info.generation = (live_generation > info.generation ? live_generation : info.generation) + 1;
  if (info.generation > INT64_MAX) {
    cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                    "'%s' has the highest generation that there is, %lld: nothing was published, "
                    "publish to a file of another name",
                    path, (long long)INT64_MAX);
    return NULL;
  }
  return cored_model_with_info(candidate, &info, error);
}

static bool write_rejected(const GateResult *result, const CoredModel *candidate, const char *path,
                           CoredError *error) {
  char *file = NULL, *text = NULL;
  const CoredChunk chunk = {result->reasons, strlen(result->reasons)};
  CoredModel *marked =
      cored_model_with_metadata(candidate, "train.rejected", result->reasons, error);
  const bool ok = marked && asprintf(&file, "%s.rejected", path) >= 0 &&
                  asprintf(&text, "%s.rejected.txt", path) >= 0 &&
                  cored_model_save_beside(marked, file, error) &&
                  cored_file_write(text, &chunk, 1, 0666, error);
  free(file);
  free(text);
  cored_model_unref(marked);
  return ok;
}

static void tell_figures(const GateResult *result, Ui *ui) {
  for (int i = 0; i < result->n_tasks; i++) {
    const GateTask *t = &result->tasks[i];
    if (strcmp(result->against, "guessing") == 0)
      ui_line(ui, "  %s: AUC %.4f, false alarms %.1f %%, misses %.1f %%", t->name, t->now.auc,
              100.0 * t->now.false_alarms, 100.0 * t->now.misses);
    else
      ui_line(ui,
              "  %s: AUC %.4f (%s: %.4f), false alarms %.1f %% (%.1f %%), misses %.1f %% (%.1f %%)",
              t->name, t->now.auc, result->against, t->old.auc, 100.0 * t->now.false_alarms,
              100.0 * t->old.false_alarms, 100.0 * t->now.misses, 100.0 * t->old.misses);
  }
}

static void tell_reasons(const GateResult *result, Ui *ui) {
  for (const char *at = result->reasons; *at;) {
    const size_t n = strcspn(at, "\n");
    ui_line(ui, "%.*s", (int)n, at);
    at += n + (at[n] == '\n');
  }
}

bool gate_publish(const GateResult *result, const CoredModel *candidate, const char *path, Ui *ui,
                  CoredError *error) {
  if (!result->passed) {
    ui_line(ui, "not published:");
    tell_reasons(result, ui);
    tell_figures(result, ui);
    ui_line(ui, "%s.rejected holds the model", path);
    return write_rejected(result, candidate, path, error);
  }
  CoredModel *next = next_generation(result, candidate, path, error);
  const bool ok = next && cored_model_save(next, path, error);
  if (ok) {
    ui_line(ui, "published %s, generation %llu", path,
            (unsigned long long)cored_model_info(next)->generation);
    tell_figures(result, ui);
  }
  cored_model_unref(next);
  return ok;
}

/* ---- Comparison ------------------------------------------------------------------------------ */

/* A fall of exactly the tolerance passes, whatever the last bits of a difference say. */
static const double slack = 1e-9;

/* One more line of reasons. A task is called as its folder is, which may hold anything: the name of
 * one shall not look like two reasons. */
__attribute__((format(printf, 2, 3))) static void refuse(GateResult *result, const char *format,
                                                         ...) {
  const size_t at = strlen(result->reasons);
  char line[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  snprintf(result->reasons + at, sizeof result->reasons - at, "%s\n", cored_show(line).text);
  result->passed = false;
}

/* A share of n samples moves in steps of 1/n: fewer than this many cannot show a rise of `points`
 * per cent without exceeding it. */
static size_t needed_for(double points, int least) {
  const double steps = points > 0.0 ? ceil(100.0 / points - slack) : 0.0;
  return steps > least ? (size_t)steps : (size_t)least;
}

static bool has_enough(GateResult *result, const GateTask *task, size_t real, size_t fake) {
  if (task->n_real >= real && task->n_fake >= fake)
    return true;
  refuse(
      result,
      "task %s: %zu real and %zu fake validation samples (those of one group count once) are too "
      "few to tell: %zu real and %zu fake ones are needed",
      task->name, task->n_real, task->n_fake, real, fake);
  return false;
}

/* Is gain above 0 by more than chance? Says how many samples would tell, should it stay as it is:
 * the width of the interval falls with their square root. */
static bool is_certain(GateResult *result, const GateTask *task, const CoredAucGain *gain,
                       const char *than) {
  if (gain->low > 0.0)
    return true;
  const double n = (double)(task->n_real + task->n_fake);
  const double wider = (gain->gain - gain->low) / gain->gain;
  const double needed = ceil(n * wider * wider * 1.1);
  if (isfinite(needed) && needed < 1e9)
    refuse(result,
           "new task %s: AUC %.4f is above %s by %.4f, which %.0f samples cannot tell from chance "
           "(interval %.4f to %.4f): some %.0f are needed",
           task->name, task->now.auc, than, gain->gain, n, gain->low, gain->high, needed);
  else
    refuse(result, "new task %s: AUC %.4f is above %s by %.4f, which is no more than chance",
           task->name, task->now.auc, than, gain->gain);
  return false;
}

/* A comparison with NAN never passes. */
static void judge_new_task(GateResult *result, const GateOptions *options) {
  const GateTask *task = &result->tasks[0];
  char old[128];
  if (!has_enough(result, task, (size_t)options->min_samples, (size_t)options->min_samples))
    return;
  if (task->now.auc >= 1.0 - slack && task->old.auc >= 1.0 - slack)
    return; /* nothing is left to gain */
  const bool beats_guessing = task->now.auc > 0.5, beats_old = task->now.auc > task->old.auc;
  snprintf(old, sizeof old, "the %.4f of %s", task->old.auc, result->against);
  if (!beats_guessing || !beats_old)
    refuse(result, "new task %s: AUC %.4f is not better than %s", task->name, task->now.auc,
           task->old.auc > 0.5 ? old : "the 0.5 of guessing");
  else if (options->confidence > 0.0 &&
           is_certain(result, task, &task->over_guessing, "the 0.5 of guessing") &&
           task->old.auc > 0.5)
    is_certain(result, task, &task->over_old, old);
}

static void judge_rise(GateResult *result, const GateTask *task, const char *what, double old,
                       double now, double points) {
  if (!(now - old <= points / 100.0 + slack))
    refuse(result, "old task %s: %s rose from %.1f %% to %.1f %%, by more than %g points",
           task->name, what, 100.0 * old, 100.0 * now, points);
}

static void judge_old_task(GateResult *result, const GateTask *task, const GateOptions *options) {
  if (!has_enough(result, task, needed_for(options->max_false_alarms, options->min_samples),
                  needed_for(options->max_misses, options->min_samples)))
    return;
  if (!(task->old.auc - task->now.auc <= options->max_forgetting / 100.0 + slack))
    refuse(result, "old task %s: AUC fell from %.4f to %.4f, by more than %g points", task->name,
           task->old.auc, task->now.auc, options->max_forgetting);
  judge_rise(result, task, "false alarms", task->old.false_alarms, task->now.false_alarms,
             options->max_false_alarms);
  judge_rise(result, task, "misses", task->old.misses, task->now.misses, options->max_misses);
}

void gate_compare(GateResult *result, const GateOptions *options, double temperature) {
  result->passed = true;
  result->reasons[0] = '\0';
  judge_new_task(result, options);
  for (int i = 1; i < result->n_tasks; i++)
    judge_old_task(result, &result->tasks[i], options);
  if (!(temperature > CORED_TEMPERATURE_MIN * (1.0 + 1e-6) &&
        temperature < CORED_TEMPERATURE_MAX * (1.0 - 1e-6)))
    refuse(result,
           "the temperature %.4g is at its bound: the probabilities are not calibrated (%g to %g "
           "are possible)",
           temperature, CORED_TEMPERATURE_MIN, CORED_TEMPERATURE_MAX);
}
