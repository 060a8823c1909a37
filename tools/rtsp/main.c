/* SPDX-License-Identifier: MIT
 * cored-rtsp: a video in, over RTSP the same video out with the detector's results drawn into it.
 */
#include <gst/rtsp-server/rtsp-server.h>

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/detector.h"

#include "base/escape.h"

#define PATH "/cored"
#define ROLE "viewer"
#define PASSWORD_VARIABLE "CORED_RTSP_PASSWORD"
#define MAX_PASSWORD 1024
/* What a request may announce to come behind it: memory for it is reserved before it comes. */
#define MAX_BODY (64 * 1024)

typedef struct Options {
  char *model, *listen, *uri;
  char *user, *password, *password_file;
  char *certificate_file, *key_file;
  GTlsCertificate *certificate;
  gboolean allow_anyone, version, interrupted;
  gint port;
  GMainLoop *loop;
} Options;

/* Names and files are set as properties, never quoted into this text. The queue keeps the newest
 * picture: viewers see what is, not what was; a file, which comes as fast as it can be read, has to
 * be held back before it. */
#define ANNOTATED                                                                                  \
  "( uridecodebin name=source ! videoconvert ! clocksync name=pace ! queue max-size-buffers=1 "    \
  "max-size-time=0 max-size-bytes=0 leaky=downstream ! coreddetect name=detector mode=latest ! "   \
  "coredoverlay ! videoconvert ! video/x-raw,format=I420 ! "
static const char launch_h264[] =
    ANNOTATED "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! "
              "rtph264pay name=pay0 pt=96 config-interval=1 )";
static const char launch_jpeg[] = ANNOTATED "jpegenc ! rtpjpegpay name=pay0 pt=26 )";

static void set_text(GstElement *media, const char *element, const char *property,
                     const char *value) {
  GstElement *found = gst_bin_get_by_name(GST_BIN(media), element);
  g_object_set(found, property, value, NULL);
  gst_object_unref(found);
}

/* What goes wrong while somebody watches has no other way to the person who runs this. */
static void on_message(GstBus *bus, GstMessage *message, gpointer unused) {
  GError *error = NULL;
  (void)bus;
  (void)unused;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, NULL);
  else
    gst_message_parse_warning(message, &error, NULL);
  g_printerr("cored-rtsp: %s: %s\n", GST_MESSAGE_SRC_NAME(message),
             cored_show(error->message).text);
  g_error_free(error);
}

static void watch_messages(GstElement *media) {
  GstObject *pipeline = gst_object_get_parent(GST_OBJECT(media));
  GstBus *bus = pipeline ? gst_element_get_bus(GST_ELEMENT(pipeline)) : NULL;
  if (bus) {
    gst_bus_enable_sync_message_emission(bus);
    g_signal_connect(bus, "sync-message::error", G_CALLBACK(on_message), NULL);
    g_signal_connect(bus, "sync-message::warning", G_CALLBACK(on_message), NULL);
    gst_object_unref(bus);
  }
  if (pipeline)
    gst_object_unref(pipeline);
}

static gboolean comes_at_once(const char *uri) {
  return gst_uri_has_protocol(uri, "file") || gst_uri_has_protocol(uri, "http") ||
         gst_uri_has_protocol(uri, "https");
}

static void on_media(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer user) {
  const Options *options = user;
  GstElement *element = gst_rtsp_media_get_element(media);
  (void)factory;
  set_text(element, "source", "uri", options->uri);
  set_text(element, "detector", "model", options->model);
  GstElement *pace = gst_bin_get_by_name(GST_BIN(element), "pace");
  g_object_set(pace, "sync", comes_at_once(options->uri), NULL);
  gst_object_unref(pace);
  watch_messages(element);
  gst_object_unref(element);
}

static gboolean on_signal(gpointer user) {
  Options *options = user;
  options->interrupted = TRUE;
  g_main_loop_quit(options->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean have(const char *element) {
  GstElementFactory *factory = gst_element_factory_find(element);
  if (factory)
    gst_object_unref(factory);
  return factory != NULL;
}

/* ---- Who may watch -------------------------------------------------------------------------- */

/* In the clear a password is only asked for in a way that does not show it. */
static void ask_for_password(GstRTSPAuth *auth, const Options *options, GstRTSPToken *token) {
  gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST);
  gst_rtsp_auth_add_digest(auth, options->user, options->password, token);
  if (options->certificate) {
    char *basic = gst_rtsp_auth_make_basic(options->user, options->password);
    gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST | GST_RTSP_AUTH_BASIC);
    gst_rtsp_auth_add_basic(auth, basic, token);
    g_free(basic);
  }
}

