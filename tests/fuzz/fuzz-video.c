/* SPDX-License-Identifier: MIT
 * Video files from the path to the frames. The first byte of an input: 0 the rest is a file, 1 the
 * rest are changes to a right one: 1 byte which container, then triples of 2 bytes place and 1 byte
 * value. What FFmpeg itself does wrong is FFmpeg's; that frames are described within their memory,
 * limits hold and nothing is kept is ours. */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "fuzz.h"
#include "memory-file.h"
#include "train/data/video-file.h"

enum { SIDE = 32, FRAMES = 3, MAX_FRAMES = 6, N_FILES = 5 };

static const struct {
  const char *container;
  enum AVCodecID codec;
  enum AVPixelFormat format;
} kinds[N_FILES] = {{"avi", AV_CODEC_ID_MJPEG, AV_PIX_FMT_YUVJ420P},
                    {"mp4", AV_CODEC_ID_MPEG4, AV_PIX_FMT_YUV420P},
                    {"matroska", AV_CODEC_ID_MPEG4, AV_PIX_FMT_YUV420P},
                    {"flv", AV_CODEC_ID_FLV1, AV_PIX_FMT_YUV420P},
                    {"mpegts", AV_CODEC_ID_MPEG2VIDEO, AV_PIX_FMT_YUV420P}};

static struct {
  uint8_t *bytes;
  size_t size;
} files[N_FILES];

static void write_packets(AVFormatContext *format, AVCodecContext *codec) {
  AVPacket *packet = av_packet_alloc();
  fuzz_expect(packet != NULL);
  while (avcodec_receive_packet(codec, packet) == 0) {
    packet->duration = 1;
    av_packet_rescale_ts(packet, codec->time_base, format->streams[0]->time_base);
    fuzz_expect(av_interleaved_write_frame(format, packet) == 0);
  }
  av_packet_free(&packet);
}

static void encode(AVFormatContext *format, AVCodecContext *codec) {
  AVFrame *frame = av_frame_alloc();
  fuzz_expect(frame != NULL);
  frame->format = codec->pix_fmt;
  frame->width = frame->height = SIDE;
  fuzz_expect(av_frame_get_buffer(frame, 0) == 0);
  for (int n = 0; n < FRAMES; n++) {
    fuzz_expect(av_frame_make_writable(frame) == 0);
    for (int p = 0; p < 3; p++)
      for (int i = 0; i < frame->linesize[p] * (p ? SIDE / 2 : SIDE); i++)
        frame->data[p][i] = (uint8_t)(i * 3 + n * 17 + p);
    frame->pts = n;
    fuzz_expect(avcodec_send_frame(codec, frame) == 0);
    write_packets(format, codec);
  }
  avcodec_send_frame(codec, NULL);
  write_packets(format, codec);
  av_frame_free(&frame);
}

static void make(size_t index) {
  AVFormatContext *format = NULL;
  MemoryFile memory = memory_file_open(NULL, 0);
  const AVCodec *const encoder = avcodec_find_encoder(kinds[index].codec);
  fuzz_expect(encoder &&
              avformat_alloc_output_context2(&format, NULL, kinds[index].container, NULL) >= 0);
  AVStream *const stream = avformat_new_stream(format, NULL);
  AVCodecContext *codec = avcodec_alloc_context3(encoder);
  fuzz_expect(stream && codec && avio_open(&format->pb, memory.path, AVIO_FLAG_WRITE) == 0);
  codec->width = codec->height = SIDE;
  codec->pix_fmt = kinds[index].format;
  codec->time_base = (AVRational){1, 25};
  codec->thread_count = 1;
  if (format->oformat->flags & AVFMT_GLOBALHEADER)
    codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  fuzz_expect(avcodec_open2(codec, encoder, NULL) == 0 &&
              avcodec_parameters_from_context(stream->codecpar, codec) >= 0 &&
              avformat_write_header(format, NULL) >= 0);
  encode(format, codec);
  fuzz_expect(av_write_trailer(format) == 0);
  avio_closep(&format->pb);
  files[index].bytes = memory_file_content(&memory, &files[index].size);
  memory_file_close(&memory);
  avcodec_free_context(&codec);
  avformat_free_context(format);
}

/* A file may claim pixels of any shape; what is refused is refused with a reason. */
static void use(const CoredImage *image) {
  const float zero[3] = {0}, one[3] = {1, 1, 1};
  CoredPreprocessor *const p = cored_preprocessor_new(4, 4, zero, one, cored_cpu_flags(), NULL);
  const CoredCropArea area = {{0, 0, image->width, image->height}, 0.5};
  float out[4 * 4 * 3];
  CoredError error = {0};
  if (p)
    fuzz_expect(cored_preprocessor_run_area(p, image, &area, out, &error) ||
                error.message[0] != '\0');
  cored_preprocessor_free(p);
}

/* How many frames came, -1 after an error. */
static int decode(const uint8_t *bytes, size_t size) {
  static const CoredDecodeLimits limits = {.max_file_bytes = 1 << 20, .max_pixels = 1 << 17};
  MemoryFile file = memory_file_open(bytes, size);
  CoredError error = {0};
  CoredVideo *const video = cored_video_open(file.path, &limits, &error);
  int result = -1, frames = 0;
  if (video) {
    CoredImage image;
    while ((result = cored_video_next(video, &image, &error)) > 0 && frames++ < MAX_FRAMES)
      use(&image);
  }
  fuzz_expect(result >= 0 || (error.code != CORED_ERROR_NONE && error.message[0]));
  cored_video_close(video);
  memory_file_close(&file);
  return result < 0 ? -1 : frames;
}

static void decode_changed(FuzzInput in) {
  const size_t which = fuzz_byte(&in) % N_FILES;
  if (!files[which].bytes)
    make(which);
  uint8_t *const copy = malloc(files[which].size);
  if (!copy)
    return;
  memcpy(copy, files[which].bytes, files[which].size);
  const bool untouched = !fuzz_change(&in, copy, files[which].size);
  const int frames = decode(copy, files[which].size);

  if (untouched && frames != FRAMES)
    fprintf(stderr, "%s: %d frames\n", kinds[which].container, frames);
  fuzz_expect(!untouched || frames == FRAMES);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  av_log_set_level(AV_LOG_QUIET);
  if (fuzz_byte(&in) % 2 == 0)
    decode(in.data, in.size);
  else
    decode_changed(in);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\1\0"), FUZZ_SEED("\1\1"),         FUZZ_SEED("\1\2"),           FUZZ_SEED("\1\3"),
      FUZZ_SEED("\1\4"), FUZZ_SEED("\1\0\100\0\1"), FUZZ_SEED("\1\1\120\0\377"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
