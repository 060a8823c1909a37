/* SPDX-License-Identifier: MIT
 * E35: everything at once, from several threads: frames with changing caps and EOS, flushes and
 * seeks, models set, published, asked for again and taken back, properties read and set, state
 * changes, and the end of the element while all this goes on. The argument is the number of
 * operations, of which every kind has its share. Built with -Db_sanitize=thread or address this is
 * where races show.
 *
 * For ThreadSanitizer the threads share as little as they can: whatever orders them here would
 * hide what the element fails to order. Counters are relaxed atomics, and the lock around the
 * element is taken only when it was replaced. */
#include "ends.h"
#include "process.h"
#include "twins.h"
#include "values.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum Kind {
  KIND_CAPS,
  KIND_EOS,
  KIND_FLUSH,
  KIND_SEEK,
  KIND_STATE,
  KIND_REPLACE,
  KIND_OTHER,
  KIND_READ,
  KIND_SET,
  KIND_MODEL,
  KIND_SHADOW,
  KIND_PUBLISH,
  KIND_RELOAD,
  KIND_PREVIOUS,
  KIND_RESET,
  N_KINDS
} Kind;

/* Shares of the operations, in percent, and who does them. */
typedef enum Role {
  ROLE_STREAM,
  ROLE_DISTURB,
  ROLE_MODELS,
  ROLE_SET,
  ROLE_READ,
  ROLE_STATES,
  ROLE_OTHERS,
  N_ROLES
} Role;
static const struct {
  const char *name;
  Role role;
  guint share;
} kinds[N_KINDS] = {
    [KIND_CAPS] = {"caps", ROLE_STREAM, 12},    [KIND_EOS] = {"eos", ROLE_STREAM, 5},
    [KIND_FLUSH] = {"flush", ROLE_DISTURB, 10}, [KIND_SEEK] = {"seek", ROLE_DISTURB, 10},
    [KIND_STATE] = {"state", ROLE_STATES, 10},  [KIND_REPLACE] = {"replace", ROLE_STATES, 3},
    [KIND_OTHER] = {"other", ROLE_OTHERS, 4},   [KIND_READ] = {"read", ROLE_READ, 12},
    [KIND_SET] = {"set", ROLE_SET, 12},         [KIND_MODEL] = {"model", ROLE_MODELS, 6},
    [KIND_SHADOW] = {"shadow", ROLE_MODELS, 5}, [KIND_PUBLISH] = {"publish", ROLE_MODELS, 2},
    [KIND_RELOAD] = {"reload", ROLE_MODELS, 2}, [KIND_PREVIOUS] = {"previous", ROLE_MODELS, 4},
    [KIND_RESET] = {"reset", ROLE_MODELS, 3},
};

static guint n_operations = 2000;

typedef struct Stress Stress;

typedef struct Worker {
  Stress *stress;
  Role role;
  GRand *rand;
  guint quota, share;
  guint done; /* relaxed atomic */
  guint counts[N_KINDS];
  GstElement *element; /* with a reference */
  guint version;       /* of it */
} Worker;

struct Stress {
  Ends ends;
  Worker workers[N_ROLES];
  GMutex mutex; /* of element */
  GstElement *element;
  guint version; /* of element; relaxed atomic */
  gint over;     /* relaxed atomic: everybody is to stop */
  /* Elements that nobody touches: they keep the models loaded, so that a state change is quick. */
  GstElement *anchors[2];
  GstElement *other;      /* that comes and goes; of one thread */
  char *path, *copies[2]; /* that is published to, and what */
  guint heard, elements;  /* messages; one thread each */
};

#define RELAXED_GET(at) __atomic_load_n(at, __ATOMIC_RELAXED)
#define RELAXED_SET(at, value) __atomic_store_n(at, value, __ATOMIC_RELAXED)

static gboolean is_over(Stress *stress) {
  return RELAXED_GET(&stress->over);
}

static guint percent_done(Worker *worker) {
  return (guint)((guint64)RELAXED_GET(&worker->done) * 200 / MAX(1, worker->quota));
}

/* Nobody gets ahead of the slowest, else the last operations of one kind would meet no others. */
static gboolean is_ahead(Worker *worker) {
  guint least = G_MAXUINT;
  for (guint i = 0; i < N_ROLES; i++)
    least = MIN(least, percent_done(&worker->stress->workers[i]));
  return worker->done >= worker->quota || percent_done(worker) > least + 1;
}

static void count(Worker *worker, Kind kind) {
  worker->counts[kind]++;
  RELAXED_SET(&worker->done, worker->done + 1);
}

