/* SPDX-License-Identifier: MIT
 * From a file to network input: decode, find the face if wanted, and the same preprocessing as the
 * element's. */
#include "train/data/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "train/data/video-file.h"

#define HASHED_VIDEO_BYTES (UINT64_C(64) << 20)

struct CoredDataReader {
  CoredDataParams params;
  CoredDecoder *decoder;
  CoredPreprocessor *preprocessor;
  CoredLocator *locator; /* NULL when no face is ever looked for */
};

static size_t input_floats(const CoredDataParams *params) {
  return (size_t)params->width * (size_t)params->height * 3;
}

/* The weights are shared, what the search computes with is this reader's own. */
static bool open_locator(CoredDataReader *reader, CoredError *error) {
  const CoredDataParams *params = &reader->params;
  if (!params->network && !params->cascade)
    return true;
  reader->locator = params->network ? cored_locator_new_network(params->network, 1, error)
                                    : cored_locator_new_cascade(params->cascade, error);
  return reader->locator != NULL;
}

CoredDataReader *cored_data_reader_new(const CoredDataParams *params, CoredError *error) {
  CoredDataReader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "data reader");
    return NULL;
  }
  reader->params = *params;
  reader->decoder = cored_decoder_new(&params->limits, error);
  if (reader->decoder)
    reader->preprocessor = cored_preprocessor_new(params->width, params->height, params->mean,
                                                  params->std, cored_cpu_flags(), error);
  if (reader->preprocessor && open_locator(reader, error))
    return reader;
  cored_data_reader_free(reader);
  return NULL;
}

void cored_data_reader_free(CoredDataReader *reader) {
  if (!reader)
    return;
  cored_decoder_free(reader->decoder);
  cored_preprocessor_free(reader->preprocessor);
  cored_locator_free(reader->locator);
  free(reader);
}

static bool find_crop(CoredDataReader *reader, const CoredImage *image, const char *name,
                      CoredCropArea *area, CoredError *error) {
  const CoredCropParams *rule = &reader->params.crop;
  CoredCrop crop;
  if (!reader->locator)
    return cored_error_set(error, CORED_ERROR_ARGUMENT, "'%s': nothing to find faces with", name);
  if (!cored_crop_choose(reader->locator, image, rule, &crop, error))
    return false;
  if (crop.n_faces == 0)
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s': no face of %d or more pixels was found", name, rule->min_size);
  if (!crop.used)
    return cored_error_set(error, CORED_ERROR_DATASET,
                           "'%s': the face is blurred (sharpness %.2f, at least %g is needed)",
                           name, crop.sharpness, rule->min_sharpness);
  *area = crop.area;
  return true;
}

static bool make_input(CoredDataReader *reader, const CoredImage *image, bool faces,
                       const char *name, float *out, CoredError *error) {
  CoredCropArea area = {.box = {0.0, 0.0, image->width, image->height}};
  return (!faces || find_crop(reader, image, name, &area, error)) &&
         cored_preprocessor_run_area(reader->preprocessor, image, &area, out, error);
}

bool cored_data_reader_picture(CoredDataReader *reader, const char *path, uint8_t sha256[32],
                               float *out, CoredError *error) {
  uint8_t *bytes;
  size_t size;
  CoredImage image;
  if (!cored_media_read(path, reader->params.limits.max_file_bytes, &bytes, &size, error))
    return false;
  crypto_hash_sha256(sha256, bytes, size);
  const bool ok = cored_decoder_picture(reader->decoder, bytes, size, path, &image, error) &&
                  make_input(reader, &image, reader->params.faces, path, out, error);
  free(bytes);
  return ok;
}

static bool hash_video(const char *path, uint8_t sha256[32], CoredError *error) {
  uint8_t block[65536];
  crypto_hash_sha256_state state;
  uint64_t left = HASHED_VIDEO_BYTES;
  struct stat st;
  ssize_t got = 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &st) != 0) {
    cored_error_set(error, CORED_ERROR_OPEN, "'%s': %s", path, strerror(errno));
    if (fd >= 0)
      close(fd);
    return false;
  }
  crypto_hash_sha256_init(&state);
  const uint64_t size = (uint64_t)st.st_size;
  crypto_hash_sha256_update(&state, (const uint8_t *)&size, sizeof size);
  while (left > 0 && (got = read(fd, block, sizeof block)) > 0) {
    crypto_hash_sha256_update(&state, block, (size_t)got);
    left -= left < (uint64_t)got ? left : (uint64_t)got;
  }
  close(fd);
  crypto_hash_sha256_final(&state, sha256);
  return got >= 0 ? true : cored_error_set(error, CORED_ERROR_READ, "'%s': cannot be read", path);
}

