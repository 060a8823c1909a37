/* SPDX-License-Identifier: MIT
 * A strict reader of the ZIP archives that hold PyTorch weights. */
#include "tools/convert/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tools/convert/bytes.h"
#include "tools/convert/lines.h"

#define SIGNATURE_LOCAL 0x04034b50u
#define SIGNATURE_DESCRIPTOR 0x08074b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_END 0x06054b50u
#define SIGNATURE_LOCATOR 0x07064b50u
#define SIGNATURE_END64 0x06064b50u

#define SIZE_LOCAL 30u
#define SIZE_CENTRAL 46u
#define SIZE_END 22u
#define SIZE_LOCATOR 20u
#define SIZE_END64 56u

#define FLAG_DESCRIPTOR 0x0008u
#define FLAG_UTF8 0x0800u
#define MAX_VERSION 45u /* zip64 */
#define EXTRA_ZIP64 0x0001u
#define EXTRA_UNICODE_PATH 0x7075u
#define UNIX_SYMLINK 0120000u
#define UNIX_TYPE 0170000u
#define NAME_SHOWN 128

typedef struct Archive {
  const uint8_t *bytes;
  size_t size;
  size_t directory, directory_end; /* offsets of the central directory */
  uint64_t stated;                 /* number of entries */
  CoredRefusal *refusal;
} Archive;

typedef struct Name { /* for messages */
  char text[NAME_SHOWN + 8];
} Name;

static Name show(const CoredZipEntry *entry) {
  Name name;
  cored_escape(entry->name, entry->name_length, name.text, sizeof name.text);
  return name;
}

/* ---- The end of the archive ------------------------------------------------------------------ */

static bool no_end(const Archive *a) {
  size_t far = a->size > 65535 + SIZE_END ? a->size - 65535 - SIZE_END : 0;
  for (size_t at = a->size - SIZE_END; at > far; at--) {
    if (cored_le32(a->bytes + at - 1) != SIGNATURE_END)
      continue;
    size_t comment = cored_le16(a->bytes + at - 1 + 20), after = a->size - (at - 1) - SIZE_END;
    if (comment == after)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_COMMENT,
                          "the archive has a comment of %zu bytes, expected none", comment);
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_NO_END,
                        "%zu bytes follow the end-of-central-directory record at byte %zu", after,
                        at - 1);
  }
  return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_NO_END,
                      "no end-of-central-directory record at byte %zu; the file may be truncated",
                      a->size - SIZE_END);
}

/* A field of the 32-bit record either says "look at the 64-bit one" or has to agree with it. */
static bool agrees(uint64_t narrow, uint64_t escape, uint64_t wide) {
  return narrow == escape || narrow == wide;
}

/* Zip64: record (56 bytes), locator (20), end record (22) with nothing between. Replaces the
 * three fields and moves *directory_end to the front of the record. */
static bool read_end64(const Archive *a, size_t end, uint64_t *n, uint64_t *size, uint64_t *start,
                       size_t *directory_end) {
  const uint8_t *locator = a->bytes + end - SIZE_LOCATOR;
  if (end < SIZE_LOCATOR + SIZE_END64)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64, "no room for the zip64 end record");
  size_t at = end - SIZE_LOCATOR - SIZE_END64;
  uint64_t stated = cored_le64(locator + 8);
  if (stated != at)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64,
                        "the zip64 locator points to byte %" PRIu64 ", expected %zu", stated, at);
  const uint8_t *record = a->bytes + at;
  if (cored_le32(record) != SIGNATURE_END64 || cored_le64(record + 4) != SIZE_END64 - 12)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64,
                        "no zip64 end record of 56 bytes at byte %zu", at);
  if (cored_le32(locator + 4) != 0 || cored_le32(locator + 16) > 1 ||
      cored_le32(record + 16) != 0 || cored_le32(record + 20) != 0 ||
      cored_le64(record + 24) != cored_le64(record + 32))
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_DISK, "the archive is split over disks");
  uint64_t n64 = cored_le64(record + 32), size64 = cored_le64(record + 40),
           start64 = cored_le64(record + 48);
  if (!agrees(*n, 0xffff, n64) || !agrees(*size, 0xffffffff, size64) ||
      !agrees(*start, 0xffffffff, start64))
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64,
                        "the zip64 end record at byte %zu disagrees with the 32-bit one", at);
  *n = n64;
  *size = size64;
  *start = start64;
  *directory_end = at;
  return true;
}

