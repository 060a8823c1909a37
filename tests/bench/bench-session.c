/* SPDX-License-Identifier: MIT
 * Time of a session's run, for every network, kernel table and number of threads.
 *
 *   bench-session [--steps] [--clock wall|cpu] [--reps N] [NETWORK:SIZE[:BATCH]...]
 *
 * SIZE is a number of pixels or WIDTHxHEIGHT.
 *
 * Prints medians and, because other work on the machine only ever adds time, minima. --clock cpu
 * counts the calling thread's processor time (one thread only). --steps prints, for one thread, the
 * time of every step of the best table instead. Weights are random, which costs what trained ones
 * cost. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/block.h"
#include "cored.h"
#include "plan/plan.h"

typedef struct Options {
  bool steps;
  clockid_t clock;
  int reps;
} Options;

typedef struct Case {
  char network[32];
  int width, height, batch;
} Case;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *times, int n) {
  qsort(times, (size_t)n, sizeof *times, by_value);
  return times[n / 2];
}

static void die(const CoredError *error) {
  fprintf(stderr, "bench-session: %s\n", error->message);
  exit(1);
}

static CoredModel *make_model(const Case *c) {
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  const bool finds_faces = strncmp(c->network, "yunet", 5) == 0;
  if (!info || !cored_model_info_init(info, c->network, finds_faces ? 0 : 2, &error))
    die(&error);
  CoredModel *const model = cored_model_new_random(info, 1, &error);
  free(info);
  if (!model)
    die(&error);
  return model;
}

static CoredPlan *make_plan(const CoredModel *model, const Case *c, unsigned cpu) {
  CoredError error;
  const CoredPlanParams params = {.input_width = c->width, .input_height = c->height, .cpu = cpu};
  CoredPlan *const plan = cored_plan_new(model, &params, &error);
  if (!plan)
    die(&error);
  return plan;
}

static CoredSession *make_session(CoredPlan *plan, const Case *c, int threads) {
  CoredError error;
  const CoredSessionParams params = {.max_batch = c->batch, .threads = threads};
  CoredSession *const session = cored_session_new(plan, &params, &error);
  if (!session)
    die(&error);
  float *const x = cored_session_input(session);
  for (int i = 0; i < c->batch * c->width * c->height * 3; i++)
    x[i] = sinf((float)i);
  return session;
}

static double plan_macs(const CoredPlan *plan) {
  double macs = 0.0;
  for (int i = 0; i < plan->n_steps; i++)
    macs += plan->steps[i].macs;
  return macs;
}

static void time_session(const Options *o, const Case *c, CoredPlan *plan, int threads) {
  CoredSession *const session = make_session(plan, c, threads);
  double *const times = calloc((size_t)o->reps, sizeof *times);
  if (!times)
    exit(1);
  CoredOutput out;
  cored_session_run(session, cored_session_input(session), c->batch, &out);
  for (int i = 0; i < o->reps; i++) {
    const double start = now(o->clock);
    cored_session_run(session, cored_session_input(session), c->batch, &out);
    times[i] = now(o->clock) - start;
  }
  const double middle = median(times, o->reps), flops = 2.0 * plan_macs(plan) * c->batch;
  printf("%-16s %4dx%-4d %5d %7d %-8s %10.3f %10.3f %8.1f %10.1f\n", c->network, c->width,
         c->height, c->batch, threads, plan->kernels.isa, middle * 1e3, times[0] * 1e3,
         flops / middle * 1e-9, (double)cored_session_memory(session) / (1 << 20));
  free(times);
  cored_session_free(session);
}

/* A context of one thread over memory of its own, to run step by step. */
static void time_steps(const Options *o, const Case *c, CoredPlan *plan) {
  CoredError error;
  const size_t n = (size_t)c->batch;
  CoredThreadPool *const pool = cored_thread_pool_new(1, &error);
  void **const values = calloc((size_t)plan->n_values, sizeof *values);
  double *const best = calloc((size_t)plan->n_steps, sizeof *best);
  char *const arena = cored_block_new(plan->arena_bytes * n, 1);
  void *const input = cored_block_new(plan->values[0].size * n, 1);
  void *const scratch = cored_block_new(plan->scratch_bytes + 64, 1);
  if (!pool || !values || !best || !arena || !input || !scratch)
    exit(1);
  values[0] = input;
  for (int i = 1; i < plan->n_values; i++)
    values[i] = arena + plan->values[i].offset * n;
  const CoredContext context = {plan, values, c->batch, pool, 0, 1, scratch};
  double total = 0.0;
  for (int r = 0; r < o->reps; r++)
    for (int i = 0; i < plan->n_steps; i += plan->steps[i].chain) {
      const double start = now(CLOCK_THREAD_CPUTIME_ID);
      plan->steps[i].run(&plan->steps[i], &context);
      const double t = now(CLOCK_THREAD_CPUTIME_ID) - start;
      best[i] = r == 0 || t < best[i] ? t : best[i];
    }
  for (int i = 0; i < plan->n_steps; i += plan->steps[i].chain) {
    const CoredStep *const s = &plan->steps[i], *const end = s + s->chain - 1;
    const CoredShape in = plan->values[s->in[0]].shape, out = plan->values[end->out].shape;
    double macs = 0.0;
    for (const CoredStep *part = s; part <= end; part++)
      macs += part->macs;
    printf("%-32s %4dx%-4dx%-5d -> %4dx%-4dx%-5d %9.1f us %7.1f GFLOP/s\n", s->name, in.h, in.w,
           in.c, out.h, out.w, out.c, best[i] * 1e6, 2e-9 * macs * c->batch / best[i]);
    total += best[i];
  }
  printf("%-32s %10.3f ms, sum of the fastest runs of each step\n", c->network, total * 1e3);
  cored_block_free(scratch, plan->scratch_bytes + 64, 1);
  cored_block_free(input, plan->values[0].size * n, 1);
  cored_block_free(arena, plan->arena_bytes * n, 1);
  free(best);
  free(values);
  cored_thread_pool_free(pool);
}

