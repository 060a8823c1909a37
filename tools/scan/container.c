/* SPDX-License-Identifier: MIT
 * Sizes that containers say, read from their outermost boxes; durations and colours from the
 * headers through libavformat, where that was there when cored-scan was built. */
#include "tools/scan/container.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef CORED_HAVE_LIBAV
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#endif

#define MAX_PARTS 4000000 /* boxes or tags of one file: hours of them */
#define LOOK_S 10         /* a header that takes longer says nothing */

/* What ffmpeg writes for a number of frames that it does not know yet. */
#define AVI_OPEN_END 0x40000000

/* Padding at the end that writers leave out and players do not miss. */
#define RIFF_SPARE 8
#define FLV_SPARE 4 /* the size of the tag before, which closes a tag */

typedef struct Bytes {
  int fd;
  guint64 size;
  const gboolean *stop;
} Bytes;

static gboolean get(const Bytes *b, guint64 at, guint8 *out, gsize n) {
  return at <= b->size && n <= b->size - at && pread(b->fd, out, n, (off_t)at) == (ssize_t)n;
}

static guint64 big(const guint8 *p, int n) {
  guint64 value = 0;
  for (int i = 0; i < n; i++)
    value = value << 8 | p[i];
  return value;
}

static guint32 little32(const guint8 *p) {
  return (guint32)p[0] | (guint32)p[1] << 8 | (guint32)p[2] << 16 | (guint32)p[3] << 24;
}

/* A part that begins at `at` and says that it has `length` bytes, of which the last `spare` may be
 * missing. */
static void check_end(ScanContainer *c, const Bytes *b, const char *what, guint64 at,
                      guint64 length, guint64 spare) {
  c->bytes_known = TRUE;
  if (!c->cut && (at > b->size || (length > b->size - at && length - (b->size - at) > spare)))
    c->cut =
        g_strdup_printf("the file is cut off: %s at byte %" G_GUINT64_FORMAT
                        " should have %" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT " are there",
                        what, at, length, at < b->size ? b->size - at : 0);
}

/* ISO 14496-12 and QuickTime: boxes of a size and a type of four characters. */
static void read_boxes(ScanContainer *c, const Bytes *b) {
  guint8 head[16];
  guint64 at = 0;
  for (guint i = 0; i < MAX_PARTS && !*b->stop && get(b, at, head, 8); i++) {
    char what[32];
    guint64 length = big(head, 4);
    for (int k = 4; k < 8; k++)
      if (!g_ascii_isalnum(head[k]) && head[k] != ' ')
        return; /* not a box: something behind the file */
    if (length == 1 && !get(b, at + 8, head + 8, 8))
      return;
    if (length == 1)
      length = big(head + 8, 8);
    if (length == 0) /* up to the end of the file */
      return;
    if (length < 8)
      return;
    g_snprintf(what, sizeof what, "the box '%.4s'", (const char *)head + 4);
    check_end(c, b, what, at, length, 0);
    if (c->cut)
      return;
    at += length;
  }
}

static void read_riff(ScanContainer *c, const Bytes *b) {
  guint8 head[8];
  guint64 at = 0;
  for (guint i = 0; i < MAX_PARTS && get(b, at, head, 8) && memcmp(head, "RIFF", 4) == 0; i++) {
    const guint32 length = little32(head + 4);
    if (length == 0 || length == G_MAXUINT32) /* its writer never came back to fill it in */
      return;
    check_end(c, b, "the RIFF chunk", at, 8 + (guint64)length, RIFF_SPARE);
    if (c->cut)
      return;
    at += 8 + (guint64)length + (length & 1);
  }
}

/* EBML's variable-length size (RFC 8794 section 4); its length in bytes, 0 where there is none. */
static gsize vint(const Bytes *b, guint64 at, guint64 *value, gboolean *unknown) {
  guint8 p[8];
  if (!get(b, at, p, 1) || p[0] == 0)
    return 0;
  const gsize n = (gsize)__builtin_clz((unsigned)p[0] << 24) + 1;
  if (!get(b, at, p, n))
    return 0;
  const guint64 mask = (G_GUINT64_CONSTANT(1) << 7 * n) - 1;
  *value = big(p, (int)n) & mask;
  *unknown = *value == mask;
  return n;
}

