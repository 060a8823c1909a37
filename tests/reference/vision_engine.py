# SPDX-License-Identifier: MIT
"""The picture and locator calls of cored.h for Python tests (ctypes, NumPy)."""
import ctypes as C
import os
import sys

try:
    import numpy as np
except ImportError:
    print('skip: NumPy is not installed (python3-numpy)')
    sys.exit(77)

FORMATS = ['I420', 'YV12', 'NV12', 'NV21', 'Y42B', 'Y444', 'YUY2', 'UYVY', 'RGB', 'BGR', 'RGBX',
           'BGRX', 'XRGB', 'XBGR', 'GRAY8', 'I420_10LE', 'P010_10LE']
MATRICES = {'bt601': 0, 'bt709': 1, 'bt2020': 2}
RANGES = {'limited': 0, 'full': 1}
SITES = {'left': 0, 'center': 1, 'topleft': 2, 'top': 3}
CPU_C, CPU_AVX2, CPU_AVX512 = 0, 1, 3


class Error(C.Structure):
    _fields_ = [('code', C.c_int), ('message', C.c_char * 768)]


class Image(C.Structure):
    _fields_ = [('format', C.c_int), ('width', C.c_int), ('height', C.c_int),
                ('plane', C.c_void_p * 3), ('stride', C.c_ssize_t * 3), ('matrix', C.c_int),
                ('range', C.c_int), ('chroma_site', C.c_int), ('interlaced', C.c_bool),
                ('pixel_aspect', C.c_double)]


class Box(C.Structure):
    _fields_ = [('x', C.c_double), ('y', C.c_double), ('w', C.c_double), ('h', C.c_double)]


class CropArea(C.Structure):
    _fields_ = [('box', Box), ('angle', C.c_double)]


class Point(C.Structure):
    _fields_ = [('x', C.c_double), ('y', C.c_double)]


class Face(C.Structure):
    _fields_ = [('box', Box), ('score', C.c_double), ('has_landmarks', C.c_bool), ('landmark', Point * 5)]


class LocatorParams(C.Structure):
    _fields_ = [('scale_factor', C.c_double), ('min_neighbors', C.c_int), ('min_score', C.c_double),
                ('min_size', C.c_int), ('max_size', C.c_int), ('upside_down', C.c_bool)]


class CropParams(C.Structure):
    _fields_ = [('scale_factor', C.c_double), ('min_neighbors', C.c_int), ('min_size', C.c_int),
                ('min_sharpness', C.c_double), ('margin', C.c_double), ('upside_down', C.c_bool),
                ('align', C.c_int)]


ALIGN_NONE, ALIGN_EYES = 0, 1


class LoadParams(C.Structure):
    _fields_ = [('max_bytes', C.c_uint64), ('skip_self_test', C.c_bool), ('cancel', C.c_void_p),
                ('trust', C.c_void_p), ('kind', C.c_int)]


MODEL_LOCATOR = 1


lib = C.CDLL(os.environ.get('CORED_LIBRARY', 'build/engine/libcored.so'))
lib.cored_preprocessor_new.restype = C.c_void_p
lib.cored_preprocessor_new.argtypes = [C.c_int, C.c_int, C.c_float * 3, C.c_float * 3, C.c_uint,
                                       C.POINTER(Error)]
lib.cored_preprocessor_free.argtypes = [C.c_void_p]
lib.cored_preprocessor_run.restype = C.c_bool
lib.cored_preprocessor_run.argtypes = [C.c_void_p, C.POINTER(Image), C.POINTER(Box), C.c_void_p,
                                       C.POINTER(Error)]
lib.cored_preprocessor_run_area.restype = C.c_bool
lib.cored_preprocessor_run_area.argtypes = [C.c_void_p, C.POINTER(Image), C.POINTER(CropArea),
                                            C.c_void_p, C.POINTER(Error)]
lib.cored_crop_area.restype = CropArea
lib.cored_crop_area.argtypes = [C.POINTER(CropParams), C.POINTER(Image), C.POINTER(Face)]
lib.cored_cpu_flags.restype = C.c_uint


def cpus():
    """CPU flag sets this machine can run, plain C first."""
    have = lib.cored_cpu_flags()
    return [mask for mask in (CPU_C, CPU_AVX2, CPU_AVX512) if mask & have == mask]


