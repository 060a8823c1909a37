#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The picture of the README: two drawn faces with what coredoverlay draws over them.

    overlay.py OUT.png      with GST_PLUGIN_PATH set, as under `meson devenv -C build`

Nothing is judged here: the probabilities are made up, and only the drawing is the element's own.
Needs python3-gst-1.0 and python3-pil."""
import ctypes
import math
import sys

import gi

gi.require_version('Gst', '1.0')
from gi.repository import Gst  # noqa: E402
from PIL import Image, ImageDraw, ImageFilter  # noqa: E402

WIDTH, HEIGHT, RATE, FRAMES = 960, 540, 10, 96
FACES = ((250, 300, 1, (236, 188, 158), (70, 44, 30)), (700, 310, 2, (196, 140, 106), (30, 26, 30)))


def draw_person(draw, x, y, skin, hair):
    """Head and shoulders around the middle of the face, in pixels of a canvas of twice the size."""
    shade = tuple(int(c * 0.82) for c in skin)
    draw.ellipse((x - 290, y + 250, x + 290, y + 900), fill=tuple(int(c * 0.5) + 40 for c in hair))
    draw.rectangle((x - 70, y + 120, x + 70, y + 310), fill=shade)
    draw.ellipse((x - 190, y - 260, x + 190, y + 150), fill=hair)
    draw.ellipse((x - 150, y - 190, x + 150, y + 220), fill=skin)
    draw.pieslice((x - 165, y - 225, x + 165, y + 10), 180, 360, fill=hair)
    for side in (-1, 1):
        draw.ellipse((x + side * 62 - 34, y - 45, x + side * 62 + 34, y - 5), fill='white')
        draw.ellipse((x + side * 62 - 16, y - 42, x + side * 62 + 16, y - 8), fill=(60, 50, 44))
        draw.line((x + side * 30, y - 74, x + side * 98, y - 64), fill=hair, width=12)
    draw.line((x - 2, y - 10, x - 16, y + 68, x + 14, y + 70), fill=shade, width=8)
    draw.chord((x - 60, y + 80, x + 60, y + 150), 10, 170, fill=(170, 70, 70))


def picture():
    """A room with two people, drawn large and made smaller, which smooths the edges."""
    image = Image.new('RGB', (2 * WIDTH, 2 * HEIGHT))
    draw = ImageDraw.Draw(image)
    for y in range(2 * HEIGHT):
        draw.line((0, y, 2 * WIDTH, y), fill=(88 + y // 20, 104 + y // 24, 122 + y // 30))
    for x in range(120, 2 * WIDTH, 420):
        draw.rectangle((x, 90, x + 250, 420), fill=(150, 168, 186))
    image = image.filter(ImageFilter.GaussianBlur(14))
    draw = ImageDraw.Draw(image)
    for x, y, _, skin, hair in FACES:
        draw_person(draw, 2 * x, 2 * y - 60, skin, hair)
    return image.resize((WIDTH, HEIGHT), Image.LANCZOS)


def face_text(x, y, track, p, alert):
    """What coreddetect says of a face, as the text of a structure."""
    return (f'face, x=(uint){x - 85}, y=(uint){y - 142}, w=(uint)170, h=(uint)222, track-id=(guint64){track}, '
            f'verdict=(string){"fake" if p >= 0.5 else "real"}, p-fake=(double){p}, p-fake-smoothed=(double){p}, '
            f'present=(boolean)true, alert=(boolean){str(alert).lower()};')


def result_text(frame):
    """A result as text: after four seconds the second face begins to look forged."""
    real = 0.08 + 0.04 * math.sin(frame / 9)
    fake = 0.12 + 0.80 / (1 + math.exp((45 - frame) / 6)) + 0.03 * math.sin(frame / 3)
    alert = frame > 70
    result = Gst.Structure.new_from_string(
        f'CoredMeta, p-fake=(double){fake}, p-fake-smoothed=(double){fake}, verdict=(string)'
        f'{"fake" if fake >= 0.5 else "real"}, threshold=(double)0.5, alert=(boolean){str(alert).lower()}, '
        f'frame-width=(uint){WIDTH}, frame-height=(uint){HEIGHT}, n-faces=(uint)2, inferred=(boolean)true, '
        'model-id=(string)example, model-generation=(guint64)3, version=(uint)1;')
    result.set_value('faces', Gst.ValueArray([
        Gst.Structure.new_from_string(face_text(x, y, track, p, alert and track == 2))
        for (x, y, track, _, _), p in zip(FACES, (real, fake))]))
    return result.to_string()


def add_result(buffer, text):
    """Python gets a copy of a buffer's structure only, so this one is filled by the C functions."""
    gst = ctypes.CDLL('libgstreamer-1.0.so.0')
    for name in ('buffer_add_custom_meta', 'custom_meta_get_structure', 'structure_from_string',
                 'structure_get_value'):
        getattr(gst, 'gst_' + name).restype = ctypes.c_void_p
    gst.gst_structure_nth_field_name.restype = ctypes.c_char_p
    pointer = ctypes.c_void_p
    meta = gst.gst_buffer_add_custom_meta(pointer(hash(buffer)), b'CoredMeta')
    target = pointer(gst.gst_custom_meta_get_structure(pointer(meta)))
    source = pointer(gst.gst_structure_from_string(text.encode(), None))
    for i in range(gst.gst_structure_n_fields(source)):
        name = gst.gst_structure_nth_field_name(source, i)
        gst.gst_structure_set_value(target, name, pointer(gst.gst_structure_get_value(source, name)))
    gst.gst_structure_free(source)


def finish(pipeline):
    """Wait for the end; what went wrong, None if nothing did."""
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND,
                                                    Gst.MessageType.EOS | Gst.MessageType.ERROR)
    if not message:
        return 'no end of the stream'
    return message.parse_error()[0].message if message.type == Gst.MessageType.ERROR else None


def draw(out):
    """Write the last frame, all earlier ones having gone through the overlay, to a PNG file."""
    pipeline = Gst.parse_launch(
        f'appsrc name=source format=time caps=video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},'
        f'framerate={RATE}/1 ! coredoverlay ! videoconvert ! pngenc ! multifilesink name=sink')
    pipeline.get_by_name('sink').set_property('location', out.replace('%', '%%'))
    source = pipeline.get_by_name('source')
    pixels = picture().tobytes()
    pipeline.set_state(Gst.State.PLAYING)
    for frame in range(FRAMES):
        buffer = Gst.Buffer.new_wrapped(pixels)
        buffer.pts, buffer.duration = frame * Gst.SECOND // RATE, Gst.SECOND // RATE
        add_result(buffer, result_text(frame))
        if source.emit('push-buffer', buffer) != Gst.FlowReturn.OK:
            break
    source.emit('end-of-stream')
    problem = finish(pipeline)
    pipeline.set_state(Gst.State.NULL)
    return problem


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith('-'):
        print('usage: overlay.py OUT.png', file=sys.stderr)
        return 2
    Gst.init(None)
    missing = [name for name in ('appsrc', 'coredoverlay', 'videoconvert', 'pngenc', 'multifilesink')
               if not Gst.ElementFactory.find(name)]
    problem = f'no element {missing[0]}; is GST_PLUGIN_PATH set?' if missing else draw(arguments[0])
    if problem:
        print(f'overlay.py: {problem}', file=sys.stderr)
    return 1 if problem else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
