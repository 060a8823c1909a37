/* SPDX-License-Identifier: MIT
 * E39: the element and the life of a process: forks before, while and after frames flow, and an
 * orderly end, with the leaks tracer and with valgrind looking on. The program runs itself: "run"
 * plays, exchanges the model and ends; "keep" forgets to release something. */
#include "models.h"
#include "plugins.h"
#include "twins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 60 /* then it hangs */

static const char *self;

/* ---- Forks ---------------------------------------------------------------------------------- */

static void play_some(void) {
  Twins twins;
  twins_open(&twins, twin(1));
  for (guint i = 0; i < 5; i++)
    assert_int_equal(twins_pass(&twins), 1);
  g_object_set(twins.rig.element, "model", twin(2), NULL);
  twins_pass_until(&twins, 2);
  twins_close(&twins);
}

typedef enum Child { CHILD_PLAYS, CHILD_QUITS, CHILD_ENDS } Child;

/* A child that does this comes to its end, and to a good one. */
static void fork_child(Child what) {
  int status = 0;
  fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(CHILD_SECONDS);
    if (what == CHILD_PLAYS)
      play_some();
#ifndef __SANITIZE_ADDRESS__ /* which would tell what the parent's threads hold */
    if (what == CHILD_ENDS)
      exit(0);
#endif
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail_msg("child %d: status 0x%x", what, (unsigned)status);
}

/* GStreamer is initialised, the plugin loaded, an element made: the child plays as if it had done
 * so itself, and then so does the parent. */
static void forked_before_frames_flow(void **state) {
  (void)state;
  GstElement *idle = gst_object_ref_sink(gst_element_factory_make("coreddetect", NULL));
  assert_non_null(idle);
  for (guint i = 0; i < 3; i++)
    fork_child(CHILD_PLAYS);
  gst_object_unref(idle);
  play_some();
}

/* The same when all that played has ended: no thread is taken for granted that is the parent's. */
static void forked_after_frames_flowed(void **state) {
  (void)state;
  for (guint i = 0; i < 3; i++) {
    play_some();
    fork_child(CHILD_PLAYS);
  }
}

/* Threads of the element run in the parent and in no child: children that quit or end do not hang,
 * and the parent does not notice. */
static void forked_while_frames_flow(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[m], "inference-region", "full-frame", NULL);
    for (guint n = 0; n < 30; n++) {
      assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, n)), GST_FLOW_OK);
      if (n % 10 == 5)
        fork_child(n % 20 == 5 ? CHILD_QUITS : CHILD_ENDS);
    }
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    assert_int_equal(gst_harness_buffers_received(rig.harness), 30);
    assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), 30);
    rig_close(&rig);
  }
}

/* ---- The end -------------------------------------------------------------------------------- */