static void protect(GstRTSPServer *server, GstRTSPMediaFactory *factory, const Options *options) {
  GstRTSPAuth *auth = gst_rtsp_auth_new();
  GstRTSPToken *token =
      gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, ROLE, NULL);
  if (options->user)
    ask_for_password(auth, options, token);
  else
    gst_rtsp_auth_set_default_token(auth, token);
  if (options->certificate) {
    gst_rtsp_auth_set_tls_certificate(auth, options->certificate);
    /* Only what goes through the connection is encrypted. */
    gst_rtsp_media_factory_set_protocols(factory, GST_RTSP_LOWER_TRANS_TCP);
  }
  gst_rtsp_media_factory_add_role(factory, ROLE, GST_RTSP_PERM_MEDIA_FACTORY_ACCESS, G_TYPE_BOOLEAN,
                                  TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, G_TYPE_BOOLEAN, TRUE,
                                  NULL);
  gst_rtsp_server_set_auth(server, auth);
  gst_rtsp_token_unref(token);
  g_object_unref(auth);
}

/* ---- Serving -------------------------------------------------------------------------------- */

static int serve(Options *options) {
  char port[16];
  g_snprintf(port, sizeof port, "%d", options->port);
  GstRTSPServer *server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, options->listen);
  gst_rtsp_server_set_service(server, port);
  gst_rtsp_server_set_content_length_limit(server, MAX_BODY);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(factory, have("x264enc") ? launch_h264 : launch_jpeg);
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  g_signal_connect(factory, "media-configure", G_CALLBACK(on_media), options);
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, PATH, factory);
  g_object_unref(mounts);
  if (options->user || options->certificate)
    protect(server, factory, options);
  const guint source = gst_rtsp_server_attach(server, NULL);
  if (source) {
    const gboolean literal_ip6 = strchr(options->listen, ':') != NULL;
    g_print("%s://%s%s%s:%d" PATH "\n", options->certificate ? "rtsps" : "rtsp",
            literal_ip6 ? "[" : "", cored_show(options->listen).text, literal_ip6 ? "]" : "",
            gst_rtsp_server_get_bound_port(server));
    g_main_loop_run(options->loop);
    g_source_remove(source);
  } else {
    g_printerr("cored-rtsp: cannot listen on %s:%d\n", cored_show(options->listen).text,
               options->port);
  }
  g_object_unref(server);
  return source ? 0 : 1;
}

/* ---- Options -------------------------------------------------------------------------------- */

static gboolean is_loopback(const char *address) {
  GInetAddress *parsed = g_inet_address_new_from_string(address);
  const gboolean loopback =
      parsed ? g_inet_address_get_is_loopback(parsed) : g_str_equal(address, "localhost");
  g_clear_object(&parsed);
  return loopback;
}

static gboolean complain(const char *what) {
  g_printerr("cored-rtsp: %s Try --help.\n", what);
  return FALSE;
}

/* From the file's first line, else from the environment: what stands in the command line, others
 * can read. */
static gboolean read_password(Options *options) {
  GError *error = NULL;
  if (!options->user)
    return !options->password_file || complain("--password-file is of no use without --user.");
  if (!*options->user || strchr(options->user, ':'))
    return complain("--user wants a name without a colon.");
  if (options->password_file) {
    if (!g_file_get_contents(options->password_file, &options->password, NULL, &error)) {
      g_printerr("cored-rtsp: the password cannot be read: %s\n", cored_show(error->message).text);
      g_error_free(error);
      return FALSE;
    }
    options->password[strcspn(options->password, "\r\n")] = '\0';
  } else {
    options->password = g_strdup(g_getenv(PASSWORD_VARIABLE));
  }
  if (!options->password || !*options->password || strlen(options->password) > MAX_PASSWORD)
    return complain("--user needs a password of 1 to 1024 bytes, in the first line of "
                    "--password-file FILE or in the environment as " PASSWORD_VARIABLE ".");
  return TRUE;
}

static gboolean read_certificate(Options *options) {
  GError *error = NULL;
  if (!options->certificate_file)
    return !options->key_file || complain("--tls-key is of no use without --tls-certificate.");
  if (!g_tls_backend_supports_tls(g_tls_backend_get_default()))
    return complain("There is no TLS here: install glib-networking.");
  options->certificate =
      options->key_file
          ? g_tls_certificate_new_from_files(options->certificate_file, options->key_file, &error)
          : g_tls_certificate_new_from_file(options->certificate_file, &error);
  if (!options->certificate) {
    g_printerr("cored-rtsp: the certificate %s cannot be used: %s\n",
               cored_show(options->certificate_file).text, cored_show(error->message).text);
    g_error_free(error);
    return FALSE;
  }
  GTlsCertificate *certificate = options->certificate;
  char *key = NULL;
  g_object_get(certificate, "private-key-pem", &key, NULL);
  const gboolean has_key = key != NULL;
  g_free(key);
  return has_key || complain("The certificate's file holds no private key: name its file with "
                             "--tls-key.");
}

/* Nobody serves a camera to everybody without having said so. */
static gboolean may_listen(const Options *options) {
  if (is_loopback(options->listen) || options->user || options->certificate ||
      options->allow_anyone)
    return TRUE;
  g_printerr(
      "cored-rtsp: whoever reaches %s could watch: ask for a password with --user, encrypt with "
      "--tls-certificate, or say --allow-anyone.\n",
      cored_show(options->listen).text);
  return FALSE;
}

