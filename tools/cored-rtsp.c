/* SPDX-License-Identifier: MIT
 * cored-rtsp: a video in, over RTSP the same video out with the detector's results drawn into it.
 */
#include <gst/rtsp-server/rtsp-server.h>

#include <glib-unix.h>

#include "escape.h"

#define PATH "/cored"

typedef struct Options {
  char *model, *listen, *uri;
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
  g_main_loop_quit(((Options *)user)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean have(const char *element) {
  GstElementFactory *factory = gst_element_factory_find(element);
  if (factory)
    gst_object_unref(factory);
  return factory != NULL;
}

/* Before anybody connects: a detector of its own loads the model as that of the stream will. */
static gboolean check_model(const Options *options) {
  GstElement *detector = gst_object_ref_sink(gst_element_factory_make("coreddetect", NULL));
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(detector, bus);
  g_object_set(detector, "model", options->model, NULL);
  const gboolean ok = gst_element_set_state(detector, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
  GstMessage *message = ok ? NULL : gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message)
    on_message(bus, message, NULL);
  g_clear_pointer(&message, gst_message_unref);
  gst_element_set_state(detector, GST_STATE_NULL);
  gst_element_set_bus(detector, NULL);
  gst_object_unref(bus);
  gst_object_unref(detector);
  return ok;
}

static int serve(Options *options) {
  char port[16];
  g_snprintf(port, sizeof port, "%d", options->port);
  GstRTSPServer *server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, options->listen);
  gst_rtsp_server_set_service(server, port);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(factory, have("x264enc") ? launch_h264 : launch_jpeg);
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  g_signal_connect(factory, "media-configure", G_CALLBACK(on_media), options);
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, PATH, factory);
  g_object_unref(mounts);
  const guint source = gst_rtsp_server_attach(server, NULL);
  if (source) {
    g_print("rtsp://%s:%d" PATH "\n", cored_show(options->listen).text,
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

static gboolean read_options(int *argc, char ***argv, Options *options) {
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model, "The model", "FILE"},
      {"listen", 0, 0, G_OPTION_ARG_STRING, &options->listen, "Where to listen (127.0.0.1)",
       "ADDR"},
      {"port", 0, 0, G_OPTION_ARG_INT, &options->port, "Port (8554), 0: any free one", "N"},
      {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
  GError *error = NULL;
  GOptionContext *context = g_option_context_new("URI");
  g_option_context_set_summary(context, "Judges a video and serves it, annotated, over RTSP.");
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  gboolean ok = g_option_context_parse(context, argc, argv, &error);
  g_option_context_free(context);
  if (!ok) {
    g_printerr("cored-rtsp: %s\n", cored_show(error->message).text);
    g_error_free(error);
  } else if (*argc != 2 || !gst_uri_is_valid((*argv)[1]) || !options->model || options->port < 0 ||
             options->port > 65535) {
    g_printerr("cored-rtsp: wants --model FILE, a port from 0 to 65535 and one URI. Try --help.\n");
    ok = FALSE;
  }
  options->uri = ok ? g_strdup((*argv)[1]) : NULL;
  if (!options->listen)
    options->listen = g_strdup("127.0.0.1");
  return ok;
}

int main(int argc, char **argv) {
  Options options = {.port = 8554};
  int status = 2;
  if (read_options(&argc, &argv, &options)) {
    if (!have("coreddetect") || !have("coredoverlay")) {
      g_printerr("cored-rtsp: no coreddetect or coredoverlay: set GST_PLUGIN_PATH\n");
      status = 1;
    } else if (!check_model(&options)) {
      status = 1;
    } else {
      options.loop = g_main_loop_new(NULL, FALSE);
      g_unix_signal_add(SIGINT, on_signal, &options);
      g_unix_signal_add(SIGTERM, on_signal, &options);
      status = serve(&options);
      g_main_loop_unref(options.loop);
    }
  }
  g_free(options.model);
  g_free(options.listen);
  g_free(options.uri);
  return status;
}