static void read_ebml(ScanContainer *c, const Bytes *b) {
  guint8 id[4];
  guint64 at = 4, length;
  gboolean unknown;
  gsize n = vint(b, at, &length, &unknown);
  if (!n || unknown || length > b->size)
    return;
  at += n + length;
  if (!get(b, at, id, 4) || big(id, 4) != 0x18538067) /* Segment */
    return;
  n = vint(b, at + 4, &length, &unknown);
  if (n && !unknown)
    check_end(c, b, "the segment", at + 4 + n, length, 0);
}

static void read_flv(ScanContainer *c, const Bytes *b) {
  guint8 head[11];
  guint64 at = 13;
  for (guint i = 0; i < MAX_PARTS && !*b->stop && get(b, at, head, 11); i++) {
    const guint64 length = 11 + big(head + 1, 3) + 4;
    check_end(c, b, "the tag", at, length, FLV_SPARE);
    if (c->cut)
      return;
    at += length;
  }
}

/* The last page of an Ogg file (RFC 3533) is whole and says that it is the last of its stream. */
static void read_ogg(ScanContainer *c, const Bytes *b) {
  enum { PAGE = 27 + 255 + 255 * 255 };
  const gsize n = (gsize)MIN(b->size, 2 * PAGE);
  const guint64 from = b->size - n;
  guint8 *tail = g_malloc(n);
  for (gsize i = get(b, from, tail, n) && n >= 27 ? n - 27 + 1 : 0; i-- > 0;) {
    if (memcmp(tail + i, "OggS\0", 5) != 0)
      continue;
    guint64 length = 27 + (guint64)tail[i + 26];
    for (gsize k = 0; k < tail[i + 26] && i + 27 + k < n; k++)
      length += tail[i + 27 + k];
    check_end(c, b, "the page", from + i, length, 0);
    if (!c->cut && !(tail[i + 5] & 4))
      c->cut = g_strdup("the file is cut off: its last page does not end its stream");
    break;
  }
  g_free(tail);
}

static void read_bytes(ScanContainer *c, const Bytes *b) {
  guint8 head[12];
  if (!get(b, 0, head, sizeof head))
    return;
  if (memcmp(head, "RIFF", 4) == 0)
    read_riff(c, b);
  else if (big(head, 4) == 0x1a45dfa3)
    read_ebml(c, b);
  else if (memcmp(head, "FLV", 3) == 0)
    read_flv(c, b);
  else if (memcmp(head, "OggS", 4) == 0)
    read_ogg(c, b);
  else
    for (gsize i = 0; i < 6; i++)
      if (memcmp(head + 4, &"ftypmoovmdatfreewidestyp"[4 * i], 4) == 0)
        read_boxes(c, b);
}

#ifdef CORED_HAVE_LIBAV
/* Containers that hold their data themselves, and bare streams: a playlist or a concatenation
 * script could name other files. */
static const char formats[] = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,"
                              "mxf,ivf,dv,h264,hevc,av1,obu,"
                              "m4v,mpegvideo,mjpeg,jpeg_pipe,png_pipe,gif,yuv4mpegpipe";

typedef struct Deadline {
  gint64 until;
  const gboolean *stop;
} Deadline;

static int is_over(void *data) {
  const Deadline *deadline = data;
  return *deadline->stop || g_get_monotonic_time() > deadline->until;
}

/* mkvmerge and ffmpeg write the length of each track as text: "00:01:02.345000000". */
static double tagged_duration(const AVStream *stream) {
  const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
  guint hours, minutes, seconds;
  int used = 0;
  if (!tag || sscanf(tag->value, "%u:%u:%u%n", &hours, &minutes, &seconds, &used) != 3)
    return 0;
  const double fraction = tag->value[used] == '.' ? g_ascii_strtod(tag->value + used, NULL) : 0;
  return hours * 3600.0 + minutes * 60.0 + seconds + fraction;
}

static double stream_start(const AVStream *stream) {
  return stream->start_time == AV_NOPTS_VALUE || stream->start_time < 0
             ? 0
             : (double)stream->start_time * av_q2d(stream->time_base);
}