static int run(gboolean keep) {
  static const char *const names[] = {"coreelements", "coretracers", "videotestsrc"};
  void *state = NULL;
  plugins_only(names, G_N_ELEMENTS(names));
  if (twins_setup(&state) != 0)
    return 3;
  char *description =
      g_strdup_printf("videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120 ! "
                      "coreddetect name=det model=%s threads=1 message-interval=0 heat-map=true "
                      "threshold=0 min-duration=0 ! fakesink",
                      twin(1));
  GstElement *pipeline = gst_parse_launch(description, NULL);
  GstElement *detector = gst_bin_get_by_name(GST_BIN(pipeline), "det");
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  g_object_set(detector, "model", twin(2), NULL);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered(bus, 300 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  const gboolean ok = message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  gst_clear_message(&message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  if (!keep)
    gst_object_unref(detector);
  gst_object_unref(pipeline);
  g_free(description);
  twins_teardown(&state);
  gst_deinit();
  return ok ? 0 : 4;
}

/* Runs this program through a wrapper (may be none); its exit status, and what it said. */
static int run_self(const char *const *wrapper, const char *what, char **environment, char **said) {
  GPtrArray *argv = g_ptr_array_new();
  gint status = -1;
  for (; wrapper && *wrapper; wrapper++)
    g_ptr_array_add(argv, (gpointer)*wrapper);
  g_ptr_array_add(argv, (gpointer)self);
  g_ptr_array_add(argv, (gpointer)what);
  g_ptr_array_add(argv, NULL);
  assert_true(g_spawn_sync(NULL, (char **)argv->pdata, environment,
                           G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, said,
                           &status, NULL));
  g_ptr_array_free(argv, TRUE);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *trace(const char *what) {
  char *said = NULL, **environment = g_get_environ();
  environment = g_environ_setenv(environment, "GST_TRACERS", "leaks(check-refs=true)", TRUE);
  environment = g_environ_setenv(environment, "GST_DEBUG", "GST_TRACER:7", TRUE);
  environment = g_environ_setenv(environment, "GST_DEBUG_NO_COLOR", "1", TRUE);
  environment = g_environ_setenv(environment, "ASAN_OPTIONS", "detect_leaks=0", TRUE);
  const int status = run_self(NULL, what, environment, &said);
  if (status != 0)
    fail_msg("%s ended with %d: %s", what, status, said);
  g_strfreev(environment);
  return said;
}

/* The first record of an object, behind what describes such records; NULL without one. */
static const char *find_alive(const char *said) {
  const char *line = said;
  while ((line = strstr(line, "object-alive, type-name=(string)"))) {
    if (!g_str_has_prefix(line, "object-alive, type-name=(string)%s"))
      return line;
    line++;
  }
  return NULL;
}

/* After gst_deinit nothing that GStreamer counts is alive; what is kept on purpose is seen. */
static void deinit_leaves_no_object(void **state) {
  (void)state;
  char *clean = trace("run"), *kept = trace("keep");
  if (!find_alive(kept)) {
    print_message("skipped: the leaks tracer says nothing here\n");
    g_free(clean);
    g_free(kept);
    skip();
  }
  assert_non_null(strstr(find_alive(kept), "CoredDetect"));
  if (find_alive(clean))
    fail_msg("%s", find_alive(clean));
  g_free(clean);
  g_free(kept);
}

/* No invalid access, nothing uninitialised decided upon, nothing lost. */
static void valgrind_has_nothing_to_say(void **state) {
  (void)state;
#ifdef __SANITIZE_ADDRESS__
  print_message("skipped: valgrind cannot run a sanitized program\n");
  skip();
#endif
  char *path = g_find_program_in_path("valgrind"), *said = NULL, **environment = g_get_environ();
  if (!path || !g_getenv("CORED_VALGRIND")) {
    print_message("skipped: %s\n", path ? "set CORED_VALGRIND to run it: it takes minutes"
                                        : "valgrind is not installed");
    g_free(path);
    g_strfreev(environment);
    skip();
  }
  const char *const wrapper[] = {path,
                                 "--quiet",
                                 "--error-exitcode=9",
                                 "--leak-check=full",
                                 "--show-leak-kinds=definite,indirect",
                                 "--errors-for-leak-kinds=definite,indirect",
                                 "--num-callers=30",
                                 NULL};
  environment = g_environ_setenv(environment, "G_SLICE", "always-malloc", TRUE);
  environment = g_environ_setenv(environment, "OPENBLAS_NUM_THREADS", "1", TRUE);
  environment = g_environ_unsetenv(environment, "MALLOC_PERTURB_");
  const int status = run_self(wrapper, "run", environment, &said);
  if (status != 0)
    fail_msg("status %d: %s", status, said);
  g_free(said);
  g_free(path);
  g_strfreev(environment);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forked_before_frames_flow),   cmocka_unit_test(forked_after_frames_flowed),
      cmocka_unit_test(forked_while_frames_flow),    cmocka_unit_test(deinit_leaves_no_object),
      cmocka_unit_test(valgrind_has_nothing_to_say),
  };
  self = argv[0];
  if (argc > 1)
    return run(g_str_equal(argv[1], "keep"));
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
