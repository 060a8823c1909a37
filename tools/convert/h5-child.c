/* SPDX-License-Identifier: MIT
 * The library's side of reading HDF5: runs in a child process only. */
#include <hdf5.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/convert/h5.h"

#define MAX_NAMES 4096
#define MAX_NAME 256 /* with its NUL */
#define MAX_DEPTH 8

typedef struct Child {
  int fd;
  size_t left; /* bytes that may still be declared */
} Child;

typedef char Name[MAX_NAME];

/* ---- Sending --------------------------------------------------------------------------------- */

static void send_all(const Child *child, const void *data, size_t size) {
  for (const uint8_t *p = data; size > 0;) {
    ssize_t n = write(child->fd, p, size);
    if (n <= 0)
      _exit(1); /* the parent is gone */
    p += n;
    size -= (size_t)n;
  }
}

static void send_number(const Child *child, uint32_t value, size_t size) {
  uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                      (uint8_t)(value >> 24)};
  send_all(child, bytes, size);
}

static bool refuse(const Child *child, CoredRefusalCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(const Child *child, CoredRefusalCode code, const char *format, ...) {
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  send_all(child, "E", 1);
  send_number(child, code, 2);
  send_number(child, (uint32_t)strlen(text), 2);
  send_all(child, text, strlen(text));
  _exit(0); /* the first refusal ends the child; nothing needs closing */
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *out) {
  if (n == 0)
    snprintf(out, 256, "%s (%s)", error->desc ? error->desc : "", error->func_name);
  return 0;
}

static bool damaged(const Child *child, const char *what, const char *name) {
  char why[256] = "";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, why);
  return refuse(child, CORED_REFUSAL_H5_DAMAGED, "%s '%s': %s", what, name, why);
}

/* ---- Names in attributes --------------------------------------------------------------------- */

static bool read_fixed(const Child *child, hid_t attribute, hid_t type, size_t n, Name *names) {
  size_t size = H5Tget_size(type);
  if (size == 0 || size >= MAX_NAME)
    return refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "names of %zu bytes, at most %d", size,
                  MAX_NAME - 1);
  char *raw = calloc(n, size);
  if (!raw || H5Aread(attribute, type, raw) < 0)
    return damaged(child, "attribute", "names");
  for (size_t i = 0; i < n; i++) {
    memcpy(names[i], raw + i * size, size);
    names[i][size] = '\0';
  }
  free(raw);
  return true;
}

static bool read_variable(const Child *child, hid_t attribute, hid_t type, size_t n, Name *names) {
  char **raw = calloc(n, sizeof *raw);
  if (!raw || H5Aread(attribute, type, raw) < 0)
    return damaged(child, "attribute", "names");
  for (size_t i = 0; i < n; i++) {
    if (!raw[i] || strlen(raw[i]) >= MAX_NAME)
      return refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "a name of more than %d bytes",
                    MAX_NAME - 1);
    snprintf(names[i], MAX_NAME, "%s", raw[i]);
  }
  free(raw); /* the strings stay: the child ends soon */
  return true;
}

/* The strings of an attribute; *n is 0 for an empty one. The caller frees them. */
static Name *read_names(const Child *child, hid_t group, const char *group_name,
                        const char *attribute_name, size_t *n) {
  if (H5Aexists(group, attribute_name) <= 0)
    refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "group '%s' has no attribute %s", group_name,
           attribute_name);
  hid_t attribute = H5Aopen(group, attribute_name, H5P_DEFAULT);
  hid_t space = H5Aget_space(attribute), type = H5Aget_type(attribute);
  hssize_t count = H5Sget_simple_extent_npoints(space);
  if (attribute < 0 || space < 0 || type < 0 || count < 0)
    damaged(child, "attribute of", group_name);
  if (count > MAX_NAMES)
    refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "attribute %s of '%s' has %lld names, at most %d",
           attribute_name, group_name, (long long)count, MAX_NAMES);
  *n = (size_t)count;
  Name *names = calloc(*n + 1, sizeof *names);
  if (!names)
    refuse(child, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  if (*n > 0 && H5Tget_class(type) != H5T_STRING) /* an empty list is stored as numbers */
    refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "attribute %s of '%s' is not made of strings",
           attribute_name, group_name);
  if (*n > 0 && H5Tis_variable_str(type))
    read_variable(child, attribute, type, *n, names);
  else if (*n > 0)
    read_fixed(child, attribute, type, *n, names);
  H5Tclose(type);
  H5Sclose(space);
  H5Aclose(attribute);
  return names;
}

/* ---- Objects --------------------------------------------------------------------------------- */

