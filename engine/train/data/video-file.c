/* SPDX-License-Identifier: MIT
 * Video files, frame by frame. */
#include "train/data/video-file.h"

#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "train/data/frame.h"

/* Containers that hold their data themselves: a playlist or a concatenation script could name
 * other files. */
static const char containers[] = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg";

struct CoredVideo {
  char *path;
  AVFormatContext *format;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
  int stream;
  int32_t matrix[9];
  bool has_matrix, draining;
  CoredFrameView view;
};

static bool fail(const CoredVideo *video, int code, CoredError *error) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, reason, sizeof reason);
  return cored_error_set(error, CORED_ERROR_DECODE, "'%s': %s", video->path, reason);
}

static bool check_regular(const char *path, CoredError *error) {
  struct stat st;
  if (stat(path, &st) != 0)
    return cored_error_set(error, CORED_ERROR_OPEN, "'%s': cannot be opened", path);
  if (!S_ISREG(st.st_mode))
    return cored_error_set(error, CORED_ERROR_NOT_REGULAR, "'%s': not a regular file", path);
  return true;
}

static bool open_container(CoredVideo *video, CoredError *error) {
  AVDictionary *options = NULL;
  char *url = NULL;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  av_dict_set(&options, "format_whitelist", containers, 0);
  if (asprintf(&url, "file:%s", video->path) < 0) /* a path like "concat:x" stays a path */
    url = NULL;
  int code = url ? avformat_open_input(&video->format, url, NULL, &options) : AVERROR(ENOMEM);
  free(url);
  av_dict_free(&options);
  if (code >= 0)
    code = avformat_find_stream_info(video->format, NULL);
  if (code < 0)
    return fail(video, code, error);
  video->stream = av_find_best_stream(video->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  if (video->stream < 0)
    return cored_error_set(error, CORED_ERROR_DECODE, "'%s': no video stream", video->path);
  return true;
}

/* The stream's display matrix and its size, NULL without one. FFmpeg moved it in version 6.1. */
static const uint8_t *display_matrix(const AVStream *stream, size_t *size) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVCodecParameters *par = stream->codecpar;
  const AVPacketSideData *data = av_packet_side_data_get(
      par->coded_side_data, par->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  *size = data ? data->size : 0;
  return data ? data->data : NULL;
#else
  return av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, size);
#endif
}

static bool open_decoder(CoredVideo *video, const CoredDecodeLimits *limits, CoredError *error) {
  AVStream *stream = video->format->streams[video->stream];
  const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
  if (!codec)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED, "'%s': no decoder for %s", video->path,
                           avcodec_get_name(stream->codecpar->codec_id));
  video->codec = avcodec_alloc_context3(codec);
  if (!video->codec || avcodec_parameters_to_context(video->codec, stream->codecpar) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': decoder", video->path);
  video->codec->thread_count = 1;
  video->codec->max_pixels = limits->max_pixels;
  video->codec->flags |= AV_CODEC_FLAG_BITEXACT;
  video->codec->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
  const int code = avcodec_open2(video->codec, codec, NULL);
  if (code < 0)
    return fail(video, code, error);
  size_t size = 0;
  const uint8_t *matrix = display_matrix(stream, &size);
  video->has_matrix = matrix && size >= sizeof video->matrix;
  if (video->has_matrix)
    memcpy(video->matrix, matrix, sizeof video->matrix);
  return true;
}

CoredVideo *cored_video_open(const char *path, const CoredDecodeLimits *limits, CoredError *error) {
  if (!check_regular(path, error))
    return NULL;
  CoredVideo *video = calloc(1, sizeof *video);
  if (video) {
    video->path = strdup(path);
    video->packet = av_packet_alloc();
    video->frame = av_frame_alloc();
  }
  if (!video || !video->path || !video->packet || !video->frame)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': video reader", path);
  else if (open_container(video, error) && open_decoder(video, limits, error))
    return video;
  cored_video_close(video);
  return NULL;
}

void cored_video_close(CoredVideo *video) {
  if (!video)
    return;
  avcodec_free_context(&video->codec);
  avformat_close_input(&video->format);
  av_packet_free(&video->packet);
  av_frame_free(&video->frame);
  cored_frame_view_clear(&video->view);
  free(video->path);
  free(video);
}

/* Give the decoder one packet, or the end. */
static int feed(CoredVideo *video) {
  for (;;) {
    int code = av_read_frame(video->format, video->packet);
    if (code == AVERROR_EOF) {
      video->draining = true;
      return avcodec_send_packet(video->codec, NULL);
    }
    if (code < 0)
      return code;
    if (video->packet->stream_index == video->stream) {
      if (video->packet->flags & AV_PKT_FLAG_CORRUPT)
        code = AVERROR_INVALIDDATA;
      else
        code = avcodec_send_packet(video->codec, video->packet);
      av_packet_unref(video->packet);
      return code;
    }
    av_packet_unref(video->packet);
  }
}

/* The container's word goes before the codec's, as in GStreamer. */
static double pixel_aspect(const CoredVideo *video) {
  const AVRational aspect = av_guess_sample_aspect_ratio(
      video->format, video->format->streams[video->stream], video->frame);
  return aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 0.;
}

int cored_video_next(CoredVideo *video, CoredImage *image, CoredError *error) {
  for (;;) {
    int code = avcodec_receive_frame(video->codec, video->frame);
    if (code == AVERROR_EOF)
      return 0;
    if (code == AVERROR(EAGAIN) && !video->draining) {
      code = feed(video);
      if (code >= 0)
        continue;
    }
    if (code < 0) {
      fail(video, code, error);
      return -1;
    }
    if (video->frame->decode_error_flags || video->frame->flags & AV_FRAME_FLAG_CORRUPT) {
      cored_error_set(error, CORED_ERROR_DECODE, "'%s': corrupt video data", video->path);
      return -1;
    }
    const CoredFrameSource source = {.name = video->path,
                                     .display_matrix = video->has_matrix ? video->matrix : NULL,
                                     .is_video = true,
                                     .pixel_aspect = pixel_aspect(video)};
    return cored_frame_view(&video->view, video->frame, &source, image, error) ? 1 : -1;
  }
}
