/* SPDX-License-Identifier: MIT
 * manifest.csv: which group (video, photo, person) a file belongs to.
 *
 * Read is what people write: UTF-8 with or without a byte-order mark and UTF-16 with one; comma,
 * semicolon or tab; any line ends; "sep=;"; column names in any capitals; quotes; paths that begin
 * with ./, have backslashes or other capitals. Anything else is an error with its line: groups
 * that were given and then not used would make figures look better than they are. */
#include "train/data/manifest.h"

#include <dirent.h>
#include <stdarg.h>
#include <iconv.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "train/data/picture-file.h"

enum { MAX_BYTES = 256 << 20, FOLDERS_ABOVE = 3 };

static bool fail(const CoredManifest *manifest, size_t line, CoredError *error, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
static bool fail(const CoredManifest *manifest, size_t line, CoredError *error, const char *format,
                 ...) {
  char what[512];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return cored_error_set(error, CORED_ERROR_DATASET, "'%s', line %zu: %s", manifest->file, line,
                         what);
}

/* ---- Its place ------------------------------------------------------------------------------- */

/* The file called manifest.csv, in any capitals: 1, 0 without one, -1 on an error. */
static int find_file(const char *folder, CoredManifest *manifest, CoredError *error) {
  DIR *dir = opendir(folder);
  int found = 0;
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    if (strcasecmp(entry->d_name, "manifest.csv") != 0)
      continue;
    free(manifest->file);
    if (asprintf(&manifest->file, "%s/%s", folder, entry->d_name) < 0)
      manifest->file = NULL;
    found++;
  }
  if (dir)
    closedir(dir);
  if (found && !manifest->file)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "manifest.csv in '%s'", folder);
  else if (found > 1)
    cored_error_set(error, CORED_ERROR_DATASET,
                    "'%s' holds %d files called manifest.csv in different capitals", folder, found);
  else
    return found;
  return -1;
}

/* The nearest: beside the class folders in root, else in root/.., root/../.. or root/../../..
 * (textually, after links are resolved). True without one, too: then file is NULL. */
static bool find(CoredManifest *manifest, const char *root, CoredError *error) {
  char folder[PATH_MAX], prefix[PATH_MAX] = "", longer[PATH_MAX];
  if (!realpath(root, folder))
    return true;
  for (int up = 0; up <= FOLDERS_ABOVE; up++) {
    const int found = find_file(folder, manifest, error);
    if (found != 0) {
      manifest->folder = found > 0 ? strdup(folder) : NULL;
      manifest->prefix = found > 0 ? strdup(prefix) : NULL;
      return found > 0 && ((manifest->folder && manifest->prefix) ||
                           cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s'", manifest->file));
    }
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder ||
        snprintf(longer, sizeof longer, "%s/%s", slash + 1, prefix) >= PATH_MAX)
      return true;
    memcpy(prefix, longer, strlen(longer) + 1);
    *slash = '\0';
  }
  return true;
}

/* ---- Its text -------------------------------------------------------------------------------- */

static bool from_utf16(CoredManifest *manifest, char *bytes, size_t size, CoredError *error) {
  size_t room = size * 2 + 1, left = room - 1;
  char *text = malloc(room), *to = text;
  iconv_t converter = iconv_open("UTF-8", "UTF-16");
  const bool ok =
      text && converter != (iconv_t)-1 && iconv(converter, &bytes, &size, &to, &left) != (size_t)-1;
  if (converter != (iconv_t)-1)
    iconv_close(converter);
  if (!ok) {
    free(text);
    return fail(manifest, 1, error, "the file begins like UTF-16, but is not; save it as UTF-8");
  }
  *to = '\0';
  manifest->text = text;
  manifest->size = (size_t)(to - text);
  return true;
}

