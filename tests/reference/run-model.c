/* SPDX-License-Identifier: MIT
 * What a model file says of pictures, through the public API only.
 *
 *   run-model MODEL WIDTH HEIGHT RGB...
 *
 * RGB files are raw 8-bit R, G, B of WIDTH x HEIGHT; the whole picture is the region. Prints a
 * line "P-FAKE LOGIT LOGIT ..." per picture, 9 significant digits. */
#include <stdio.h>
#include <stdlib.h>

#include "cored.h"

static _Noreturn void die(const char *what, const char *detail) {
  fprintf(stderr, "run-model: %s: %s\n", what, detail);
  exit(1);
}

static uint8_t *read_picture(const char *path, size_t size) {
  uint8_t *pixels = malloc(size);
  FILE *file = fopen(path, "rb");
  if (!pixels || !file || fread(pixels, 1, size, file) != size || fgetc(file) != EOF)
    die(path, "cannot be read or has the wrong size");
  fclose(file);
  return pixels;
}

static void judge(CoredSession *session, CoredPreprocessor *preprocessor,
                  const CoredModelInfo *info, const uint8_t *pixels, int width, int height) {
  CoredImage image = {.format = CORED_PIXEL_RGB,
                      .width = width,
                      .height = height,
                      .plane = {pixels},
                      .stride = {3 * width}};
  CoredBox box = {.w = width, .h = height};
  CoredOutput output;
  CoredError error = {0};
  if (!cored_preprocessor_run(preprocessor, &image, &box, cored_session_input(session), &error))
    die("preprocessing", error.message);
  cored_session_run(session, cored_session_input(session), 1, &output);
  printf("%.9g", cored_p_fake(info, output.logits));
  for (int i = 0; i < output.n_classes; i++)
    printf(" %.9g", (double)output.logits[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  if (argc < 5)
    die("usage", "run-model MODEL WIDTH HEIGHT RGB...");
  int width = atoi(argv[2]), height = atoi(argv[3]);
  CoredError error = {0};
  CoredModel *model = cored_model_load(argv[1], NULL, &error);
  CoredPlan *plan = model ? cored_plan_new(model, NULL, &error) : NULL;
  CoredSession *session = plan ? cored_session_new(plan, NULL, &error) : NULL;
  if (!session)
    die(argv[1], error.message);
  const CoredModelInfo *info = cored_plan_info(plan);
  CoredPreprocessor *preprocessor = cored_preprocessor_new(
      info->input_width, info->input_height, info->mean, info->std, cored_cpu_flags(), &error);
  if (!preprocessor)
    die("preprocessor", error.message);
  for (int i = 4; i < argc; i++) {
    uint8_t *pixels = read_picture(argv[i], (size_t)width * (size_t)height * 3);
    judge(session, preprocessor, info, pixels, width, height);
    free(pixels);
  }
  cored_preprocessor_free(preprocessor);
  cored_session_free(session);
  cored_plan_unref(plan);
  cored_model_unref(model);
  return 0;
}
