/* SPDX-License-Identifier: MIT
 * OpenCV's cascade XML through expat. The document is a fixed tree, so the reader is a table of
 * the paths that may occur; what is not in it is refused. Numbers are read independently of the
 * process locale. Document types are refused: a cascade needs no entities. */
#include "vision/faces/cascade-reader.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse_unknown(CoredReader *r, const XML_Char **attributes) {
  for (; *attributes; attributes += 2)
    if (!strcmp(attributes[1], "opencv-haar-classifier")) {
      cored_reader_refuse(r, "this is the old format of opencv_traincascade's predecessor; only "
                             "opencv-cascade-classifier files are read");
      return;
    }
  cored_reader_refuse(r, "unknown element %s", r->path);
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes) {
  CoredReader *const r = user;
  if (r->failed)
    return;
  if (r->ignored) {
    if (++r->ignored > 32)
      cored_reader_refuse(r, "elements nest too deep");
    return;
  }
  const size_t length = strlen(r->path);
  if (length + strlen(name) + 2 > sizeof r->path) {
    cored_reader_refuse(r, "unknown element %.40s in %s", name, r->path);
    return;
  }
  snprintf(r->path + length, sizeof r->path - length, "/%s", name);
  const CoredCascadeElement *const element = cored_cascade_element(r->path);
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
  CoredReader *const r = user;
  (void)name;
  if (r->failed || (r->ignored && --r->ignored))
    return;
  const CoredCascadeElement *const element = cored_cascade_element(r->path);
  if (element && element->end && !element->ignored)
    element->end(r);
  char *const slash = strrchr(r->path, '/');
  if (slash)
    *slash = '\0';
  r->text_size = 0;
  r->text[0] = '\0';
}

static void XMLCALL on_text(void *user, const XML_Char *text, int n) {
  CoredReader *const r = user;
  if (r->failed || r->ignored)
    return;
  if (r->text_size + (size_t)n > CORED_READER_MAX_TEXT) {
    cored_reader_refuse(r, "more than %d bytes of text in %s", CORED_READER_MAX_TEXT, r->path);
    return;
  }
  memcpy(r->text + r->text_size, text, (size_t)n);
  r->text_size += (size_t)n;
  r->text[r->text_size] = '\0';
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_subset) {
  (void)name, (void)system_id, (void)public_id, (void)has_subset;
  cored_reader_refuse(user, "a document type is not allowed");
}

static void parse_document(CoredReader *r, const char *xml, size_t size) {
  XML_SetUserData(r->xml, r);
  XML_SetElementHandler(r->xml, on_start, on_end);
  XML_SetCharacterDataHandler(r->xml, on_text);
  XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
  if (XML_Parse(r->xml, xml, (int)size, XML_TRUE) == XML_STATUS_ERROR)
    cored_reader_refuse(r, "%s", XML_ErrorString(XML_GetErrorCode(r->xml)));
  if (!r->cascade->n_stages)
    cored_reader_refuse(r, "no cascade in the document");
}

CoredCascade *cored_cascade_parse(const char *xml, size_t size, const char *name,
                                  CoredError *error) {
  if (size > INT32_MAX) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "cascade '%s': %zu bytes", name, size);
    return NULL;
  }
  CoredReader r = {.name = name, .error = error};
  r.xml = XML_ParserCreate("UTF-8");
  r.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  r.text = calloc(1, CORED_READER_MAX_TEXT + 1);
  r.numbers = calloc(CORED_READER_MAX_NUMBERS, sizeof *r.numbers);
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
