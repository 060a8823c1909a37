/* SPDX-License-Identifier: MIT
 * Caps, buffers and regions, in front of both elements. An input is a sequence of decisions: how
 * the detector is set, then steps of which each is new caps, a frame (its size in memory, strides,
 * regions, time stamps, flags) or an event. Every frame that goes in comes out or is answered
 * with an error; no frame is changed by the detector. */
#include "element-rig.h"
#include "fuzz.h"
#include "gstcoredmeta.h"

enum { MAX_STEPS = 12, MAX_SIDE = 96 };

typedef struct Rig {
  GstHarness *harness;
  GstElement *detector;
  GstVideoInfo info;
  gboolean has_caps;
} Rig;

static const char *model(void) {
  static char *path;
  if (!path) {
    path = element_rig_path("element.safetensors");
    element_rig_save(path, 1);
  }
  return path;
}

static void open_rig(Rig *rig, FuzzInput *in) {
  static const char *const modes[] = {"sync", "latest", "delay"};
  static const char *const regions[] = {"auto", "full-frame", "roi-list"};
  const unsigned how = fuzz_byte(in), more = fuzz_byte(in);
  GstElement *const bin = gst_bin_new(NULL);
  rig->detector = gst_element_factory_make("coreddetect", NULL);
  GstElement *last = rig->detector;
  fuzz_expect(rig->detector != NULL);
  g_object_set(rig->detector, "model", model(), "threads", 1, "delay", (guint64)80 * GST_MSECOND,
               "min-object-size", more & 15, "heat-map", (how & 16) != 0, "metadata", more >> 4 & 3,
               "max-objects", 1 + (more >> 6) * 20, NULL);
  gst_util_set_object_arg(G_OBJECT(rig->detector), "mode", modes[how % 3]);
  gst_util_set_object_arg(G_OBJECT(rig->detector), "inference-region", regions[how / 3 % 3]);
  gst_util_set_object_arg(G_OBJECT(rig->detector), "face-detector", how & 32 ? "none" : "cascade");
  gst_bin_add(GST_BIN(bin), rig->detector);
  if (how & 64 && gst_element_factory_find("coredoverlay")) {
    last = gst_element_factory_make("coredoverlay", NULL);
    gst_bin_add(GST_BIN(bin), last);
    gst_element_link(rig->detector, last);
  }
  GstPad *const sink = gst_element_get_static_pad(rig->detector, "sink"),
                *const src = gst_element_get_static_pad(last, "src");
  gst_element_add_pad(bin, gst_ghost_pad_new("sink", sink));
  gst_element_add_pad(bin, gst_ghost_pad_new("src", src));
  gst_object_unref(sink);
  gst_object_unref(src);
  rig->harness = gst_harness_new_with_element(bin, "sink", "src");
  gst_object_unref(bin);
}

static void set_caps(Rig *rig, FuzzInput *in) {
  static const GstVideoFormat formats[] = {
      GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_NV12,      GST_VIDEO_FORMAT_YUY2,
      GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_BGRx,      GST_VIDEO_FORMAT_GRAY8,
      GST_VIDEO_FORMAT_Y444, GST_VIDEO_FORMAT_I420_10LE, GST_VIDEO_FORMAT_P010_10LE};
  static const char *const colours[] = {NULL,      "bt601", "bt709",  "1:0:0:0",
                                        "2:6:1:4", "sRGB",  "0:0:0:0"};
  static const char *const sites[] = {NULL, "mpeg2", "jpeg", "cosited", "alt-line"};
  const GstVideoFormat format = formats[fuzz_byte(in) % G_N_ELEMENTS(formats)];
  const guint width = 1 + fuzz_byte(in) % MAX_SIDE, height = 1 + fuzz_byte(in) % MAX_SIDE;
  const unsigned kind = fuzz_byte(in), par = fuzz_byte(in);
  if (!gst_video_info_set_format(&rig->info, format, width, height))
    return;
  rig->info.fps_n = (int)(kind & 3) * 15;
  rig->info.fps_d = 1;
  rig->info.par_n = 1 + (int)(par & 15);
  rig->info.par_d = 1 + (int)(par >> 4);
  if (kind & 4)
    rig->info.interlace_mode = GST_VIDEO_INTERLACE_MODE_INTERLEAVED;
  GstCaps *const caps = gst_video_info_to_caps(&rig->info);
  const char *const colour = colours[kind / 8 % G_N_ELEMENTS(colours)];
  const char *const site = sites[kind / 64 % G_N_ELEMENTS(sites)];
  if (colour)
    gst_caps_set_simple(caps, "colorimetry", G_TYPE_STRING, colour, NULL);
  if (site)
    gst_caps_set_simple(caps, "chroma-site", G_TYPE_STRING, site, NULL);
  const gboolean first = !rig->has_caps;
  GstSegment segment;
  if (first)
    gst_pad_push_event(rig->harness->srcpad, gst_event_new_stream_start("fuzz"));
  rig->has_caps = gst_video_info_from_caps(&rig->info, caps) &&
                  gst_pad_push_event(rig->harness->srcpad, gst_event_new_caps(caps));
  gst_segment_init(&segment, GST_FORMAT_TIME);
  if (first)
    gst_pad_push_event(rig->harness->srcpad, gst_event_new_segment(&segment));
  gst_caps_unref(caps);
}

