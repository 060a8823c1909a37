/* SPDX-License-Identifier: MIT
 * OpenCV's cascade XML through expat. The document is a fixed tree, so the reader is a table of
 * the paths that may occur; what is not in it is refused. Numbers are read independently of the
 * process locale. Document types are refused: a cascade needs no entities. */
#include "vision/faces/cascade-file.h"

#include "base/error.h"

#include <errno.h>
#include <expat.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  MAX_PATH = 160,
  MAX_TEXT = 1 << 16,
  MAX_NUMBERS = 4096,
};

typedef struct Reader {
  XML_Parser xml;
  locale_t locale; /* "C" */
  const char *name;
  CoredError *error;
  bool failed;
  char path[MAX_PATH]; /* "/opencv_storage/cascade/..." */
  size_t ignored;      /* depth inside an element whose content does not matter */
  char *text;          /* [MAX_TEXT + 1] of the innermost element */
  size_t text_size;
  double *numbers; /* [MAX_NUMBERS] */
  CoredCascade *cascade;
  int stage_trees; /* maxWeakCount of the open stage */
  int stage_num;   /* 0 until read */
  bool has_kind, has_threshold;
} Reader;

static unsigned long long current_line(const Reader *r) {
#ifdef HAVE_XML_LINE_NUMBER64
  return XML_GetCurrentLineNumber64(r->xml);
#else
  return XML_GetCurrentLineNumber(r->xml);
#endif
}

/* The first error counts; it ends the parsing. */
__attribute__((format(printf, 2, 3))) static void refuse(Reader *r, const char *format, ...) {
  char text[256];
  if (r->failed)
    return;
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  r->failed = true;
  cored_error_set(r->error, CORED_ERROR_CASCADE_FORMAT, "cascade '%s', line %llu: %s", r->name,
                  current_line(r), text);
  XML_StopParser(r->xml, XML_FALSE);
}

static void refuse_memory(Reader *r) {
  if (r->failed)
    return;
  r->failed = true;
  cored_error_set(r->error, CORED_ERROR_NO_MEMORY, "cascade '%s': no memory", r->name);
  XML_StopParser(r->xml, XML_FALSE);
}

/* Room for one more item in an array of n, zeroed. Capacities are powers of two, so that no other
 * state is needed. */
