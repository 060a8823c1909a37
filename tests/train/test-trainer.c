/* SPDX-License-Identifier: MIT
 * The trainer on the compact network: determinism, resuming, accumulation, several processes,
 * evaluation, errors. Its numbers are compared with PyTorch in tests/reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>

#include "tiny-trainer.h"
#include "train/core/teacher.h"

static void adapt(CoredTrainer *trainer) {
  for (int i = 0; i < n_batches; i++) {
    const CoredBatch batch = batch_at(i);
    cored_trainer_add_representation(trainer, &batch);
  }
}

static void steps(CoredTrainer *trainer, int from, int to) {
  for (int i = from; i < to; i++) {
    const CoredBatch batch = batch_at(i);
    CoredLosses losses;
    assert_true(cored_trainer_accumulate(trainer, &batch, 1, &losses));
    assert_true(cored_trainer_update(trainer, 0.002, NULL));
  }
}

/* All state tensors of two trainers have the same bytes. */
static void assert_same_state(const CoredTrainer *a, const CoredTrainer *b) {
  CoredTensorView x, y;
  size_t n = 0;
  for (; cored_trainer_state(a, n, &x); n++) {
    assert_true(cored_trainer_state(b, n, &y));
    assert_string_equal(x.name, y.name);
    if (memcmp(x.data, y.data, x.size) != 0)
      fail_msg("state tensor %s differs", x.name);
  }
  assert_true(n > 100);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  static const CoredMethod methods[] = {CORED_METHOD_FT, CORED_METHOD_TG, CORED_METHOD_CORED};
  for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
    CoredTrainParams params = small_params(methods[m], 1);
    params.dropout = 0.3;
    CoredTrainer *const one = open_trainer(&params);
    params.threads = 3;
    CoredTrainer *const three = open_trainer(&params);
    adapt(one);
    adapt(three);
    steps(one, 0, 4);
    steps(three, 0, 4);
    assert_same_state(one, three);
    cored_trainer_free(one);
    cored_trainer_free(three);
  }
}

static int count_threads(void) {
  DIR *const tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  int n = 0;
  for (const struct dirent *entry; (entry = readdir(tasks));)
    n += entry->d_name[0] != '.';
  closedir(tasks);
  return n;
}

/* 0 threads: one per CPU that the process may use, however many there are. */
static void the_cpus_of_the_process_count(void **state) {
  (void)state;
  cpu_set_t all, one;
  assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all))
    cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CoredTrainParams params = small_params(CORED_METHOD_CORED, 1);
  params.threads = 0;
  const int before = count_threads();
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  CoredTrainer *const trainer = open_trainer(&params);
  const int during = count_threads();
  assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
  assert_int_equal(during, before);
  cored_trainer_free(trainer);
}

static void a_restored_run_goes_on_with_the_same_bits(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_CORED, 2);
  params.optimizer.kind = CORED_OPTIMIZER_ADAMW;
  params.optimizer.weight_decay = 0.01;
  params.dropout = 0.3;
  CoredTrainer *const whole = open_trainer(&params), *const part = open_trainer(&params);
  adapt(whole);
  adapt(part);
  steps(whole, 0, 5);
  steps(part, 0, 2);
  CoredTensorView views[1024];
  size_t n = 0;
  while (n < 1024 && cored_trainer_state(part, n, &views[n]))
    n++;
  CoredTrainer *const rest = open_trainer(&params);
  CoredError error = {0};
  assert_true(cored_trainer_restore(rest, views, n, &error));
  assert_int_equal(cored_trainer_steps(rest), 2);
  steps(rest, 2, 5);
  assert_same_state(whole, rest);

  assert_false(cored_trainer_restore(rest, views, n - 1, &error));
  assert_int_equal(error.code, CORED_ERROR_PARAMETER_MISSING);
  views[0].dims[0]++;
  assert_false(cored_trainer_restore(rest, views, n, &error));
  assert_int_equal(error.code, CORED_ERROR_PARAMETER_SHAPE);
  views[0].dims[0]--;
  views[n] = (CoredTensorView){.name = "stranger"};
  assert_false(cored_trainer_restore(rest, views, n + 1, &error));
  assert_int_equal(error.code, CORED_ERROR_PARAMETER_EXTRA);
  assert_same_state(whole, rest);
  cored_trainer_free(whole);
  cored_trainer_free(part);
  cored_trainer_free(rest);
}

