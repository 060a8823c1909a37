/* SPDX-License-Identifier: MIT
 * YuNet n and s (Wu, Peng and Yu 2023, "YuNet: a tiny millisecond-level face detector"), which
 * finds faces and five landmarks of each: a backbone of units (pointwise, then depthwise
 * convolution), a pyramid over its last three stages, and a head per stage. Input is RGB of 0 to
 * 255; the published weights' is BGR, so importing them turns the channels of the first convolution
 * round.
 *
 * A published head has a unit of its own for each of its four outputs. Here they are one unit of 16
 * channels, which computes the same. */
#include "networks/yunet.h"

#include <stdio.h>

#include "networks/registry.h"

#define STAGES 6

typedef struct Variant {
  int inner[STAGES],
      channels[STAGES]; /* of a stage's two units; stage 0 begins with a convolution */
  bool shared_units;    /* a unit between pyramid and head */
} Variant;

/* Stage 1 and 2 share a resolution; behind the others the map is halved. */
static const bool halved[STAGES] = {true, false, true, true, true, false};

const char *const cored_yunet_outputs[CORED_YUNET_STRIDES] = {"stride8", "stride16", "stride32"};

/* Pointwise, depthwise 3x3; both with a bias. */
static int unit(CoredGraph *g, int x, int channels, const char *name) {
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = channels, .kernel = 1, .bias = true},
                       "%s.conv1", name);
  return cored_graph_depthwise(g, x, (CoredConvArgs){.kernel = 3, .pad = 1, .bias = true},
                               "%s.conv2", name);
}

static int unit_relu(CoredGraph *g, int x, int channels, const char *name) {
  return cored_graph_relu(g, unit(g, x, channels, name));
}

static int stage(CoredGraph *g, int x, const Variant *variant, int i) {
  char name[CORED_NAME_SIZE];
  snprintf(name, sizeof name, "backbone.model%d.conv1", i);
  if (i == 0)
    x = cored_graph_relu(
        g, cored_graph_conv(
               g, x,
               (CoredConvArgs){
                   .channels = variant->inner[0], .kernel = 3, .stride = 2, .pad = 1, .bias = true},
               "%s", name));
  else
    x = unit_relu(g, x, variant->inner[i], name);
  snprintf(name, sizeof name, "backbone.model%d.conv2", i);
  return unit_relu(g, x, variant->channels[i], name);
}

static void head(CoredGraph *g, int x, const Variant *variant, int i) {
  char name[CORED_NAME_SIZE];
  if (variant->shared_units) {
    snprintf(name, sizeof name, "bbox_head.multi_level_share_convs.%d.0", i);
    x = unit_relu(g, x, variant->channels[STAGES - 1], name);
  }
  snprintf(name, sizeof name, "bbox_head.outputs.%d", i);
  cored_graph_set_output(g, unit(g, x, CORED_YUNET_CHANNELS, name), cored_yunet_outputs[i]);
}

static int build(CoredGraph *g, const Variant *variant) {
  int x = cored_graph_input(g, 3), levels[CORED_YUNET_STRIDES];
  for (int i = 0; i < STAGES; i++) {
    x = stage(g, x, variant, i);
    if (i >= STAGES - CORED_YUNET_STRIDES)
      levels[i - (STAGES - CORED_YUNET_STRIDES)] = x;
    if (halved[i])
      x = cored_graph_max_pool(g, x, 2, 2, CORED_PAD_EXPLICIT, 0);
  }
  for (int i = CORED_YUNET_STRIDES - 1; i >= 0; i--) {
    char name[CORED_NAME_SIZE];
    snprintf(name, sizeof name, "neck.lateral_convs.%d", i);
    levels[i] = unit_relu(g, levels[i], variant->channels[STAGES - 1], name);
    if (i > 0)
      levels[i - 1] = cored_graph_add(g, levels[i - 1], cored_graph_upsample(g, levels[i], 2));
  }
  for (int i = 0; i < CORED_YUNET_STRIDES; i++)
    head(g, levels[i], variant, i);
  return CORED_NO_NODE;
}

static int build_n(CoredGraph *g, int n_classes) {
  static const Variant variant = {.inner = {16, 16, 64, 64, 64, 64},
                                  .channels = {16, 64, 64, 64, 64, 64},
                                  .shared_units = true};
  (void)n_classes;
  return build(g, &variant);
}

static int build_s(CoredGraph *g, int n_classes) {
  static const Variant variant = {.inner = {16, 16, 32, 64, 64, 64},
                                  .channels = {16, 32, 64, 64, 64, 64}};
  (void)n_classes;
  return build(g, &variant);
}

#define YUNET(variant)                                                                             \
  {                                                                                                \
    .kind = CORED_MODEL_LOCATOR, .id = "yunet-" #variant,                                          \
    .title = "YuNet " #variant " (Wu et al. 2023)", .input_size = 320, .published_size = 640,      \
    .min_size = 32, .max_size = CORED_MAX_INPUT_SIZE, .multiple = 32, .threshold = 0.6,            \
    .std = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}, .build = build_##variant                          \
  }

const CoredNetwork cored_network_yunet_n = YUNET(n), cored_network_yunet_s = YUNET(s);
