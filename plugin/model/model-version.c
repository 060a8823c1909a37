/* SPDX-License-Identifier: MIT */
#include "model/model-version.h"

CoredModelVersion *cored_model_version_new(CoredPlan *plan, const char *path, const char *identity,
                                           const char *key_id, guint64 load_us) {
  CoredModelVersion *version = g_new0(CoredModelVersion, 1);
  g_atomic_ref_count_init(&version->refs);
  version->plan = cored_plan_ref(plan);
  version->info = cored_plan_info(plan);
  version->path = g_strdup(path);
  version->load_us = load_us;
  g_snprintf(version->id, sizeof version->id, "%s-%.16s", version->info->network,
             version->info->sha256);
  g_strlcpy(version->identity, identity, sizeof version->identity);
  g_strlcpy(version->key_id, key_id ? key_id : "", sizeof version->key_id);
  return version;
}

CoredModelVersion *cored_model_version_load(const char *path, const CoredTrust *trust,
                                            CoredError *error) {
  const gint64 start = g_get_monotonic_time();
  const CoredModelLoadParams params = {.trust = trust};
  CoredModel *model = cored_model_load(path, &params, error);
  if (!model)
    return NULL;
  CoredModelVersion *version = NULL;
  CoredPlan *plan = cored_plan_new(model, NULL, error);
  if (plan)
    version =
        cored_model_version_new(plan, path, cored_model_metadata(model, CORED_METADATA_IDENTITY),
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
  g_free(version->path);
  g_free(version);
}

GQuark cored_error_gst_domain(CoredErrorCode code, gint *gst_code) {
  switch (code) {
  case CORED_ERROR_NOT_FOUND:
    *gst_code = GST_RESOURCE_ERROR_NOT_FOUND;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_OPEN:
  case CORED_ERROR_NOT_REGULAR:
    *gst_code = GST_RESOURCE_ERROR_OPEN_READ;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_READ:
  case CORED_ERROR_FILE_CHANGED:
    *gst_code = GST_RESOURCE_ERROR_READ;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_NO_MEMORY:
    *gst_code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_WRITE:
    *gst_code = GST_RESOURCE_ERROR_WRITE;
    return GST_RESOURCE_ERROR;
  case CORED_ERROR_ARGUMENT:
  case CORED_ERROR_TRUST_STATE:
    *gst_code = GST_RESOURCE_ERROR_SETTINGS;
    return GST_RESOURCE_ERROR;
  default:
    *gst_code = GST_STREAM_ERROR_FORMAT;
    return GST_STREAM_ERROR;
  }
}

const char *cored_error_hint(CoredErrorCode code) {
  switch (code) {
  case CORED_ERROR_NOT_FOUND:
    return "Check the path.";
  case CORED_ERROR_OPEN:
  case CORED_ERROR_NOT_REGULAR:
    return "Check the permissions and that it is a file.";
  case CORED_ERROR_MAGIC:
    return "Convert it with 'cored-convert import'.";
  case CORED_ERROR_FILE_CHANGED:
    return "Write models beside the old one and rename them over it.";
  case CORED_ERROR_SIGNATURE:
  case CORED_ERROR_SIGNATURE_KEY:
  case CORED_ERROR_SIGNATURE_MISSING:
    return "Sign it with a key listed in 'trusted-keys'.";
  case CORED_ERROR_GENERATION:
    return "Publish it with a higher generation, or use the action 'previous-model'.";
  case CORED_ERROR_IMAGE:
    return "Raise 'min-object-size' where the picture is large, else look at its caps.";
  case CORED_ERROR_ARGUMENT:
    return "Look at the properties of the element.";
  case CORED_ERROR_TRUST_STATE:
    return "Look at the file that 'trust-state' names.";
  case CORED_ERROR_WRITE:
    return "Check the permissions of the folder and the space on its disk.";
  case CORED_ERROR_CASCADE_FORMAT:
    return "Use a cascade of Debian's opencv-data.";
  case CORED_ERROR_NO_MEMORY:
    return "Free memory or use a smaller network.";
  case CORED_ERROR_VERSION:
  case CORED_ERROR_NETWORK_UNKNOWN:
  case CORED_ERROR_UNSUPPORTED:
    return "It needs another version of cored.";
  default:
    return "Look at it with 'cored-convert inspect', copy or export it again.";
  }
}
