/* SPDX-License-Identifier: MIT
 * Picture files: reading, checking the container, decoding. A fresh codec per picture: tables left
 * over from the last file must not decide what an incomplete one looks like. */
#include "train/data/picture-file.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

#include "base/error.h"
#include "train/data/frame.h"

/* ---- Reading --------------------------------------------------------------------------------- */

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

/* ---- Is it whole? ---------------------------------------------------------------------------- */

/* A progressive file has about ten scans; each costs a pass over the picture. */
enum { MAX_JPEG_SCANS = 200 };

typedef struct Walk {
  uint8_t *bytes;
  size_t size, at;
  int64_t max_pixels;
  const char *name;
  CoredError *error;
} Walk;

static uint32_t be16(const uint8_t *p) {
  return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p) {
  return be16(p) << 16 | be16(p + 2);
}

static uint32_t le32(const uint8_t *p) {
  return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

CoredPictureKind cored_picture_kind(const uint8_t *bytes, size_t size) {
  if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
    return CORED_PICTURE_JPEG;
  if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
    return CORED_PICTURE_PNG;
  if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
    return CORED_PICTURE_WEBP;
  if (size >= 26 && memcmp(bytes, "BM", 2) == 0)
    return CORED_PICTURE_BMP;
  return CORED_PICTURE_UNKNOWN;
}

static bool truncated(const Walk *walk, const char *what) {
  return cored_error_set(walk->error, CORED_ERROR_DECODE, "'%s': truncated: %s at byte %zu of %zu",
                         walk->name, what, walk->at, walk->size);
}

static bool check_pixels(const Walk *walk, uint32_t width, uint32_t height) {
  if (width == 0 || height == 0 || width > 32768 || height > 32768 ||
      (int64_t)width * height > walk->max_pixels)
    return cored_error_set(walk->error, CORED_ERROR_DECODE,
                           "'%s': %ux%u pixels, allowed are 1x1 to 32768x32768 and %lld pixels",
                           walk->name, width, height, (long long)walk->max_pixels);
  return true;
}

/* Entropy-coded data end at the first marker that is neither a stuffed FF nor a restart. */
static bool skip_scan(Walk *walk) {
  for (; walk->at + 1 < walk->size; walk->at++) {
    const uint8_t code = walk->bytes[walk->at + 1];
    if (walk->bytes[walk->at] == 0xff && code != 0 && code != 0xff && (code < 0xd0 || code > 0xd7))
      return true;
  }
  return truncated(walk, "scan data without an end");
}

static bool is_frame_header(uint8_t code) {
  return code >= 0xc0 && code <= 0xcf && code != 0xc4 && code != 0xc8 && code != 0xcc;
}

/* ITU-T T.81 annex B: SOI, then markers with 2-byte lengths; EOI ends the picture. What follows
 * EOI (previews of phones) is not looked at. */
static bool check_jpeg(Walk *walk) {
  int scans = 0;
  for (walk->at = 2;;) {
    if (walk->at + 2 > walk->size)
      return truncated(walk, "no end-of-image marker");
    if (walk->bytes[walk->at] != 0xff)
      return cored_error_set(walk->error, CORED_ERROR_DECODE,
                             "'%s': expected a JPEG marker at byte %zu, found 0x%02x", walk->name,
                             walk->at, walk->bytes[walk->at]);
    const uint8_t code = walk->bytes[walk->at + 1];
    if (code == 0xff) { /* fill byte */
      walk->at++;
      continue;
    }
    walk->at += 2;
    if (code == 0xd9)
      return scans > 0 ? true : truncated(walk, "no scan");
    if (code == 0x01 || (code >= 0xd0 && code <= 0xd8))
      continue;
    if (walk->at + 2 > walk->size)
      return truncated(walk, "segment length");
    const uint32_t length = be16(walk->bytes + walk->at);
    if (length < 2 || length > walk->size - walk->at)
      return truncated(walk, "segment");
    if (is_frame_header(code) &&
        (length < 8 ||
         !check_pixels(walk, be16(walk->bytes + walk->at + 5), be16(walk->bytes + walk->at + 3))))
      return length < 8 ? truncated(walk, "frame header") : false;
    walk->at += length;
    if (code == 0xda && (++scans > MAX_JPEG_SCANS || !skip_scan(walk)))
      return scans > MAX_JPEG_SCANS
                 ? cored_error_set(walk->error, CORED_ERROR_DECODE, "'%s': more than %d JPEG scans",
                                   walk->name, MAX_JPEG_SCANS)
                 : false;
  }
}

/* ISO/IEC 15948: length, type, data, CRC. An upper-case first letter means critical. */
static bool check_png(Walk *walk) {
  size_t kept = 8;
  for (walk->at = 8;;) {
    if (walk->size - walk->at < 12)
      return truncated(walk, "no IEND chunk");
    uint8_t *chunk = walk->bytes + walk->at;
    const uint32_t length = be32(chunk);
    if (length > walk->size - walk->at - 12)
      return truncated(walk, "PNG chunk");
    const bool first = walk->at == 8, header = memcmp(chunk + 4, "IHDR", 4) == 0;
    if (first != header || (header && length != 13))
      return cored_error_set(walk->error, CORED_ERROR_DECODE,
                             "'%s': PNG does not begin with one IHDR of 13 bytes", walk->name);
    if (header && !check_pixels(walk, be32(chunk + 8), be32(chunk + 12)))
      return false;
    const bool end = memcmp(chunk + 4, "IEND", 4) == 0, critical = !(chunk[4] & 0x20);
    walk->at += (size_t)length + 12;
    if (critical) {
      memmove(walk->bytes + kept, chunk, (size_t)length + 12);
      kept += (size_t)length + 12;
    }
    if (end) {
      walk->size = kept;
      return true;
    }
  }
}

static bool check_webp(Walk *walk) {
  const uint32_t riff = le32(walk->bytes + 4);
  if (riff < 12 || riff > walk->size - 8)
    return truncated(walk, "RIFF data");
  const size_t end = (size_t)riff + 8;
  bool picture = false;
  for (walk->at = 12; walk->at + 8 <= end;) {
    const uint8_t *chunk = walk->bytes + walk->at;
    const size_t length = le32(chunk + 4);
    if (length > end - walk->at - 8)
      return truncated(walk, "WebP chunk");
    if (memcmp(chunk, "ANIM", 4) == 0)
      return cored_error_set(walk->error, CORED_ERROR_DECODE, "'%s': animated WebP", walk->name);
    picture |= memcmp(chunk, "VP8 ", 4) == 0 || memcmp(chunk, "VP8L", 4) == 0;
    walk->at += 8 + length + (length & 1);
  }
  return picture ? true : truncated(walk, "no picture chunk");
}

static bool check_bmp(Walk *walk) {
  const uint32_t size = le32(walk->bytes + 2), start = le32(walk->bytes + 10);
  if (size > walk->size || start >= walk->size)
    return truncated(walk, "BMP data");
  if (le32(walk->bytes + 14) < 40) /* the oldest header has 16-bit sizes that cannot be absurd */
    return true;
  const int32_t height = (int32_t)le32(walk->bytes + 22);
  return check_pixels(walk, le32(walk->bytes + 18),
                      height < 0 ? 0U - (uint32_t)height : (uint32_t)height);
}

/* ISO/IEC 14496-12: the box "ftyp" with a brand, then those the file is compatible with. */
static bool has_brand(const uint8_t *bytes, size_t size, const char *brand) {
  if (size < 16 || memcmp(bytes + 4, "ftyp", 4) != 0)
    return false;
  const size_t end = be32(bytes) < size ? be32(bytes) : size;
  for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4)
    if (memcmp(bytes + at, brand, 4) == 0)
      return true;
  return false;
}

