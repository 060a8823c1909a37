/* SPDX-License-Identifier: MIT
 * Picture files. A fresh codec per picture: tables left over from the last file must not decide
 * what an incomplete one looks like. */
#include "train/data/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "train/data/decode-cmyk.h"
#include "train/data/frame.h"
#include "train/data/picture-structure.h"

struct CoredDecoder {
  CoredDecodeLimits limits;
  AVPacket *packet;
  AVFrame *frame;
  CoredFrameView view;
};

static bool read_all(int fd, const char *path, uint64_t max_bytes, uint8_t **bytes, size_t *size,
                     CoredError *error) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return cored_error_set(error, CORED_ERROR_READ, "'%s': %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode))
    return cored_error_set(error, CORED_ERROR_NOT_REGULAR, "'%s': not a regular file", path);
  if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes)
    return cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "'%s': %lld bytes, allowed are %llu",
                           path, (long long)st.st_size, (unsigned long long)max_bytes);
  *size = (size_t)st.st_size;
  *bytes = calloc(1, *size + AV_INPUT_BUFFER_PADDING_SIZE); /* FFmpeg reads past the end */
  if (!*bytes)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %zu bytes", path, *size);
  for (size_t at = 0; at < *size;) {
    const ssize_t got = read(fd, *bytes + at, *size - at);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      free(*bytes);
      *bytes = NULL;
      return cored_error_set(error, got < 0 ? CORED_ERROR_READ : CORED_ERROR_FILE_CHANGED,
                             "'%s': %s", path, got < 0 ? strerror(errno) : "shrank while read");
    }
    at += (size_t)got;
  }
  return true;
}

bool cored_media_read(const char *path, uint64_t max_bytes, uint8_t **bytes, size_t *size,
                      CoredError *error) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  *bytes = NULL;
  if (fd < 0)
    return cored_error_set(error, errno == ENOENT ? CORED_ERROR_NOT_FOUND : CORED_ERROR_OPEN,
                           "'%s': %s", path, strerror(errno));
  const bool ok = read_all(fd, path, max_bytes, bytes, size, error);
  close(fd);
  return ok;
}

CoredDecoder *cored_decoder_new(const CoredDecodeLimits *limits, CoredError *error) {
  CoredDecoder *decoder = calloc(1, sizeof *decoder);
  if (decoder) {
    decoder->limits = *limits;
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    if (decoder->packet && decoder->frame)
      return decoder;
  }
  cored_decoder_free(decoder);
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "picture decoder");
  return NULL;
}

void cored_decoder_free(CoredDecoder *decoder) {
  if (!decoder)
    return;
  av_packet_free(&decoder->packet);
  av_frame_free(&decoder->frame);
  cored_frame_view_clear(&decoder->view);
  free(decoder);
}

static enum AVCodecID codec_of(CoredPictureKind kind) {
  switch (kind) {
  case CORED_PICTURE_JPEG:
    return AV_CODEC_ID_MJPEG;
  case CORED_PICTURE_PNG:
    return AV_CODEC_ID_PNG;
  case CORED_PICTURE_WEBP:
    return AV_CODEC_ID_WEBP;
  case CORED_PICTURE_BMP:
    return AV_CODEC_ID_BMP;
  case CORED_PICTURE_UNKNOWN:
    break;
  }
  return AV_CODEC_ID_NONE;
}

static AVCodecContext *open_codec(const CoredDecoder *decoder, CoredPictureKind kind,
                                  CoredError *error) {
  const AVCodec *codec = avcodec_find_decoder(codec_of(kind));
  AVCodecContext *context = codec ? avcodec_alloc_context3(codec) : NULL;
  if (!context) {
    cored_error_set(error, CORED_ERROR_UNSUPPORTED, "FFmpeg lacks a decoder for %s",
                    avcodec_get_name(codec_of(kind)));
    return NULL;
  }
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  context->err_recognition =
      AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE | AV_EF_CAREFUL;
  context->max_pixels = decoder->limits.max_pixels;
  if (avcodec_open2(context, codec, NULL) < 0)
    avcodec_free_context(&context);
  if (!context)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "decoder for %s",
                    avcodec_get_name(codec_of(kind)));
  return context;
}

static bool decode_one(CoredDecoder *decoder, AVCodecContext *context, uint8_t *bytes, size_t size,
                       const char *name, CoredError *error) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  av_frame_unref(decoder->frame);
  decoder->packet->data = bytes;
  decoder->packet->size = (int)size;
  decoder->packet->flags = AV_PKT_FLAG_KEY;
  int code = avcodec_send_packet(context, decoder->packet);
  if (code >= 0)
    code = avcodec_send_packet(context, NULL);
  if (code >= 0)
    code = avcodec_receive_frame(context, decoder->frame);
  av_packet_unref(decoder->packet);
  if (code < 0) {
    av_strerror(code, reason, sizeof reason);
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': %s", name, reason);
  }
  if (decoder->frame->decode_error_flags || decoder->frame->flags & AV_FRAME_FLAG_CORRUPT)
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': corrupt picture data", name);
  return true;
}

/* A JPEG with four components; it has no alpha. */
static bool is_cmyk(CoredPictureKind kind, const AVFrame *frame) {
  const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
  return kind == CORED_PICTURE_JPEG && format && format->nb_components == 4;
}

/* FFmpeg has checked the data and read the orientation; of the colours it knows but some kinds. */
static bool view_cmyk(CoredDecoder *decoder, const uint8_t *bytes, size_t size,
                      const CoredFrameSource *source, CoredImage *image, CoredError *error) {
  const int width = decoder->frame->width, height = decoder->frame->height;
  uint8_t *rgb = cored_frame_view_rgb(&decoder->view, width, height, source->name, error);
  return rgb && cored_cmyk_decode(bytes, size, rgb, width, height, source->name, error) &&
         cored_frame_view_own(&decoder->view, width, height, source, image, error);
}

bool cored_decoder_picture(CoredDecoder *decoder, uint8_t *bytes, size_t size, const char *name,
                           CoredImage *image, CoredError *error) {
  const CoredPictureKind kind = cored_picture_kind(bytes, size);
  if (!cored_picture_check(kind, bytes, &size, decoder->limits.max_pixels, name, error))
    return false;
  if (size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
    return cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "'%s': %zu bytes", name, size);
  AVCodecContext *context = open_codec(decoder, kind, error);
  if (!context)
    return false;
  const bool ok = decode_one(decoder, context, bytes, size, name, error);
  avcodec_free_context(&context);
  if (!ok)
    return false;
  const AVFrameSideData *side = av_frame_get_side_data(decoder->frame, AV_FRAME_DATA_DISPLAYMATRIX);
  const CoredFrameSource source = {
      .name = name, .display_matrix = side ? (const int32_t *)(const void *)side->data : NULL};
  return is_cmyk(kind, decoder->frame)
             ? view_cmyk(decoder, bytes, size, &source, image, error)
             : cored_frame_view(&decoder->view, decoder->frame, &source, image, error);
}
