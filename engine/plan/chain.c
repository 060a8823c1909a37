/* SPDX-License-Identifier: MIT
 * Chains: steps of which each makes its lines from a few lines of the one before it, run together,
 * so that a map which is larger than the second cache is read while it is in it.
 *
 * Every thread takes some of the lines of the last step, and makes them a band at a time. Before it
 * makes a band of a step it makes the lines that the band is made of, in the same way. Only the
 * lines that one band reads are in memory, in a ring: with the next band the new ones replace those
 * that nothing reads any more. At the borders between threads both make the lines that both need.
 * Lines are computed as they are without a chain, so a result does not change by a bit. */
#include "plan/plan.h"

#include <assert.h>

#define BAND_FLOATS (8 * 1024) /* made at a time, of the widest step: in the first cache */

/* A chain that runs: of every step the next line to make. */
typedef struct ChainRun {
  const CoredStep *steps;
  CoredContext context;
  int image;
  CoredMapLines input, rings[CORED_CHAIN_OPS];
  int next[CORED_CHAIN_OPS];
} ChainRun;

static void window_lines(const CoredWindow *window, int y0, int y1, int h, int *from, int *to) {
  const int first = y0 * window->stride - window->pad_top;
  const int end =
      (y1 - 1) * window->stride - window->pad_top + (window->kernel - 1) * window->dilation + 1;
  *from = first > 0 ? first : 0;
  *to = end < h ? end : h;
}

static CoredShape shape_of(const ChainRun *run, int value) {
  return run->context.plan->values[value].shape;
}

/* Lines of step i up to line `until`. */
static void advance(ChainRun *run, int i, int until) {
  const CoredStep *const step = &run->steps[i];
  const CoredMapLines *const in = i > 0 ? &run->rings[i - 1] : &run->input;
  while (run->next[i] < until) {
    const int y0 = run->next[i];
    const int y1 = until - y0 < step->chain_band ? until : y0 + step->chain_band;
    if (i > 0) {
      int from, to;
      window_lines(&step->reads, y0, y1, shape_of(run, step->in[0]).h, &from, &to);
      advance(run, i - 1, to);
    }
    step->lines(step, &run->context, run->image, in, &run->rings[i], y0, y1);
    run->next[i] = y1;
  }
}

/* Lines [y0, y1) of an image of the last step. */
static void run_lines(ChainRun *run, int image, int y0, int y1) {
  const CoredStep *const steps = run->steps;
  const int last = steps->chain - 1;
  run->image = image;
  run->input = cored_value_lines(&run->context, steps[0].in[0], image);
  run->rings[last] = cored_value_lines(&run->context, steps[last].out, image);
  run->next[last] = y0;
  for (int i = last; i > 0; i--) {
    int to;
    window_lines(&steps[i].reads, run->next[i], run->next[i] + 1, shape_of(run, steps[i].in[0]).h,
                 &run->next[i - 1], &to);
  }
  advance(run, last, y1);
}

void cored_step_chain(const CoredStep *step, const CoredContext *context) {
  ChainRun run = {.steps = step, .context = *context};
  for (int i = 0; i < step->chain - 1; i++)
    run.rings[i] = (CoredMapLines){
        (float *)(void *)((char *)context->scratch + step[i].ring_offset), step[i].ring};
  const int height = shape_of(&run, step[step->chain - 1].out).h;
  int line, end;
  cored_thread_pool_part(context->n * height, 1, context->thread, context->n_threads, &line, &end);
  while (line < end) {
    const int image = line / height, y0 = line % height;
    const int y1 = height - y0 < end - line ? height : y0 + end - line;
    run_lines(&run, image, y0, y1);
    line += y1 - y0;
  }
}

/* ---- Making them ---------------------------------------------------------------------------- */

static size_t line_bytes(const CoredPlan *plan, int value) {
  const CoredShape s = plan->values[value].shape;
  return (size_t)s.w * (size_t)s.c * sizeof(float);
}

/* Bands so large that what a step makes of one is about BAND_FLOATS, or a line. */
static void set_bands(CoredPlan *plan, CoredStep *steps) {
  const int last = steps->chain - 1;
  size_t widest = 1;
  for (int i = last, lines = 1; i >= 0; lines *= steps[i].reads.stride, i--) {
    const size_t bytes = (size_t)lines * line_bytes(plan, steps[i].out);
    widest = bytes > widest ? bytes : widest;
  }
  int lines = (int)(BAND_FLOATS * sizeof(float) / widest);
  lines = lines < 1 ? 1 : lines;
  for (int i = last; i >= 0; lines *= steps[i].reads.stride, i--)
    steps[i].chain_band = lines;
}

/* Rings behind what the steps themselves need of the scratch memory. */
static void set_rings(CoredPlan *plan, CoredStep *steps) {
  size_t used = 0;
  for (int i = 0; i < steps->chain; i++)
    used = steps[i].scratch > used ? steps[i].scratch : used;
  for (int i = 0; i + 1 < steps->chain; i++) {
    const CoredWindow *const w = &steps[i + 1].reads;
    steps[i].ring = (steps[i + 1].chain_band - 1) * w->stride + (w->kernel - 1) * w->dilation + 1;
    steps[i].ring_offset = used = (used + 63) / 64 * 64;
    used += (size_t)steps[i].ring * line_bytes(plan, steps[i].out);
  }
  steps->scratch = used;
}

void cored_plan_link_chains(CoredPlan *plan) {
  for (int i = 0; i < plan->n_steps; i += plan->steps[i].chain) {
    CoredStep *const steps = &plan->steps[i];
    steps->chain = 1;
    while (steps[steps->chain - 1].in_bands)
      steps->chain++;
    if (steps->chain == 1)
      continue;
    assert(steps->chain <= CORED_CHAIN_OPS);
    steps->run = cored_step_chain;
    set_bands(plan, steps);
    set_rings(plan, steps);
  }
}
