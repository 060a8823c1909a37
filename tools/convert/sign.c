/* SPDX-License-Identifier: MIT */
#include "tools/convert/sign.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cored.h"
#include "tools/convert/advice.h"
#include "tools/convert/cli.h"

static const char keygen_help[] =
    "Usage: cored-convert keygen [OPTION]... -o NAME\n"
    "\n"
    "Make a pair of keys. NAME.secret signs: keep it where models are made, it is readable by its\n"
    "owner only and never replaced. NAME.public checks: several of them, one after another in one\n"
    "file, are a list of trusted keys; a line 'revoked KEY-ID' in it takes a key back.\n"
    "\n"
    "  -o, --output=NAME         NAME.secret and NAME.public are written\n"
    "  -c, --comment=TEXT        one line for the public file, whose key it is\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

static const char sign_help[] =
    "Usage: cored-convert sign [OPTION]... --key=FILE MODEL\n"
    "\n"
    "Check a model and write it with an Ed25519 signature. The old file is replaced as a whole or\n"
    "not at all. A signature there already is replaced. Weights in other types than float32 "
    "become\n"
    "float32.\n"
    "\n"
    "  -k, --key=FILE            the secret key\n"
    "  -o, --output=FILE         where to write; default: the model itself\n"
    "      --overwrite           replace another file that is there already\n"
    "  -q, --quiet               print errors only\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

static const char verify_help[] =
    "Usage: cored-convert verify [OPTION]... --keys=FILE MODEL...\n"
    "\n"
    "Check that a trusted key signed each model, and everything else that is checked before a "
    "model\n"
    "is used: structure, hashes, names and shapes, finite weights, the self-test sample.\n"
    "\n"
    "  -k, --keys=FILE           the list of trusted keys\n"
    "  -q, --quiet               print errors only\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

static int fail(const char *path, const CoredError *error) {
  return cored_cli_fail(path, cored_error_code_name(error->code), error->message);
}

/* The same for a model that is none. */
static int fail_model(const char *path, const CoredError *error) {
  fail(path, error);
  cored_cli_advise(cored_advice_for_model(path, error));
  return EXIT_FAILED;
}

/* ---- keygen ---------------------------------------------------------------------------------- */

static int make_keys(const char *name, const char *comment) {
  char secret[4096], public[4096];
  CoredError error = {0};
  const int n = snprintf(secret, sizeof secret, "%s.secret", name);
  if (n < 0 || (size_t)n >= sizeof secret)
    return cored_cli_usage("keygen", "expected a shorter name", NULL);
  snprintf(public, sizeof public, "%s.public", name);
  if (!cored_keys_new(secret, public, comment, &error))
    return fail(secret, &error);
  printf("%s\n%s\n", cored_show(secret).text, cored_show(public).text);
  return EXIT_DONE;
}

int cored_command_keygen(int argc, char **argv) {
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"comment", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  const char *name = NULL, *comment = NULL;
  for (int c; (c = getopt_long(argc, argv, "o:c:h", options, NULL)) != -1;) {
    if (c == 'h')
      return cored_cli_help(keygen_help);
    if (c == OPT_VERSION)
      return cored_cli_version();
    if (c == '?')
      return cored_cli_usage("keygen", "unknown option or missing value", NULL);
    if (c == 'o')
      name = optarg;
    if (c == 'c')
      comment = optarg;
  }
  if (optind != argc || !name)
    return cored_cli_usage("keygen", "expected -o NAME and nothing else", NULL);
  return make_keys(name, comment);
}

/* ---- sign and verify ------------------------------------------------------------------------- */

typedef struct SignArgs {
  const char *key, *output;
  bool quiet, overwrite;
} SignArgs;

/* The options sign and verify share; -1: go on, else the exit status. */
static int parse_args(int argc, char **argv, const char *short_options,
                      const struct option *options, const char *help, SignArgs *args) {
  for (int c; (c = getopt_long(argc, argv, short_options, options, NULL)) != -1;) {
    if (c == 'h')
      return cored_cli_help(help);
    if (c == OPT_VERSION)
      return cored_cli_version();
    if (c == '?')
      return cored_cli_usage(argv[0], "unknown option or missing value", NULL);
    if (c == 'k')
      args->key = optarg;
    if (c == 'o')
      args->output = optarg;
    args->quiet |= c == 'q';
    args->overwrite |= c == OPT_OVERWRITE;
  }
  if (!args->key)
    return cored_cli_usage(argv[0], "expected -k FILE", NULL);
  return optind < argc ? -1 : cored_cli_usage(argv[0], "expected a model", NULL);
}

static int sign_model(const char *path, const SignArgs *args) {
  const char *const output = args->output ? args->output : path;
  CoredError error = {0};
  if (strcmp(output, path) != 0 && !cored_cli_may_write(output, args->overwrite))
    return EXIT_FAILED;
  CoredModel *const model =
      cored_model_load(path, &(CoredModelLoadParams){.kind = CORED_MODEL_ANY}, &error);
  if (!model)
    return fail_model(path, &error);
  const bool ok = cored_model_save_signed(model, output, args->key, &error);
  if (ok && !args->quiet)
    printf("%s: signed, %s, generation %llu\n", cored_show(output).text,
           cored_model_info(model)->network,
           (unsigned long long)cored_model_info(model)->generation);
  cored_model_unref(model);
  return ok ? EXIT_DONE : fail(output, &error);
}

int cored_command_sign(int argc, char **argv) {
  static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  SignArgs args = {0};
  const int status = parse_args(argc, argv, "k:o:qh", options, sign_help, &args);
  if (status >= 0)
    return status;
  if (argc - optind != 1)
    return cored_cli_usage("sign", "expected one model", NULL);
  char *path = cored_cli_model(argv[optind]);
  const int done = path ? sign_model(path, &args) : EXIT_FAILED;
  free(path);
  return done;
}

static int verify_model(const char *path, const CoredTrust *trust, bool quiet) {
  const CoredModelLoadParams params = {.trust = trust, .kind = CORED_MODEL_ANY};
  CoredError error = {0};
  CoredModel *const model = cored_model_load(path, &params, &error);
  if (!model)
    return fail_model(path, &error);
  if (!quiet)
    printf("%s: signed with key %s, %s, generation %llu\n", cored_show(path).text,
           cored_show(cored_model_metadata(model, "cored.key-id")).text,
           cored_model_info(model)->network,
           (unsigned long long)cored_model_info(model)->generation);
  cored_model_unref(model);
  return EXIT_DONE;
}

int cored_command_verify(int argc, char **argv) {
  static const struct option options[] = {{"keys", required_argument, NULL, 'k'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  SignArgs args = {0};
  int status = parse_args(argc, argv, "k:qh", options, verify_help, &args);
  if (status >= 0)
    return status;
  CoredError error = {0};
  CoredTrust *const trust = cored_trust_load(args.key, &error);
  if (!trust)
    return fail(args.key, &error);
  status = EXIT_DONE;
  for (int i = optind; i < argc; i++) {
    char *path = cored_cli_model(argv[i]);
    if (!path || verify_model(path, trust, args.quiet) != EXIT_DONE)
      status = EXIT_FAILED;
    free(path);
  }
  cored_trust_unref(trust);
  return status;
}
