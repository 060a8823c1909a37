/* SPDX-License-Identifier: MIT
 * The fair scheduler, in a time of the test's own: streams with frames at fixed instants, two
 * servers, one frame waiting per stream. Nothing here depends on the machine. */
#include "support.h"

#include "sched/fair-scheduler.h"

#define STREAMS 16
#define SERVERS 2
#define PERIOD 33333
#define SECONDS 20

typedef enum Policy { FAIR, FIRST_COME } Policy;

typedef struct Plan { /* of a simulation */
  Policy policy;
  guint step;             /* phases: stream s has its frames at s * step + k * PERIOD */
  guint service, scatter; /* microseconds of one evaluation: at least, and up to so much more */
  guint sleeper;          /* this stream has no frames in the first half; STREAMS: none */
} Plan;

typedef struct Desk {
  Plan plan;
  CoredFairScheduler scheduler;
  CoredFairClient client[STREAMS];
  GQueue line; /* FIRST_COME: of stream numbers + 1 */
  guint number[STREAMS];
  gboolean running[STREAMS], again[STREAMS];
  gint at[SERVERS]; /* the stream that is served, -1: none */
  guint64 free_at[SERVERS];
  guint64 served[STREAMS], longest_wait[STREAMS], asked[STREAMS], random;
} Desk;

static guint scatter(Desk *desk) {
  desk->random = desk->random * 6364136223846793005u + 1442695040888963407u;
  return desk->plan.scatter ? (guint)(desk->random >> 33) % desk->plan.scatter : 0;
}

static void want(Desk *desk, guint stream, guint64 now) {
  if (desk->running[stream]) {
    desk->again[stream] = TRUE;
    return;
  }
  if (desk->plan.policy == FAIR) {
    if (!cored_fair_scheduler_request(&desk->scheduler, &desk->client[stream],
                                      &desk->number[stream]))
      return;
  } else {
    if (desk->client[stream].pending)
      return;
    desk->client[stream].pending = TRUE;
    g_queue_push_tail(&desk->line, &desk->number[stream]);
  }
  desk->asked[stream] = now;
}

static gint take(Desk *desk) {
  const guint *number = desk->plan.policy == FAIR ? cored_fair_scheduler_next(&desk->scheduler)
                                                  : g_queue_pop_head(&desk->line);
  if (!number)
    return -1;
  desk->client[*number].pending = FALSE;
  return (gint)*number;
}

static void serve(Desk *desk, guint64 now) {
  for (guint i = 0; i < SERVERS; i++) {
    if (desk->at[i] >= 0 && desk->free_at[i] <= now) {
      const guint done = (guint)desk->at[i];
      desk->at[i] = -1;
      desk->running[done] = FALSE;
      if (desk->again[done]) {
        desk->again[done] = FALSE;
        want(desk, done, now);
      }
    }
    if (desk->at[i] >= 0 || (desk->at[i] = take(desk)) < 0)
      continue;
    const guint next = (guint)desk->at[i];
    desk->running[next] = TRUE;
    desk->free_at[i] = now + desk->plan.service + scatter(desk);
    desk->longest_wait[next] = MAX(desk->longest_wait[next], now - desk->asked[next]);
    desk->served[next]++;
  }
}

static void simulate(Desk *desk, const Plan *plan) {
  *desk = (Desk){.plan = *plan};
  cored_fair_scheduler_init(&desk->scheduler);
  g_queue_init(&desk->line);
  for (guint i = 0; i < SERVERS; i++)
    desk->at[i] = -1;
  for (guint s = 0; s < STREAMS; s++)
    desk->number[s] = s;
  const guint64 end = (guint64)SECONDS * G_USEC_PER_SEC;
  for (guint64 now = 0; now < end; now += 100) {
    for (guint s = 0; s < STREAMS; s++) {
      const guint64 since = now + PERIOD - s * plan->step % PERIOD;
      if (since % PERIOD < 100 && !(s == plan->sleeper && now < end / 2))
        want(desk, s, now);
    }
    serve(desk, now);
  }
  g_queue_clear(&desk->line);
}

/* How often the most served stream was served over the least served one. */
static double spread(const Desk *desk) {
  guint64 least = G_MAXUINT64, most = 0;
  for (guint s = 0; s < STREAMS; s++) {
    least = MIN(least, desk->served[s]);
    most = MAX(most, desk->served[s]);
  }
  return (double)most / (double)least;
}

