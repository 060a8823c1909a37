/* SPDX-License-Identifier: MIT */
#include "train/data/picture-structure.h"

#include <string.h>

#include "base/error.h"

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
      return truncated(walk, "no IEND range");
    uint8_t *range = walk->bytes + walk->at;
    const uint32_t length = be32(range);
    if (length > walk->size - walk->at - 12)
      return truncated(walk, "PNG range");
    const bool first = walk->at == 8, header = memcmp(range + 4, "IHDR", 4) == 0;
    if (first != header || (header && length != 13))
      return cored_error_set(walk->error, CORED_ERROR_DECODE,
                             "'%s': PNG does not begin with one IHDR of 13 bytes", walk->name);
    if (header && !check_pixels(walk, be32(range + 8), be32(range + 12)))
      return false;
    const bool end = memcmp(range + 4, "IEND", 4) == 0, critical = !(range[4] & 0x20);
    walk->at += (size_t)length + 12;
    if (critical) {
      memmove(walk->bytes + kept, range, (size_t)length + 12);
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
    const uint8_t *range = walk->bytes + walk->at;
    const size_t length = le32(range + 4);
    if (length > end - walk->at - 8)
      return truncated(walk, "WebP range");
    if (memcmp(range, "ANIM", 4) == 0)
      return cored_error_set(walk->error, CORED_ERROR_DECODE, "'%s': animated WebP", walk->name);
    picture |= memcmp(range, "VP8 ", 4) == 0 || memcmp(range, "VP8L", 4) == 0;
    walk->at += 8 + length + (length & 1);
  }
  return picture ? true : truncated(walk, "no picture range");
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