static bool read_end(Archive *a) {
  if (a->size < SIZE_END)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_NO_END,
                        "the file has %zu bytes, an archive at least %u", a->size, SIZE_END);
  size_t end = a->size - SIZE_END;
  const uint8_t *record = a->bytes + end;
  if (cored_le32(record) != SIGNATURE_END || cored_le16(record + 20) != 0)
    return no_end(a);
  uint64_t n = cored_le16(record + 10), size = cored_le32(record + 12),
           start = cored_le32(record + 16);
  if (cored_le16(record + 4) != 0 || cored_le16(record + 6) != 0 || cored_le16(record + 8) != n)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_DISK, "the archive is split over disks");
  a->directory_end = end;
  if (end >= SIZE_LOCATOR && cored_le32(a->bytes + end - SIZE_LOCATOR) == SIGNATURE_LOCATOR) {
    if (!read_end64(a, end, &n, &size, &start, &a->directory_end))
      return false;
  } else if (n == 0xffff || size == 0xffffffff || start == 0xffffffff) {
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64, "the zip64 end record is missing");
  }
  if (end >= SIZE_END && cored_le32(record - SIZE_END) == SIGNATURE_END)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_END_TWICE,
                        "two end-of-central-directory records, at bytes %zu and %zu",
                        end - SIZE_END, end);
  if (size > a->directory_end || start != a->directory_end - size)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_DIRECTORY,
                        "central directory: %" PRIu64 " bytes at %" PRIu64
                        ", expected to end at byte %zu",
                        size, start, a->directory_end);
  a->directory = (size_t)start;
  a->stated = n;
  return true;
}

/* ---- Headers --------------------------------------------------------------------------------- */

/* Walk the extra field of a header. Each of wide[] that holds the escape value is taken, in
 * order, from the zip64 block, which has to hold exactly these. */
static bool read_extra(const Archive *a, const CoredZipEntry *entry, const uint8_t *extra,
                       size_t length, uint64_t *const wide[], size_t n_wide) {
  size_t needed = 0;
  for (size_t i = 0; i < n_wide; i++)
    needed += *wide[i] == 0xffffffff;
  bool found = false;
  while (length > 0) {
    size_t block = length >= 4 ? cored_le16(extra + 2) : 0;
    if (length < 4 || block > length - 4)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_EXTRA,
                          "entry '%s': the extra field is malformed", show(entry).text);
    unsigned id = cored_le16(extra);
    if (id == EXTRA_UNICODE_PATH)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_EXTRA,
                          "entry '%s' has a second name in its extra field", show(entry).text);
    if (id == EXTRA_ZIP64) {
      if (found || block != 8 * needed)
        return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64,
                            "entry '%s': zip64 block of %zu bytes, expected %zu", show(entry).text,
                            block, 8 * needed);
      found = true;
      const uint8_t *value = extra + 4;
      for (size_t i = 0; i < n_wide; i++)
        if (*wide[i] == 0xffffffff) {
          *wide[i] = cored_le64(value);
          value += 8;
        }
    }
    extra += 4 + block;
    length -= 4 + block;
  }
  if (needed > 0 && !found)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP64, "entry '%s': the zip64 block is missing",
                        show(entry).text);
  return true;
}

