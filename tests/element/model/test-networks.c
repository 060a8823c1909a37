/* SPDX-License-Identifier: MIT
 * E33: any network follows any other while frames flow: other architecture, input size, number and
 * order of classes, normalisation. Every frame, with all faces in it, is evaluated by one of them,
 * and what is said is what that one says alone. The argument is for how many networks, in turn, it
 * is tried with all others; xception is among them from ten on. */
#include "models.h"

#include <math.h>
#include <stdlib.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
#define FACES 3
#define PATIENCE (60 * G_USEC_PER_SEC)

#ifdef __SANITIZE_ADDRESS__
static guint n_rows = 0; /* slow: only one round by publishing */
#else
static guint n_rows = 1;
#endif
static guint n_kinds;

typedef struct Kind {
  const char *network;
  gint width, height; /* 0: the network's own */
  gint classes, fake, real;
  float mean, std;
} Kind;

static const Kind kinds[] = {
    {"cored-compact", 32, 32, 2, 0, 1, 0.5f, 0.5f},
    {"cored-compact", 32, 32, 2, 1, 0, 0.5f, 0.5f},  /* class order */
    {"cored-compact", 64, 48, 2, 0, 1, 0.5f, 0.5f},  /* size, not square */
    {"cored-compact", 32, 32, 5, 3, 1, 0.5f, 0.5f},  /* class count */
    {"cored-compact", 32, 32, 2, 0, 1, 0.4f, 0.25f}, /* normalisation */
    {"meso4", 0, 0, 2, 0, 1, 0.0f, 1.0f},            /* architecture */
    {"mesoinception4", 0, 0, 2, 1, 0, 0.0f, 1.0f},
    {"efficientnet-b0", 64, 64, 3, 2, 0, 0.485f, 0.229f},
    {"xception", 96, 96, 2, 0, 1, 0.5f, 0.5f}, /* 80 MB */
};
#define KINDS G_N_ELEMENTS(kinds)

static char *paths[KINDS];
static double p_of[KINDS][FACES];

/* As large as they stay when padded by nothing: squares in the frame. */
static const CoredBox faces[FACES] = {{0, 0, 200, 200}, {120, 40, 150, 150}, {20, 110, 120, 120}};

static void save(const Kind *kind, guint64 generation, const char *path) {
  CoredError error;
  CoredModelInfo info;
  assert_true(cored_model_info_init(&info, kind->network, kind->classes, &error));
  if (kind->width) {
    info.input_width = kind->width;
    info.input_height = kind->height;
  }
  for (gint i = 0; i < kind->classes; i++)
    g_snprintf(info.labels[i], sizeof info.labels[i], "%s %d",
               i == kind->fake   ? "fake"
               : i == kind->real ? "real"
                                 : "other",
               i);
  info.fake_class = kind->fake;
  info.real_class = kind->real;
  for (guint c = 0; c < 3; c++) {
    info.mean[c] = kind->mean;
    info.std[c] = kind->std;
  }
  info.generation = generation;
  info.temperature = 10.0; /* keeps random logits away from 0 and 1 */
  CoredModel *model = cored_model_new_random(&info, 77, &error);
  if (!model || !cored_model_save(model, path, &error))
    fail_msg("%s: %s", kind->network, error.message);
  cored_model_unref(model);
}

static int setup(void **state) {
  if (support_setup(state) != 0)
    return -1;
  for (guint k = 0; k < n_kinds; k++) {
    char *name = g_strdup_printf("kind-%u.safetensors", k);
    paths[k] = support_path(name);
    save(&kinds[k], k, paths[k]);
    g_free(name);
  }
  return 0;
}

static int teardown(void **state) {
  for (guint k = 0; k < n_kinds; k++)
    g_free(paths[k]);
  return support_teardown(state);
}

static GstBuffer *make_frame(const GstVideoInfo *info) {
  GstBuffer *frame = frame_new(info, 5, 0);
  for (guint i = 0; i < FACES; i++)
    frame_add_roi(frame, "face", (guint)faces[i].x, (guint)faces[i].y, (guint)faces[i].w,
                  (guint)faces[i].h);
  return frame;
}

