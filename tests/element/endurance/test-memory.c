/* SPDX-License-Identifier: MIT
 * E42, R13: the element without memory. Each allocation that the plugin makes fails in turn, in the
 * start, in a frame and in a reload, until one run asks for no more: nothing crashes, it is told,
 * and what worked before goes on. The argument is N: every N-th of a start or reload, here a few.
 *
 * The plugin is linked into this program, where the linker turns its calls into __wrap_*. GLib ends
 * the process when it gets no memory, by design: what goes with the size of frames and models must
 * not come from there, see the test of sizes. */
#include "process.h"
#include "twins.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "detect/gstcoreddetect.h"
#include "gstcoredmeta.h"

#define LARGE_CAPS "video/x-raw,format=I420,width=640,height=360,framerate=25/1"
#define CASCADE "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml"

#ifdef __SANITIZE_ADDRESS__
static gint every = 67;
#else
static gint every = 11;
#endif

/* ---- Faults --------------------------------------------------------------------------------- */

typedef enum Who { NOBODY, MAIN_THREAD, OTHER_THREADS } Who;

static struct {
  atomic_int who;
  atomic_int countdown; /* 1: the next one fails */
  atomic_int hit;
  atomic_size_t largest_g, all_g; /* that GLib was asked for: block, bytes */
} faults;

static gboolean is_meant(void) {
  const Who who = (Who)atomic_load(&faults.who);
  return who == (gettid() == getpid() ? MAIN_THREAD : OTHER_THREADS);
}

static gboolean fails(void) {
  if (!is_meant() || atomic_fetch_sub(&faults.countdown, 1) != 1)
    return FALSE;
  faults.hit = TRUE;
  return TRUE;
}

static void arm(Who who, gint n) {
  faults.countdown = n;
  faults.hit = FALSE;
  faults.who = (int)who;
}

static gboolean disarm(void) {
  faults.who = NOBODY;
  return faults.hit;
}

#pragma GCC visibility push(default) /* the linker names them to libraries, too */

#define WRAP(result, name, ...)                                                                    \
  result __real_##name(__VA_ARGS__);                                                               \
  result __wrap_##name(__VA_ARGS__);                                                               \
  result __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t size) {
  return fails() ? NULL : __real_malloc(size);
}
WRAP(void *, calloc, size_t n, size_t size) {
  return fails() ? NULL : __real_calloc(n, size);
}
WRAP(void *, realloc, void *old, size_t size) {
  return fails() ? NULL : __real_realloc(old, size);
}
WRAP(int, posix_memalign, void **out, size_t align, size_t size) {
  return fails() ? ENOMEM : __real_posix_memalign(out, align, size);
}
WRAP(char *, strdup, const char *s) {
  return fails() ? NULL : __real_strdup(s);
}
WRAP(char *, strndup, const char *s, size_t n) {
  return fails() ? NULL : __real_strndup(s, n);
}
WRAP(void *, mmap, void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}
WRAP(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails() ? MAP_FAILED : __real_mmap64(at, size, protection, flags, fd, offset);
}
WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
     void *arg) {
  return fails() ? EAGAIN : __real_pthread_create(thread, attributes, run, arg);
}
WRAP(gpointer, g_try_malloc, gsize size) {
  return fails() ? NULL : __real_g_try_malloc(size);
}
WRAP(gpointer, g_try_malloc_n, gsize n, gsize size) {
  return fails() ? NULL : __real_g_try_malloc_n(n, size);
}

static void note_size(gsize size) {
  if (size > faults.largest_g)
    faults.largest_g = size;
  faults.all_g += size;
}

WRAP(gpointer, g_malloc, gsize size) {
  note_size(size);
  return __real_g_malloc(size);
}
WRAP(gpointer, g_malloc0, gsize size) {
  note_size(size);
  return __real_g_malloc0(size);
}
WRAP(gpointer, g_malloc_n, gsize n, gsize size) {
  note_size(n * size);
  return __real_g_malloc_n(n, size);
}
WRAP(gpointer, g_malloc0_n, gsize n, gsize size) {
  note_size(n * size);
  return __real_g_malloc0_n(n, size);
}
WRAP(gpointer, g_memdup2, gconstpointer from, gsize size) {
  note_size(size);
  return __real_g_memdup2(from, size);
}

#pragma GCC visibility pop

/* ---- Start ---------------------------------------------------------------------------------- */

typedef struct Heard {
  guint errors, warnings;
} Heard;