/* No way out of the archive's own folder and nothing that is read differently elsewhere. */
static bool check_path(const Archive *a, const CoredZipEntry *entry) {
  const char *s = entry->name;
  size_t n = entry->name_length, part = 0;
  bool bad = n == 0 || n > 512 || s[0] == '/' || !cored_utf8_is_valid(s, n);
  for (size_t i = 0; i <= n && !bad; i++) {
    if (i < n && s[i] != '/') {
      bad = s[i] == '\\' || s[i] == ':' || (unsigned char)s[i] < 0x20 || s[i] == 0x7f;
      continue;
    }
    size_t length = i - part;
    bool folder = i == n && n > 0 && length == 0; /* ends in '/': reported as such */
    bad = (length == 0 && !folder) || (length == 1 && s[part] == '.') ||
          (length == 2 && s[part] == '.' && s[part + 1] == '.');
    part = i + 1;
  }
  return !bad || cored_refuse(a->refusal, CORED_REFUSAL_ZIP_PATH,
                              "entry '%s': not a plain relative path", show(entry).text);
}

static bool check_kind(const Archive *a, const CoredZipEntry *entry, const uint8_t *header) {
  unsigned flags = cored_le16(header + 8), method = cored_le16(header + 10), version = header[6];
  if (flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8))
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_FLAGS,
                        "entry '%s': flags 0x%04x, allowed are bits 3 and 11%s", show(entry).text,
                        flags, flags & 1 ? " (bit 0: it is encrypted)" : "");
  if (method != 0 || version > MAX_VERSION)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_METHOD,
                        "entry '%s': compression method %u, version %u; weights are stored (0) "
                        "with version at most %u",
                        show(entry).text, method, version, MAX_VERSION);
  unsigned mode = cored_le32(header + 38) >> 16;
  if ((mode & UNIX_TYPE) == UNIX_SYMLINK || entry->name[entry->name_length - 1] == '/')
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_SYMLINK,
                        "entry '%s' is a link or a folder, expected a file", show(entry).text);
  if (cored_le16(header + 32) != 0)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_COMMENT, "entry '%s' has a comment",
                        show(entry).text);
  if (cored_le16(header + 34) != 0)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_DISK, "entry '%s' is on another disk",
                        show(entry).text);
  return true;
}

/* The local header says the same as the central one; with a descriptor it may leave checksum and
 * sizes at 0. Sets entry->data. */
static bool read_local(const Archive *a, CoredZipEntry *entry) {
  size_t room = a->directory - entry->header; /* header < directory was checked */
  const uint8_t *header = a->bytes + entry->header;
  if (room < SIZE_LOCAL || cored_le32(header) != SIGNATURE_LOCAL)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_LOCAL_DIFFERS,
                        "entry '%s': no local header at byte %zu", show(entry).text, entry->header);
  size_t name = cored_le16(header + 26), extra = cored_le16(header + 28);
  if (name + extra > room - SIZE_LOCAL || entry->size > room - SIZE_LOCAL - name - extra)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_TRUNCATED,
                        "entry '%s': %zu bytes at byte %zu reach beyond the central directory",
                        show(entry).text, entry->size, entry->header);
  uint64_t packed = cored_le32(header + 18), plain = cored_le32(header + 22);
  uint64_t *const wide[] = {&plain, &packed};
  if (!read_extra(a, entry, header + SIZE_LOCAL + name, extra, wide, 2))
    return false;
  uint32_t crc = cored_le32(header + 14);
  bool later = (entry->flags & FLAG_DESCRIPTOR) && crc == 0 && packed == 0 && plain == 0;
  const char *what = NULL;
  if (name != entry->name_length || memcmp(header + SIZE_LOCAL, entry->name, name) != 0)
    what = "name";
  else if (cored_le16(header + 6) != entry->flags)
    what = "flags";
  else if (cored_le16(header + 8) != 0)
    what = "compression method";
  else if (!later && crc != entry->crc)
    what = "checksum";
  else if (!later && (packed != entry->size || plain != entry->size))
    what = "size";
  if (what)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_LOCAL_DIFFERS,
                        "entry '%s': the %s in the local header at byte %zu differs from the "
                        "central directory's",
                        show(entry).text, what, entry->header);
  entry->data = header + SIZE_LOCAL + name + extra;
  return true;
}