/* What each says, by the public engine alone. All of them differ: nothing is mixed up unseen. */
static void compute_references(const GstVideoInfo *info) {
  GstBuffer *frame = make_frame(info);
  for (guint k = 0; k < n_kinds; k++) {
    for (guint i = 0; i < FACES; i++)
      p_of[k][i] = reference_p_fake(paths[k], info, frame, &faces[i]);
    for (guint j = 0; j < k; j++)
      if (!(fabs(p_of[k][0] - p_of[j][0]) > 1e-5))
        fail_msg("%u and %u say the same: %f", k, j, p_of[k][0]);
  }
  gst_buffer_unref(frame);
}

typedef struct Stream {
  Rig rig;
  GstBuffer *frame;
  guint n;
} Stream;

/* One frame; which model evaluated it. */
static guint pass(Stream *stream) {
  const GstStructure *result;
  GstBuffer *frame = gst_buffer_copy(stream->frame);
  GST_BUFFER_PTS(frame) = stream->n++ * 40 * GST_MSECOND;
  GstBuffer *out = rig_frame(&stream->rig, frame, &result);
  const guint k = (guint)result_uint64(result, "model-generation");
  assert_true(k < n_kinds);
  assert_true(g_str_has_prefix(gst_structure_get_string(result, "model-id"), kinds[k].network));
  assert_int_equal(result_uint(result, "n-faces"), FACES);
  for (guint i = 0; i < FACES; i++) { /* largest first, as they are given */
    const double p = result_double(result_face(result, i), "p-fake");
    if (!(fabs(p - p_of[k][i]) < 1e-6))
      fail_msg("frame %u, face %u: %s (%u) said %.9f instead of %.9f", stream->n, i,
               kinds[k].network, k, p, p_of[k][i]);
  }
  gst_buffer_unref(out);
  return k;
}

static void pass_until(Stream *stream, guint from, guint to) {
  const gint64 start = g_get_monotonic_time();
  for (guint k; (k = pass(stream)) != to;) {
    assert_int_equal(k, from);
    if (g_get_monotonic_time() - start > PATIENCE)
      fail_msg("%u never followed %u", to, from);
  }
}

static void open_stream(Stream *stream, const char *path) {
  *stream = (Stream){0};
  rig_open(&stream->rig, path, CAPS, "roi-padding", "0", "smoothing", "0", "min-sharpness", "0",
           "heat-map", "true", NULL);
  compute_references(&stream->rig.info);
  stream->frame = make_frame(&stream->rig.info);
}

static void close_stream(Stream *stream, guint swaps) {
  assert_int_equal(rig_stat(&stream->rig, "model-swaps"), swaps);
  assert_int_equal(rig_stat(&stream->rig, "frames-in"), stream->n);
  assert_int_equal(rig_stat(&stream->rig, "inferred"), stream->n);
  assert_null(rig_message(&stream->rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  gst_buffer_unref(stream->frame);
  rig_close(&stream->rig);
}

/* Back and forth between two. */
static void any_network_follows_any_other(void **state) {
  (void)state;
  Stream stream;
  guint swaps = 0, current = 0;
  open_stream(&stream, paths[0]);
  assert_int_equal(pass(&stream), 0);
  for (guint row = 0; row < n_rows; row++) {
    for (guint j = 0; j < n_kinds; j++) {
      const guint pair[] = {5 * (row + 1) % n_kinds, j};
      for (guint s = 0; s < 2; s++) {
        if (pair[s] == current)
          continue;
        g_object_set(stream.rig.element, "model", paths[pair[s]], NULL);
        pass_until(&stream, current, pair[s]);
        current = pair[s];
        swaps++;
      }
    }
  }
  print_message("%u exchanges, %u frames, slowest exchange %u us\n", swaps, stream.n,
                (guint)rig_stat(&stream.rig, "max-swap-us"));
  close_stream(&stream, swaps);
}

/* The same by publishing, where a trainer does. */
static void any_network_is_published_over_any_other(void **state) {
  (void)state;
  Stream stream;
  char *path = support_path("published.safetensors");
  model_publish(paths[0], path);
  open_stream(&stream, path);
  pass(&stream);
  for (guint k = 1; k <= n_kinds; k++) {
    model_publish(paths[k % n_kinds], path);
    pass_until(&stream, k - 1, k % n_kinds);
  }
  close_stream(&stream, n_kinds);
  g_free(path);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_network_follows_any_other),
      cmocka_unit_test(any_network_is_published_over_any_other),
  };
  if (argc > 1)
    n_rows = (guint)strtoul(argv[1], NULL, 10);
  n_kinds = (guint)KINDS - (n_rows < 10);
  return cmocka_run_group_tests(tests, setup, teardown);
}