def image(fmt, width, height, planes, matrix='bt601', rng='limited', site='left',
          interlaced=False, pixel_aspect=0.):
    """planes: 2-D uint8 arrays of whole rows; their strides are taken as they are. The arrays have
    to outlive the description."""
    out = Image(format=FORMATS.index(fmt), width=width, height=height, matrix=MATRICES[matrix],
                range=RANGES[rng], chroma_site=SITES[site], interlaced=interlaced,
                pixel_aspect=pixel_aspect)
    for i, plane in enumerate(planes):
        out.plane[i] = plane.ctypes.data
        out.stride[i] = plane.strides[0]
    return out


class Preprocessor:
    def __init__(self, width, height, mean=(0, 0, 0), std=(1, 1, 1), cpu=None):
        self.shape = (height, width, 3)
        error = Error()
        self.handle = lib.cored_preprocessor_new(
            width, height, (C.c_float * 3)(*mean), (C.c_float * 3)(*std),
            lib.cored_cpu_flags() if cpu is None else cpu, C.byref(error))
        if not self.handle:
            raise ValueError(error.message.decode())

    def __del__(self):
        lib.cored_preprocessor_free(self.handle)

    def run(self, picture, box):
        out = np.full(self.shape, np.nan, np.float32)
        error = Error()
        if not lib.cored_preprocessor_run(self.handle, C.byref(picture), C.byref(Box(*box)),
                                          out.ctypes.data, C.byref(error)):
            raise ValueError(error.message.decode())
        return out

    def run_area(self, picture, box, angle):
        out = np.full(self.shape, np.nan, np.float32)
        error = Error()
        area = CropArea(Box(*box), angle)
        if not lib.cored_preprocessor_run_area(self.handle, C.byref(picture), C.byref(area),
                                               out.ctypes.data, C.byref(error)):
            raise ValueError(error.message.decode())
        return out


def crop_area(picture, box, eyes, margin=.3):
    """What the network sees of a face with those eyes, (x, y) of the right and of the left one."""
    face = Face(box=Box(*box), score=1, has_landmarks=True)
    for i, (x, y) in enumerate(eyes):
        face.landmark[i] = Point(x, y)
    params = CropParams(margin=margin, align=ALIGN_EYES)
    area = lib.cored_crop_area(C.byref(params), C.byref(picture), C.byref(face))
    return (area.box.x, area.box.y, area.box.w, area.box.h), area.angle


lib.cored_locator_new_cascade.restype = C.c_void_p
lib.cored_locator_new_cascade.argtypes = [C.c_char_p, C.POINTER(Error)]
lib.cored_locator_free.argtypes = [C.c_void_p]
lib.cored_locator_find.restype = C.c_bool
lib.cored_locator_find.argtypes = [C.c_void_p, C.POINTER(Image), C.POINTER(LocatorParams),
                                   C.POINTER(Face), C.c_int, C.POINTER(C.c_int),
                                   C.POINTER(Error)]


lib.cored_locator_new_network.restype = C.c_void_p
lib.cored_locator_new_network.argtypes = [C.c_void_p, C.c_int, C.POINTER(Error)]
lib.cored_model_load.restype = C.c_void_p
lib.cored_model_load.argtypes = [C.c_char_p, C.POINTER(LoadParams), C.POINTER(Error)]
lib.cored_model_unref.argtypes = [C.c_void_p]


class Locator:
    """Of a cascade file, or of a model file that finds faces."""

    def __init__(self, path):
        error = Error()
        if str(path).endswith('.safetensors'):
            params = LoadParams(kind=MODEL_LOCATOR)
            model = lib.cored_model_load(str(path).encode(), C.byref(params), C.byref(error))
            self.handle = lib.cored_locator_new_network(model, 1, C.byref(error)) if model else None
            lib.cored_model_unref(model)
        else:
            self.handle = lib.cored_locator_new_cascade(path.encode(), C.byref(error))
        if not self.handle:
            raise ValueError(error.message.decode())

    def __del__(self):
        lib.cored_locator_free(self.handle)

    def faces(self, picture, scale_factor=0., min_neighbors=-1, min_size=0, max_size=0, limit=8192,
              min_score=0., upside_down=False):
        """Face objects, surest first."""
        faces, n, error = (Face * limit)(), C.c_int(), Error()
        params = LocatorParams(scale_factor, min_neighbors, min_score, min_size, max_size, upside_down)
        if not lib.cored_locator_find(self.handle, C.byref(picture), C.byref(params), faces, limit,
                                      C.byref(n), C.byref(error)):
            raise ValueError(error.message.decode())
        return faces[:n.value]

    def find(self, picture, *limits, **params):
        """[(x, y, w, h, score)], surest first."""
        return [(f.box.x, f.box.y, f.box.w, f.box.h, f.score) for f in self.faces(picture, *limits, **params)]