static bool read_text(CoredManifest *manifest, CoredError *error) {
  uint8_t *bytes;
  size_t size;
  if (!cored_media_read(manifest->file, MAX_BYTES, &bytes, &size, error))
    return false;
  if (size >= 2 &&
      ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
    const bool ok = from_utf16(manifest, (char *)bytes, size, error);
    free(bytes);
    if (!ok)
      return false;
  } else {
    manifest->text = (char *)bytes; /* padded with zeros, hence terminated */
    manifest->size = size;
  }
  if (manifest->size >= 3 && memcmp(manifest->text, "\xef\xbb\xbf", 3) == 0)
    memmove(manifest->text, manifest->text + 3, (manifest->size -= 3) + 1);
  size_t line = 1;
  for (size_t i = 0; i < manifest->size; i++) {
    line += manifest->text[i] == '\n';
    if (manifest->text[i] == '\0')
      return fail(manifest, line, error,
                  "a zero byte; UTF-16 needs a byte-order mark, better save the file as UTF-8");
  }
  return true;
}

/* ---- Its fields ------------------------------------------------------------------------------ */

typedef struct Reader {
  CoredManifest *manifest;
  char *at;
  size_t line; /* where at is */
  char separator;
  CoredError *error;
} Reader;

static bool is_blank(char c) {
  return c == ' ' || (c == '\t');
}

/* Past a separator or the end of a line; *last: it was the latter. */
static void pass_end(Reader *reader, bool *last) {
  *last = *reader->at != reader->separator;
  if (!*last) {
    reader->at++;
  } else if (*reader->at) {
    reader->at += reader->at[0] == '\r' && reader->at[1] == '\n' ? 2 : 1;
    reader->line++;
  }
}

static bool ends_field(const Reader *reader) {
  return *reader->at == reader->separator || strchr("\r\n", *reader->at); /* or at the very end */
}

static void skip_blanks(Reader *reader) {
  while (is_blank(*reader->at) && *reader->at != reader->separator)
    reader->at++;
}

/* The quotes are undone in place. */
static char *quoted_field(Reader *reader, bool *last) {
  char *to = ++reader->at, *field = to;
  const size_t line = reader->line;
  for (; *reader->at && !(reader->at[0] == '"' && reader->at[1] != '"'); reader->at++) {
    reader->at += reader->at[0] == '"';
    reader->line += *reader->at == '\n';
    *to++ = *reader->at;
  }
  if (!*reader->at) {
    fail(reader->manifest, line, reader->error, "a quote that does not end");
    return NULL;
  }
  reader->at++;
  skip_blanks(reader);
  if (!ends_field(reader)) {
    fail(reader->manifest, reader->line, reader->error, "text behind the end of a quoted field");
    return NULL;
  }
  pass_end(reader, last);
  *to = '\0';
  return field;
}

/* The next field without blanks around it; NULL on an error. */
static char *next_field(Reader *reader, bool *last) {
  skip_blanks(reader);
  if (*reader->at == '"')
    return quoted_field(reader, last);
  char *field = reader->at;
  while (!ends_field(reader))
    reader->at++;
  char *end = reader->at;
  pass_end(reader, last);
  while (end > field && is_blank(end[-1]))
    end--;
  *end = '\0';
  return field;
}

/* The separator that stands most often in the first line. "sep=;" is an order of its own. */
static void choose_separator(Reader *reader) {
  static const char separators[] = ",;\t";
  size_t most = 0, counts[sizeof separators] = {0};
  bool quoted = false;
  reader->separator = ',';
  if (strncasecmp(reader->at, "sep=", 4) == 0 && reader->at[4] && strchr("\r\n", reader->at[5])) {
    bool last;
    reader->separator = reader->at[4];
    reader->at += 5;
    pass_end(reader, &last);
    return;
  }
  for (const char *c = reader->at; *c && (quoted || !strchr("\r\n", *c)); c++) {
    quoted ^= *c == '"';
    const char *known = quoted ? NULL : strchr(separators, *c);
    if (known && ++counts[known - separators] > most) {
      most = counts[known - separators];
      reader->separator = *c;
    }
  }
}

typedef struct Columns {
  int n, path, group;
} Columns;

static bool set_column(const Reader *reader, size_t line, int *column, int index,
                       const char *name) {
  if (*column >= 0)
    return fail(reader->manifest, line, reader->error, "two columns called '%s'", name);
  *column = index;
  return true;
}

