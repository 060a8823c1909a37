/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <glib/gstdio.h>
#include <string.h>

#define MAX_MODELS 8

static void close_reference(void);

static char *folder;
static struct {
  guint64 seed;
  char *path;
} models[MAX_MODELS];

int support_setup(void **state) {
  (void)state;
  gst_init(NULL, NULL);
  folder = g_dir_make_tmp("cored-test-XXXXXX", NULL);
  return folder ? 0 : -1;
}

static void remove_folder(const char *path) {
  GDir *dir = g_dir_open(path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    char *file = g_build_filename(path, name, NULL);
    if (g_file_test(file, G_FILE_TEST_IS_DIR))
      remove_folder(file);
    else
      g_remove(file);
    g_free(file);
  }
  if (dir)
    g_dir_close(dir);
  g_rmdir(path);
}

int support_teardown(void **state) {
  (void)state;
  for (guint i = 0; i < MAX_MODELS; i++)
    g_clear_pointer(&models[i].path, g_free);
  close_reference();
  remove_folder(folder);
  g_clear_pointer(&folder, g_free);
  return 0;
}

char *support_path(const char *name) {
  return g_build_filename(folder, name, NULL);
}

const char *support_model(guint64 seed) {
  guint i = 0;
  for (; i < MAX_MODELS && models[i].path; i++) {
    if (models[i].seed == seed)
      return models[i].path;
  }
  assert_true(i < MAX_MODELS);
  CoredError error;
  CoredModelInfo info;
  assert_true(cored_model_info_init(&info, "cored-compact", 2, &error));
  info.generation = seed;
  info.input_width = info.input_height = 32; /* cheap */
  info.temperature = 10.0;                   /* keeps random logits away from 0 and 1 */
  CoredModel *model = cored_model_new_random(&info, seed, &error);
  assert_non_null(model);
  char name[32];
  g_snprintf(name, sizeof name, "model-%u.safetensors", (guint)seed);
  models[i].seed = seed;
  models[i].path = support_path(name);
  if (!cored_model_save(model, models[i].path, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
  return models[i].path;
}

/* ---- Rig ------------------------------------------------------------------------------------ */

void rig_set_caps(Rig *rig, const char *caps) {
  GstCaps *parsed = gst_caps_from_string(caps);
  assert_true(gst_video_info_from_caps(&rig->info, parsed));
  gst_harness_set_src_caps(rig->harness, parsed);
}

void rig_open(Rig *rig, const char *model, const char *caps, ...) {
  va_list settings;
  rig->element = gst_element_factory_make("coreddetect", NULL);
  assert_non_null(rig->element);
  g_object_set(rig->element, "model", model, "threads", 1, NULL);
  gst_util_set_object_arg(G_OBJECT(rig->element), "mode", "sync"); /* a harness is live */
  va_start(settings, caps);
  for (const char *name; (name = va_arg(settings, const char *));)
    gst_util_set_object_arg(G_OBJECT(rig->element), name, va_arg(settings, const char *));
  va_end(settings);
  rig->bus = gst_bus_new();
  gst_element_set_bus(rig->element, rig->bus);
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  if (caps)
    rig_set_caps(rig, caps);
}

void rig_close(Rig *rig) {
  gst_harness_teardown(rig->harness);
  gst_object_unref(rig->element);
  gst_bus_set_flushing(rig->bus, TRUE);
  gst_object_unref(rig->bus);
}

GstMessage *rig_message(Rig *rig, GstMessageType types) {
  return gst_bus_pop_filtered(rig->bus, types);
}

void rig_drop_messages(Rig *rig) {
  GstMessage *message;
  while ((message = gst_bus_pop(rig->bus)))
    gst_message_unref(message);
}

GstBuffer *rig_frame(Rig *rig, GstBuffer *frame, const GstStructure **result) {
  GstBuffer *out = gst_harness_push_and_pull(rig->harness, frame);
  assert_non_null(out);
  if (result)
    *result = cored_meta_get(out);
  return out;
}

guint64 rig_stat(Rig *rig, const char *name) {
  GstStructure *stats;
  guint64 value;
  g_object_get(rig->element, "stats", &stats, NULL);
  if (!gst_structure_get_uint64(stats, name, &value))
    fail_msg("no '%s' in stats", name);
  gst_structure_free(stats);
  return value;
}

void rig_wait_for(Rig *rig, const char *name, guint64 value) {
  for (guint i = 0; rig_stat(rig, name) < value; i++) {
    if (i == 20000)
      fail_msg("%s did not reach %" G_GUINT64_FORMAT, name, value);
    g_usleep(1000);
  }
}

void rig_finish(Rig *rig) {
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
}

guint64 rig_skipped(Rig *rig) {
  static const char *const names[] = {"skipped-interval", "skipped-no-model", "skipped-no-signal",
                                      "skipped-fps",      "skipped-busy",     "skipped-qos",
                                      "skipped-flush"};
  guint64 sum = 0;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    sum += rig_stat(rig, names[i]);
  return sum;
}

/* ---- Frames --------------------------------------------------------------------------------- */

/* Waves and a little noise: different crops, colours and sizes give different network input. */
static guint8 sample(guint seed, guint component, guint x, guint y) {
  const guint hash = (x * 73856093u) ^ (y * 19349663u) ^ (seed * 83492791u) ^ (component * 2971u);
  const guint wave = ((x * (3 + component) + seed * 29) ^ (y * (5 + seed % 7))) & 0x7f;
  return (guint8)(32 + wave + (hash >> 13) % 64);
}

/* Planes of padded frames may start at odd addresses. */
static void put_le16(guint8 *at, guint value) {
  at[0] = (guint8)value;
  at[1] = (guint8)(value >> 8);
}

static void paint(GstVideoFrame *frame, guint seed) {
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(frame); c++) {
    const gint width = GST_VIDEO_FRAME_COMP_WIDTH(frame, c);
    const gint height = GST_VIDEO_FRAME_COMP_HEIGHT(frame, c);
    const gint step = GST_VIDEO_FRAME_COMP_PSTRIDE(frame, c);
    const gint depth = GST_VIDEO_FRAME_COMP_DEPTH(frame, c);
    const gint shift = GST_VIDEO_FORMAT_INFO_SHIFT(frame->info.finfo, c);
    for (gint y = 0; y < height; y++) {
      guint8 *row = (guint8 *)GST_VIDEO_FRAME_COMP_DATA(frame, c) +
                    (gsize)y * (gsize)GST_VIDEO_FRAME_COMP_STRIDE(frame, c);
      for (gint x = 0; x < width; x++) {
        const guint value = sample(seed, c, (guint)x, (guint)y);
        if (depth > 8)
          put_le16(row + x * step, (value << (depth - 8)) << shift);
        else
          row[x * step] = (guint8)value;
      }
    }
  }
}

static void stamp(GstBuffer *frame, guint number) {
  GST_BUFFER_PTS(frame) = number * 40 * GST_MSECOND;
  GST_BUFFER_DURATION(frame) = 40 * GST_MSECOND;
}

GstBuffer *frame_new(const GstVideoInfo *info, guint seed, guint number) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(info), NULL);
  GstVideoFrame frame;
  gst_buffer_memset(buffer, 0, 0, GST_VIDEO_INFO_SIZE(info));
  assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_WRITE));
  paint(&frame, seed);
  gst_video_frame_unmap(&frame);
  stamp(buffer, number);
  return buffer;
}

