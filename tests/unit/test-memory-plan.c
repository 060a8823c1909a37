/* SPDX-License-Identifier: MIT
 * The memory planner: buffers in use at the same time lie apart, and nothing is wasted beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/memory-plan.h"
#include "base/random.h"

enum { most_buffers = 60, n_plans = 300, n_times = 20 };

static const size_t nowhere = SIZE_MAX; /* an offset that was not filled in */

static bool is_used(const CoredBuffer *b) {
  return b->first <= b->last;
}

static bool share_a_time(const CoredBuffer *a, const CoredBuffer *b) {
  return is_used(a) && is_used(b) && a->first <= b->last && b->first <= a->last;
}

static bool share_a_place(const CoredBuffer *a, const CoredBuffer *b) {
  return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static size_t end_of_all(const CoredBuffer *buffers, size_t n) {
  size_t end = 0;
  for (size_t i = 0; i < n; i++)
    if (is_used(&buffers[i]) && buffers[i].offset + buffers[i].size > end)
      end = buffers[i].offset + buffers[i].size;
  return end;
}

/* About one in eight is never in use. */
static CoredBuffer random_buffer(uint64_t key, uint64_t counter) {
  uint32_t bits[4];
  cored_philox_bits(key, counter, bits);
  const int first = (int)(bits[0] % n_times);
  return (CoredBuffer){.size = 1 + bits[1] % 40,
                       .first = first,
                       .last = bits[2] % 8 == 0 ? first - 1 : first + (int)(bits[3] % 6),
                       .offset = nowhere};
}

static void random_buffers_lie_apart(void **state) {
  (void)state;
  for (uint64_t plan = 0; plan < n_plans; plan++) {
    CoredBuffer buffers[most_buffers];
    const size_t n = plan % (most_buffers + 1);
    size_t total = nowhere;
    for (size_t i = 0; i < n; i++)
      buffers[i] = random_buffer(plan, i);
    assert_true(cored_memory_plan(buffers, n, &total));
    assert_int_equal(total, end_of_all(buffers, n));
    for (size_t i = 0; i < n; i++) {
      assert_true(is_used(&buffers[i]) == (buffers[i].offset != nowhere));
      for (size_t j = 0; j < i; j++)
        if (share_a_time(&buffers[i], &buffers[j]) && share_a_place(&buffers[i], &buffers[j]))
          fail_msg("plan %d: buffers %zu and %zu overlap", (int)plan, j, i);
    }
  }
}

/* The largest first, each at the lowest gap; what is over before another begins makes room. */
static void buffers_fill_the_lowest_gaps(void **state) {
  (void)state;
  CoredBuffer buffers[] = {{.size = 10, .first = 0, .last = 2},
                           {.size = 30, .first = 1, .last = 1},
                           {.size = 20, .first = 2, .last = 3},
                           {.size = 30, .first = 3, .last = 4},
                           {.size = 9, .first = 3, .last = 2}};
  size_t total;
  assert_true(cored_memory_plan(buffers, 5, &total));
  assert_int_equal(buffers[1].offset, 0);
  assert_int_equal(buffers[3].offset, 0);
  assert_int_equal(buffers[2].offset, 30); /* beside buffer 3 */
  assert_int_equal(buffers[0].offset, 50); /* not in the 30 below buffer 2: buffer 1 is there */
  assert_int_equal(total, 60);
}

static void equal_buffers_keep_their_order(void **state) {
  (void)state;
  CoredBuffer buffers[most_buffers];
  size_t total;
  for (size_t i = 0; i < most_buffers; i++)
    buffers[i] = (CoredBuffer){.size = 16, .first = 0, .last = (int)(i % 3)};
  assert_true(cored_memory_plan(buffers, most_buffers, &total));
  for (size_t i = 0; i < most_buffers; i++)
    assert_int_equal(buffers[i].offset, 16 * i);
  assert_int_equal(total, 16 * most_buffers);
}

static void nothing_needs_no_room(void **state) {
  (void)state;
  CoredBuffer unused = {.size = 5, .first = 0, .last = -1, .offset = nowhere};
  size_t total = nowhere;
  assert_true(cored_memory_plan(NULL, 0, &total));
  assert_int_equal(total, 0);
  total = nowhere;
  assert_true(cored_memory_plan(&unused, 1, &total));
  assert_int_equal(total, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_buffers_lie_apart),
      cmocka_unit_test(buffers_fill_the_lowest_gaps),
      cmocka_unit_test(equal_buffers_keep_their_order),
      cmocka_unit_test(nothing_needs_no_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
