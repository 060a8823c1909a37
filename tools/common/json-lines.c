/* SPDX-License-Identifier: MIT
 * JSON lines for programs. Jansson writes numbers with a point whatever
 * the locale; a line that is looked at in a terminal does it no harm. Every line is flushed, so
 * that a reader may follow the file and a kill leaves it whole up to the last line. */
#include "tools/common/json-lines.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct CoredJsonLines {
  FILE *file;
  int error; /* errno of the first failed write */
};

/* In place of the name: what a symbolic link of that name leads to is not written to. */
static FILE *open_instead(const char *path, GError **error) {
  CoredError reason = {0};
  const int fd = cored_file_create(path, 0666, &reason);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file)
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot write %s", reason.message);
  if (!file && fd >= 0)
    close(fd);
  return file;
}

/* An empty file, and what is no file (a pipe, a device), may be written to. */
static FILE *open_new(const char *path) {
  struct stat info;
  FILE *file = fopen(path, "wxe");
  if (file || errno != EEXIST)
    return file;
  if (stat(path, &info) != 0)
    return NULL;
  if (S_ISREG(info.st_mode) && info.st_size > 0) {
    errno = EEXIST;
    return NULL;
  }
  return fopen(path, "we");
}

CoredJsonLines *cored_json_lines_open(const char *path, CoredJsonMode mode, GError **error) {
  FILE *file = strcmp(path, "-") == 0      ? stdout
               : mode == CORED_JSON_NEW    ? open_new(path)
               : mode == CORED_JSON_APPEND ? fopen(path, "ae")
                                           : open_instead(path, error);
  if (!file) {
    if (error && *error)
      return NULL;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "cannot write %s: %s", path,
                g_strerror(errno));
    return NULL;
  }
  CoredJsonLines *json = g_new0(CoredJsonLines, 1);
  json->file = file;
  return json;
}

void cored_json_lines_write(CoredJsonLines *json, json_t *object) {
  char *plain = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
  CoredText line = {0};
  cored_text_add_json(&line, plain ? plain : "");
  cored_text_add(&line, "\n");
  errno = 0;
  if (!plain || line.failed)
    errno = ENOMEM;
  if (!json->error &&
      (errno || fwrite(line.s, 1, line.n, json->file) != line.n || fflush(json->file) != 0))
    json->error = errno ? errno : EIO;
  cored_text_clear(&line);
  free(plain);
  json_decref(object);
}

static json_t *face_object(const CoredJudgedFace *face) {
  if (face->full_frame)
    return json_pack("{s:b, s:f, s:f}", "full-frame", 1, "p-fake", face->p_fake, "p-fake-smoothed",
                     face->p_fake_smoothed);
  return json_pack("{s:I, s:i, s:i, s:i, s:i, s:f, s:f}", "track", (json_int_t)face->track, "x",
                   (int)face->x, "y", (int)face->y, "w", (int)face->w, "h", (int)face->h, "p-fake",
                   face->p_fake, "p-fake-smoothed", face->p_fake_smoothed);
}

json_t *cored_json_track_name(guint64 id, gboolean full_frame) {
  return full_frame ? json_null() : json_integer((json_int_t)id);
}

void cored_json_lines_frame(CoredJsonLines *json, const char *uri, double time, guint frame,
                            const CoredJudgedFace *faces, guint n_faces) {
  json_t *all = json_array();
  const CoredJudgedFace *worst = &faces[0];
  for (guint i = 0; i < n_faces; i++) {
    if (faces[i].p_fake > worst->p_fake)
      worst = &faces[i];
    json_array_append_new(all, face_object(&faces[i]));
  }
  cored_json_lines_write(json, json_pack("{s:s, s:s, s:f, s:i, s:o, s:f, s:o}", "type", "frame",
                                         "uri", uri, "time", time, "frame", (int)frame, "face",
                                         cored_json_track_name(worst->track, worst->full_frame),
                                         "p-fake", worst->p_fake, "faces", all));
}

static json_t *spans_array(const CoredJudgedTrack *track, double threshold) {
  GArray *spans = cored_track_spans(track, threshold);
  json_t *array = json_array();
  for (guint i = 0; i < spans->len; i++) {
    const CoredTrackSpan *span = &g_array_index(spans, CoredTrackSpan, i);
    json_array_append_new(array, json_pack("{s:i, s:i, s:f}", "from", span->first, "to",
                                           span->last + 1, "p-fake", span->p_fake));
  }
  g_array_unref(spans);
  return array;
}

json_t *cored_json_tracks(const CoredJudgedTracks *tracks, double threshold) {
  json_t *array = json_array();
  for (guint i = 0; i < tracks->tracks->len; i++) {
    const CoredJudgedTrack *track = g_ptr_array_index(tracks->tracks, i);
    const GArray *samples = track->samples;
    json_array_append_new(array,
                          json_pack("{s:o, s:f, s:i, s:b, s:f, s:f, s:o}", "face",
                                    cored_json_track_name(track->id, track->full_frame), "p-fake",
                                    cored_track_p_fake(track), "judged", (int)samples->len,
                                    "counts", cored_track_counts(tracks, track), "first",
                                    g_array_index(samples, CoredTrackSample, 0).time, "last",
                                    g_array_index(samples, CoredTrackSample, samples->len - 1).time,
                                    "fake-seconds", spans_array(track, threshold)));
  }
  return array;
}

gboolean cored_json_lines_close(CoredJsonLines *json, GError **error) {
  if (!json)
    return TRUE;
  int failed = json->error;
  if (json->file != stdout && fclose(json->file) != 0 && !failed)
    failed = errno;
  g_free(json);
  if (failed)
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(failed),
                "the JSON file is not complete: %s", g_strerror(failed));
  return !failed;
}