static bool read_header(Reader *reader, Columns *columns) {
  char found[256] = "";
  size_t at = 0;
  const size_t line = reader->line;
  *columns = (Columns){0, -1, -1};
  for (bool last = false; !last; columns->n++) {
    const char *name = next_field(reader, &last);
    if (!name)
      return false;
    const bool path = strcasecmp(name, "path") == 0, group = strcasecmp(name, "group") == 0;
    if ((path || group) &&
        !set_column(reader, line, path ? &columns->path : &columns->group, columns->n, name))
      return false;
    if (at < sizeof found)
      at += (size_t)snprintf(found + at, sizeof found - at, "%s'%s'", at ? ", " : "", name);
  }
  if (columns->path >= 0 && columns->group >= 0)
    return true;
  return fail(reader->manifest, line, reader->error,
              "expected the columns 'path' and 'group', found %s", found);
}

/* The path as files below the manifest's folder are called. */
static char *plain_path(const CoredManifest *manifest, char *path) {
  const size_t folder = strlen(manifest->folder);
  if (!strchr(path, '/'))
    for (char *c = path; *c; c++)
      *c = *c == '\\' ? '/' : *c;
  if (strncmp(path, manifest->folder, folder) == 0 && path[folder] == '/')
    path += folder + 1;
  char *to = path;
  for (const char *from = path; *from;) {
    const bool begins = to == path || to[-1] == '/';
    if (begins && from[0] == '/' && from > path)
      from++;
    else if (begins && from[0] == '.' && from[1] == '/')
      from += 2;
    else
      *to++ = *from++;
  }
  *to = '\0';
  return path;
}

/* One line; *row has no path where the line is empty. */
static bool read_row(Reader *reader, const Columns *columns, CoredManifestRow *row) {
  int n = 0, filled = 0;
  *row = (CoredManifestRow){.line = reader->line};
  for (bool last = false; !last; n++) {
    char *field = next_field(reader, &last);
    if (!field)
      return false;
    filled = field[0] ? n + 1 : filled;
    row->path = n == columns->path ? field : row->path;
    row->group = n == columns->group ? field : row->group;
  }
  if (filled == 0) {
    row->path = NULL;
    return true;
  }
  if (filled > columns->n || n < columns->n)
    return fail(reader->manifest, row->line, reader->error,
                "expected %d fields, as many as in the first line, found %d", columns->n,
                filled > columns->n ? filled : n);
  if (!row->path[0])
    return fail(reader->manifest, row->line, reader->error, "the path is empty");
  row->path = plain_path(reader->manifest, row->path);
  return true;
}