/* Gives the exit status. */
static int complain_of(GError *error) {
  const gboolean usage = error->domain == G_OPTION_ERROR;
  g_printerr("cored-rtsp: %s\n%s", cored_show(error->message).text, usage ? "Try --help.\n" : "");
  g_error_free(error);
  return usage ? 2 : 1;
}

static gboolean find_model(Options *options, GError **error) {
  char *model = NULL;
  const gboolean fine = cored_detector_find_model(options->model, &model, error);
  g_free(options->model);
  options->model = model;
  return fine;
}

static gboolean find_input(Options *options, const char *argument) {
  char *problem = NULL;
  options->uri = cored_detector_input_uri(argument, TRUE, &problem);
  if (!options->uri)
    g_printerr("cored-rtsp: %s %s\n", cored_show(argument).text, cored_show(problem).text);
  g_free(problem);
  return options->uri != NULL;
}

static gboolean parse(int *argc, char ***argv, Options *options) {
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
       "The model: a file or the folder of a run; else what CORED_MODEL names", "PATH"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &options->listen,
       "Where to listen (127.0.0.1: this machine alone)", "ADDR"},
      {"port", 0, 0, G_OPTION_ARG_INT, &options->port, "Port (8554), 0: any free one", "N"},
      {"user", 0, 0, G_OPTION_ARG_STRING, &options->user,
       "Ask viewers for this name and a password; without it nobody is asked", "NAME"},
      {"password-file", 0, 0, G_OPTION_ARG_FILENAME, &options->password_file,
       "Its first line is the password; else the environment's " PASSWORD_VARIABLE, "FILE"},
      {"tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &options->certificate_file,
       "Encrypt (rtsps://), as the owner of this certificate (PEM)", "FILE"},
      {"tls-key", 0, 0, G_OPTION_ARG_FILENAME, &options->key_file,
       "Its private key, if it is not in the same file", "FILE"},
      {"allow-anyone", 0, 0, G_OPTION_ARG_NONE, &options->allow_anyone,
       "Listen on other addresses than this machine's own without a password or TLS", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL},
      {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
  GError *error = NULL;
  GOptionContext *context = g_option_context_new("FILE|URI");
  g_option_context_set_summary(
      context,
      "Judge a video and serve it, annotated, over RTSP.\n\nWithout --user there is no "
      "authentication: whoever reaches the address may watch. Without\n--tls-certificate the "
      "picture is not encrypted, and the password is asked for by digest only.");
  g_option_context_set_description(
      context, "Ends with Ctrl-C. Exit status: 130 interrupted, 1 it failed, 2 wrong usage.\n");
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  const gboolean ok = g_option_context_parse(context, argc, argv, &error);
  g_option_context_free(context);
  if (!ok)
    complain_of(error);
  return ok;
}

static gboolean read_options(int *argc, char ***argv, Options *options) {
  if (!parse(argc, argv, options))
    return FALSE;
  if (options->version)
    return TRUE;
  if (options->port < 0 || options->port > 65535)
    return complain("--port wants a number from 0 to 65535.");
  if (*argc != 2)
    return complain("It wants one video: a file, or a URI.");
  if (!options->listen)
    options->listen = g_strdup("127.0.0.1");
  return find_input(options, (*argv)[1]) && read_password(options) && read_certificate(options) &&
         may_listen(options);
}

static void clear_options(Options *options) {
  if (options->password)
    memset(options->password, 0, strlen(options->password));
  g_free(options->model);
  g_free(options->listen);
  g_free(options->uri);
  g_free(options->user);
  g_free(options->password);
  g_free(options->password_file);
  g_free(options->certificate_file);
  g_free(options->key_file);
  g_clear_object(&options->certificate);
}

/* What would fail at the first viewer is found before anybody connects. */
static gboolean check_detector(Options *options, GError **error) {
  return find_model(options, error) && cored_detector_try_model(options->model, error) &&
         cored_detector_find_element("coredoverlay", error);
}

static int run(Options *options) {
  GError *error = NULL;
  if (!check_detector(options, &error))
    return complain_of(error);
  options->loop = g_main_loop_new(NULL, FALSE);
  g_unix_signal_add(SIGINT, on_signal, options);
  g_unix_signal_add(SIGTERM, on_signal, options);
  const int status = serve(options);
  g_main_loop_unref(options->loop);
  return options->interrupted ? 130 : status;
}

int main(int argc, char **argv) {
  Options options = {.port = 8554};
  int status = 2;
  if (read_options(&argc, &argv, &options)) {
    if (options.version) {
      g_print("cored-rtsp %s\n", CORED_VERSION);
      status = 0;
    } else {
      status = run(&options);
    }
  }
  clear_options(&options);
  return status;
}