/* Any phases, any speed: when there is not enough for all, all get the same. */
static void busy_streams_get_the_same(void **state) {
  (void)state;
  double worst = 1.0, worst_first_come = 1.0;
  for (guint step = 0; step <= PERIOD / STREAMS; step += PERIOD / STREAMS / 3) {
    for (guint service = 3000; service <= 12000; service += 500) {
      for (guint wide = 0; wide < 2; wide++) {
        Desk fair, first_come;
        Plan plan = {FAIR, step, service, wide ? service / 4 : 0, STREAMS};
        simulate(&fair, &plan);
        plan.policy = FIRST_COME;
        simulate(&first_come, &plan);
        worst = MAX(worst, spread(&fair));
        worst_first_come = MAX(worst_first_come, spread(&first_come));
      }
    }
  }
  print_message("most over least served in 20 s: %.4f (first come, first served: %.4f)\n", worst,
                worst_first_come);
  assert_true(worst <= 1.02);
  assert_true(worst_first_come > 1.1); /* or the test tells nothing */
}

/* A stream that comes after a while owes nothing and is owed nothing but its credit. */
static void who_comes_back_keeps_nobody_waiting(void **state) {
  (void)state;
  const Plan plan = {FAIR, PERIOD / STREAMS, 6000, 0, 5};
  Desk desk;
  simulate(&desk, &plan);
  for (guint s = 0; s < STREAMS; s++) {
    /* A round of all streams, and the credit: with two servers, half of that in time. */
    const guint64 bound = (STREAMS + CORED_FAIR_CREDIT) * 6000 / SERVERS + PERIOD;
    assert_true(desk.longest_wait[s] <= bound);
    if (s != 5)
      assert_true(desk.served[s] * 10 > desk.served[5] * 18);
  }
  assert_true(desk.served[5] > SECONDS / 2 * 20);
}

static void equals_are_served_in_the_order_of_asking(void **state) {
  (void)state;
  CoredFairScheduler scheduler;
  CoredFairClient a = {0}, b = {0}, c = {0};
  cored_fair_scheduler_init(&scheduler);
  assert_null(cored_fair_scheduler_next(&scheduler));
  assert_true(cored_fair_scheduler_request(&scheduler, &b, &b));
  assert_true(cored_fair_scheduler_request(&scheduler, &a, &a));
  assert_true(cored_fair_scheduler_request(&scheduler, &c, &c));
  assert_false(cored_fair_scheduler_request(&scheduler, &b, &b));
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &b);
  assert_true(cored_fair_scheduler_request(&scheduler, &b,
                                           &b)); /* was served: behind those that were not */
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &a);
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &c);
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &b);
  assert_null(cored_fair_scheduler_next(&scheduler));
}

static void a_request_can_be_withdrawn(void **state) {
  (void)state;
  CoredFairScheduler scheduler;
  CoredFairClient a = {0}, b = {0};
  cored_fair_scheduler_init(&scheduler);
  cored_fair_scheduler_withdraw(&scheduler, &a); /* it has none */
  assert_true(cored_fair_scheduler_request(&scheduler, &a, &a));
  assert_true(cored_fair_scheduler_request(&scheduler, &b, &b));
  cored_fair_scheduler_withdraw(&scheduler, &a);
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &b);
  assert_null(cored_fair_scheduler_next(&scheduler));
  assert_true(cored_fair_scheduler_request(&scheduler, &a, &a));
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &a);
}

static void the_past_is_forgiven_but_for_the_credit(void **state) {
  (void)state;
  CoredFairScheduler scheduler;
  CoredFairClient busy = {0}, idle = {0};
  cored_fair_scheduler_init(&scheduler);
  cored_fair_scheduler_request(&scheduler, &idle, &idle);
  assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &idle);
  for (guint i = 0; i < 1000; i++) {
    cored_fair_scheduler_request(&scheduler, &busy, &busy);
    assert_ptr_equal(cored_fair_scheduler_next(&scheduler), &busy);
  }
  guint ahead = 0;
  for (guint i = 0; i < 100; i++) {
    cored_fair_scheduler_request(&scheduler, &busy, &busy);
    cored_fair_scheduler_request(&scheduler, &idle, &idle);
    ahead += cored_fair_scheduler_next(&scheduler) == &idle;
  }
  assert_true(ahead >= 50 && ahead <= 50 + CORED_FAIR_CREDIT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_are_served_in_the_order_of_asking),
      cmocka_unit_test(a_request_can_be_withdrawn),
      cmocka_unit_test(the_past_is_forgiven_but_for_the_credit),
      cmocka_unit_test(busy_streams_get_the_same),
      cmocka_unit_test(who_comes_back_keeps_nobody_waiting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