/* One record of the central directory at *at. */
static bool read_central(const Archive *a, size_t *at, CoredZipEntry *entry) {
  const uint8_t *header = a->bytes + *at;
  size_t room = a->directory_end - *at;
  if (room < SIZE_CENTRAL || cored_le32(header) != SIGNATURE_CENTRAL)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_COUNT,
                        "no central header at byte %zu, %" PRIu64 " entries are stated", *at,
                        a->stated);
  size_t name = cored_le16(header + 28), extra = cored_le16(header + 30),
         comment = cored_le16(header + 32);
  if (name + extra + comment > room - SIZE_CENTRAL)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_TRUNCATED,
                        "the central header at byte %zu reaches beyond the directory", *at);
  *at += SIZE_CENTRAL + name + extra + comment;
  *entry = (CoredZipEntry){.name = (const char *)header + SIZE_CENTRAL,
                           .name_length = name,
                           .flags = cored_le16(header + 8),
                           .crc = cored_le32(header + 16)};
  if (!check_path(a, entry) || !check_kind(a, entry, header))
    return false;
  uint64_t packed = cored_le32(header + 20), plain = cored_le32(header + 24),
           start = cored_le32(header + 42);
  uint64_t *const wide[] = {&plain, &packed, &start};
  if (!read_extra(a, entry, header + SIZE_CENTRAL + name, extra, wide, 3))
    return false;
  if (packed != plain)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_METHOD,
                        "entry '%s': stored, but %" PRIu64 " and %" PRIu64 " bytes",
                        show(entry).text, packed, plain);
  if (start >= a->directory || plain > a->directory)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_DIRECTORY,
                        "entry '%s': %" PRIu64 " bytes at byte %" PRIu64
                        ", the data end at byte %zu",
                        show(entry).text, plain, start, a->directory);
  entry->size = (size_t)plain;
  entry->header = (size_t)start;
  return true;
}

/* ---- The archive as a whole ------------------------------------------------------------------ */

static bool is_descriptor(const CoredZipEntry *entry, const uint8_t *p, size_t length) {
  if (length == 16 || length == 24) {
    if (cored_le32(p) != SIGNATURE_DESCRIPTOR)
      return false;
    p += 4;
    length -= 4;
  }
  if (length == 12)
    return cored_le32(p) == entry->crc && cored_le32(p + 4) == entry->size &&
           cored_le32(p + 8) == entry->size;
  return length == 20 && cored_le32(p) == entry->crc && cored_le64(p + 4) == entry->size &&
         cored_le64(p + 12) == entry->size;
}

/* Entries (in file order) lie end to end from byte 0 to the central directory. */
static bool check_tiling(const Archive *a, const CoredZip *zip) {
  size_t first = zip->n > 0 ? zip->entries[0].header : a->directory;
  if (first != 0)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_STRAY_BYTES,
                        "%zu bytes before the first entry belong to none", first);
  for (size_t i = 0; i < zip->n; i++) {
    const CoredZipEntry *entry = &zip->entries[i];
    size_t end = (size_t)(entry->data - a->bytes) + entry->size;
    size_t next = i + 1 < zip->n ? zip->entries[i + 1].header : a->directory;
    if (end > next)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_OVERLAP,
                          "entry '%s' (bytes %zu to %zu) overlaps '%s'", show(entry).text,
                          entry->header, end, show(&zip->entries[i + 1]).text);
    bool descriptor = entry->flags & FLAG_DESCRIPTOR;
    if (descriptor ? !is_descriptor(entry, a->bytes + end, next - end) : end != next)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_STRAY_BYTES,
                          "the %zu bytes after entry '%s' (at byte %zu) are %s", next - end,
                          show(entry).text, end,
                          descriptor ? "not its data descriptor" : "no entry's");
  }
  return true;
}

