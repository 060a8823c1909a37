/* SPDX-License-Identifier: MIT
 * E20: what is negotiated with downstream, at first and again: reconfiguration while frames flow,
 * allocation queries with and without a pool, pools that are small, idle or broken. */
#include "plugins.h"
#include "support.h"

#include <gst/video/gstvideoaffinetransformationmeta.h>
#include <gst/video/gstvideopool.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define MODEL 3
#define FRAMES 60

/* ---- A pool that cannot be used ------------------------------------------------------------- */

typedef GstBufferPool BrokenPool;
typedef GstBufferPoolClass BrokenPoolClass;
static GType broken_pool_get_type(void);
G_DEFINE_TYPE(BrokenPool, broken_pool, GST_TYPE_BUFFER_POOL)

static gboolean refuse_to_start(GstBufferPool *pool) {
  (void)pool;
  return FALSE;
}

static void broken_pool_class_init(BrokenPoolClass *klass) {
  klass->start = refuse_to_start;
}

static void broken_pool_init(BrokenPool *pool) {
  (void)pool;
}

/* ---- Downstream's answer -------------------------------------------------------------------- */

typedef enum Offer {
  OFFER_NOTHING,
  OFFER_SIZE,     /* numbers, but no pool */
  OFFER_POOL,     /* any number of buffers */
  OFFER_TWO,      /* two, never more */
  OFFER_ACTIVE,   /* configured and running already */
  OFFER_BROKEN,   /* cannot be started */
  OFFER_NO_ANSWER /* the query is refused */
} Offer;

typedef struct Downstream {
  Offer offer;
  GstBufferPool *pool; /* the last that was offered */
  guint asked;
} Downstream;

static GstBufferPool *make_pool(Offer offer, GstCaps *caps, guint size) {
  GstBufferPool *pool = offer == OFFER_BROKEN ? g_object_new(broken_pool_get_type(), NULL)
                                              : gst_video_buffer_pool_new();
  const guint n = offer == OFFER_TWO ? 2 : 0;
  GstStructure *config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, size, n, n);
  assert_true(gst_buffer_pool_set_config(pool, config));
  if (offer == OFFER_ACTIVE)
    assert_true(gst_buffer_pool_set_active(pool, TRUE));
  return pool;
}

static GstPadProbeReturn answer(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  Downstream *downstream = data;
  const Offer offer = downstream->offer;
  GstCaps *caps;
  GstVideoInfo video;
  (void)pad;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  downstream->asked++;
  if (offer == OFFER_NO_ANSWER)
    return GST_PAD_PROBE_DROP;
  gst_query_parse_allocation(query, &caps, NULL);
  assert_true(gst_video_info_from_caps(&video, caps));
  const guint size = (guint)video.size + 64; /* more than needed: told apart from a guess */
  if (offer >= OFFER_POOL) {
    GstBufferPool *pool = make_pool(offer, caps, size);
    gst_object_replace((GstObject **)&downstream->pool, (GstObject *)pool);
    gst_object_unref(pool);
  }
  if (offer != OFFER_NOTHING)
    gst_query_add_allocation_pool(query, downstream->pool, size, offer == OFFER_TWO ? 2 : 0,
                                  offer == OFFER_TWO ? 2 : 0);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
  return GST_PAD_PROBE_HANDLED;
}

static void forget(Downstream *downstream) {
  if (downstream->pool)
    gst_buffer_pool_set_active(downstream->pool, FALSE);
  gst_clear_object(&downstream->pool);
}

static void watch_queries(GstPad *pad, Downstream *downstream) {
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer, downstream, NULL);
}

/* ---- Upstream's view ------------------------------------------------------------------------ */

/* Upstream is told what downstream said, word for word. */
static void check_answer(Rig *rig, Downstream *downstream) {
  GstBufferPool *pool = NULL;
  guint size, least, most;
  GstCaps *caps = gst_pad_get_current_caps(rig->harness->srcpad);
  GstQuery *query = gst_query_new_allocation(caps, TRUE);
  const gboolean answered = gst_pad_peer_query(rig->harness->srcpad, query);
  if (downstream->offer != OFFER_NO_ANSWER) {
    const gboolean offers = downstream->offer != OFFER_NOTHING;
    assert_true(answered);
    assert_int_equal(gst_query_get_n_allocation_pools(query), offers);
    assert_true(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL));
    if (offers) {
      gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, &least, &most);
      assert_ptr_equal(pool, downstream->pool);
      assert_int_equal(size, GST_VIDEO_INFO_SIZE(&rig->info) + 64);
      assert_int_equal(least, downstream->offer == OFFER_TWO ? 2 : 0);
      assert_int_equal(most, least);
      gst_clear_object(&pool);
    }
  }
  gst_query_unref(query);
  gst_caps_unref(caps);
}

/* Whatever is offered, frames pass without a copy, shared ones too: what upstream made goes on, and
 * no pool is needed. */