GstBuffer *frame_new_padded(const GstVideoInfo *info, guint seed, guint number, guint pad) {
  gsize offset[GST_VIDEO_MAX_PLANES] = {0};
  gint stride[GST_VIDEO_MAX_PLANES] = {0};
  gsize size = pad;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES(info); i++) {
    stride[i] = GST_VIDEO_INFO_PLANE_STRIDE(info, i) + (gint)pad;
    offset[i] = size;
    /* As many rows as luma has: enough for any plane. */
    size += (gsize)stride[i] * (gsize)GST_ROUND_UP_2(GST_VIDEO_INFO_HEIGHT(info)) + pad;
  }
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
  GstVideoFrame frame;
  gst_buffer_memset(buffer, 0, 0xa5, size);
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(info),
                                 (guint)GST_VIDEO_INFO_WIDTH(info),
                                 (guint)GST_VIDEO_INFO_HEIGHT(info), GST_VIDEO_INFO_N_PLANES(info),
                                 offset, stride);
  assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_WRITE));
  paint(&frame, seed);
  gst_video_frame_unmap(&frame);
  stamp(buffer, number);
  return buffer;
}

void frame_add_roi(GstBuffer *frame, const char *type, guint x, guint y, guint w, guint h) {
  gst_buffer_add_video_region_of_interest_meta(frame, type, x, y, w, h);
}

/* ---- The independent way -------------------------------------------------------------------- */

static CoredPixelFormat engine_format(GstVideoFormat format) {
  static const char *const names[CORED_N_PIXEL_FORMATS] = {
      [CORED_PIXEL_I420] = "I420",
      [CORED_PIXEL_YV12] = "YV12",
      [CORED_PIXEL_NV12] = "NV12",
      [CORED_PIXEL_NV21] = "NV21",
      [CORED_PIXEL_Y42B] = "Y42B",
      [CORED_PIXEL_Y444] = "Y444",
      [CORED_PIXEL_YUY2] = "YUY2",
      [CORED_PIXEL_UYVY] = "UYVY",
      [CORED_PIXEL_RGB] = "RGB",
      [CORED_PIXEL_BGR] = "BGR",
      [CORED_PIXEL_RGBX] = "RGBx",
      [CORED_PIXEL_BGRX] = "BGRx",
      [CORED_PIXEL_XRGB] = "xRGB",
      [CORED_PIXEL_XBGR] = "xBGR",
      [CORED_PIXEL_GRAY8] = "GRAY8",
      [CORED_PIXEL_I420_10LE] = "I420_10LE",
      [CORED_PIXEL_P010_10LE] = "P010_10LE",
  };
  char *wanted = g_strdup(gst_video_format_to_string(format));
  if (strchr(wanted, 'A')) /* an alpha channel is a byte that is not looked at */
    wanted = g_strdelimit(wanted, "A", 'x');
  for (guint i = 0; i < CORED_N_PIXEL_FORMATS; i++) {
    if (g_str_equal(names[i], wanted) ||
        g_str_equal(names[i], gst_video_format_to_string(format))) {
      g_free(wanted);
      return (CoredPixelFormat)i;
    }
  }
  fail_msg("no engine format for %s", wanted);
  return CORED_N_PIXEL_FORMATS;
}

