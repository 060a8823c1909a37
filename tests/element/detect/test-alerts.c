/* SPDX-License-Identifier: MIT
 * Alerts by themselves: which frames are named as evidence, what counts. */
#include "support.h"

#include "detect/alerts.h"

typedef struct Told {
  guint n;
  CoredAlert last;
} Told;

static void on_alert(gpointer user, CoredAlertState state, const CoredAlert *alert,
                     GstClockTime now) {
  Told *told = user;
  (void)state;
  (void)now;
  told->n++;
  told->last = *alert;
}

static const CoredAlertSettings settings = {.off = 0.4, .min_duration = 0, .interval = 0};

static void feed(CoredAlerts *alerts, Told *told, guint ms, double p, GstClockTime age) {
  static CoredResult result;
  cored_result_clear(&result, 640, 480, CORED_REASON_NONE);
  result.n_faces = 1;
  result.threshold = 0.5;
  result.faces[0] = (CoredFaceResult){.p_fake = p,
                                      .p_fake_smoothed = p,
                                      .age = age,
                                      .present = TRUE,
                                      .track_id = 1,
                                      .box = {ms, 0, 10, 10}};
  cored_alerts_update(alerts, &result, ms * GST_MSECOND, &settings, on_alert, told);
}

static void the_surest_frames_are_evidence_a_second_apart(void **state) {
  (void)state;
  static const struct {
    guint ms;
    double p;
  } frames[] = {{0, 0.6},     {400, 0.7},  {1300, 0.7},  {2400, 0.95}, {2900, 0.9},
                {4000, 0.65}, {5200, 0.8}, {5600, 0.85}, {7000, 0.5}};
  CoredAlerts alerts = {0};
  Told told = {0};
  for (guint i = 0; i < G_N_ELEMENTS(frames); i++)
    feed(&alerts, &told, frames[i].ms, frames[i].p, 0);
  const CoredAlertEvidence *item = told.last.evidence;
  assert_int_equal(told.last.n_evidence, 3);
  assert_true(item[0].time == 2400 * GST_MSECOND && item[0].p_fake == 0.95 &&
              item[0].box.x == 2400);
  assert_true(item[1].time == 5600 * GST_MSECOND && item[1].p_fake == 0.85);
  assert_true(item[2].time == 400 * GST_MSECOND && item[2].p_fake == 0.7);
  assert_true(told.last.peak == 0.95 && told.last.peak_time == 2400 * GST_MSECOND);
}

/* Values that were kept from an older frame hold the alert, but are no new evaluations. */
static void kept_values_do_not_count_again(void **state) {
  (void)state;
  CoredAlerts alerts = {0};
  Told told = {0};
  feed(&alerts, &told, 0, 0.6, 0);
  for (guint ms = 40; ms < 400; ms += 40)
    feed(&alerts, &told, ms, 0.6, ms * GST_MSECOND);
  feed(&alerts, &told, 400, 0.8, 0);
  assert_int_equal(told.n, 11); /* a beginning and updates */
  assert_int_equal(told.last.n, 2);
  assert_true(told.last.sum == 0.6 + 0.8);
}

static void stop_at_the_end(gpointer user, CoredAlertState state, const CoredAlert *alert,
                            GstClockTime now) {
  Told told = {0};
  (void)alert;
  (void)now;
  if (state == CORED_ALERT_END)
    cored_alerts_end_all(user, on_alert, &told);
}

/* Who is told of one end may stop the element, which ends the others. */
static void a_stop_while_alerts_end(void **state) {
  (void)state;
  static CoredResult result;
  CoredAlerts alerts = {0};
  cored_result_clear(&result, 640, 480, CORED_REASON_NONE);
  result.n_faces = 3;
  result.threshold = 0.5;
  for (guint i = 0; i < result.n_faces; i++)
    result.faces[i] = (CoredFaceResult){
        .p_fake = 0.9, .p_fake_smoothed = 0.9, .present = TRUE, .track_id = 1 + i};
  cored_alerts_update(&alerts, &result, 0, &settings, stop_at_the_end, &alerts);
  assert_int_equal(alerts.n, 3);
  result.n_faces = 0;
  cored_alerts_update(&alerts, &result, GST_SECOND, &settings, stop_at_the_end, &alerts);
  assert_int_equal(alerts.n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_surest_frames_are_evidence_a_second_apart),
      cmocka_unit_test(kept_values_do_not_count_again),
      cmocka_unit_test(a_stop_while_alerts_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