static void allocation_is_between_the_neighbours(void **state) {
  (void)state;
  for (Offer offer = OFFER_NOTHING; offer <= OFFER_NO_ANSWER; offer++) {
    Downstream downstream = {.offer = offer};
    Rig rig;
    rig_open(&rig, support_model(MODEL), NULL, "inference-region", "full-frame", NULL);
    watch_queries(rig.harness->sinkpad, &downstream);
    rig_set_caps(&rig, CAPS);
    for (guint n = 0; n < 6; n++) {
      GstBuffer *frame = frame_new(&rig.info, 1, n);
      GstMemory *memory = gst_buffer_peek_memory(frame, 0);
      GstBuffer *shared = n % 2 ? gst_buffer_ref(frame) : NULL;
      GstBuffer *out = rig_frame(&rig, frame, NULL);
      assert_ptr_equal(gst_buffer_peek_memory(out, 0), memory);
      assert_non_null(cored_meta_get(out));
      gst_buffer_unref(out);
      gst_clear_buffer(&shared);
    }
    check_answer(&rig, &downstream);
    assert_null(rig_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    rig_close(&rig);
    forget(&downstream);
  }
}

/* ---- What is not passed on ------------------------------------------------------------------- */

static GstPadProbeReturn answer_metas(GstPad *pad, GstPadProbeInfo *info, gpointer pool) {
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  (void)pad;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_add_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta(query, GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE, NULL);
  gst_query_add_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_query_add_allocation_meta(query, GST_VIDEO_GL_TEXTURE_UPLOAD_META_API_TYPE, NULL);
  if (pool) {
    gst_query_add_allocation_pool(query, NULL, 1000, 2, 3);
    gst_query_add_allocation_pool(query, NULL, 2000, 0, 0);
  }
  return GST_PAD_PROBE_HANDLED;
}

static gboolean passes(GstQuery *query, GType api) {
  return gst_query_find_allocation_meta(query, api, NULL);
}

/* Metas that make another picture of the bytes stay here, and pools hear what is kept here. */
static void upstream_hears_what_holds_here(void **state) {
  (void)state;
  static const struct {
    const char *mode;
    guint kept; /* 200 ms are five frames; where time stands still 2 * (5 + 4) wait */
  } modes[] = {{"sync", 0}, {"latest", 2}, {"delay", 20}, {"auto", 2}};
  for (guint i = 0; i < 2 * G_N_ELEMENTS(modes); i++) {
    const guint kept = modes[i / 2].kept;
    const gboolean pools = i % 2;
    guint size, least, most;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "mode", modes[i / 2].mode, NULL);
    gst_pad_add_probe(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, answer_metas,
                      GINT_TO_POINTER(pools), NULL);
    GstCaps *caps = gst_pad_get_current_caps(rig.harness->srcpad);
    GstQuery *query = gst_query_new_allocation(caps, TRUE);
    assert_true(gst_pad_peer_query(rig.harness->srcpad, query));
    assert_true(passes(query, GST_VIDEO_META_API_TYPE));
    assert_true(passes(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE));
    assert_false(passes(query, GST_VIDEO_CROP_META_API_TYPE));
    assert_false(passes(query, GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE));
    assert_false(passes(query, GST_VIDEO_GL_TEXTURE_UPLOAD_META_API_TYPE));
    assert_int_equal(gst_query_get_n_allocation_pools(query), pools ? 2 : kept > 0);
    if (pools || kept > 0) {
      gst_query_parse_nth_allocation_pool(query, 0, NULL, &size, &least, &most);
      assert_int_equal(size, pools ? 1000 : GST_VIDEO_INFO_SIZE(&rig.info));
      assert_int_equal(least, (pools ? 2 : 0) + kept);
      assert_int_equal(most, pools ? 3 + kept : 0);
    }
    if (pools) {
      gst_query_parse_nth_allocation_pool(query, 1, NULL, &size, &least, &most);
      assert_true(size == 2000 && least == kept && most == 0);
    }
    gst_query_unref(query);
    gst_caps_unref(caps);
    rig_close(&rig);
  }
}

/* ---- Pipelines ------------------------------------------------------------------------------ */

typedef struct Pipe {
  GstElement *pipeline, *detector;
  GstPad *sink; /* of the last element */
  guint frames, evaluated;
  guint width;       /* of the last frame, by its result */
  guint reconfigure; /* ask for it at every n-th frame */
} Pipe;

static GstPadProbeReturn count(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Pipe *pipe = data;
  const GstStructure *result = cored_meta_get(GST_PAD_PROBE_INFO_BUFFER(info));
  if (result) {
    pipe->evaluated++;
    pipe->width = result_uint(result, "frame-width");
  }
  if (++pipe->frames % 3 == 0 && pipe->reconfigure)
    gst_pad_push_event(pad, gst_event_new_reconfigure());
  return GST_PAD_PROBE_OK;
}

