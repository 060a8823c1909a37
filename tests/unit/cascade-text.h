/* SPDX-License-Identifier: MIT
 * Small cascades as XML text for the tests of the locator. */
#ifndef CORED_TESTS_CASCADE_TEXT_H
#define CORED_TESTS_CASCADE_TEXT_H

/* One stage of two stumps: left third darker than the right third, upper third darker than the
 * lower; a window of 12x12. */
#define CASCADE_HAAR                                                                               \
  "<?xml version=\"1.0\"?>\n<opencv_storage>\n<cascade type_id=\"opencv-cascade-classifier\">"     \
  "<stageType>BOOST</stageType><featureType>HAAR</featureType><height>12</height>"                 \
  "<width>12</width><stageParams><maxWeakCount>2</maxWeakCount></stageParams>"                     \
  "<featureParams><maxCatCount>0</maxCatCount></featureParams><stageNum>1</stageNum><stages><_>"   \
  "<maxWeakCount>2</maxWeakCount><stageThreshold>1.5</stageThreshold><weakClassifiers><_>"         \
  "<internalNodes>0 -1 0 5.0e-01</internalNodes><leafValues>-1. 1.</leafValues></_><_>"            \
  "<internalNodes>0 -1 1 5.0e-01</internalNodes><leafValues>-1. 1.</leafValues></_>"               \
  "</weakClassifiers></_></stages><features><_><rects><_>0 0 4 12 -1.</_><_>8 0 4 12 1.</_>"       \
  "</rects><tilted>0</tilted></_><_><rects><_>0 0 12 4 -1.</_><_>0 8 12 4 1.</_></rects>"          \
  "</_></features></cascade></opencv_storage>\n"

/* One stage of one stump that wants LBP code 0 (the middle block brighter than all others). */
#define CASCADE_LBP                                                                                \
  "<?xml version=\"1.0\"?>\n<opencv_storage>\n<cascade><stageType>BOOST</stageType>"               \
  "<featureType>LBP</featureType><height>9</height><width>9</width>"                               \
  "<stageParams><boostType>GAB</boostType><maxWeakCount>1</maxWeakCount></stageParams>"            \
  "<featureParams><maxCatCount>256</maxCatCount><featSize>1</featSize></featureParams>"            \
  "<stageNum>1</stageNum><stages><_><maxWeakCount>1</maxWeakCount>"                                \
  "<stageThreshold>0.5</stageThreshold><weakClassifiers><_>"                                       \
  "<internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes><leafValues>1. -1.</leafValues></_>"       \
  "</weakClassifiers></_></stages><features><_><rect>0 0 3 3</rect></_></features></cascade>"      \
  "</opencv_storage>\n"

#endif /* CORED_TESTS_CASCADE_TEXT_H */