/* Largest difference of two gradient blocks relative to the largest gradient. */
static double gradient_distance(const CoredTrainer *a, const CoredTrainer *b) {
  CoredTensorView x, y;
  double worst = 0, largest = 0;
  for (size_t i = 0; cored_trainer_gradient(a, i, &x); i++) {
    assert_true(cored_trainer_gradient(b, i, &y));
    for (size_t j = 0; j < x.size / sizeof(float); j++) {
      const double p = (double)((const float *)x.data)[j], q = (double)((const float *)y.data)[j];
      worst = fmax(worst, fabs(p - q));
      largest = fmax(largest, fabs(p));
    }
  }
  assert_true(largest > 1e-4);
  return worst / largest;
}

/* With frozen batch norm and no dropout a batch in two halves is the batch. */
static void halves_accumulate_to_the_whole(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_KD, 2);
  params.batch_norm = CORED_BATCH_NORM_FROZEN;
  params.dropout = 0;
  CoredTrainer *const whole = open_trainer(&params), *const halves = open_trainer(&params);
  CoredLosses losses, part[2];
  const CoredBatch batch = batch_at(0);
  assert_true(cored_trainer_accumulate(whole, &batch, 1, &losses));
  for (int i = 0; i < 2; i++) {
    CoredBatch half = batch;
    half.n = batch_size / 2;
    half.images += (size_t)(i * half.n) * pixels;
    half.labels += i * half.n;
    assert_true(cored_trainer_accumulate(halves, &half, 0.5, &part[i]));
  }
  assert_true(fabs(losses.total - 0.5 * (part[0].total + part[1].total)) < 1e-5 * losses.total);
  assert_true(gradient_distance(whole, halves) < 1e-5);
  cored_trainer_free(whole);
  cored_trainer_free(halves);
}

/* Two trainers in two threads that meet to add their numbers, as two processes would. */
typedef struct Meeting {
  pthread_barrier_t barrier;
  double sums_f64[4096];
  float *sums_f32;
} Meeting;

typedef struct Rank {
  Meeting *meeting;
  int rank;
  CoredReduce reduce;
  CoredTrainer *trainer;
  CoredLosses losses;
} Rank;

static void meet_f64(void *user, double *values, size_t count) {
  Rank *const rank = user;
  Meeting *const m = rank->meeting;
  if (rank->rank == 0)
    memcpy(m->sums_f64, values, count * sizeof *values);
  pthread_barrier_wait(&m->barrier);
  if (rank->rank == 1)
    for (size_t i = 0; i < count; i++)
      m->sums_f64[i] += values[i];
  pthread_barrier_wait(&m->barrier);
  memcpy(values, m->sums_f64, count * sizeof *values);
  pthread_barrier_wait(&m->barrier);
}

static void meet_f32(void *user, float *values, size_t count) {
  Rank *const rank = user;
  Meeting *const m = rank->meeting;
  if (rank->rank == 0)
    m->sums_f32 = values;
  pthread_barrier_wait(&m->barrier);
  if (rank->rank == 1)
    for (size_t i = 0; i < count; i++)
      m->sums_f32[i] = values[i] += m->sums_f32[i];
  pthread_barrier_wait(&m->barrier);
}

static void *rank_main(void *data) {
  Rank *const rank = data;
  const int half = batch_size / 2;
  for (int i = 0; i < n_batches; i++) {
    CoredBatch batch = batch_at(i);
    batch.n = half;
    batch.images += (size_t)(rank->rank * half) * pixels;
    batch.labels += rank->rank * half;
    cored_trainer_add_representation(rank->trainer, &batch);
  }
  for (int i = 0; i < 3; i++) {
    CoredBatch batch = batch_at(i);
    batch.n = half;
    batch.first = (uint64_t)(rank->rank * half);
    batch.images += (size_t)(rank->rank * half) * pixels;
    batch.labels += rank->rank * half;
    cored_trainer_accumulate(rank->trainer, &batch, 1, &rank->losses);
    cored_trainer_update(rank->trainer, 0.002, NULL);
  }
  return NULL;
}