/* What to do next: each kind of the role by its share. */
static Kind next_kind(Worker *worker) {
  guint dice = (guint)g_rand_int_range(worker->rand, 0, (gint)worker->share);
  for (guint i = 0; i < N_KINDS; i++) {
    if (kinds[i].role != worker->role)
      continue;
    if (dice < kinds[i].share)
      return (Kind)i;
    dice -= kinds[i].share;
  }
  return N_KINDS;
}

/* The element of the moment, with this thread's own reference, which may be the last. */
static GstElement *current(Worker *worker) {
  Stress *stress = worker->stress;
  const guint version = RELAXED_GET(&stress->version);
  if (worker->version != version) {
    gst_clear_object(&worker->element);
    g_mutex_lock(&stress->mutex);
    worker->element = gst_object_ref(stress->element);
    g_mutex_unlock(&stress->mutex);
    worker->version = version;
  }
  return worker->element;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static gpointer stream(gpointer data) {
  Worker *worker = data;
  Stress *stress = worker->stress;
  ends_begin_stream(&stress->ends, worker->rand);
  for (guint n = 0; !is_over(stress); n++) {
    const GstFlowReturn flow = ends_push(&stress->ends, n);
    if (flow != GST_FLOW_OK) { /* stopped, between two elements, or after EOS */
      g_usleep(100);
      ends_begin_stream(&stress->ends, worker->rand);
    }
    if (is_ahead(worker)) {
      g_usleep(300);
      continue;
    }
    const Kind kind = next_kind(worker);
    if (kind == KIND_EOS)
      gst_pad_push_event(stress->ends.source, gst_event_new_eos());
    ends_begin_stream(&stress->ends, worker->rand);
    count(worker, kind);
  }
  return NULL;
}

/* ---- Flushes and seeks ---------------------------------------------------------------------- */

static void disturb(Worker *worker, Kind kind) {
  Stress *stress = worker->stress;
  if (kind == KIND_FLUSH) {
    gst_pad_push_event(stress->ends.source, gst_event_new_flush_start());
    gst_pad_push_event(stress->ends.source, gst_event_new_flush_stop(g_rand_boolean(worker->rand)));
    /* Once more for who is downstream: the element may have been stopped in between. */
    gst_pad_send_event(stress->ends.sink, gst_event_new_flush_stop(TRUE));
  } else {
    gst_pad_push_event(stress->ends.sink,
                       gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_NONE,
                                          GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
    gst_pad_push_event(stress->ends.sink, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5,
                                                            20 * (GstClockTimeDiff)GST_MSECOND, 0));
    GstQuery *query = gst_query_new_latency();
    gst_pad_peer_query(stress->ends.sink, query);
    gst_query_unref(query);
  }
}

/* ---- Models --------------------------------------------------------------------------------- */

static const char *any_twin(Worker *worker) {
  return twin((guint)g_rand_int_range(worker->rand, 1, 3));
}

/* As model_publish, but a link instead of a copy: quick. */
static void publish(Worker *worker) {
  Stress *stress = worker->stress;
  char *temporary = g_strconcat(stress->path, ".tmp", NULL);
  g_remove(temporary); /* renaming a link over another one of the same file leaves both */
  if (link(stress->copies[g_rand_int_range(worker->rand, 0, 2)], temporary) != 0 ||
      g_rename(temporary, stress->path) != 0)
    g_error("%s cannot be published", temporary);
  g_free(temporary);
}

static void bring_models(Worker *worker, Kind kind) {
  GstElement *element = current(worker);
  switch (kind) {
  case KIND_MODEL:
    g_object_set(element, "model",
                 g_rand_boolean(worker->rand) ? worker->stress->path : any_twin(worker), NULL);
    break;
  case KIND_SHADOW:
    g_object_set(element, "shadow-model", g_rand_boolean(worker->rand) ? any_twin(worker) : NULL,
                 NULL);
    break;
  case KIND_PUBLISH:
    publish(worker);
    break;
  case KIND_RELOAD:
    g_signal_emit_by_name(element, "reload-model");
    break;
  case KIND_PREVIOUS:
    g_signal_emit_by_name(element, "previous-model");
    break;
  default:
    g_signal_emit_by_name(element, "reset");
  }
}

/* ---- Properties ----------------------------------------------------------------------------- */

/* Of the element itself, without models and what makes it look for faces, which takes too long. */
static gboolean is_ours(const GstElement *element, const GParamSpec *spec) {
  return spec->owner_type == G_OBJECT_TYPE(element) && !g_str_has_suffix(spec->name, "model") &&
         !g_str_equal(spec->name, "inference-region");
}

static gboolean is_settable(const GParamSpec *spec) {
  return (spec->flags & G_PARAM_WRITABLE) && (spec->flags & GST_PARAM_MUTABLE_PLAYING);
}

static void use_property(Worker *worker, Kind kind) {
  GValue value = G_VALUE_INIT;
  guint n;
  GstElement *element = current(worker);
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n), *spec;
  do {
    spec = specs[g_rand_int_range(worker->rand, 0, (gint)n)];
  } while (!is_ours(element, spec) || (kind == KIND_SET && !is_settable(spec)));
  g_free(specs);
  if (kind == KIND_SET) {
    value_any(&value, spec, worker->rand);
    g_object_set_property(G_OBJECT(element), spec->name, &value);
  } else {
    g_value_init(&value, spec->value_type);
    g_object_get_property(G_OBJECT(element), spec->name, &value);
  }
  g_value_unset(&value);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static gpointer listen(gpointer data) {
  Stress *stress = data;
  while (!is_over(stress)) {
    GstMessage *message = gst_bus_timed_pop(stress->ends.bus, 5 * GST_MSECOND);
    if (!message)
      continue;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
      g_error("%s", gst_structure_to_string(gst_message_get_structure(message)));
    stress->heard++;
    gst_message_unref(message);
  }
  return NULL;
}

/* ---- States and ends ------------------------------------------------------------------------ */

/* Some have no model at first, and some share none with others. */
static GstElement *element_new(Stress *stress, GRand *rand) {
  static const char *const modes[] = {"sync", "latest", "delay"};
  GstElement *element = ends_detector_new(g_rand_int_range(rand, 0, 4) ? stress->path : NULL, NULL,
                                          modes[g_rand_int_range(rand, 0, 3)]);
  if (g_rand_int_range(rand, 0, 32) == 0)
    g_object_set(element, "model-instance-id", "own", NULL);
  ends_join(&stress->ends, element, element);
  stress->elements++;
  return element;
}

/* Whoever has a reference still uses the old one. */
static void replace_element(Stress *stress, GRand *rand) {
  GstElement *old = stress->element; /* only this thread replaces it */
  ends_part(&stress->ends);
  GstElement *next = element_new(stress, rand);
  g_mutex_lock(&stress->mutex);
  stress->element = next;
  g_mutex_unlock(&stress->mutex);
  RELAXED_SET(&stress->version, stress->version + 1);
  gst_object_unref(old);
}

static void set_anchors(Stress *stress, GstState state) {
  for (guint i = 0; i < G_N_ELEMENTS(stress->anchors); i++)
    gst_element_set_state(stress->anchors[i], state);
}

static void change_states(Worker *worker, Kind kind) {
  Stress *stress = worker->stress;
  const GstState state =
      (GstState)g_rand_int_range(worker->rand, GST_STATE_NULL, GST_STATE_PLAYING);
  const gboolean alone = g_rand_int_range(worker->rand, 0, 200) == 0;
  if (kind == KIND_REPLACE) {
    replace_element(stress, worker->rand);
    return;
  }
  gst_element_set_state(stress->element, state);
  if (alone) { /* the last one to go takes threads, files and watches with it */
    set_anchors(stress, GST_STATE_NULL);
    set_anchors(stress, GST_STATE_PAUSED);
  }
  gst_element_set_state(stress->element, GST_STATE_PLAYING);
}

/* Another element with the same models comes, or goes again. */
static void come_and_go(Worker *worker, Kind kind) {
  Stress *stress = worker->stress;
  (void)kind;
  if (stress->other) {
    gst_element_set_state(stress->other, GST_STATE_NULL);
    gst_clear_object(&stress->other);
  } else {
    stress->other = ends_detector_new(stress->path, any_twin(worker), "latest");
    gst_element_set_state(stress->other, GST_STATE_PAUSED);
  }
}

/* ---- Test ----------------------------------------------------------------------------------- */

static gpointer work(gpointer data) {
  static void (*const act[N_ROLES])(Worker *, Kind) = {
      NULL, disturb, bring_models, use_property, use_property, change_states, come_and_go};
  Worker *worker = data;
  while (!is_over(worker->stress)) {
    if (is_ahead(worker)) {
      g_usleep(200);
      continue;
    }
    const Kind kind = next_kind(worker);
    act[worker->role](worker, kind);
    count(worker, kind);
    g_usleep((gulong)g_rand_int_range(worker->rand, 0, 500));
  }
  return NULL;
}

static void open_workers(Stress *stress) {
  for (guint i = 0; i < N_ROLES; i++) {
    Worker *worker = &stress->workers[i];
    worker->stress = stress;
    worker->role = (Role)i;
    worker->rand = g_rand_new_with_seed(i + 1);
    worker->version = G_MAXUINT;
    for (guint k = 0; k < N_KINDS; k++)
      worker->share += kinds[k].role == worker->role ? kinds[k].share : 0;
    worker->quota = MAX(1, n_operations * worker->share / 100);
  }
}

static void open_stress(Stress *stress) {
  g_mutex_init(&stress->mutex);
  stress->path = support_path("stress.safetensors");
  model_publish(twin(1), stress->path);
  for (guint i = 0; i < G_N_ELEMENTS(stress->copies); i++) {
    stress->copies[i] = g_strdup_printf("%s.%u", stress->path, i + 1);
    model_publish(twin(i + 1), stress->copies[i]);
  }
  ends_open(&stress->ends);
  open_workers(stress);
  stress->anchors[0] = ends_detector_new(twin(1), twin(2), "sync");
  stress->anchors[1] = ends_detector_new(stress->path, NULL, "sync");
  set_anchors(stress, GST_STATE_PAUSED);
  stress->element = element_new(stress, stress->workers[ROLE_STATES].rand);
}

static void close_stress(Stress *stress) {
  if (stress->other)
    come_and_go(&stress->workers[ROLE_OTHERS], KIND_OTHER);
  ends_part(&stress->ends);
  gst_object_unref(stress->element);
  set_anchors(stress, GST_STATE_NULL);
  for (guint i = 0; i < G_N_ELEMENTS(stress->anchors); i++)
    gst_object_unref(stress->anchors[i]);
  for (guint i = 0; i < N_ROLES; i++) {
    g_rand_free(stress->workers[i].rand);
    gst_clear_object(&stress->workers[i].element);
  }
  ends_close(&stress->ends);
  g_mutex_clear(&stress->mutex);
  g_free(stress->path);
  g_free(stress->copies[0]);
  g_free(stress->copies[1]);
}

static guint total_done(Stress *stress) {
  guint done = 0;
  for (guint i = 0; i < N_ROLES; i++)
    done += RELAXED_GET(&stress->workers[i].done);
  return done;
}

static void print_counts(Stress *stress) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < N_KINDS; i++)
    g_string_append_printf(text, " %s %u", kinds[i].name, stress->workers[kinds[i].role].counts[i]);
  print_message("%u operations:%s; %u elements, %u frames came through, %u messages\n",
                total_done(stress), text->str, stress->elements, stress->ends.came, stress->heard);
  g_string_free(text, TRUE);
}