/* Errors and warnings about memory, waiting for the first if one is due; no other may be said. */
static Heard hear_of_memory(GstBus *bus, gboolean due) {
  GstMessage *message;
  Heard heard = {0};
  while ((message = gst_bus_timed_pop_filtered(
              bus, due && heard.errors + heard.warnings == 0 ? 20 * GST_SECOND : 0,
              GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
    const GstStructure *details = NULL;
    const gboolean error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
    if (error)
      gst_message_parse_error_details(message, &details);
    else
      gst_message_parse_warning_details(message, &details);
    assert_non_null(details);
    assert_string_equal(gst_structure_get_string(details, "cored-code"), "NO_MEMORY");
    gst_message_unref(message);
    heard.errors += error;
    heard.warnings += !error;
  }
  return heard;
}

/* A start that fails says why, one that succeeds though something is missing warns of it; the same
 * element starts when there is memory again. */
static void start_without_memory(void **state) {
  (void)state;
  gint n = 1 - every;
  guint refused = 0, warned = 0;
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  g_object_set(element, "model", twin(1), "shadow-model", twin(2), "threads", 2, NULL);
  g_object_set(element, "face-cascade", CASCADE, NULL);
  for (gboolean hit = TRUE; hit;) {
    arm(MAIN_THREAD, n += every);
    const GstStateChangeReturn change = gst_element_set_state(element, GST_STATE_PAUSED);
    hit = disarm();
    const Heard heard = hear_of_memory(bus, hit);
    if (heard.errors != (change == GST_STATE_CHANGE_FAILURE) ||
        heard.errors + heard.warnings != (guint)hit)
      fail_msg("allocation %d: change %d, %u errors, %u warnings", n, change, heard.errors,
               heard.warnings);
    refused += heard.errors;
    warned += heard.warnings;
    gst_element_set_state(element, GST_STATE_NULL);
  }
  print_message("start: up to allocation %d, %u starts refused, %u warnings\n", n - every, refused,
                warned);
  assert_true(refused > 0 && warned > 0);
  gst_object_unref(element);
  gst_object_unref(bus);
}

/* ---- A frame -------------------------------------------------------------------------------- */

static void open_rig(Rig *rig, const char *caps) {
  rig_open(rig, twin(1), caps, "face-cascade", CASCADE, "heat-map", "true", "message-interval", "0",
           NULL);
  rig_drop_messages(rig);
}

/* A frame with a face that is marked or, `searched`, with none to be found. */
static GstBuffer *make_frame(const Rig *rig, guint number, gboolean searched) {
  GstBuffer *frame = frame_new(&rig->info, number, number);
  if (!searched)
    frame_add_roi(frame, "face", 60, 30, 300, 250);
  return frame;
}

static gboolean is_evaluated(const GstStructure *result, gboolean searched) {
  const char *reason = gst_structure_get_string(result, "reason");
  return searched ? g_strcmp0(reason, "no-face") == 0
                  : gst_structure_has_field(result, "p-fake") &&
                        ABS(result_double(result, "p-fake") - 0.25) < 1e-12;
}

/* The frame passes, unknown, with one warning, or as always; the next one is evaluated. */
static void sweep_frame(gboolean searched) {
  gint n = 0;
  guint unknown = 0;
  for (gboolean hit = TRUE; hit;) {
    const GstStructure *result;
    Rig rig;
    open_rig(&rig, LARGE_CAPS);
    GstBuffer *frame = make_frame(&rig, 0, searched);
    arm(MAIN_THREAD, ++n);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    hit = disarm();
    assert_non_null(result);
    const gboolean evaluated = is_evaluated(result, searched);
    assert_true(evaluated || hit);
    assert_int_equal(hear_of_memory(rig.bus, FALSE).warnings, !evaluated);
    if (!evaluated)
      assert_string_equal(gst_structure_get_string(result, "verdict"), "unknown");
    unknown += !evaluated;
    gst_buffer_unref(out);
    out = rig_frame(&rig, make_frame(&rig, 1, searched), &result);
    assert_true(is_evaluated(result, searched));
    assert_null(rig_message(&rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
    assert_int_equal(rig_stat(&rig, "frames-in"), 2);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
  print_message("frame%s: %d allocations failed in turn, %u frames unknown\n",
                searched ? " that is searched" : "", n - 1, unknown);
  assert_true(unknown >= 2);
}

static void frames_without_memory(void **state) {
  (void)state;
  sweep_frame(FALSE);
  sweep_frame(TRUE);
}

/* ---- A reload ------------------------------------------------------------------------------- */

typedef void Publish(Twins *twins, const char *path, guint generation);

static void by_property(Twins *twins, const char *path, guint generation) {
  (void)path;
  g_object_set(twins->rig.element, "model", twin(generation), NULL);
}

static void by_file(Twins *twins, const char *path, guint generation) {
  (void)twins;
  model_publish(twin(generation), path);
}

/* Until generation 2 runs or a failure is told: the latter only for want of memory. */
static gboolean comes(Twins *twins, Told *told) {
  const guint failed = told->failed;
  const gint64 start = g_get_monotonic_time();
  while (twins_pass(twins) == 1) {
    twins_hear(twins, told);
    if (told->failed > failed) {
      assert_string_equal(told->code, "NO_MEMORY");
      return FALSE;
    }
    if (g_get_monotonic_time() - start > 30 * G_USEC_PER_SEC)
      fail_msg("neither the new model nor a failure");
    g_usleep(500);
  }
  return TRUE;
}

static void sweep_reload(Publish *publish, const char *what, gint step) {
  Twins twins;
  Told told = {0};
  gint n = 1 - step;
  guint kept = 0;
  char *path = support_path("memory.safetensors");
  model_publish(twin(1), path);
  twins_open(&twins, publish == by_file ? path : twin(1));
  twins_pass_until(&twins, 1);
  for (gboolean hit = TRUE; hit;) {
    arm(OTHER_THREADS, n += step);
    publish(&twins, path, 2);
    const gboolean came = comes(&twins, &told);
    hit = disarm();
    assert_true(hit || came);
    kept += !came;
    if (!came)
      g_signal_emit_by_name(twins.rig.element, "reload-model");
    twins_pass_until(&twins, 2);
    publish(&twins, path, 1);
    twins_pass_until(&twins, 1);
  }
  twins_hear(&twins, &told);
  assert_int_equal(told.failed, kept);
  print_message("%s: up to allocation %d, the old model kept %u times, %u warnings\n", what, n,
                kept, told.warnings);
  assert_true(kept > 0);
  twins_close(&twins);
  g_free(path);
}

static void reloads_without_memory(void **state) {
  (void)state;
  sweep_reload(by_property, "set", every);
  sweep_reload(by_file, "published", MIN(4 * every, 50)); /* each takes a second */
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

/* GLib is not asked for a byte more because frames or networks are larger. */
static void sizes_are_not_glibs_business(void **state) {
  (void)state;
  char *path = support_path("large.safetensors");
  gsize largest[2], frames[2];
  model_save_random(path, 1, 448);
  for (guint large = 0; large < 2; large++) {
    Rig rig;
    faults.largest_g = 0;
    rig_open(&rig, large ? path : twin(1), large ? LARGE_CAPS : TWINS_CAPS, "heat-map", "true",
             "inference-region", "full-frame", NULL);
    const gsize before = faults.all_g;
    for (guint n = 0; n < 3; n++)
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, n, n), NULL));
    frames[large] = faults.all_g - before;
    rig_close(&rig);
    largest[large] = faults.largest_g;
  }
  print_message("GLib: blocks up to %zu and %zu bytes, %zu and %zu bytes for three frames\n",
                largest[0], largest[1], frames[0], frames[1]);
  assert_true(frames[0] > 0);
  assert_int_equal(largest[1], largest[0]);
  assert_int_equal(frames[1], frames[0]);
  g_free(path);
}

/* ---- R13: a limit --------------------------------------------------------------------------- */

static rlim_t address_space(void) {
  unsigned long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  assert_int_equal(fscanf(statm, "%lu", &pages), 1);
  fclose(statm);
  return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* A network whose activations do not fit is refused, and comes when there is room. */
static void a_network_too_large_for_the_limit(void **state) {
  (void)state;
#ifdef __SANITIZE_ADDRESS__
  print_message("skipped: the sanitizer's own memory takes all address space there is\n");
  skip();
#endif
  Twins twins;
  Told told = {0};
  struct rlimit before;
  char *path = support_path("limited.safetensors"), *large = support_path("room.safetensors");
  model_save_random(large, 2, 512);
  model_publish(twin(1), path);
  twins_open(&twins, path);
  twins_pass_until(&twins, 1);
  assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
  const struct rlimit tight = {address_space() + (12 << 20), before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
  model_publish(large, path);
  twins_pass_until_warned(&twins, &told, 1);
  assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
  assert_string_equal(told.code, "NO_MEMORY");
  assert_int_equal(told.failed, 1);
  assert_int_equal(twins_pass(&twins), 1);
  for (guint64 generation = 1; generation == 1;) { /* by itself, after a while */
    g_usleep(5000);
    twins.number++;
    GstBuffer *frame = gst_buffer_copy(twins.frame);
    GST_BUFFER_PTS(frame) = twins.number * 40 * GST_MSECOND;
    gst_buffer_unref(rig_frame(&twins.rig, frame, NULL));
    g_object_get(twins.rig.element, "model-generation", &generation, NULL);
  }
  twins_close(&twins);
  g_free(path);
  g_free(large);
}

static int setup(void **state) {
  if (twins_setup(state) != 0 || !cored_meta_register())
    return -1;
  return GST_ELEMENT_REGISTER(coreddetect, NULL) ? 0 : -1;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(start_without_memory),
      cmocka_unit_test(frames_without_memory),
      cmocka_unit_test(reloads_without_memory),
      cmocka_unit_test(sizes_are_not_glibs_business),
      cmocka_unit_test(a_network_too_large_for_the_limit),
  };
  if (access(CASCADE, R_OK) != 0) {
    printf("skipped: %s is not there (opencv-data)\n", CASCADE);
    return 77;
  }
  if (argc > 1)
    every = MAX(1, (gint)strtol(argv[1], NULL, 10));
  return cmocka_run_group_tests(tests, setup, twins_teardown);
}