static void run_case(const Options *o, const Case *c) {
  CoredModel *const model = make_model(c);
  CoredPlan *const best = make_plan(model, c, cored_cpu_flags());
  if (o->steps) {
    time_steps(o, c, best);
  } else {
    const int max_threads = o->clock == CLOCK_MONOTONIC ? 2 : 1;
    for (int threads = 1; threads <= max_threads; threads++)
      time_session(o, c, best, threads);
    if (plan_macs(best) < 2e8) { /* plain C in reasonable time */
      CoredPlan *const plain = make_plan(model, c, CORED_CPU_C);
      time_session(o, c, plain, 1);
      cored_plan_unref(plain);
    }
  }
  cored_plan_unref(best);
  cored_model_unref(model);
}

static bool parse_case(const char *text, Case *c) {
  char size[16];
  c->batch = 1;
  if (sscanf(text, "%31[^:]:%15[^:]:%d", c->network, size, &c->batch) < 2 ||
      sscanf(size, "%dx%d", &c->width, &c->height) < 1)
    return false;
  if (!strchr(size, 'x'))
    c->height = c->width;
  return c->width > 0 && c->height > 0 && c->batch > 0;
}

int main(int argc, char **argv) {
  static const char *const all[] = {"xception:128",        "xception:299", "efficientnet-b0:128",
                                    "efficientnet-b0:224", "meso4:256",    "mesoinception4:256",
                                    "cored-compact:128"};
  Options o = {.clock = CLOCK_MONOTONIC, .reps = 15};
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (strcmp(argv[i], "--steps") == 0)
      o.steps = true;
    else if (strcmp(argv[i], "--clock") == 0 && i + 1 < argc)
      o.clock = strcmp(argv[++i], "cpu") == 0 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    else if (strcmp(argv[i], "--reps") == 0 && i + 1 < argc)
      o.reps = atoi(argv[++i]) > 0 ? atoi(argv[i]) : 1;
    else
      return 2;
  }
  const int n = i < argc ? argc - i : (int)(sizeof all / sizeof *all);
  const char *const *const texts = i < argc ? (const char *const *)argv + i : all;
  if (!o.steps)
    printf("%-16s %9s %5s %7s %-8s %10s %10s %8s %10s\n", "network", "size", "batch", "threads",
           "cpu", "median ms", "min ms", "GFLOP/s", "memory MB");
  for (int j = 0; j < n; j++) {
    Case c;
    if (!parse_case(texts[j], &c)) {
      fprintf(stderr, "bench-session: expected NETWORK:SIZE[:BATCH], got '%s'\n", texts[j]);
      return 2;
    }
    run_case(&o, &c);
  }
  return 0;
}