/* Open `path` under `at`, one component at a time, every link of which has to be a hard one. */
static hid_t open_hard(const Child *child, hid_t at, const char *path) {
  Name rest;
  snprintf(rest, sizeof rest, "%s", path);
  hid_t object = H5Oopen(at, ".", H5P_DEFAULT);
  char *next = rest;
  for (int depth = 0; next; depth++) {
    const char *part = strsep(&next, "/");
    if (part[0] == '\0' || strcmp(part, ".") == 0 || depth == MAX_DEPTH)
      refuse(child, CORED_REFUSAL_H5_DEPTH, "path '%s': empty, '.', or more than %d deep", path,
             MAX_DEPTH);
    H5L_info_t link;
    if (object < 0 || H5Lget_info(object, part, &link, H5P_DEFAULT) < 0)
      damaged(child, "object", path);
    if (link.type != H5L_TYPE_HARD)
      refuse(child, CORED_REFUSAL_H5_LINK, "'%s' is a%s link, only hard links are followed", path,
             link.type == H5L_TYPE_SOFT       ? " soft"
             : link.type == H5L_TYPE_EXTERNAL ? "n external"
                                              : " user-defined");
    hid_t inner = H5Oopen(object, part, H5P_DEFAULT);
    H5Oclose(object);
    object = inner;
  }
  if (object < 0)
    damaged(child, "object", path);
  return object;
}

static hid_t open_group(const Child *child, hid_t at, const char *path) {
  hid_t group = open_hard(child, at, path);
  if (H5Iget_type(group) != H5I_GROUP)
    refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "'%s' is not a group", path);
  return group;
}

/* IEEE half, single or double precision in either byte order; *memory is the little-endian type
 * to read with. */
static CoredScalar check_type(const Child *child, hid_t type, const char *name, hid_t *memory) {
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_REFERENCE)
    refuse(child, CORED_REFUSAL_H5_REFERENCE, "'%s' holds references", name);
  *memory = H5Tcopy(type);
  if (class == H5T_FLOAT && H5Tset_order(*memory, H5T_ORDER_LE) >= 0) {
    size_t sign, exponent, exponent_size, mantissa, mantissa_size;
    if (H5Tequal(*memory, H5T_IEEE_F32LE) > 0)
      return CORED_SCALAR_F32;
    if (H5Tequal(*memory, H5T_IEEE_F64LE) > 0)
      return CORED_SCALAR_F64;
    if (H5Tget_size(*memory) == 2 && H5Tget_ebias(*memory) == 15 &&
        H5Tget_fields(*memory, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) >= 0 &&
        sign == 15 && exponent == 10 && exponent_size == 5 && mantissa == 0 && mantissa_size == 10)
      return CORED_SCALAR_F16;
  }
  refuse(child, CORED_REFUSAL_H5_TYPE, "'%s' is not made of IEEE floating-point numbers", name);
  return CORED_SCALAR_F32;
}

static void check_filters(const Child *child, hid_t plist, const char *name) {
  int n = H5Pget_nfilters(plist);
  for (int i = 0; i < n; i++) {
    unsigned flags, values[8], config;
    size_t n_values = 8;
    H5Z_filter_t filter =
        H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, values, 0, NULL, &config);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
        filter != H5Z_FILTER_FLETCHER32)
      refuse(child, CORED_REFUSAL_H5_FILTER,
             "'%s' has filter %d; read are deflate, shuffle and Fletcher-32", name, (int)filter);
  }
}

/* Data lie in this file, and a chunk is no larger than all data may be. */
static void check_layout(const Child *child, hid_t dataset, size_t item, const char *name) {
  hid_t plist = H5Dget_create_plist(dataset);
  if (plist < 0)
    damaged(child, "dataset", name);
  H5D_layout_t layout = H5Pget_layout(plist);
  if (layout == H5D_VIRTUAL || H5Pget_external_count(plist) != 0)
    refuse(child, CORED_REFUSAL_H5_EXTERNAL, "'%s' keeps its data in another file", name);
  check_filters(child, plist, name);
  if (layout == H5D_CHUNKED) {
    hsize_t dims[CORED_LOOSE_MAX_RANK];
    int rank = H5Pget_chunk(plist, CORED_LOOSE_MAX_RANK, dims);
    size_t bytes = item;
    for (int i = 0; i < rank && i < CORED_LOOSE_MAX_RANK; i++)
      if (__builtin_mul_overflow(bytes, (size_t)dims[i], &bytes) || bytes > child->left)
        refuse(child, CORED_REFUSAL_H5_SIZE, "'%s' has chunks of more than %zu bytes", name,
               child->left);
  }
  H5Pclose(plist);
}