typedef enum Keep { KEEP_OK, KEEP_BAD, KEEP_NO_MEMORY } Keep;

/* Threads take what they keep from one budget: test and subtraction are one step. */
static bool take(atomic_ullong *budget, unsigned long long bytes) {
  unsigned long long left = atomic_load(budget);
  while (left >= bytes)
    if (atomic_compare_exchange_weak(budget, &left, left - bytes))
      return true;
  return false;
}

static Keep fill_frame(CoredDataReader *reader, CoredDataFile *file, const CoredImage *image,
                       CoredError *error) {
  const size_t floats = input_floats(&reader->params), n = (size_t)file->n_frames;
  float *grown = realloc(file->frames, (n + 1) * floats * sizeof *grown);
  if (!grown) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': frame", file->path);
    return KEEP_NO_MEMORY;
  }
  file->frames = grown;
  return make_input(reader, image, !reader->params.whole_frames, file->path, grown + n * floats,
                    error)
             ? KEEP_OK
             : KEEP_BAD;
}

/* Append one frame's input to file->frames. A frame without a face is left out, not bad. */
static Keep keep_frame(CoredDataReader *reader, CoredDataFile *file, const CoredImage *image,
                       atomic_ullong *budget, CoredError *error) {
  const size_t bytes = input_floats(&reader->params) * sizeof(float);
  CoredError reason = {0};
  if (!take(budget, bytes)) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY,
                    "'%s': video frames fill the memory allowed for them; allow more, take fewer "
                    "frames of a video, or take every n-th with a larger n",
                    file->path);
    return KEEP_NO_MEMORY;
  }
  const Keep keep = fill_frame(reader, file, image, &reason);
  if (keep == KEEP_OK) {
    file->n_frames++;
    return KEEP_OK;
  }
  atomic_fetch_add(budget, bytes);
  if (reason.code == CORED_ERROR_DATASET)
    return KEEP_OK;
  *error = reason;
  return keep;
}

/* Every frame_step-th frame up to max_frames kept; without faces the search ends after ten times
 * as many looks. */
static Keep read_video(CoredDataReader *reader, CoredDataFile *file, atomic_ullong *budget,
                       CoredError *error) {
  const int step = reader->params.frame_step, most = reader->params.max_frames;
  CoredImage image;
  int got = 1, looks = 0;
  Keep keep = KEEP_OK;
  if (!hash_video(file->path, file->sha256, error))
    return KEEP_BAD;
  CoredVideo *video = cored_video_open(file->path, &reader->params.limits, error);
  if (!video)
    return KEEP_BAD;
  for (int64_t i = 0; keep == KEEP_OK && (int)file->n_frames < most && looks < 10 * most; i++) {
    got = cored_video_next(video, &image, error);
    if (got != 1)
      break;
    if (i % step == 0) {
      looks++;
      keep = keep_frame(reader, file, &image, budget, error);
    }
  }
  cored_video_close(video);
  if (keep != KEEP_OK || got < 0)
    return keep == KEEP_OK ? KEEP_BAD : keep;
  if (file->n_frames > 0)
    return KEEP_OK;
  cored_error_set(error, CORED_ERROR_DATASET, "'%s': %s", file->path,
                  looks ? "no face found in any frame" : "no frames");
  return KEEP_BAD;
}

/* A bad video keeps no frames, and gives back what they took. */
static void drop_frames(const CoredDataReader *reader, CoredDataFile *file, atomic_ullong *budget) {
  atomic_fetch_add(budget, file->n_frames * input_floats(&reader->params) * sizeof(float));
  free(file->frames);
  file->frames = NULL;
  file->n_frames = 0;
}

/* "'path': why" without the path, which the file has anyway. */
static bool mark_bad(CoredDataFile *file, const CoredError *reason) {
  const char *why = strstr(reason->message, "': ");
  file->bad = true;
  file->reason = strdup(why ? why + 3 : reason->message);
  return file->reason != NULL;
}

bool cored_data_reader_examine(CoredDataReader *reader, CoredDataFile *file, float *out,
                               atomic_ullong *video_budget, CoredError *error) {
  CoredError reason = {0};
  Keep keep;
  if (file->video)
    keep = read_video(reader, file, video_budget, &reason);
  else if (cored_data_reader_picture(reader, file->path, file->sha256, out, &reason))
    keep = KEEP_OK;
  else
    keep = reason.code == CORED_ERROR_NO_MEMORY ? KEEP_NO_MEMORY : KEEP_BAD;
  if (keep == KEEP_NO_MEMORY && error)
    *error = reason;
  if (keep == KEEP_BAD)
    drop_frames(reader, file, video_budget);
  return keep == KEEP_OK || (keep == KEEP_BAD && mark_bad(file, &reason));
}
