/* SPDX-License-Identifier: MIT */
#include "values.h"

static guint64 any_bits(GRand *rand) {
  return (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
}

static void any_uint(GValue *value, GParamSpec *spec, GRand *rand) {
  const GParamSpecUInt *range = G_PARAM_SPEC_UINT(spec);
  const guint64 n = (guint64)range->maximum - range->minimum + 1;
  const guint some[] = {range->minimum, range->maximum,
                        range->minimum + (guint)(any_bits(rand) % n),
                        range->minimum + (guint)(any_bits(rand) % MIN(n, 8))};
  g_value_set_uint(value, some[g_rand_int_range(rand, 0, G_N_ELEMENTS(some))]);
}

/* Ranges here start at 0. */
static void any_uint64(GValue *value, GParamSpec *spec, GRand *rand) {
  const guint64 max = G_PARAM_SPEC_UINT64(spec)->maximum, bits = any_bits(rand);
  const guint64 some[] = {0, max, max == G_MAXUINT64 ? bits : bits % (max + 1),
                          bits % G_USEC_PER_SEC};
  g_value_set_uint64(value, MIN(max, some[g_rand_int_range(rand, 0, G_N_ELEMENTS(some))]));
}

static void any_double(GValue *value, GParamSpec *spec, GRand *rand) {
  const GParamSpecDouble *range = G_PARAM_SPEC_DOUBLE(spec);
  const double some[] = {range->minimum, range->maximum,
                         g_rand_double_range(rand, range->minimum, range->maximum)};
  g_value_set_double(value, some[g_rand_int_range(rand, 0, G_N_ELEMENTS(some))]);
}

static void any_string(GValue *value, GRand *rand) {
  static const char *const some[] = {NULL, "", "a", "gesicht \303\244\303\266", "%s%n/../\n"};
  g_value_set_static_string(value, some[g_rand_int_range(rand, 0, G_N_ELEMENTS(some))]);
}

void value_any(GValue *value, GParamSpec *spec, GRand *rand) {
  g_value_init(value, spec->value_type);
  if (g_rand_int_range(rand, 0, 5) == 0) {
    g_param_value_set_default(spec, value);
  } else if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    g_value_set_boolean(value, g_rand_boolean(rand));
  } else if (G_IS_PARAM_SPEC_UINT(spec)) {
    any_uint(value, spec, rand);
  } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
    any_uint64(value, spec, rand);
  } else if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
    any_double(value, spec, rand);
  } else if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const GEnumClass *enums = G_PARAM_SPEC_ENUM(spec)->enum_class;
    g_value_set_enum(value, enums->values[g_rand_int_range(rand, 0, (gint)enums->n_values)].value);
  } else if (G_IS_PARAM_SPEC_FLAGS(spec)) {
    g_value_set_flags(value, g_rand_int(rand) & G_PARAM_SPEC_FLAGS(spec)->flags_class->mask);
  } else if (G_IS_PARAM_SPEC_STRING(spec)) {
    any_string(value, rand);
  } else {
    g_error("no values for property %s of type %s", spec->name, g_type_name(spec->value_type));
  }
}
