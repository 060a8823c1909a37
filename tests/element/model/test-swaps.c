/* SPDX-License-Identifier: MIT
 * R01, E34: models replaced thousands of times while frames flow. Every frame comes out once, in
 * order, evaluated by exactly the model that it names, and nothing is left behind. The argument is
 * the number of replacements. */
#include "process.h"
#include "twins.h"

#include <stdio.h>
#include <stdlib.h>

#define GROWTH_MIB 2.0
#define BLOCK 20 /* even */

static guint n_swaps = 40;

/* Nothing but model messages and results may be said; returns how often a model was loaded. */
static guint read_bus(Twins *stream) {
  Told told = {0};
  twins_hear(stream, &told);
  assert_int_equal(told.failed + told.degraded + told.warnings, 0);
  return told.loaded;
}

/* What the first ones touch stays; of few swaps, half are that. */
static guint warm_after(void) {
  return n_swaps < 1000 ? n_swaps / 2 : n_swaps / 5;
}

static void check_growth(const Twins *stream, const char *what, double before) {
  const double grown = process_kept_mib() - before;
  print_message("%s: %u frames (%u + %u), slowest exchange %u us, %.2f MiB grown\n", what,
                stream->number, stream->seen[1], stream->seen[2],
                (guint)rig_stat((Rig *)&stream->rig, "max-swap-us"), grown);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed */
  assert_true(grown <= GROWTH_MIB);
#endif
}

/* How a test exchanges the model. */
typedef void Exchange(GstElement *element, guint generation);

static void by_property(GstElement *element, guint generation) {
  g_object_set(element, "model", twin(generation), NULL);
}

static void by_action(GstElement *element, guint generation) {
  (void)generation;
  g_signal_emit_by_name(element, "previous-model");
}

static void exchange_many(Exchange *exchange, const char *what) {
  Twins stream;
  double before = 0;
  guint loaded = 0;
  twins_open(&stream, twin(1));
  twins_pass_until(&stream, 1);
  by_property(stream.rig.element, 2);
  twins_pass_until(&stream, 2);
  for (guint i = 1; i <= n_swaps; i++) {
    exchange(stream.rig.element, i % 2 ? 1 : 2);
    twins_pass_until(&stream, i % 2 ? 1 : 2);
    loaded += read_bus(&stream);
    if (i == warm_after())
      before = process_kept_mib();
  }
  check_growth(&stream, what, before);
  assert_int_equal(loaded, n_swaps + 2);
  assert_int_equal(rig_stat(&stream.rig, "model-swaps"), n_swaps + 1);
  twins_close(&stream);
}

/* Libraries make threads and descriptors of their own when first used. */
static void warm_up(void) {
  Twins stream;
  twins_open(&stream, twin(1));
  twins_pass(&stream);
  twins_close(&stream);
}

static void swaps_lose_nothing_and_leave_nothing(void **state) {
  (void)state;
  warm_up();
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  exchange_many(by_property, "swaps by the property");
  exchange_many(by_action, "swaps by the action");
  assert_int_equal(process_settled_threads(), threads);
  assert_int_equal(process_descriptors(), descriptors);
}

/* Set before every frame, faster than models load: the last one wins, the others cost nothing. */
static void a_model_before_every_frame(void **state) {
  (void)state;
  Twins stream;
  double before = 0;
  warm_up();
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  twins_open(&stream, twin(1));
  for (guint i = 1; i <= n_swaps; i++) {
    by_property(stream.rig.element, i % 3 ? 1 : 2);
    twins_pass(&stream);
    read_bus(&stream);
    if (i == warm_after())
      before = process_kept_mib();
  }
  by_property(stream.rig.element, 2);
  twins_pass_until(&stream, 2);
  for (guint i = 0; i < 50; i++) /* nothing that was overtaken comes later */
    assert_int_equal(twins_pass(&stream), 2);
  read_bus(&stream);
  check_growth(&stream, "set before every frame", before);
  twins_close(&stream);
  assert_int_equal(process_settled_threads(), threads);
  assert_int_equal(process_descriptors(), descriptors);
}

/* Of several streams that share their model: what one swap takes, the next gives back. A leak would
 * show in each block of swaps; what libraries keep for later shows in some. */
static void memory_in_use_levels_off(void **state) {
  (void)state;
  Twins streams[4];
  gdouble least = G_MAXDOUBLE, before = 0.0;
  for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
    twins_open(&streams[i], twin(1));
  for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
    streams[i].pause_us = 1000;
  for (guint swap = 0; swap <= 4 * BLOCK; swap++) {
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
      by_property(streams[i].rig.element, swap % 2 ? 1 : 2);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
      twins_pass_until(&streams[i], swap % 2 ? 1 : 2);
      read_bus(&streams[i]);
    }
    if (swap % BLOCK)
      continue;
    const gdouble now = process_settled_mib();
    print_message("%u swaps: %.3f MiB in use, %.2f MiB resident\n", swap, now,
                  process_resident_mib());
    if (swap > BLOCK) /* the first block warms up */
      least = MIN(least, now - before);
    before = now;
  }
  for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
    twins_close(&streams[i]);
  assert_true(least * 1024 < 0.4 * BLOCK * G_N_ELEMENTS(streams)); /* 400 bytes of each swap */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(swaps_lose_nothing_and_leave_nothing),
      cmocka_unit_test(a_model_before_every_frame),
      cmocka_unit_test(memory_in_use_levels_off),
  };
  if (argc > 1)
    n_swaps = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
