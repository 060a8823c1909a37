/* SPDX-License-Identifier: MIT
 * One field per entry, in the order of the lists that are generated from it, which is that of the
 * enumeration: the compiler takes an entry that is missing for zeros, tests/lint/metadata.py does
 * not. */
#include "meta/meta-fields.h"

#define RESULT CORED_IN_RESULT
#define FACE CORED_IN_FACE
#define PARAM CORED_IN_PARAM
#define MESSAGE CORED_IN_MESSAGE

const CoredMetaFieldInfo cored_meta_fields[CORED_N_FIELDS] = {
    [CORED_FIELD_P_FAKE] = {"p-fake", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, RESULT | FACE, "0 to 1",
                            "highest probability of forgery among the faces",
                            "probability of forgery, of the last evaluation"},
    [CORED_FIELD_P_FAKE_SMOOTHED] = {"p-fake-smoothed", CORED_FIELD_DOUBLE, CORED_IF_KNOWN,
                                     RESULT | FACE, "0 to 1",
                                     "the same after smoothing over each face's track",
                                     "the same after smoothing over the track"},
    [CORED_FIELD_VERDICT] = {"verdict", CORED_FIELD_STRING, CORED_ALWAYS, RESULT | FACE, "",
                             "\"real\", \"fake\" or \"unknown\"", NULL},
    [CORED_FIELD_REASON] = {"reason", CORED_FIELD_STRING, CORED_IF_KNOWN, RESULT | FACE, "",
                            "why it is unknown: \"no-model\", \"no-face\", \"too-small\", "
                            "\"blurred\", \"not-evaluated\", \"no-signal\" or \"no-output\"",
                            "why it is unknown, as for the frame"},
    [CORED_FIELD_INFERRED] = {"inferred", CORED_FIELD_BOOLEAN, CORED_ALWAYS, RESULT | PARAM, "",
                              "this very frame was evaluated (or searched for faces)", NULL},
    [CORED_FIELD_RESULT_AGE] = {"result-age-ns", CORED_FIELD_UINT64, CORED_ALWAYS, RESULT | FACE,
                                "ns", "how much older the evaluated frame is, 0 when inferred",
                                "age of the evaluation, 0 when it is of this very frame"},
    [CORED_FIELD_FRAME_WIDTH] = {"frame-width", CORED_FIELD_UINT, CORED_ALWAYS, RESULT, "pixels",
                                 "width of the frame that the boxes refer to", NULL},
    [CORED_FIELD_FRAME_HEIGHT] = {"frame-height", CORED_FIELD_UINT, CORED_ALWAYS, RESULT, "pixels",
                                  "its height", NULL},
    [CORED_FIELD_N_FACES] = {"n-faces", CORED_FIELD_UINT, CORED_ALWAYS, RESULT, "",
                             "number of faces", NULL},
    [CORED_FIELD_X] = {"x", CORED_FIELD_UINT, CORED_ALWAYS, FACE, "pixels", "left edge of the box",
                       NULL},
    [CORED_FIELD_Y] = {"y", CORED_FIELD_UINT, CORED_ALWAYS, FACE, "pixels", "its upper edge", NULL},
    [CORED_FIELD_W] = {"w", CORED_FIELD_UINT, CORED_ALWAYS, FACE, "pixels", "its width", NULL},
    [CORED_FIELD_H] = {"h", CORED_FIELD_UINT, CORED_ALWAYS, FACE, "pixels", "its height", NULL},
    [CORED_FIELD_LANDMARKS] =
        {"landmarks", CORED_FIELD_DOUBLES, CORED_IF_KNOWN, FACE, "pixels",
         "x and y of the person's right eye, left eye, tip of the nose, right "
         "and left corner of the mouth, ten numbers; only of faces that "
         "the network found; a point may lie outside the frame",
         NULL},
    [CORED_FIELD_FACE_SCORE] = {"face-score", CORED_FIELD_DOUBLE, CORED_ALWAYS, FACE, "",
                                "of the detector that found the face; comparable within one "
                                "detector, 0 when not known",
                                NULL},
    [CORED_FIELD_TRACK_ID] = {"track-id", CORED_FIELD_UINT64, CORED_ALWAYS, FACE, "",
                              "number of the face's track, from 1; 0: not tracked yet", NULL},
    [CORED_FIELD_PRESENT] = {"present", CORED_FIELD_BOOLEAN, CORED_ALWAYS, FACE, "",
                             "found or marked now or by the last search, else remembered "
                             "(max-absence)",
                             NULL},
    [CORED_FIELD_FULL_FRAME] = {"full-frame", CORED_FIELD_BOOLEAN, CORED_ALWAYS, FACE, "",
                                "the whole frame was evaluated, not a face", NULL},
    [CORED_FIELD_ALERT] = {"alert", CORED_FIELD_BOOLEAN, CORED_ALWAYS, RESULT | FACE, "",
                           "an alert about one of the faces has begun and not ended",
                           "an alert about this face has begun and not ended"},
    [CORED_FIELD_SHARPNESS] = {"sharpness", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, FACE, "0 to 1",
                               "detail in the face's box", NULL},
    [CORED_FIELD_QUALITY] = {"quality", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, FACE, "0 to 1",
                             "sharpness times the share of the network's resolution that the crop "
                             "has",
                             NULL},
    [CORED_FIELD_HEAT_ROWS] = {"heat-rows", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "",
                               "rows of heat-map", NULL},
    [CORED_FIELD_HEAT_COLUMNS] = {"heat-columns", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "",
                                  "columns of heat-map", NULL},
    [CORED_FIELD_HEAT_MAP] = {"heat-map", CORED_FIELD_STRING, CORED_IF_KNOWN, FACE, "",
                              "class activation map, base64 of heat-rows x heat-columns bytes: "
                              "(byte - 128) / 127 * heat-scale is what the cell adds to the logit "
                              "of fake less that of real",
                              NULL},
    [CORED_FIELD_HEAT_SCALE] = {"heat-scale", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, FACE, "",
                                "largest magnitude in heat-map", NULL},
    [CORED_FIELD_HEAT_X] = {"heat-x", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "pixels",
                            "left edge of the region that heat-map covers", NULL},
    [CORED_FIELD_HEAT_Y] = {"heat-y", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "pixels",
                            "its upper edge", NULL},
    [CORED_FIELD_HEAT_W] = {"heat-w", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "pixels", "its width",
                            NULL},
    [CORED_FIELD_HEAT_H] = {"heat-h", CORED_FIELD_UINT, CORED_IF_KNOWN, FACE, "pixels",
                            "its height", NULL},
    [CORED_FIELD_HEAT_ANGLE] = {"heat-angle", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, FACE, "radians",
                                "how far it is turned about its centre, clockwise on the screen; "
                                "only where the crop was turned (align=eyes)",
                                NULL},
    [CORED_FIELD_FACES] = {"faces", CORED_FIELD_ARRAY, CORED_ALWAYS, RESULT, "",
                           "structures \"face\", present ones first, the largest first", NULL},
    [CORED_FIELD_THRESHOLD] = {"threshold", CORED_FIELD_DOUBLE, CORED_IF_KNOWN, RESULT, "0 to 1",
                               "the one that the verdict was taken with", NULL},
    [CORED_FIELD_MODEL_ID] = {"model-id", CORED_FIELD_STRING, CORED_ALWAYS, RESULT | PARAM, "",
                              "network and hash of the model, \"\" without one", NULL},
    [CORED_FIELD_MODEL_GENERATION] = {"model-generation", CORED_FIELD_UINT64, CORED_ALWAYS,
                                      RESULT | PARAM, "",
                                      "published version of the model, 0 without one", NULL},
    [CORED_FIELD_LATENCY] = {"latency-us", CORED_FIELD_UINT, CORED_ALWAYS, RESULT, "microseconds",
                             "what finding and classifying the faces took", NULL},
    [CORED_FIELD_STREAM_ID] = {"stream-id", CORED_FIELD_STRING, CORED_ALWAYS, RESULT, "",
                               "name of the stream", NULL},
    [CORED_FIELD_STREAM_TIME] = {"stream-time", CORED_FIELD_UINT64, CORED_IF_KNOWN,
                                 RESULT | MESSAGE, "ns",
                                 "where in the stream this frame is: by its time stamp, without "
                                 "one by the frames counted since the last",
                                 NULL},
    [CORED_FIELD_VERSION] = {"version", CORED_FIELD_UINT, CORED_ALWAYS, RESULT, "",
                             "CORED_META_VERSION, 1", NULL},
    [CORED_FIELD_TIMESTAMP] = {"timestamp", CORED_FIELD_UINT64, CORED_ALWAYS, MESSAGE, "ns",
                               "time stamp of the buffer", NULL},
    [CORED_FIELD_RUNNING_TIME] = {"running-time", CORED_FIELD_UINT64, CORED_ALWAYS, MESSAGE, "ns",
                                  "running time of the frame", NULL},
    [CORED_FIELD_DURATION] = {"duration", CORED_FIELD_UINT64, CORED_ALWAYS, MESSAGE, "ns",
                              "duration of the buffer", NULL},
};