static int by_header(const void *a, const void *b) {
  const CoredZipEntry *x = a, *y = b;
  return (x->header > y->header) - (x->header < y->header);
}

static unsigned char fold(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int compare_folded(const CoredZipEntry *x, const CoredZipEntry *y) {
  for (size_t i = 0; i < x->name_length && i < y->name_length; i++)
    if (fold(x->name[i]) != fold(y->name[i]))
      return fold(x->name[i]) < fold(y->name[i]) ? -1 : 1;
  return (x->name_length > y->name_length) - (x->name_length < y->name_length);
}

static int by_name(const void *a, const void *b) {
  return compare_folded(a, b);
}

static bool check_names(const Archive *a, CoredZip *zip) {
  qsort(zip->entries, zip->n, sizeof *zip->entries, by_name);
  for (size_t i = 1; i < zip->n; i++) {
    const CoredZipEntry *x = &zip->entries[i - 1], *y = &zip->entries[i];
    if (compare_folded(x, y) != 0)
      continue;
    bool same = memcmp(x->name, y->name, x->name_length) == 0;
    return cored_refuse(a->refusal, same ? CORED_REFUSAL_ZIP_DUPLICATE : CORED_REFUSAL_ZIP_CASE,
                        same ? "entry '%s' is there twice"
                             : "entries '%s' and '%s' differ only "
                               "in case",
                        show(x).text, show(y).text);
  }
  return true;
}

static bool check_sums(const Archive *a, const CoredZip *zip) {
  for (size_t i = 0; i < zip->n; i++) {
    const CoredZipEntry *entry = &zip->entries[i];
    uint32_t found = (uint32_t)crc32_z(crc32_z(0, NULL, 0), entry->data, entry->size);
    if (found != entry->crc)
      return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_CRC,
                          "entry '%s': checksum %08x, expected %08x", show(entry).text, found,
                          entry->crc);
  }
  return true;
}

static bool read_entries(const Archive *a, CoredZip *zip) {
  size_t at = a->directory;
  for (uint64_t i = 0; i < a->stated; i++)
    if (!read_central(a, &at, &zip->entries[zip->n++]))
      return false;
  if (at != a->directory_end)
    return cored_refuse(a->refusal, CORED_REFUSAL_ZIP_COUNT,
                        "%" PRIu64 " entries are stated, but %zu bytes of the central directory "
                        "follow them",
                        a->stated, a->directory_end - at);
  if (!check_names(a, zip))
    return false;
  for (size_t i = 0; i < zip->n; i++)
    if (!read_local(a, &zip->entries[i]))
      return false;
  return true;
}

bool cored_zip_read(const uint8_t *bytes, size_t size, bool check_crc, CoredZip *zip,
                    CoredRefusal *refusal) {
  *zip = (CoredZip){0};
  Archive a = {.bytes = bytes, .size = size, .refusal = refusal};
  if (!read_end(&a))
    return false;
  if (a.stated == 0 || a.stated > CORED_ZIP_MAX_ENTRIES ||
      a.stated > (a.directory_end - a.directory) / SIZE_CENTRAL)
    return cored_refuse(refusal, CORED_REFUSAL_ZIP_COUNT,
                        "%" PRIu64 " entries are stated; %d at most, and the central directory "
                        "has %zu bytes",
                        a.stated, CORED_ZIP_MAX_ENTRIES, a.directory_end - a.directory);
  zip->entries = calloc((size_t)a.stated, sizeof *zip->entries);
  if (!zip->entries)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for %" PRIu64 " entries",
                        a.stated);
  bool ok = read_entries(&a, zip);
  if (ok) {
    qsort(zip->entries, zip->n, sizeof *zip->entries, by_header);
    ok = check_tiling(&a, zip) && (!check_crc || check_sums(&a, zip));
  }
  if (!ok)
    cored_zip_clear(zip);
  return ok;
}

void cored_zip_clear(CoredZip *zip) {
  free(zip->entries);
  *zip = (CoredZip){0};
}