static bool grow(Reader *r, void **items, int n, size_t item_size, int max, const char *what) {
  if (n >= max) {
    refuse(r, "more than %d %s", max, what);
    return false;
  }
  if (n & (n - 1)) /* n is no power of two and not 0: there is room */
    return true;
  void *const grown = realloc(*items, (n ? 2 * (size_t)n : 1) * item_size);
  if (!grown) {
    refuse_memory(r);
    return false;
  }
  *items = grown;
  memset((char *)grown + (size_t)n * item_size, 0, (n ? (size_t)n : 1) * item_size);
  return true;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

/* The element's text as decimal numbers apart by white space, into r->numbers; how many, -1 when it
 * is anything else. */
static int read_numbers(Reader *r) {
  const char *at = r->text;
  int n = 0;
  if (strspn(at, "0123456789+-.eE \t\r\n") != r->text_size) {
    refuse(r, "'%.40s' in %s holds something other than decimal numbers", r->text, r->path);
    return -1;
  }
  for (at += strspn(at, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
    char *end;
    if (n == MAX_NUMBERS) {
      refuse(r, "more than %d numbers in %s", MAX_NUMBERS, r->path);
      return -1;
    }
    const double value = strtod_l(at, &end, r->locale);
    if (end == at || !strchr(" \t\r\n", *end) || !isfinite((float)value)) {
      refuse(r, "'%.40s' in %s is not a number in range", at, r->path);
      return -1;
    }
    r->numbers[n++] = value;
    at = end;
  }
  return n;
}

/* One whole number: a value, or the element's text. */
static bool to_int(Reader *r, double value, int low, int high, int *out) {
  if (!(value >= low && value <= high) || value != floor(value)) {
    refuse(r, "%s: %g is not a whole number from %d to %d", r->path, value, low, high);
    return false;
  }
  *out = (int)value;
  return true;
}

static bool read_int(Reader *r, int low, int high, int *out) {
  const int n = read_numbers(r);
  if (n < 0)
    return false;
  if (n != 1) {
    refuse(r, "%s: expected one number, found %d", r->path, n);
    return false;
  }
  return to_int(r, r->numbers[0], low, high, out);
}

static bool text_is(const Reader *r, const char *want) {
  const char *const at = r->text + strspn(r->text, " \t\r\n");
  const size_t n = strlen(want);
  return !strncmp(at, want, n) && !at[n + strspn(at + n, " \t\r\n")];
}

/* ---- Elements ------------------------------------------------------------------------------- */

typedef struct Element {
  const char *path;
  void (*begin)(Reader *);
  void (*end)(Reader *);
  bool ignored; /* what is inside describes the training */
} Element;

enum {
  MAX_STAGES = 256,
  MAX_TREES = 1 << 16,
  MAX_NODES = 1 << 17,
  MAX_FEATURES = 1 << 18,
  LBP_NODE_NUMBERS = 11,
  HAAR_NODE_NUMBERS = 4,
};

static CoredCascadeStage *last_stage(const Reader *r) {
  return &r->cascade->stages[r->cascade->n_stages - 1];
}

static CoredCascadeTree *last_tree(const Reader *r) {
  return &r->cascade->trees[r->cascade->n_trees - 1];
}

static CoredCascadeFeature *last_feature(const Reader *r) {
  return &r->cascade->features[r->cascade->n_features - 1];
}

static void end_stage_type(Reader *r) {
  if (!text_is(r, "BOOST"))
    refuse(r, "stageType is '%.40s', only BOOST is known", r->text);
}

static void end_feature_type(Reader *r) {
  if (r->has_kind)
    refuse(r, "featureType appears twice");
  else if (text_is(r, "LBP"))
    r->cascade->kind = CORED_CASCADE_LBP;
  else if (text_is(r, "HAAR"))
    r->cascade->kind = CORED_CASCADE_HAAR;
  else
    refuse(r, "featureType is '%.40s', only LBP and HAAR are known", r->text);
  r->has_kind = true;
}

/* Once, so that what was checked against the window stays inside it. */
static void read_window_side(Reader *r, int *side) {
  if (*side)
    refuse(r, "%s appears twice", r->path);
  else
    read_int(r, 4, CORED_CASCADE_MAX_SIDE, side);
}

static void end_width(Reader *r) {
  read_window_side(r, &r->cascade->width);
}

static void end_height(Reader *r) {
  read_window_side(r, &r->cascade->height);
}

static void end_stage_num(Reader *r) {
  read_int(r, 1, MAX_STAGES, &r->stage_num);
}

static void end_categories(Reader *r) {
  int n;
  if (!r->has_kind)
    refuse(r, "featureParams before featureType");
  else if (read_int(r, 0, 256, &n) && n != (r->cascade->kind == CORED_CASCADE_LBP ? 256 : 0))
    refuse(r, "maxCatCount is %d; LBP has 256 and Haar 0", n);
}

static void begin_stages(Reader *r) {
  if (!r->has_kind || !r->cascade->width || !r->cascade->height)
    refuse(r, "stages before featureType, width and height");
}

static void begin_stage(Reader *r) {
  CoredCascade *const c = r->cascade;
  if (!grow(r, (void **)&c->stages, c->n_stages, sizeof *c->stages, MAX_STAGES, "stages"))
    return;
  c->stages[c->n_stages++] = (CoredCascadeStage){.first_tree = c->n_trees};
  r->stage_trees = 0;
  r->has_threshold = false;
}

static void end_weak_count(Reader *r) {
  read_int(r, 1, MAX_TREES, &r->stage_trees);
}

static void end_stage_threshold(Reader *r) {
  if (read_numbers(r) != 1) {
    refuse(r, "stageThreshold is not one number");
    return;
  }
  /* Thresholds were trained as the smallest sum of a positive sample; the margin, as in OpenCV,
   * is for its rounding. */
  last_stage(r)->threshold = (float)r->numbers[0] - 1e-5f;
  r->has_threshold = true;
}

static void end_stage(Reader *r) {
  CoredCascadeStage *const stage = last_stage(r);
  stage->n_trees = r->cascade->n_trees - stage->first_tree;
  if (!r->has_threshold)
    refuse(r, "stage %d has no stageThreshold", r->cascade->n_stages - 1);
  else if (!stage->n_trees)
    refuse(r, "stage %d has no weakClassifiers", r->cascade->n_stages - 1);
  else if (r->stage_trees && r->stage_trees != stage->n_trees)
    refuse(r, "stage %d: maxWeakCount is %d, found %d classifiers", r->cascade->n_stages - 1,
           r->stage_trees, stage->n_trees);
}

static void begin_tree(Reader *r) {
  CoredCascade *const c = r->cascade;
  if (!grow(r, (void **)&c->trees, c->n_trees, sizeof *c->trees, MAX_TREES, "weak classifiers"))
    return;
  c->trees[c->n_trees++] = (CoredCascadeTree){.first_node = c->n_nodes, .first_leaf = c->n_leaves};
}

static bool read_node(Reader *r, const double *v, CoredCascadeNode *node) {
  const int max = MAX_NUMBERS;
  if (!to_int(r, v[0], -max, max, &node->left) || !to_int(r, v[1], -max, max, &node->right) ||
      !to_int(r, v[2], 0, MAX_FEATURES - 1, &node->feature))
    return false;
  if (r->cascade->kind == CORED_CASCADE_HAAR) {
    node->threshold = (float)v[3];
    return true;
  }
  for (int i = 0; i < 8; i++) {
    const double word = v[3 + i];
    if (!(word >= INT32_MIN && word <= INT32_MAX) || word != floor(word)) {
      refuse(r, "LBP subset word %g is not a 32-bit number", word);
      return false;
    }
    node->subset[i] = (uint32_t)(int32_t)word;
  }
  return true;
}

static void end_nodes(Reader *r) {
  CoredCascade *const c = r->cascade;
  const int each = c->kind == CORED_CASCADE_LBP ? LBP_NODE_NUMBERS : HAAR_NODE_NUMBERS;
  const int n = read_numbers(r);
  if (n < 0)
    return;
  if (last_tree(r)->n_nodes || n < each || n % each) {
    refuse(r, "internalNodes: expected groups of %d numbers once, found %d numbers", each, n);
    return;
  }
  for (int i = 0; i < n; i += each) {
    if (!grow(r, (void **)&c->nodes, c->n_nodes, sizeof *c->nodes, MAX_NODES, "nodes") ||
        !read_node(r, r->numbers + i, &c->nodes[c->n_nodes]))
      return;
    c->n_nodes++;
  }
  last_tree(r)->n_nodes = n / each;
  if (n / each > c->largest_tree)
    c->largest_tree = n / each;
}

static void end_leaves(Reader *r) {
  CoredCascade *const c = r->cascade;
  const int n = read_numbers(r);
  if (n >= 0 && c->n_leaves != last_tree(r)->first_leaf)
    refuse(r, "leafValues appears twice");
  for (int i = 0; i < n; i++) {
    if (!grow(r, (void **)&c->leaves, c->n_leaves, sizeof *c->leaves, 2 * MAX_NODES, "leaves"))
      return;
    c->leaves[c->n_leaves++] = (float)r->numbers[i];
  }
}

/* Children come later than their parent and leaves exist: evaluation ends and stays inside. */
static bool child_ok(int child, int parent, int n_nodes) {
  return child > 0 ? child > parent && child < n_nodes : -child <= n_nodes;
}

static void end_tree(Reader *r) {
  const CoredCascade *const c = r->cascade;
  const CoredCascadeTree *const tree = last_tree(r);
  const int n_leaves = c->n_leaves - tree->first_leaf;
  if (!tree->n_nodes || n_leaves != tree->n_nodes + 1) {
    refuse(r, "a tree of %d nodes needs %d leaves, found %d", tree->n_nodes, tree->n_nodes + 1,
           n_leaves);
    return;
  }
  for (int i = 0; i < tree->n_nodes; i++) {
    const CoredCascadeNode *const node = &c->nodes[tree->first_node + i];
    if (!child_ok(node->left, i, tree->n_nodes) || !child_ok(node->right, i, tree->n_nodes))
      refuse(r, "node %d of a tree of %d points to %d and %d", i, tree->n_nodes, node->left,
             node->right);
  }
}

static void begin_feature(Reader *r) {
  CoredCascade *const c = r->cascade;
  if (!grow(r, (void **)&c->features, c->n_features, sizeof *c->features, MAX_FEATURES, "features"))
    return;
  c->n_features++;
}

/* x y w h, and for Haar the weight. */
static bool read_rect(Reader *r, int n_numbers, CoredCascadeRect *rect) {
  const int n = read_numbers(r), side = CORED_CASCADE_MAX_SIDE;
  if (n < 0)
    return false;
  if (n != n_numbers) {
    refuse(r, "a rectangle needs %d numbers, found %d", n_numbers, n);
    return false;
  }
  rect->weight = n == 5 ? (float)r->numbers[4] : 1.f;
  return to_int(r, r->numbers[0], 0, side, &rect->x) &&
         to_int(r, r->numbers[1], 0, side, &rect->y) &&
         to_int(r, r->numbers[2], 1, side, &rect->w) && to_int(r, r->numbers[3], 1, side, &rect->h);
}

static void end_lbp_rect(Reader *r) {
  CoredCascadeFeature *const f = last_feature(r);
  if (r->cascade->kind != CORED_CASCADE_LBP || f->n_rects)
    refuse(r, "unexpected rect in a feature");
  else if (read_rect(r, 4, &f->rect[0]))
    f->n_rects = 1;
}

static void end_haar_rect(Reader *r) {
  CoredCascadeFeature *const f = last_feature(r);
  if (r->cascade->kind != CORED_CASCADE_HAAR || f->n_rects == CORED_HAAR_MAX_RECTS)
    refuse(r, "unexpected rectangle in a feature");
  else if (read_rect(r, 5, &f->rect[f->n_rects]))
    f->n_rects++;
}

static void end_tilted(Reader *r) {
  int tilted;
  if (!read_int(r, 0, 1, &tilted))
    return;
  last_feature(r)->tilted = tilted;
  r->cascade->tilted |= tilted;
}

static bool rect_inside(const CoredCascade *c, const CoredCascadeRect *rect, bool tilted) {
  if (c->kind == CORED_CASCADE_LBP)
    return rect->x + 3 * rect->w <= c->width && rect->y + 3 * rect->h <= c->height;
  if (tilted)
    return rect->x - rect->h >= 0 && rect->x + rect->w <= c->width &&
           rect->y + rect->w + rect->h <= c->height;
  return rect->x + rect->w <= c->width && rect->y + rect->h <= c->height;
}

static void end_feature(Reader *r) {
  const CoredCascadeFeature *const f = last_feature(r);
  if (!f->n_rects || (f->tilted && r->cascade->kind != CORED_CASCADE_HAAR))
    refuse(r, "feature %d has no rectangle or is tilted LBP", r->cascade->n_features - 1);
  for (int i = 0; i < f->n_rects; i++)
    if (!rect_inside(r->cascade, &f->rect[i], f->tilted))
      refuse(r, "feature %d: rectangle %d,%d %dx%d is outside the %dx%d window",
             r->cascade->n_features - 1, f->rect[i].x, f->rect[i].y, f->rect[i].w, f->rect[i].h,
             r->cascade->width, r->cascade->height);
}

static void end_cascade(Reader *r) {
  const CoredCascade *const c = r->cascade;
  if (!c->n_stages || !c->n_features) {
    refuse(r, "stages or features are missing");
    return;
  }
  if (r->stage_num != c->n_stages)
    refuse(r, "stageNum is %d, found %d stages", r->stage_num, c->n_stages);
  for (int i = 0; i < c->n_nodes; i++)
    if (c->nodes[i].feature >= c->n_features)
      refuse(r, "a node wants feature %d of %d", c->nodes[i].feature, c->n_features);
}

/* ---- The table --------------------------------------------------------------------------------
 */

#define STAGE "/opencv_storage/cascade/stages/_"
#define TREE STAGE "/weakClassifiers/_"
#define FEATURE "/opencv_storage/cascade/features/_"

static const Element elements[] = {
    {"/opencv_storage", NULL, NULL, false},
    {"/opencv_storage/cascade", NULL, end_cascade, false},
    {"/opencv_storage/cascade/stageType", NULL, end_stage_type, false},
    {"/opencv_storage/cascade/featureType", NULL, end_feature_type, false},
    {"/opencv_storage/cascade/width", NULL, end_width, false},
    {"/opencv_storage/cascade/height", NULL, end_height, false},
    {"/opencv_storage/cascade/stageParams", NULL, NULL, true},
    {"/opencv_storage/cascade/featureParams", NULL, NULL, false},
    {"/opencv_storage/cascade/featureParams/maxCatCount", NULL, end_categories, false},
    {"/opencv_storage/cascade/featureParams/featSize", NULL, NULL, true},
    {"/opencv_storage/cascade/featureParams/mode", NULL, NULL, true},
    {"/opencv_storage/cascade/stageNum", NULL, end_stage_num, false},
    {"/opencv_storage/cascade/stages", begin_stages, NULL, false},
    {STAGE, begin_stage, end_stage, false},
    {STAGE "/maxWeakCount", NULL, end_weak_count, false},
    {STAGE "/stageThreshold", NULL, end_stage_threshold, false},
    {STAGE "/weakClassifiers", NULL, NULL, false},
    {TREE, begin_tree, end_tree, false},
    {TREE "/internalNodes", NULL, end_nodes, false},
    {TREE "/leafValues", NULL, end_leaves, false},
    {"/opencv_storage/cascade/features", begin_stages, NULL, false},
    {FEATURE, begin_feature, end_feature, false},
    {FEATURE "/rect", NULL, end_lbp_rect, false},
    {FEATURE "/rects", NULL, NULL, false},
    {FEATURE "/rects/_", NULL, end_haar_rect, false},
    {FEATURE "/tilted", NULL, end_tilted, false},
};

/* NULL for a path that no cascade has. */
static const Element *element_at(const char *path) {
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
    if (!strcmp(elements[i].path, path))
      return &elements[i];
  return NULL;
}

/* ---- The document --------------------------------------------------------------------------- */

static void refuse_unknown(Reader *r, const XML_Char **attributes) {
  for (; *attributes; attributes += 2)
    if (!strcmp(attributes[1], "opencv-haar-classifier")) {
      refuse(r, "this is the old format of opencv_traincascade's predecessor; only "
                "opencv-cascade-classifier files are read");
      return;
    }
  refuse(r, "unknown element %s", r->path);
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes) {
  Reader *const r = user;
  if (r->failed)
    return;
  if (r->ignored) {
    if (++r->ignored > 32)
      refuse(r, "elements nest too deep");
    return;
  }
  const size_t length = strlen(r->path);
  if (length + strlen(name) + 2 > sizeof r->path) {
    refuse(r, "unknown element %.40s in %s", name, r->path);
    return;
  }
  snprintf(r->path + length, sizeof r->path - length, "/%s", name);
  const Element *const element = element_at(r->path);
  r->text_size = 0;
  r->text[0] = '\0';
  if (!element)
    refuse_unknown(r, attributes);
  else if (element->ignored)
    r->ignored = 1;
  else if (element->begin)
    element->begin(r);
}

static void XMLCALL on_end(void *user, const XML_Char *name) {
  Reader *const r = user;
  (void)name;
  if (r->failed || (r->ignored && --r->ignored))
    return;
  const Element *const element = element_at(r->path);
  if (element && element->end && !element->ignored)
    element->end(r);
  char *const slash = strrchr(r->path, '/');
  if (slash)
    *slash = '\0';
  r->text_size = 0;
  r->text[0] = '\0';
}

static void XMLCALL on_text(void *user, const XML_Char *text, int n) {
  Reader *const r = user;
  if (r->failed || r->ignored)
    return;
  if (r->text_size + (size_t)n > MAX_TEXT) {
    refuse(r, "more than %d bytes of text in %s", MAX_TEXT, r->path);
    return;
  }
  memcpy(r->text + r->text_size, text, (size_t)n);
  r->text_size += (size_t)n;
  r->text[r->text_size] = '\0';
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_subset) {
  (void)name, (void)system_id, (void)public_id, (void)has_subset;
  refuse(user, "a document type is not allowed");
}

static void parse_document(Reader *r, const char *xml, size_t size) {
  XML_SetUserData(r->xml, r);
  XML_SetElementHandler(r->xml, on_start, on_end);
  XML_SetCharacterDataHandler(r->xml, on_text);
  XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
  if (XML_Parse(r->xml, xml, (int)size, XML_TRUE) == XML_STATUS_ERROR)
    refuse(r, "%s", XML_ErrorString(XML_GetErrorCode(r->xml)));
  if (!r->cascade->n_stages)
    refuse(r, "no cascade in the document");
}

CoredCascade *cored_cascade_parse(const char *xml, size_t size, const char *name,
                                  CoredError *error) {
  if (size > INT32_MAX) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "cascade '%s': %zu bytes", name, size);
    return NULL;
  }
  Reader r = {.name = name, .error = error};
  r.xml = XML_ParserCreate("UTF-8");
  r.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  r.text = calloc(1, MAX_TEXT + 1);
  r.numbers = calloc(MAX_NUMBERS, sizeof *r.numbers);
  r.cascade = calloc(1, sizeof *r.cascade);
  if (!r.xml || !r.locale || !r.text || !r.numbers || !r.cascade) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "cascade '%s': no memory", name);
    r.failed = true;
  } else {
    parse_document(&r, xml, size);
  }
  if (r.xml)
    XML_ParserFree(r.xml);
  if (r.locale)
    freelocale(r.locale);
  free(r.text);
  free(r.numbers);
  if (r.failed) {
    cored_cascade_free(r.cascade);
    return NULL;
  }
  return r.cascade;
}

