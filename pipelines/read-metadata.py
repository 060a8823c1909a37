#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Read what coreddetect says of every frame, in Python: the metadata CoredMeta on the buffers."""
import argparse
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401 (GstApp gives appsink its methods)


def faces_of(result):
    """The faces as dictionaries. `faces` is an array of structures: GStreamer's own Python module (the
    package python3-gst-1.0) makes a Gst.ValueArray of it."""
    return [{name: face.get_value(name) for name in map(face.nth_field_name, range(face.n_fields()))}
            for face in result.get_value("faces") or []]


def line_of(result):
    """A result in one line; p-fake and others are absent where there is no value."""
    time = f"{result.get_value('stream-time') / Gst.SECOND:8.3f}" if result.has_field("stream-time") else f"{'-':>8}"
    text = f"{time} s  {result.get_value('verdict')}"
    if result.has_field("reason"):
        text += f" ({result.get_value('reason')})"
    for face in faces_of(result):
        text += "  face {track-id} at {x},{y} {w}x{h}".format(**face)
        if "p-fake" in face:
            text += f" p-fake {face['p-fake']:.3f}"
    return text


def make_pipeline(model, region, source):
    """Errors of the description itself (an element that is missing) are exceptions."""
    uri = source if "://" in source else Gst.filename_to_uri(os.path.abspath(source))
    pipeline = Gst.parse_launch("uridecodebin name=source ! videoconvert ! coreddetect name=detector ! "
                                "appsink name=results sync=false max-buffers=8")
    pipeline.get_by_name("source").props.uri = uri
    detector = pipeline.get_by_name("detector")
    detector.props.model = model
    detector.set_property("inference-region", region)
    return pipeline


def print_result(sample):
    buffer = sample.get_buffer()
    result = buffer.get_custom_meta("CoredMeta").get_structure()
    print(line_of(result), flush=True)


def read(pipeline):
    """Print a line for each frame. Returns None at the end of the stream, else the message of an error."""
    results, bus = pipeline.get_by_name("results"), pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    while not (failure := bus.pop_filtered(Gst.MessageType.ERROR)):
        sample = results.try_pull_sample(Gst.SECOND // 5)  # an error does not wake an appsink
        if sample:
            print_result(sample)
        elif results.is_eos():
            return None
    return failure.parse_error()[0].message


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.environ.get("CORED_MODEL", ""), help="default: what CORED_MODEL names")
    parser.add_argument("--whole-frame", action="store_true", help="judge the picture as a whole, not faces in it")
    parser.add_argument("input", metavar="FILE|URI")
    options = parser.parse_args()
    if not options.model:
        parser.error("name a model with --model")
    Gst.init(None)
    try:
        pipeline = make_pipeline(options.model, "full-frame" if options.whole_frame else "auto", options.input)
    except gi.repository.GLib.Error as error:
        print(f"{parser.prog}: {error.message}; an uninstalled build is used under: meson devenv -C build -w .",
              file=sys.stderr)
        return 1
    try:
        error = read(pipeline)
    finally:
        pipeline.set_state(Gst.State.NULL)
    if error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    return 1 if error else 0


sys.exit(main())