static double stream_duration(const AVStream *stream) {
  if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0)
    return (double)stream->duration * av_q2d(stream->time_base);
  return 0;
}

/* An AVI file says how many frames a stream has; libavformat's duration of it follows the bytes. */
static double counted_duration(const AVStream *stream) {
  const AVRational rate =
      stream->avg_frame_rate.num ? stream->avg_frame_rate : stream->r_frame_rate;
  if (stream->nb_frames <= 0 || rate.num <= 0)
    return 0;
  return (double)stream->nb_frames / av_q2d(rate);
}

static gboolean is_format(const AVFormatContext *format, const char *name) {
  return g_str_has_prefix(format->iformat->name, name);
}

/* An AVI file that was written to a pipe: its header was never filled in. */
static gboolean is_open_ended(const AVFormatContext *format, const AVStream *stream) {
  return is_format(format, "avi") && stream->nb_frames >= AVI_OPEN_END;
}

/* Seconds that the header gives the stream itself, 0 where it does not; with other containers
 * libavformat takes what is said of the whole file. */
static double own_duration(const AVFormatContext *format, const AVStream *stream) {
  if (is_format(format, "matroska")) /* the tag is the end, rather */
    return MAX(tagged_duration(stream) - stream_start(stream), 0);
  if (is_format(format, "mov")) /* of fragments: the end */
    return MAX(stream_duration(stream) - stream_start(stream), 0);
  if (is_format(format, "avi"))
    return MAX(stream_duration(stream), counted_duration(stream));
  return is_format(format, "ogg") ? stream_duration(stream) : 0;
}

static void take_header(ScanContainer *c, const AVFormatContext *format) {
  const int video =
      av_find_best_stream((AVFormatContext *)format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  if (video < 0)
    return;
  const AVStream *stream = format->streams[video];
  c->read = TRUE;
  if (stream->codecpar->color_range == AVCOL_RANGE_JPEG)
    c->range = SCAN_RANGE_FULL;
  else if (stream->codecpar->color_range == AVCOL_RANGE_MPEG)
    c->range = SCAN_RANGE_LIMITED;
  /* Others are guesses from the bytes that are there, or from their time stamps. */
  if (format->duration_estimation_method != AVFMT_DURATION_FROM_STREAM ||
      is_open_ended(format, stream))
    return;
  c->video = own_duration(format, stream);
  if (format->duration > 0) {
    const gint64 start = format->start_time == AV_NOPTS_VALUE ? 0 : MAX(format->start_time, 0);
    c->all = (double)(format->duration - start) / AV_TIME_BASE;
  }
}

static void read_header(ScanContainer *c, const char *path, const gboolean *stop) {
  Deadline deadline = {g_get_monotonic_time() + LOOK_S * G_USEC_PER_SEC, stop};
  char *url = g_strconcat("file:", path, NULL);
  AVFormatContext *format = avformat_alloc_context();
  AVDictionary *options = NULL;
  av_log_set_level(AV_LOG_QUIET);
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  av_dict_set(&options, "format_whitelist", formats, 0);
  if (format) {
    format->interrupt_callback = (AVIOInterruptCB){is_over, &deadline};
    if (avformat_open_input(&format, url, NULL, &options) == 0) { /* which frees it on failure */
      if (avformat_find_stream_info(format, NULL) >= 0 && !is_over(&deadline))
        take_header(c, format);
      avformat_close_input(&format);
    }
  }
  av_dict_free(&options);
  g_free(url);
}
#else
static void read_header(ScanContainer *c, const char *path, const gboolean *stop) {
  (void)c, (void)path, (void)stop;
}
#endif

void scan_container_read(ScanContainer *container, const char *uri, const gboolean *stop) {
  struct stat info;
  *container = (ScanContainer){0};
  char *path = g_filename_from_uri(uri, NULL, NULL);
  const int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    const Bytes bytes = {fd, (guint64)info.st_size, stop};
    read_bytes(container, &bytes);
    read_header(container, path, stop);
  }
  if (fd >= 0)
    close(fd);
  g_free(path);
}

void scan_container_clear(ScanContainer *container) {
  g_free(container->cut);
  *container = (ScanContainer){0};
}