static void check_two_processes(CoredMethod method) {
  CoredTrainParams params = small_params(method, 1);
  params.batch_norm = CORED_BATCH_NORM_FROZEN;
  params.dropout = 0.3;
  CoredTrainer *const alone = open_trainer(&params);
  adapt(alone);
  steps(alone, 0, 3);
  Meeting meeting = {0};
  Rank ranks[2];
  pthread_t thread;
  pthread_barrier_init(&meeting.barrier, NULL, 2);
  for (int i = 0; i < 2; i++) {
    ranks[i] = (Rank){.meeting = &meeting, .rank = i, .reduce = {&ranks[i], meet_f64, meet_f32}};
    params.reduce = &ranks[i].reduce;
    ranks[i].trainer = open_trainer(&params);
  }
  assert_int_equal(pthread_create(&thread, NULL, rank_main, &ranks[1]), 0);
  rank_main(&ranks[0]);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&meeting.barrier);
  CoredTensorView x, y, z;
  for (size_t i = 0; cored_trainer_parameter(alone, i, &x); i++) {
    assert_true(cored_trainer_parameter(ranks[0].trainer, i, &y));
    assert_true(cored_trainer_parameter(ranks[1].trainer, i, &z));
    assert_memory_equal(y.data, z.data, y.size);
    for (size_t j = 0; j < x.size / sizeof(float); j++)
      if (fabs((double)((const float *)x.data)[j] - (double)((const float *)y.data)[j]) > 2e-5)
        fail_msg("%s [%zu]: one process %g, two %g", x.name, j, (double)((const float *)x.data)[j],
                 (double)((const float *)y.data)[j]);
  }
  assert_int_equal(ranks[0].losses.n, batch_size);
  assert_true(ranks[0].losses.total == ranks[1].losses.total);
  for (int i = 0; i < 2; i++)
    cored_trainer_free(ranks[i].trainer);
  cored_trainer_free(alone);
}

static void two_processes_equal_one(void **state) {
  (void)state;
  check_two_processes(CORED_METHOD_CORED);
  check_two_processes(CORED_METHOD_TG);
}

/* Evaluation is that of an inference session. */
static void evaluation_equals_a_session(void **state) {
  (void)state;
  const CoredTrainParams params = small_params(CORED_METHOD_FT, 2);
  CoredTrainer *const trainer = open_trainer(&params);
  steps(trainer, 0, 2);
  float logits[2 * n_batches * batch_size];
  cored_trainer_evaluate(trainer, images, n_batches * batch_size, logits);
  CoredError error = {0};
  CoredModel *const model = cored_trainer_model(trainer, cored_model_info(first), &error);
  assert_non_null(model);
  const CoredPlanParams plan_params = {.input_width = size, .input_height = size};
  CoredPlan *const plan = cored_plan_new(model, &plan_params, &error);
  CoredSession *const session = cored_session_new(plan, NULL, &error);
  for (int i = 0; i < n_batches * batch_size; i++) {
    CoredOutput output;
    memcpy(cored_session_input(session), images + (size_t)i * pixels, pixels * sizeof *images);
    cored_session_run(session, cored_session_input(session), 1, &output);
    for (int j = 0; j < 2; j++)
      assert_true(fabsf(output.logits[j] - logits[2 * i + j]) < 1e-4f);
  }
  cored_session_free(session);
  cored_plan_unref(plan);
  cored_model_unref(model);
  cored_trainer_free(trainer);
}

static void learns_a_batch_by_heart(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_FT, 2);
  params.optimizer.momentum = 0.9;
  params.dropout = 0;
  CoredError error = {0};
  CoredTrainer *const trainer = cored_trainer_new(first, NULL, &params, &error);
  assert_non_null(trainer);
  const CoredBatch batch = batch_at(0);
  CoredLosses losses = {0};
  double start = 0;
  for (int i = 0; i < 40; i++) {
    assert_true(cored_trainer_accumulate(trainer, &batch, 1, &losses));
    assert_true(cored_trainer_update(trainer, 0.02, NULL));
    start = i == 0 ? losses.total : start;
  }
  assert_true(losses.total < 0.05 * start);
  assert_int_equal(losses.n_correct, batch_size);
  cored_trainer_free(trainer);
}