/* What a picture that is not read is, so that its owner knows what to do; NULL: who knows. */
static const char *other_kind(const uint8_t *bytes, size_t size) {
  static const struct {
    const char *start;
    size_t size;
    const char *name;
  } starts[] = {{"GIF8", 4, "GIF"},
                {"II*\0", 4, "TIFF"},
                {"MM\0*", 4, "TIFF"},
                {"\0\0\0\x0cjP  ", 8, "JPEG 2000"},
                {"\0\0\0\x0cJXL ", 8, "JPEG XL"},
                {"\xff\x0a", 2, "JPEG XL"}};
  static const char heic_brands[][5] = {"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1"};
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
    if (size >= starts[i].size && memcmp(bytes, starts[i].start, starts[i].size) == 0)
      return starts[i].name;
  if (has_brand(bytes, size, "avif") || has_brand(bytes, size, "avis"))
    return "AVIF";
  for (size_t i = 0; i < sizeof heic_brands / sizeof heic_brands[0]; i++)
    if (has_brand(bytes, size, heic_brands[i]))
      return "HEIC (HEIF)";
  return NULL;
}

static bool refuse_unknown(const Walk *walk) {
  const char *kind = other_kind(walk->bytes, walk->size);
  if (kind)
    return cored_error_set(walk->error, CORED_ERROR_DECODE,
                           "'%s': a %s picture, which is not read: convert it to JPEG or PNG",
                           walk->name, kind);
  return cored_error_set(
      walk->error, CORED_ERROR_DECODE,
      walk->size ? "'%s': not a JPEG, PNG, WebP or BMP picture" : "'%s': empty file", walk->name);
}

