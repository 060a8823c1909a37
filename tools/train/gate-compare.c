/* SPDX-License-Identifier: MIT
 * The rules of the publish gate. docs/training.md says them to people. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "gate.h"

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
