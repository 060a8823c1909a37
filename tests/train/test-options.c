/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "options.h"

enum { MAX_ARGS = 40 };

/* Split a command line at its spaces and parse it; what was printed comes back in text. */
static ParseResult parse(const char *line, Options *options, char text[8192]) {
  static char buffer[1024];
  static char program[] = "cored-train";
  char *argv[MAX_ARGS] = {program};
  int argc = 1;
  snprintf(buffer, sizeof buffer, "%s", line);
  for (char *save = NULL, *word = strtok_r(buffer, " ", &save); word;
       word = strtok_r(NULL, " ", &save))
    argv[argc++] = word;
  memset(text, 0, 8192);
  FILE *file = fmemopen(text, 8191, "w");
  const ParseResult result = options_parse(options, argc, argv, file, file);
  fclose(file);
  return result;
}

static void parse_ok(const char *line, Options *options) {
  char text[8192];
  if (parse(line, options, text) != PARSE_OK)
    fail_msg("'%s': %s", line, text);
}

static void every_reference_flag_works(void **state) {
  (void)state;
  static const char *const lines[] = {
      "-m KD -n Efficient -te -f -s A_B -t C -folder1 one -folder2 two -d D -w W -lr 0.01 -a 0.25 "
      "-nc 3 -ns 7",
      "-m=KD -n=Efficient -te -f -s=A_B -t=C -folder1=one -folder2=two -d=D -w=W -lr=0.01 -a=0.25 "
      "-nc=3 -ns=7",
      "--method=KD --network=Efficient --test --full --sources=A_B --target=C -folder1=one "
      "-folder2=two --data=D --weights=W --learning-rate=0.01 --alpha=0.25 --classes=3 --stores=7"};
  for (int i = 0; i < 3; i++) {
    Options o;
    parse_ok(lines[i], &o);
    assert_int_equal(o.recipe.train.method, CORED_METHOD_KD);
    assert_string_equal(o.network.network, "efficientnet-b0");
    assert_true(o.test && o.data.full);
    assert_string_equal(o.data.target, "C");
    assert_string_equal(o.output.folder1, "one");
    assert_string_equal(o.output.folder2, "two");
    assert_string_equal(o.data.folder, "D");
    assert_string_equal(o.network.weights, "W");
    assert_true(o.recipe.schedule.base == 0.01 && o.recipe.train.alpha == 0.25);
    assert_int_equal(o.network.n_classes, 3);
    assert_int_equal(o.recipe.train.n_stores, 7);
    options_clear(&o);
  }
  Options o;
  parse_ok("-t=A -d=D -me=3 -nb=17 -ng=0,1 --test -w=x", &o);
  assert_int_equal(o.recipe.epochs, 3);
  assert_int_equal(o.recipe.batch, 17);
  options_clear(&o);
}

static void defaults_are_the_recipe(void **state) {
  (void)state;
  Options o;
  parse_ok("-t A -d D", &o);
  assert_int_equal(o.recipe.train.method, CORED_METHOD_CORED);
  assert_null(o.network.network); /* Xception, or what the weights are */
  assert_true(o.recipe.schedule.base == 0.05 && o.recipe.train.optimizer.momentum == 0.1);
  assert_true(o.recipe.train.optimizer.weight_decay == 0.0 && o.recipe.train.alpha == 0.5);
  assert_true(o.recipe.train.temperature == 20.0);
  assert_int_equal(o.recipe.train.optimizer.kind, CORED_OPTIMIZER_SGD);
  assert_int_equal(o.recipe.schedule.kind, CORED_SCHEDULE_CONSTANT);
  assert_int_equal(o.recipe.batch, 128);
  assert_int_equal(o.recipe.epochs, 100);
  assert_int_equal(o.recipe.train.n_stores, 5);
  assert_int_equal(o.recipe.seed, 2020);
  assert_int_equal(o.recipe.train.seed, 2020);
  assert_int_equal(o.output.checkpoint_every, 20);
  assert_int_equal(o.recipe.select, SELECT_ACCURACY);
  assert_true(o.output.gate.max_forgetting == 2.0 && o.data.max_bad == 1.0);
  assert_true(o.recipe.augment && o.recipe.augmentation.flip == 0.5);
  assert_true(o.recipe.augmentation.jpeg == 0.0 && o.recipe.augmentation.blur == 0.0);
  options_clear(&o);
}

static void face_detectors(void **state) {
  (void)state;
  static const struct {
    const char *line;
    FaceDetectorKind kind;
  } cases[] = {{"", FACE_DETECTOR_NETWORK},
               {"--face-detector auto", FACE_DETECTOR_NETWORK},
               {"--face-model m", FACE_DETECTOR_NETWORK},
               {"--face-model m --face-detector=network", FACE_DETECTOR_NETWORK},
               {"--face-detector cascade", FACE_DETECTOR_CASCADE},
               {"--cascade c", FACE_DETECTOR_CASCADE},
               {"--cascade c --face-detector auto", FACE_DETECTOR_CASCADE},
               {"--face-detector cascade --cascade c", FACE_DETECTOR_CASCADE}};
  static const char *const wrong[] = {"--align eyes --cascade c",
                                      "--align eyes --face-detector cascade",
                                      "--cascade c --face-model m",
                                      "--cascade c --face-detector network",
                                      "--face-detector cascade --face-model m",
                                      "--face-detector none"};
  char line[128], text[8192];
  Options o;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(line, sizeof line, "-t A -d D %s", cases[i].line);
    parse_ok(line, &o);
    assert_int_equal(data_face_detector(&o.data), cases[i].kind);
    options_clear(&o);
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(line, sizeof line, "-t A -d D %s", wrong[i]);
    assert_int_equal(parse(line, &o, text), PARSE_ERROR);
    assert_non_null(strstr(text, "--face-"));
    options_clear(&o);
  }
  parse_ok("-t A -d D --align eyes", &o);
  assert_int_equal(o.data.crop.align, CORED_CROP_ALIGN_EYES);
  options_clear(&o);
  assert_int_equal(parse("-t A -d D --align ears", &o, text), PARSE_ERROR);
  assert_non_null(strstr(text, "eyes"));
  options_clear(&o);
}