static guint total_quota(const Stress *stress) {
  guint quota = 0;
  for (guint i = 0; i < N_ROLES; i++)
    quota += stress->workers[i].quota;
  return quota;
}

/* Every kind has half its share at least: it is drawn. */
static void check_shares(const Stress *stress) {
  for (guint i = 0; i < N_KINDS; i++)
    assert_true(stress->workers[kinds[i].role].counts[i] * 200 >= n_operations * kinds[i].share);
  assert_true(stress->ends.came > 0 && stress->heard > 0);
}

static void run_stress(void) {
  GThread *threads[N_ROLES], *listener;
  Stress stress = {0};
  open_stress(&stress);
  listener = g_thread_new("listen", listen, &stress);
  for (guint i = 0; i < N_ROLES; i++)
    threads[i] = g_thread_new("stress", i == ROLE_STREAM ? stream : work, &stress.workers[i]);
  while (total_done(&stress) < total_quota(&stress))
    g_usleep(1000);
  RELAXED_SET(&stress.over, 1);
  for (guint i = 0; i < N_ROLES; i++)
    g_thread_join(threads[i]);
  g_thread_join(listener);
  print_counts(&stress);
  if (n_operations >= 1000)
    check_shares(&stress);
  close_stress(&stress);
}

static void everything_at_once(void **state) {
  (void)state;
  const guint wanted = n_operations;
  n_operations = MIN(wanted, 100);
  run_stress(); /* libraries make threads and descriptors of their own when first used */
  n_operations = wanted;
  const guint threads = process_settled_threads(), descriptors = process_descriptors();
  run_stress();
  assert_true(process_settled_threads() <= threads);
  assert_int_equal(process_descriptors(), descriptors);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(everything_at_once)};
  if (argc > 1)
    n_operations = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