/* A description of the frame that need not be true. */
static void add_video_meta(Rig *rig, GstBuffer *buffer, FuzzInput *in) {
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];
  memcpy(offset, rig->info.offset, sizeof offset);
  memcpy(stride, rig->info.stride, sizeof stride);
  const unsigned plane = fuzz_byte(in) % GST_VIDEO_INFO_N_PLANES(&rig->info);
  stride[plane] += (gint)(gint8)fuzz_byte(in);
  offset[plane] += fuzz_u16(in);
  gst_buffer_add_video_meta_full(
      buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&rig->info), rig->info.width,
      rig->info.height, GST_VIDEO_INFO_N_PLANES(&rig->info), offset, stride);
}

static void add_regions(GstBuffer *buffer, FuzzInput *in) {
  static const char *const types[] = {"face", "person", "", "face"};
  for (unsigned n = fuzz_byte(in) % 70; n > 0; n--) {
    const unsigned kind = fuzz_byte(in), wide = kind & 4 ? 0xffff0000u : 0;
    const guint x = fuzz_byte(in) | wide, y = fuzz_byte(in), w = fuzz_byte(in) | (wide << 1),
                h = fuzz_byte(in);
    gst_buffer_add_video_region_of_interest_meta(buffer, types[kind & 3], x, y, w, h);
  }
}

static void push_frame(Rig *rig, FuzzInput *in) {
  const unsigned kind = fuzz_byte(in);
  gsize size = GST_VIDEO_INFO_SIZE(&rig->info);
  if (kind & 1)
    size = size * fuzz_byte(in) / 128;
  GstBuffer *const buffer = gst_buffer_new_allocate(NULL, size, NULL);
  gst_buffer_memset(buffer, 0, (guint8)kind, size);
  if (kind & 2)
    add_video_meta(rig, buffer, in);
  if (kind & 4)
    add_regions(buffer, in);
  if (!(kind & 8))
    GST_BUFFER_PTS(buffer) = (GstClockTime)fuzz_u16(in) << (fuzz_byte(in) % 48);
  if (kind & 16)
    GST_BUFFER_DURATION(buffer) = (GstClockTime)fuzz_u16(in) << (fuzz_byte(in) % 48);
  if (kind & 32)
    GST_BUFFER_FLAG_SET(buffer, fuzz_u16(in) << 4);
  if (kind & 64) {
    GstVideoCropMeta *const crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = fuzz_byte(in);
    crop->y = fuzz_byte(in);
    crop->width = fuzz_byte(in);
    crop->height = fuzz_byte(in);
  }
  gst_harness_push(rig->harness, buffer);
}

static void push_event(Rig *rig, FuzzInput *in) {
  GstSegment segment;
  const unsigned kind = fuzz_byte(in);
  GstEvent *event = NULL;
  switch (kind % 6) {
  case 0:
    event = gst_event_new_flush_start();
    break;
  case 1:
    event = gst_event_new_flush_stop(kind & 64);
    break;
  case 2:
    gst_segment_init(&segment, kind & 64 ? GST_FORMAT_BYTES : GST_FORMAT_TIME);
    segment.start = fuzz_u16(in) * GST_MSECOND;
    segment.rate = kind & 128 ? -1.0 : 1.0;
    event = gst_event_new_segment(&segment);
    break;
  case 3:
    event = gst_event_new_gap(fuzz_u16(in) * GST_MSECOND, GST_MSECOND);
    break;
  case 4:
    event = gst_event_new_eos();
    break;
  case 5:
    event = gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                                 gst_structure_new("cored/update-model", "path", G_TYPE_STRING,
                                                   kind & 64 ? model() : "/nowhere", NULL));
    break;
  }
  gst_harness_push_event(rig->harness, event);
}

static void take_frames(Rig *rig) {
  for (GstBuffer *out; (out = gst_harness_try_pull(rig->harness));) {
    const GstStructure *const result = cored_meta_get(out);
    guint faces = 0;
    fuzz_expect(!result || gst_structure_get_uint(result, "n-faces", &faces));
    fuzz_expect(faces <= 64);
    gst_buffer_unref(out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  Rig rig = {0};
  element_rig_init();
  open_rig(&rig, &in);
  set_caps(&rig, &in);
  for (int step = 0; step < MAX_STEPS && in.size > 0; step++) {
    const unsigned what = fuzz_byte(&in) % 8;
    if (what == 0)
      set_caps(&rig, &in);
    else if (what == 1)
      push_event(&rig, &in);
    else if (rig.has_caps)
      push_frame(&rig, &in);
    take_frames(&rig);
  }
  gst_harness_push_event(rig.harness, gst_event_new_flush_start());
  take_frames(&rig);
  gst_harness_teardown(rig.harness);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\41\0\0\77\57\2\0\2\0\50\0\24\2\0\120\0\24"),
      FUZZ_SEED("\142\60\3\37\37\6\41\2\4\2\0\4\4\20\20\0\0\10\10\2\0\24\2\0\120\0\24"),
      FUZZ_SEED("\140\60\4\77\77\1\0\2\6\1\200\20\0\3\0\1\1\50\50\0\0\24\1\2\12\0\2\10\1\4"),
      FUZZ_SEED("\43\60\6\57\57\105\22\2\110\0\2\20\1\0\10\2\111\100\1\0\1\1\2\10"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