static void open_pipe(Pipe *pipe, const char *between) {
  char *description =
      g_strdup_printf("videotestsrc num-buffers=%d ! %s ! coreddetect name=det threads=1 "
                      "inference-region=full-frame ! fakesink name=sink sync=false",
                      FRAMES, between);
  *pipe = (Pipe){.pipeline = gst_parse_launch(description, NULL)};
  assert_non_null(pipe->pipeline);
  pipe->detector = gst_bin_get_by_name(GST_BIN(pipe->pipeline), "det");
  g_object_set(pipe->detector, "model", support_model(MODEL), NULL);
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipe->pipeline), "sink");
  pipe->sink = gst_element_get_static_pad(sink, "sink");
  gst_object_unref(sink);
  gst_pad_add_probe(pipe->sink, GST_PAD_PROBE_TYPE_BUFFER, count, pipe, NULL);
  g_free(description);
}

/* Plays to the end; the type of the message that ended it. */
static GstMessageType play(Pipe *pipe) {
  GstBus *bus = gst_element_get_bus(pipe->pipeline);
  gst_element_set_state(pipe->pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  assert_non_null(message);
  const GstMessageType type = GST_MESSAGE_TYPE(message);
  gst_message_unref(message);
  gst_element_set_state(pipe->pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  return type;
}

static void close_pipe(Pipe *pipe) {
  gst_object_unref(pipe->sink);
  gst_object_unref(pipe->detector);
  gst_object_unref(pipe->pipeline);
}

/* The source allocates from what it is offered, through the element; two buffers are enough. */
static void sources_use_the_pool_offered(void **state) {
  (void)state;
  for (Offer offer = OFFER_NOTHING; offer <= OFFER_NO_ANSWER; offer++) {
    Downstream downstream = {.offer = offer};
    Pipe pipe;
    if (offer ==
        OFFER_ACTIVE) /* one pool for two queries: the second finds it in use, as in life */
      continue;
    open_pipe(&pipe, CAPS);
    watch_queries(pipe.sink, &downstream);
    assert_int_equal(play(&pipe), offer == OFFER_BROKEN ? GST_MESSAGE_ERROR : GST_MESSAGE_EOS);
    assert_true(downstream.asked > 0);
    assert_int_equal(pipe.frames, offer == OFFER_BROKEN ? 0 : FRAMES);
    assert_int_equal(pipe.evaluated, pipe.frames);
    close_pipe(&pipe);
    forget(&downstream);
  }
}

/* RECONFIGURE again and again: everything is asked anew, no frame is lost or evaluated afresh. */
static void reconfiguration_loses_nothing(void **state) {
  (void)state;
  Downstream downstream = {.offer = OFFER_TWO};
  Pipe pipe;
  open_pipe(&pipe, CAPS);
  watch_queries(pipe.sink, &downstream);
  pipe.reconfigure = 3;
  assert_int_equal(play(&pipe), GST_MESSAGE_EOS);
  assert_int_equal(pipe.frames, FRAMES);
  assert_int_equal(pipe.evaluated, FRAMES);
  assert_true(downstream.asked > FRAMES / 3);
  close_pipe(&pipe);
  forget(&downstream);
}

static GstPadProbeReturn shrink(GstPad *pad, GstPadProbeInfo *info, gpointer filter) {
  (void)pad;
  (void)info;
  GstCaps *caps = gst_caps_from_string("video/x-raw,format=NV12,width=64,height=48");
  g_object_set(filter, "caps", caps, NULL);
  gst_caps_unref(caps);
  return GST_PAD_PROBE_REMOVE;
}

/* Another size and format asked for by downstream, through the element, in the middle. */
static void downstream_asks_for_other_caps(void **state) {
  (void)state;
  Pipe pipe;
  char *description = g_strdup_printf(
      "videotestsrc num-buffers=%d ! coreddetect name=det threads=1 "
      "inference-region=full-frame ! capsfilter name=filter caps=" CAPS " ! fakesink name=sink",
      FRAMES);
  pipe = (Pipe){.pipeline = gst_parse_launch(description, NULL)};
  pipe.detector = gst_bin_get_by_name(GST_BIN(pipe.pipeline), "det");
  g_object_set(pipe.detector, "model", support_model(MODEL), NULL);
  GstElement *filter = gst_bin_get_by_name(GST_BIN(pipe.pipeline), "filter");
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipe.pipeline), "sink");
  pipe.sink = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(pipe.sink, GST_PAD_PROBE_TYPE_BUFFER, count, &pipe, NULL);
  gst_pad_add_probe(pipe.sink, GST_PAD_PROBE_TYPE_BUFFER, shrink, filter, NULL);
  assert_int_equal(play(&pipe), GST_MESSAGE_EOS);
  assert_int_equal(pipe.frames, FRAMES);
  assert_int_equal(pipe.evaluated, FRAMES);
  assert_int_equal(pipe.width, 64);
  gst_object_unref(filter);
  gst_object_unref(sink);
  close_pipe(&pipe);
  g_free(description);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(allocation_is_between_the_neighbours),
      cmocka_unit_test(upstream_hears_what_holds_here),
      cmocka_unit_test(sources_use_the_pool_offered),
      cmocka_unit_test(reconfiguration_loses_nothing),
      cmocka_unit_test(downstream_asks_for_other_caps),
  };
  static const char *const plugins[] = {"coreelements", "videotestsrc"};
  plugins_only(plugins, G_N_ELEMENTS(plugins));
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
