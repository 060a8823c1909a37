/* SPDX-License-Identifier: MIT
 * Boxes and probabilities on the picture, encoded to an MP4 that gets its name when it is whole. */
#include "tools/scan/annotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define PART_NAME ".cored-XXXXXX.part" /* short, however long the name that it will get */

static const char *find_encoder(void) {
  static const struct {
    const char *factory, *chain;
  } encoders[] = {
      {"x264enc", "x264enc pass=qual quantizer=21 speed-preset=veryfast ! h264parse"},
      {"openh264enc", "openh264enc bitrate=4000000 ! h264parse"},
      {"avenc_mpeg4", "avenc_mpeg4 bitrate=4000000 ! mpeg4videoparse"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(encoders); i++) {
    GstElementFactory *factory = gst_element_factory_find(encoders[i].factory);
    if (factory) {
      gst_object_unref(factory);
      return encoders[i].chain;
    }
  }
  return NULL;
}

/* 4:2:0 encoders want even sizes: an odd last row or column goes. */
static GstPadProbeReturn crop_to_even(GstPad *pad, GstPadProbeInfo *info, gpointer crop) {
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  GstCaps *caps;
  int width, height;
  (void)pad;
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps(event, &caps);
  GstStructure *structure = gst_caps_get_structure(caps, 0);
  if (gst_structure_get_int(structure, "width", &width) &&
      gst_structure_get_int(structure, "height", &height))
    g_object_set(crop, "right", width % 2, "bottom", height % 2, NULL);
  return GST_PAD_PROBE_OK;
}

char *scan_annotate_part(const char *path, GError **error) {
  char *folder = g_path_get_dirname(path);
  char *part = g_build_filename(folder, PART_NAME, NULL);
  const int file = g_mkstemp_full(part, O_WRONLY | O_CLOEXEC, 0666);
  g_free(folder);
  if (file >= 0) {
    close(file);
    return part;
  }
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot write beside %s: %s",
              path, g_strerror(errno));
  g_free(part);
  return NULL;
}

GstElement *scan_annotate_new(const char *part, GError **error) {
  const char *encoder = find_encoder();
  if (!encoder) {
    g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
                "--annotate needs an encoder: x264enc, openh264enc or avenc_mpeg4");
    return NULL;
  }
  char *launch = g_strdup_printf("coredoverlay name=draw composition=blend ! videocrop name=even ! "
                                 "videoconvert ! video/x-raw,format=I420 ! "
                                 "%s ! mp4mux ! filesink name=file async=false",
                                 encoder);
  GstElement *bin = gst_parse_bin_from_description(launch, TRUE, error);
  g_free(launch);
  if (!bin)
    return NULL;
  GstElement *overlay = gst_bin_get_by_name(GST_BIN(bin), "draw");
  GstElement *crop = gst_bin_get_by_name(GST_BIN(bin), "even");
  GstElement *file = gst_bin_get_by_name(GST_BIN(bin), "file");
  GstPad *pad = gst_element_get_static_pad(overlay, "sink");
  g_object_set(file, "location", part, NULL);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, crop_to_even, crop, NULL);
  gst_object_unref(pad);
  gst_object_unref(file);
  gst_object_unref(crop);
  gst_object_unref(overlay);
  return bin;
}

static gboolean flush_to_disk(const char *path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const gboolean fine = file >= 0 && fsync(file) == 0;
  const int failed = errno;
  if (file >= 0)
    close(file);
  errno = failed;
  return fine;
}

/* Without `overwrite` not even a file that came there while the video was made is replaced. An
 * empty one is nothing to lose. */
static gboolean give_name(const char *part, const char *path, gboolean overwrite) {
  struct stat info;
  if (!overwrite && link(part, path) == 0)
    return unlink(part) == 0;
  if (!overwrite && errno == EEXIST && lstat(path, &info) == 0 &&
      !(S_ISREG(info.st_mode) && info.st_size == 0)) {
    errno = EEXIST;
    return FALSE;
  }
  return rename(part, path) == 0; /* also where the file system knows no links */
}

gboolean scan_annotate_finish(const char *part, const char *path, gboolean overwrite,
                              GError **error) {
  if (path && flush_to_disk(part) && give_name(part, path, overwrite))
    return TRUE;
  const int failed = errno;
  unlink(part);
  if (path)
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(failed), "cannot write %s: %s", path,
                g_strerror(failed));
  return !path;
}