static void replacing_the_teacher_copies_the_student(void **state) {
  (void)state;
  const CoredTrainParams params = small_params(CORED_METHOD_TG, 1);
  CoredTrainer *const trainer = open_trainer(&params);
  float mine[2], theirs[2];
  steps(trainer, 0, 1);
  cored_trainer_evaluate(trainer, images, 1, mine);
  cored_trainer_evaluate_teacher(trainer, images, 1, theirs);
  assert_true(mine[0] != theirs[0]);
  CoredError error = {0};
  assert_true(cored_trainer_replace_teacher(trainer, &error));
  cored_trainer_evaluate_teacher(trainer, images, 1, theirs);
  for (int i = 0; i < 2; i++) /* not the same bits: the teacher's batch norms are folded */
    assert_true(fabsf(mine[i] - theirs[i]) < 1e-5f * (1 + fabsf(mine[i])));
  cored_trainer_free(trainer);
}

static void bad_parameters_are_refused(void **state) {
  (void)state;
  CoredError error = {0};
  CoredTrainParams params = small_params(CORED_METHOD_CORED, 1);
  params.alpha = (double)NAN;
  assert_null(cored_trainer_new(first, NULL, &params, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  assert_non_null(strstr(error.message, "alpha"));
  params = small_params(CORED_METHOD_CORED, 1);
  params.max_batch = 0;
  assert_null(cored_trainer_new(first, NULL, &params, &error));
  params = small_params(CORED_METHOD_CORED, 1);
  params.n_stores = CORED_MAX_STORES + 1;
  assert_null(cored_trainer_new(first, NULL, &params, &error));
  params = small_params(CORED_METHOD_CORED, 1);
  params.input_width = -4;
  assert_null(cored_trainer_new(first, NULL, &params, &error));
  assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
  CoredModelInfo info;
  assert_true(cored_model_info_init(&info, "cored-compact", 3, &error));
  CoredModel *const other = cored_model_new_random(&info, 1, &error);
  params = small_params(CORED_METHOD_CORED, 1);
  assert_null(cored_trainer_new(first, other, &params, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  cored_model_unref(other);
}

static int n_flat_teachers;

/* Logits of 0 for everything. */
static void flat_forward(CoredTeacher *teacher, const float *input, int n, double *logits,
                         double *pooled) {
  (void)teacher;
  (void)input;
  (void)pooled;
  memset(logits, 0, (size_t)n * 2 * sizeof *logits);
}

static size_t flat_memory(const CoredTeacher *teacher) {
  return sizeof *teacher;
}

static void flat_free(CoredTeacher *teacher) {
  free(teacher);
  n_flat_teachers--;
}

static CoredTeacher *new_flat_teacher(const CoredTeacherParams *params, CoredError *error) {
  (void)error;
  assert_string_equal(params->info->network, "cored-compact");
  assert_string_equal(params->parameters[0].name, params->graph->params[0].name);
  CoredTeacher *const teacher = malloc(sizeof *teacher);
  assert_non_null(teacher);
  *teacher = (CoredTeacher){.forward = flat_forward, .memory = flat_memory, .free = flat_free};
  n_flat_teachers++;
  return teacher;
}

static void a_teacher_may_be_any_that_answers(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_KD, 1);
  params.new_teacher = new_flat_teacher;
  CoredTrainer *const trainer = open_trainer(&params);
  const CoredBatch batch = batch_at(0);
  CoredLosses losses;
  float logits[2] = {1, 1};
  assert_true(cored_trainer_accumulate(trainer, &batch, 1, &losses));
  assert_float_equal(losses.teacher, log(2), 1e-12);
  cored_trainer_evaluate_teacher(trainer, batch.images, 1, logits);
  assert_true(logits[0] == 0 && logits[1] == 0);
  assert_true(cored_trainer_replace_teacher(trainer, NULL));
  assert_int_equal(n_flat_teachers, 1);
  cored_trainer_free(trainer);
  assert_int_equal(n_flat_teachers, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_do_not_matter),
      cmocka_unit_test(the_cpus_of_the_process_count),
      cmocka_unit_test(a_restored_run_goes_on_with_the_same_bits),
      cmocka_unit_test(halves_accumulate_to_the_whole),
      cmocka_unit_test(two_processes_equal_one),
      cmocka_unit_test(evaluation_equals_a_session),
      cmocka_unit_test(learns_a_batch_by_heart),
      cmocka_unit_test(replacing_the_teacher_copies_the_student),
      cmocka_unit_test(bad_parameters_are_refused),
      cmocka_unit_test(a_teacher_may_be_any_that_answers),
  };
  return cmocka_run_group_tests(tests, tiny_trainer_make, tiny_trainer_drop);
}
