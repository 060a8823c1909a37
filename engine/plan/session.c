/* SPDX-License-Identifier: MIT
 * A session: one block of scratch memory, one pool of threads, and the walk over the steps. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/error.h"

#define MAX_BATCH 1024

struct CoredSession {
  CoredPlan *plan;
  CoredThreadPool *pool;
  int max_batch;
  bool features;
  char *block; /* everything below points into it */
  size_t block_bytes;
  void **values;
  float *input;  /* [max_batch, H, W, 3] */
  float *logits; /* [max_batch, 2] of a network with one output */
  char *scratch; /* threads * scratch_size() */
};

typedef struct RunCall { /* what the threads of one run share */
  const CoredSession *session;
  int n;
} RunCall;

#define LINE ((size_t)64) /* of the cache */

/* Of one thread: whole lines, and one between two threads. */
static size_t scratch_size(const CoredPlan *plan) {
  return (plan->scratch_bytes + LINE - 1) / LINE * LINE + LINE;
}

/* Lay out the block; addresses only when it exists. Returns false when the size wraps. */
static bool lay_out(CoredSession *s, size_t *bytes) {
  const CoredPlan *const plan = s->plan;
  const size_t input = plan->values[0].size;
  const size_t per_image = plan->arena_bytes + input + LINE; /* logits: one line each is plenty */
  size_t images, threads;
  if (__builtin_mul_overflow(per_image, (size_t)s->max_batch, &images) ||
      __builtin_mul_overflow(scratch_size(plan), (size_t)cored_thread_pool_threads(s->pool),
                             &threads) ||
      __builtin_add_overflow(images, threads, bytes))
    return false;
  if (s->block) {
    const size_t batch = (size_t)s->max_batch;
    for (int i = 1; i < plan->n_values; i++)
      s->values[i] = s->block + plan->values[i].offset * batch;
    s->input = (float *)(void *)(s->block + plan->arena_bytes * batch);
    s->logits = (float *)(void *)(s->block + (plan->arena_bytes + input) * batch);
    s->scratch = s->block + images;
  }
  return true;
}

static bool open_session(CoredSession *s, int threads, CoredError *error) {
  s->pool = cored_thread_pool_new(threads, error);
  if (!s->pool)
    return false;
  s->values = calloc((size_t)s->plan->n_values, sizeof *s->values);
  if (s->values && lay_out(s, &s->block_bytes))
    s->block = cored_block_new(s->block_bytes, 1);
  if (!s->block)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                           "session: no memory for batches of %d at %dx%d", s->max_batch,
                           s->plan->values[0].shape.w, s->plan->values[0].shape.h);
  return lay_out(s, &s->block_bytes);
}

CoredSession *cored_session_new(CoredPlan *plan, const CoredSessionParams *params,
                                CoredError *error) {
  const CoredSessionParams p = params ? *params : (CoredSessionParams){0};
  if (p.max_batch < 0 || p.max_batch > MAX_BATCH) {
    cored_error_set(error, CORED_ERROR_ARGUMENT, "session: max_batch: expected 0 to %d, got %d",
                    MAX_BATCH, p.max_batch);
    return NULL;
  }
  CoredSession *const s = calloc(1, sizeof *s);
  if (!s) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "session: no memory");
    return NULL;
  }
  s->plan = cored_plan_ref(plan);
  s->max_batch = p.max_batch ? p.max_batch : 1;
  s->features = p.features;
  if (!open_session(s, p.threads, error)) {
    cored_session_free(s);
    return NULL;
  }
  return s;
}

void cored_session_free(CoredSession *session) {
  if (!session)
    return;
  cored_thread_pool_free(session->pool);
  cored_block_free(session->block, session->block_bytes, 1);
  free(session->values);
  cored_plan_unref(session->plan);
  free(session);
}

size_t cored_session_memory(const CoredSession *session) {
  return session->block_bytes;
}

float *cored_session_input(CoredSession *session) {
  return session->input;
}

static void run_steps(void *arg, int thread, int n_threads) {
  const RunCall *const call = arg;
  const CoredSession *const s = call->session;
  const CoredContext context = {.plan = s->plan,
                                .values = s->values,
                                .n = call->n,
                                .pool = s->pool,
                                .thread = thread,
                                .n_threads = n_threads,
                                .scratch = s->scratch + (size_t)thread * scratch_size(s->plan)};
  for (int i = 0; i < s->plan->n_steps; i += s->plan->steps[i].chain) {
    s->plan->steps[i].run(&s->plan->steps[i], &context);
    cored_thread_pool_barrier(s->pool);
  }
}

static void fill_output(const CoredSession *s, int n, CoredOutput *output) {
  const CoredPlan *const plan = s->plan;
  if (plan->logits == CORED_NO_VALUE) { /* named outputs alone */
    *output = (CoredOutput){.n = n};
    return;
  }
  const CoredShape features = plan->values[plan->features].shape;
  const float *logits = s->values[plan->logits];
  if (plan->one_output) {
    for (int i = 0; i < n; i++) {
      s->logits[2 * i] = 0.0f;
      s->logits[2 * i + 1] = logits[i];
    }
    logits = s->logits;
  }
  *output = (CoredOutput){.logits = logits,
                          .features = s->features ? s->values[plan->features] : NULL,
                          .n = n,
                          .n_classes = plan->n_classes,
                          .feature_h = features.h,
                          .feature_w = features.w,
                          .feature_c = features.c};
}

void cored_session_run(CoredSession *session, const float *input, int n, CoredOutput *output) {
  session->values[0] = (void *)(uintptr_t)input; /* value 0 is only read */
  RunCall call = {.session = session, .n = n};
  cored_thread_pool_run(session->pool, run_steps, &call);
  fill_output(session, n, output);
}

const float *cored_session_named(const CoredSession *session, const char *name, CoredShape *shape) {
  const CoredPlan *const plan = session->plan;
  for (int i = 0; i < plan->n_named; i++)
    if (strcmp(plan->named[i].name, name) == 0) {
      *shape = plan->named[i].shape;
      return session->values[plan->named[i].value];
    }
  return NULL;
}