bool cored_picture_check(CoredPictureKind kind, uint8_t *bytes, size_t *size, int64_t max_pixels,
                         const char *name, CoredError *error) {
  Walk walk = {bytes, *size, 0, max_pixels, name, error};
  bool ok = false;
  switch (kind) {
  case CORED_PICTURE_JPEG:
    ok = check_jpeg(&walk);
    break;
  case CORED_PICTURE_PNG:
    ok = check_png(&walk);
    break;
  case CORED_PICTURE_WEBP:
    ok = check_webp(&walk);
    break;
  case CORED_PICTURE_BMP:
    ok = check_bmp(&walk);
    break;
  case CORED_PICTURE_UNKNOWN:
    ok = refuse_unknown(&walk);
  }
  *size = walk.size;
  return ok;
}

/* ---- JPEG with four components (CMYK, YCCK), as image editors for print write them ----------- */

/* libjpeg leaves by error_exit, which must not return. */
typedef struct Failing {
  struct jpeg_error_mgr base;
  jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
} Failing;

static void leave_libjpeg(j_common_ptr jpeg) {
  Failing *failing = (Failing *)jpeg->err;
  jpeg->err->format_message(jpeg, failing->message);
  longjmp(failing->leave, 1);
}

/* A warning is about data that are not as they should be: an error like all others. */
static void take_message(j_common_ptr jpeg, int level) {
  if (level < 0)
    leave_libjpeg(jpeg);
}

static void read_rows(struct jpeg_decompress_struct *jpeg, uint8_t *rgb, int width, int height,
                      uint8_t *line) {
  for (int y = 0; y < height; y++) {
    uint8_t *out = rgb + (size_t)y * (size_t)width * 3;
    jpeg_read_scanlines(jpeg, &line, 1);
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        out[3 * x + c] = (uint8_t)((line[4 * x + c] * line[4 * x + 3] + 127) / 255);
  }
}

/* False: failing->message says why; it is empty where the size is another. */
static bool run_libjpeg(struct jpeg_decompress_struct *jpeg, Failing *failing, const uint8_t *bytes,
                        size_t size, uint8_t *rgb, int width, int height, uint8_t *line) {
  if (setjmp(failing->leave))
    return false;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, (unsigned long)size);
  jpeg_read_header(jpeg, TRUE);
  jpeg->out_color_space = JCS_CMYK;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != (JDIMENSION)width || jpeg->output_height != (JDIMENSION)height ||
      jpeg->output_components != 4)
    return false;
  read_rows(jpeg, rgb, width, height, line);
  jpeg_finish_decompress(jpeg);
  return true;
}

/* rgb[height, width, 3] from the whole file. Amounts of ink are stored inverted, as Adobe began it
 * and everybody took it over; profiles are not looked at. */
static bool decode_cmyk(const uint8_t *bytes, size_t size, uint8_t *rgb, int width, int height,
                        const char *name, CoredError *error) {
  struct jpeg_decompress_struct jpeg = {0};
  Failing failing = {0};
  uint8_t *line = malloc((size_t)width * 4);
  if (!line)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %dx%d picture", name, width,
                           height);
  jpeg.err = jpeg_std_error(&failing.base);
  failing.base.error_exit = leave_libjpeg;
  failing.base.emit_message = take_message;
  const bool ok = run_libjpeg(&jpeg, &failing, bytes, size, rgb, width, height, line);
  jpeg_destroy_decompress(&jpeg);
  free(line);
  return ok || cored_error_set(error, CORED_ERROR_DECODE, "'%s': %s", name,
                               failing.message[0] ? failing.message
                                                  : "libjpeg and FFmpeg read other sizes");
}

/* ---- Decoding -------------------------------------------------------------------------------- */

struct CoredDecoder {
  CoredDecodeLimits limits;
  AVPacket *packet;
  AVFrame *frame;
  CoredFrameView view;
};

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
  return rgb && decode_cmyk(bytes, size, rgb, width, height, source->name, error) &&
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
