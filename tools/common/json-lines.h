/* SPDX-License-Identifier: MIT
 * Results for programs, one JSON object a line. Every line is flushed, so that a reader may follow
 * the file. A failed write is remembered and told by close. Belongs to one thread at a time. */
#ifndef CORED_TOOLS_JSON_LINES_H
#define CORED_TOOLS_JSON_LINES_H

#include "tools/common/track-verdict.h"

#include <jansson.h>

typedef struct CoredJsonLines CoredJsonLines;
typedef enum CoredJsonMode {
  CORED_JSON_NEW,
  CORED_JSON_APPEND,
  CORED_JSON_OVERWRITE
} CoredJsonMode;

/* "-" is standard output. A file that holds something is not opened as new. NULL with *error set.
 */
CoredJsonLines *cored_json_lines_open(const char *path, CoredJsonMode mode, GError **error);
gboolean cored_json_lines_close(CoredJsonLines *json, GError **error); /* NULL is fine */

/* One line; takes the object. */
void cored_json_lines_write(CoredJsonLines *json, json_t *object);
/* The line of one judged frame, `time` seconds into `uri`; frames count from 0, n_faces from 1. */
void cored_json_lines_frame(CoredJsonLines *json, const char *uri, double time, guint frame,
                            const CoredJudgedFace *faces, guint n_faces);

/* For the lines of a tool's own: a track's number, null where the whole frame was judged; the array
 * of all tracks with their scores and the seconds that reach the threshold. The caller owns both.
 */
json_t *cored_json_track_name(guint64 id, gboolean full_frame);
json_t *cored_json_tracks(const CoredJudgedTracks *tracks, double threshold);

#endif /* CORED_TOOLS_JSON_LINES_H */