static void cutmix_follows_the_task(void **state) {
  (void)state;
  Options o;
  parse_ok("-t A -d D", &o);
  assert_int_equal(o.recipe.augmentation.cutmix, CORED_CUTMIX_SAME_CLASS);
  assert_true(o.recipe.augmentation.cutmix_rate == 0.5 && o.recipe.augmentation.cutmix_beta == 1.0);
  options_clear(&o);
  parse_ok("-t A -s B -w W -d D", &o);
  assert_int_equal(o.recipe.augmentation.cutmix, CORED_CUTMIX_OTHER_CLASS);
  assert_true(o.recipe.augmentation.cutmix_rate == 0.2 && o.recipe.augmentation.cutmix_beta == 0.5);
  options_clear(&o);
  parse_ok("-t A -s B -w W -d D --cutmix same --cutmix-rate 0.3", &o);
  assert_int_equal(o.recipe.augmentation.cutmix, CORED_CUTMIX_SAME_CLASS);
  assert_true(o.recipe.augmentation.cutmix_rate == 0.3 && o.recipe.augmentation.cutmix_beta == 1.0);
  options_clear(&o);
  parse_ok("-t A -d D --tgd", &o);
  assert_true(o.recipe.augmentation.jpeg == 0.5 && o.recipe.augmentation.blur == 0.5);
  assert_true(o.recipe.train.dropout == 0.2 && o.recipe.schedule.kind == CORED_SCHEDULE_COSINE);
  options_clear(&o);
}

static void sources_and_target(void **state) {
  (void)state;
  Options o;
  parse_ok("-s=DeepFake -d=./dataset/", &o);
  assert_string_equal(o.data.target, "DeepFake");
  assert_int_equal(o.data.n_sources, 0);
  options_clear(&o);
  parse_ok("-s=Face2Face_DeepFake -t=FaceSwap -d=./dataset -w=./weights", &o);
  assert_int_equal(o.data.n_sources, 2);
  assert_string_equal(o.data.sources[0], "Face2Face");
  assert_string_equal(o.data.sources[1], "DeepFake");
  options_clear(&o);
  parse_ok("-s a_b,c -t d -d D -w W", &o); /* commas leave underscores alone */
  assert_int_equal(o.data.n_sources, 2);
  assert_string_equal(o.data.sources[0], "a_b");
  options_clear(&o);
}

static void errors_name_the_option(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"-t A", "-d FOLDER"},
      {"-d D", "-t NAME"},
      {"-d D -s A_B", "-t NAME"},
      {"-d D -t A -s B", "-w PATH"},
      {"-d D -t A -s A -w W", "source and the target"},
      {"-d D -t A -lr", "'-lr' needs a value"},
      {"-d D -t A -lr x", "--learning-rate: expected a number"},
      {"-d D -t A -lr nan", "--learning-rate"},
      {"-d D -t A -me 1e3", "--epochs: expected a whole number"},
      {"-d D -t A -nb 0", "--batch"},
      {"-d D -t A -a 1.5", "--alpha: expected a number from 0 to 1"},
      {"-d D -t A -n ResNet", "no network 'ResNet'"},
      {"-d D -t A --select best", "accuracy|auc|worst-task"},
      {"-d D -t A --no-such", "'--no-such'"},
      {"-d D -t A more", "unexpected argument 'more'"},
      {"-d D --test", "-w FILE"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Options o;
    char text[8192];
    assert_int_equal(parse(cases[i][0], &o, text), PARSE_ERROR);
    if (!strstr(text, cases[i][1]))
      fail_msg("'%s': '%s' is not in '%s'", cases[i][0], cases[i][1], text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    options_clear(&o);
  }
}

static void help_lists_every_option_by_topic(void **state) {
  (void)state;
  static const char *const names[] = {
#define TOPIC(title) title,
#define OPTION(id, handler, brief, name, value, help) (name)[0] ? "--" name : "-" brief,
#include "options-table.h"
#undef TOPIC
#undef OPTION
  };
  Options o;
  static char text[16384];
  static char program[] = "cored-train", option[] = "--help";
  char *argv[] = {program, option, NULL};
  FILE *file = fmemopen(text, sizeof text - 1, "w");
  assert_int_equal(options_parse(&o, 2, argv, file, file), PARSE_DONE);
  fclose(file);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!strstr(text, names[i]))
      fail_msg("'%s' is not in the help", names[i]);
  for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
    assert_true(strcspn(line, "\n") <= 132);
  options_clear(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_reference_flag_works),
      cmocka_unit_test(defaults_are_the_recipe),
      cmocka_unit_test(face_detectors),
      cmocka_unit_test(cutmix_follows_the_task),
      cmocka_unit_test(sources_and_target),
      cmocka_unit_test(errors_name_the_option),
      cmocka_unit_test(help_lists_every_option_by_topic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