void cored_cascade_free(CoredCascade *cascade) {
  if (!cascade)
    return;
  free(cascade->stages);
  free(cascade->trees);
  free(cascade->nodes);
  free(cascade->leaves);
  free(cascade->features);
  free(cascade);
}

/* ---- The file ------------------------------------------------------------------------------- */

/* The largest of OpenCV's own files has 2.7 MB. */
enum { MAX_FILE = 16 << 20 };

static int open_file(const char *path, CoredError *error) {
  /* Not blocking: the path may be a FIFO. */
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0)
    return fd;
  if (errno == ENOENT || errno == ENOTDIR)
    cored_error_set(error, CORED_ERROR_NOT_FOUND,
                    "cascade '%s' does not exist (OpenCV's cascades are in Debian's package "
                    "opencv-data, under /usr/share/opencv4)",
                    path);
  else
    cored_error_set(error, CORED_ERROR_OPEN, "cascade '%s': %s", path, strerror(errno));
  return -1;
}

/* Whole file, at most MAX_FILE bytes; a size that changes meanwhile is met by the loop's end. */
static char *read_all(int fd, const char *path, size_t *size, CoredError *error) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    cored_error_set(error, CORED_ERROR_NOT_REGULAR, "cascade '%s' is not a regular file", path);
    return NULL;
  }
  if (st.st_size > MAX_FILE) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE,
                    "cascade '%s' has %lld bytes, the limit is %d", path, (long long)st.st_size,
                    MAX_FILE);
    return NULL;
  }
  char *const bytes = malloc((size_t)st.st_size + 1);
  if (!bytes) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "cascade '%s': no memory", path);
    return NULL;
  }
  size_t n = 0;
  while (n < (size_t)st.st_size) {
    const ssize_t got = read(fd, bytes + n, (size_t)st.st_size - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      cored_error_set(error, CORED_ERROR_READ, "cascade '%s': %s", path, strerror(errno));
      free(bytes);
      return NULL;
    }
    if (got == 0)
      break;
    n += (size_t)got;
  }
  *size = n;
  return bytes;
}

CoredCascade *cored_cascade_load(const char *path, CoredError *error) {
  size_t size = 0;
  const int fd = open_file(path, error);
  if (fd < 0)
    return NULL;
  char *const bytes = read_all(fd, path, &size, error);
  close(fd);
  if (!bytes)
    return NULL;
  CoredCascade *const cascade = cored_cascade_parse(bytes, size, path, error);
  free(bytes);
  return cascade;
}