/* Rank and dimensions within what may still be declared; *bytes of data. */
static int check_shape(Child *child, hid_t dataset, size_t item, const char *name, hsize_t *dims,
                       size_t *bytes) {
  hid_t space = H5Dget_space(dataset);
  int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  if (rank < 0 || rank > CORED_LOOSE_MAX_RANK)
    refuse(child, CORED_REFUSAL_TENSOR_SHAPE, "'%s' has %d dimensions, at most %d", name, rank,
           CORED_LOOSE_MAX_RANK);
  H5Sget_simple_extent_dims(space, dims, NULL);
  *bytes = item;
  for (int i = 0; i < rank; i++) {
    if (dims[i] == 0)
      refuse(child, CORED_REFUSAL_TENSOR_SHAPE, "'%s' has a dimension of 0", name);
    if (dims[i] > INT32_MAX || __builtin_mul_overflow(*bytes, (size_t)dims[i], bytes))
      *bytes = SIZE_MAX;
  }
  if (*bytes > child->left)
    refuse(child, CORED_REFUSAL_H5_SIZE,
           "'%s' and the weights before it declare more data than the network has", name);
  child->left -= *bytes;
  H5Sclose(space);
  return rank;
}

static void send_dataset(Child *child, hid_t dataset, const char *name) {
  hid_t type = H5Dget_type(dataset), memory;
  if (type < 0)
    damaged(child, "dataset", name);
  CoredScalar scalar = check_type(child, type, name, &memory);
  hsize_t dims[CORED_LOOSE_MAX_RANK];
  size_t bytes, item = cored_scalar_size(scalar);
  check_layout(child, dataset, item, name);
  int rank = check_shape(child, dataset, item, name, dims, &bytes);
  void *data = malloc(bytes);
  if (!data)
    refuse(child, CORED_REFUSAL_NO_MEMORY, "no memory for the %zu bytes of '%s'", bytes, name);
  if (H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
    damaged(child, "dataset", name);
  send_all(child, "T", 1);
  send_number(child, (uint32_t)strlen(name), 2);
  send_all(child, name, strlen(name));
  send_number(child, scalar, 1);
  send_number(child, (uint32_t)rank, 1);
  for (int i = 0; i < rank; i++)
    send_number(child, (uint32_t)dims[i], 4);
  send_number(child, (uint32_t)bytes, 4);
  send_all(child, data, bytes);
  free(data);
  H5Tclose(memory);
  H5Tclose(type);
}

/* "conv2d_5/kernel:0" in layer "conv2d_5" is sent as "conv2d_5/kernel". */
static void send_weight(Child *child, hid_t group, const char *layer, const char *weight) {
  hid_t dataset = open_hard(child, group, weight);
  if (H5Iget_type(dataset) != H5I_DATASET)
    refuse(child, CORED_REFUSAL_KERAS_LAYOUT, "'%s' in layer '%s' is not a dataset", weight, layer);
  const char *slash = strrchr(weight, '/'), *last = slash ? slash + 1 : weight;
  char name[2 * MAX_NAME];
  int length = snprintf(name, sizeof name, "%s/%s", layer, last);
  if (length > 2 && strcmp(name + length - 2, ":0") == 0)
    name[length - 2] = '\0';
  send_dataset(child, dataset, name);
  H5Oclose(dataset);
}

static void send_layers(Child *child, hid_t root) {
  size_t n_layers, n_weights;
  Name *layers = read_names(child, root, "/", "layer_names", &n_layers);
  for (size_t i = 0; i < n_layers; i++) {
    hid_t group = open_group(child, root, layers[i]);
    Name *weights = read_names(child, group, layers[i], "weight_names", &n_weights);
    for (size_t k = 0; k < n_weights; k++)
      send_weight(child, group, layers[i], weights[k]);
    free(weights);
    H5Oclose(group);
  }
  free(layers);
}

void cored_h5_child(const CoredBytes *bytes, size_t max_data, int fd) {
  Child child = {.fd = fd, .left = max_data};
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state(0); /* no filter plug-ins */
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fapl_core(access, 65536, 0); /* in memory, never written back */
  if (H5Pset_file_image(access, bytes->data, bytes->size) < 0)
    damaged(&child, "file", "image");
  hid_t file = H5Fopen("image.h5", H5F_ACC_RDONLY, access);
  if (file < 0)
    damaged(&child, "file", "superblock");
  /* A file of weights has the layers at its root, one of a whole model under model_weights. */
  hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  if (root < 0)
    damaged(&child, "group", "/");
  if (H5Aexists(root, "layer_names") <= 0 && H5Lexists(root, "model_weights", H5P_DEFAULT) > 0)
    root = open_group(&child, root, "model_weights");
  if (H5Aexists(root, "layer_names") <= 0 &&
      (H5Lexists(root, "layers", H5P_DEFAULT) > 0 ||
       H5Lexists(root, "_layer_checkpoint_dependencies", H5P_DEFAULT) > 0))
    refuse(&child, CORED_REFUSAL_KERAS_LAYOUT,
           "a weight file of Keras 3, which does not name the layers of its weights");
  send_layers(&child, root);
  send_all(&child, "Z", 1);
}