static int by_path(const void *a, const void *b) {
  const CoredManifestRow *x = a, *y = b;
  const int order = strcmp(x->path, y->path);
  return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* A path twice is fine as long as both lines say the same. */
static bool check_twice(CoredManifest *manifest, CoredError *error) {
  size_t n = 0;
  for (size_t i = 0; i < manifest->n; i++) {
    const CoredManifestRow *row = &manifest->rows[i], *before = &manifest->rows[n - (n > 0)];
    if (n == 0 || strcmp(before->path, row->path) != 0)
      manifest->rows[n++] = *row;
    else if (strcmp(before->group, row->group) != 0)
      return fail(manifest, row->line, error, "'%s' is of group '%s' here and '%s' in line %zu",
                  row->path, row->group, before->group, before->line);
  }
  manifest->n = n;
  return true;
}

static bool parse(CoredManifest *manifest, CoredError *error) {
  Reader reader = {manifest, manifest->text, 1, ',', error};
  Columns columns;
  size_t lines = 1;
  for (const char *c = manifest->text; *c; c++)
    lines += *c == '\n' || *c == '\r';
  manifest->rows = malloc(lines * sizeof *manifest->rows);
  if (!manifest->rows)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': %zu lines", manifest->file, lines);
  choose_separator(&reader);
  if (!read_header(&reader, &columns))
    return false;
  while (*reader.at) {
    CoredManifestRow *row = &manifest->rows[manifest->n];
    if (!read_row(&reader, &columns, row))
      return false;
    manifest->n += row->path != NULL;
  }
  qsort(manifest->rows, manifest->n, sizeof *manifest->rows, by_path);
  return check_twice(manifest, error);
}

bool cored_manifest_load(CoredManifest *manifest, const char *root, CoredError *error) {
  *manifest = (CoredManifest){0};
  return find(manifest, root, error) &&
         (!manifest->file || (read_text(manifest, error) && parse(manifest, error)));
}

void cored_manifest_clear(CoredManifest *manifest) {
  free(manifest->file);
  free(manifest->folder);
  free(manifest->prefix);
  free(manifest->text);
  free(manifest->rows);
  free(manifest->folded);
  *manifest = (CoredManifest){0};
}

/* ---- Files and rows -------------------------------------------------------------------------- */

static int compare_key(const void *key, const void *row) {
  return strcmp(key, ((const CoredManifestRow *)row)->path);
}

CoredManifestRow *cored_manifest_find(CoredManifest *manifest, const char *relative) {
  char path[2 * PATH_MAX];
  if (manifest->n == 0 ||
      snprintf(path, sizeof path, "%s%s", manifest->prefix, relative) >= (int)sizeof path)
    return NULL;
  return bsearch(path, manifest->rows, manifest->n, sizeof *manifest->rows, compare_key);
}

static int by_folded_path(const void *a, const void *b) {
  const CoredManifestRow *const *x = a, *const *y = b;
  return strcasecmp((*x)->path, (*y)->path);
}

bool cored_manifest_fold(CoredManifest *manifest, CoredError *error) {
  manifest->folded = malloc((manifest->n + 1) * sizeof(CoredManifestRow *));
  if (!manifest->folded)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s'", manifest->file);
  for (size_t i = 0; i < manifest->n; i++)
    if (!manifest->rows[i].used)
      manifest->folded[manifest->n_folded++] = &manifest->rows[i];
  qsort(manifest->folded, manifest->n_folded, sizeof *manifest->folded, by_folded_path);
  return true;
}

CoredManifestRow *cored_manifest_find_folded(CoredManifest *manifest, const char *relative) {
  char path[2 * PATH_MAX];
  if (snprintf(path, sizeof path, "%s%s", manifest->prefix, relative) >= (int)sizeof path)
    return NULL;
  CoredManifestRow key = {.path = path}, *const wanted = &key;
  CoredManifestRow **found = bsearch(&wanted, manifest->folded, manifest->n_folded,
                                     sizeof *manifest->folded, by_folded_path);
  if (!found)
    return NULL;
  CoredManifestRow *const *begin = manifest->folded, *const *end = begin + manifest->n_folded;
  const bool alone = (found == begin || by_folded_path(found - 1, found) != 0) &&
                     (found + 1 == end || by_folded_path(found + 1, found) != 0);
  return alone && !(*found)->used ? *found : NULL;
}

/* Lies the row in the folder of the set, and is nothing there? */
static bool is_missing(const CoredManifest *manifest, const CoredManifestRow *row) {
  char path[2 * PATH_MAX];
  struct stat st;
  return strncasecmp(row->path, manifest->prefix, strlen(manifest->prefix)) == 0 &&
         snprintf(path, sizeof path, "%s/%s", manifest->folder, row->path) < (int)sizeof path &&
         lstat(path, &st) != 0;
}

bool cored_manifest_check(const CoredManifest *manifest, const char *relative, size_t n_found,
                          CoredError *error) {
  const CoredManifestRow *first = manifest->rows;
  for (size_t i = 0; i < manifest->n; i++)
    first = manifest->rows[i].line < first->line ? &manifest->rows[i] : first;
  if (manifest->n == 0)
    return fail(manifest, 1, error, "no file is named below the names of the columns");
  if (n_found == 0)
    return fail(manifest, first->line, error,
                "no path names a file of this data set; the first is '%s', expected was one like "
                "'%s%s'",
                first->path, manifest->prefix, relative);
  for (size_t i = 0; i < manifest->n; i++)
    if (!manifest->rows[i].used && is_missing(manifest, &manifest->rows[i]))
      return fail(manifest, manifest->rows[i].line, error,
                  "there is no file '%s', and '%s%s' has no line", manifest->rows[i].path,
                  manifest->prefix, relative);
  return true;
}
