/* SPDX-License-Identifier: MIT */
#include "model/model-version.h"

CoredModelVersion *cored_model_version_new(CoredModel *model, CoredPlan *plan, const char *path,
                                           const char *identity, const char *key_id,
                                           guint64 load_us) {
  CoredModelVersion *version = g_new0(CoredModelVersion, 1);
  g_atomic_ref_count_init(&version->refs);
  if (cored_model_info(model)->kind == CORED_MODEL_LOCATOR) {
    version->model = cored_model_ref(model);
    version->info = cored_model_info(model);
  } else {
    version->plan = cored_plan_ref(plan);
    version->info = cored_plan_info(plan);
  }
  version->path = g_strdup(path);
  version->load_us = load_us;
  g_snprintf(version->id, sizeof version->id, "%s-%.16s", version->info->network,
             version->info->sha256);
  g_strlcpy(version->identity, identity, sizeof version->identity);
  g_strlcpy(version->key_id, key_id ? key_id : "", sizeof version->key_id);
  return version;
}

static CoredModel *load_model(const char *path, CoredModelKind kind, const CoredTrust *trust,
                              CoredError *error) {
  const CoredModelLoadParams params = {.trust = trust, .kind = kind};
  if (kind == CORED_MODEL_LOCATOR && !*path)
    return cored_model_built_in_locator(error);
  return cored_model_load(path, &params, error);
}

CoredModelVersion *cored_model_version_load(const char *path, CoredModelKind kind,
                                            const CoredTrust *trust, CoredError *error) {
  const gint64 start = g_get_monotonic_time();
  CoredModel *model = load_model(path, kind, trust, error);
  if (!model)
    return NULL;
  CoredModelVersion *version = NULL;
  CoredPlan *plan = kind == CORED_MODEL_CLASSIFIER ? cored_plan_new(model, NULL, error) : NULL;
  if (plan || kind == CORED_MODEL_LOCATOR)
    version = cored_model_version_new(
        model, plan, path, cored_model_metadata(model, CORED_METADATA_IDENTITY),
        trust ? cored_model_metadata(model, CORED_METADATA_KEY_ID) : NULL,
        (guint64)(g_get_monotonic_time() - start));
  cored_plan_unref(plan);
  cored_model_unref(model);
  return version;
}

CoredModelVersion *cored_model_version_ref(CoredModelVersion *version) {
  g_atomic_ref_count_inc(&version->refs);
  return version;
}

void cored_model_version_unref(CoredModelVersion *version) {
  if (!version || !g_atomic_ref_count_dec(&version->refs))
    return;
  cored_plan_unref(version->plan);
  cored_model_unref(version->model);
  g_free(version->path);
  g_free(version);
}