static struct { /* of the model asked for last */
  char *path;
  CoredModel *model;
  CoredSession *session;
  CoredPreprocessor *preprocessor;
} reference;

static void close_reference(void) {
  cored_preprocessor_free(reference.preprocessor);
  cored_session_free(reference.session);
  cored_model_unref(reference.model);
  g_free(reference.path);
  memset(&reference, 0, sizeof reference);
}

static void open_reference(const char *path) {
  CoredError error;
  const CoredSessionParams params = {.max_batch = 1, .threads = 1};
  if (g_strcmp0(reference.path, path) == 0)
    return;
  close_reference();
  reference.path = g_strdup(path);
  reference.model = cored_model_load(path, NULL, &error);
  assert_non_null(reference.model);
  const CoredModelInfo *info = cored_model_info(reference.model);
  CoredPlan *plan = cored_plan_new(reference.model, NULL, &error);
  reference.session = cored_session_new(plan, &params, &error);
  reference.preprocessor = cored_preprocessor_new(info->input_width, info->input_height, info->mean,
                                                  info->std, cored_cpu_flags(), &error);
  assert_true(reference.session && reference.preprocessor);
  cored_plan_unref(plan);
}

double reference_p_fake(const char *model_path, const GstVideoInfo *info, GstBuffer *buffer,
                        const CoredBox *box) {
  return reference_p_fake_sited(model_path, info, buffer, box, CORED_CHROMA_LEFT);
}

double reference_p_fake_sited(const char *model_path, const GstVideoInfo *info, GstBuffer *buffer,
                              const CoredBox *box, CoredChromaSite site) {
  const CoredCropArea area = {.box = *box};
  return reference_p_fake_area(model_path, info, buffer, &area, site);
}

double reference_p_fake_area(const char *model_path, const GstVideoInfo *info, GstBuffer *buffer,
                             const CoredCropArea *area, CoredChromaSite site) {
  CoredError error;
  GstVideoFrame frame;
  assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_READ));
  CoredImage image = {.format = engine_format(GST_VIDEO_INFO_FORMAT(info)),
                      .width = GST_VIDEO_INFO_WIDTH(info),
                      .height = GST_VIDEO_INFO_HEIGHT(info)};
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame) && i < 3; i++) {
    image.plane[i] = frame.data[i];
    image.stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, i);
  }
  image.matrix = info->colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT2020  ? CORED_MATRIX_BT2020
                 : info->colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT709 ? CORED_MATRIX_BT709
                                                                            : CORED_MATRIX_BT601;
  image.chroma_site = site;
  image.range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? CORED_RANGE_FULL
                                                                       : CORED_RANGE_LIMITED;

  open_reference(model_path);
  if (!cored_preprocessor_run_area(reference.preprocessor, &image, area,
                                   cored_session_input(reference.session), &error))
    fail_msg("%s", error.message);
  CoredOutput output;
  cored_session_run(reference.session, cored_session_input(reference.session), 1, &output);
  gst_video_frame_unmap(&frame);
  return cored_p_fake(cored_model_info(reference.model), output.logits);
}

/* ---- Results -------------------------------------------------------------------------------- */

double result_double(const GstStructure *result, const char *field) {
  double value = -1.0;
  if (!result || !gst_structure_get_double(result, field, &value))
    fail_msg("no double '%s' in the result", field);
  return value;
}

guint result_uint(const GstStructure *result, const char *field) {
  guint value = 0;
  if (!result || !gst_structure_get_uint(result, field, &value))
    fail_msg("no uint '%s' in the result", field);
  return value;
}

guint64 result_uint64(const GstStructure *result, const char *field) {
  guint64 value = 0;
  if (!result || !gst_structure_get_uint64(result, field, &value))
    fail_msg("no uint64 '%s' in the result", field);
  return value;
}

gboolean result_inferred(const GstStructure *result) {
  gboolean inferred = FALSE;
  assert_true(gst_structure_get_boolean(result, "inferred", &inferred));
  return inferred;
}

const GstStructure *result_face(const GstStructure *result, guint index) {
  const GValue *faces = result ? gst_structure_get_value(result, "faces") : NULL;
  if (!faces || index >= gst_value_array_get_size(faces))
    fail_msg("no face %u in the result", index);
  return gst_value_get_structure(gst_value_array_get_value(faces, index));
}
