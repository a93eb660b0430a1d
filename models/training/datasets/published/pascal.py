"""Pascal VOC 2012, and Pascal Context on the images of VOC 2010."""

from __future__ import annotations

from models.training.datasets.published.layout import Layout, by_color, voc_color

_OBJECTS = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_OBJECT_CLASSES = tuple((name, voc_color(number)) for number, name in enumerate(_OBJECTS))

VOC2012 = Layout(
    title="Pascal VOC 2012",
    description="Objects in photographs, 20 classes and background (Everingham et al. 2012).",
    within=("", "VOC2012", "VOCdevkit/VOC2012"),
    lists="ImageSets/Segmentation/{split}.txt",
    images="JPEGImages/*.jpg",
    labels="SegmentationClass/*.png",
    classes=_OBJECT_CLASSES,
    void=(255,),
    colors=by_color(_OBJECT_CLASSES),
    void_colors=("#e0e0c0",),
)

_CONTEXT = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor", "bag", "bed", "bench", "book",
    "building", "cabinet", "ceiling", "cloth", "computer", "cup", "door", "fence", "floor", "flower", "food", "grass",
    "ground", "keyboard", "light", "mountain", "mouse", "curtain", "platform", "sign", "plate", "road", "rock",
    "shelves", "sidewalk", "sky", "snow", "bedclothes", "track", "tree", "truck", "wall", "water", "window", "wood",
)  # fmt: skip
_CONTEXT_CLASSES = tuple((name, voc_color(number)) for number, name in enumerate(_CONTEXT))
_CONTEXT_TITLE = "Pascal Context"
_CONTEXT_DESCRIPTION = "Whole scenes in photographs, 59 frequent classes, all else background (Mottaghi et al. 2014)."

PASCAL_CONTEXT = Layout(
    title=_CONTEXT_TITLE,
    description=_CONTEXT_DESCRIPTION,
    within=("", "VOC2010", "VOCdevkit/VOC2010"),
    lists="ImageSets/Main/{split}.txt",
    images="JPEGImages/*.jpg",
    labels="trainval/*.mat",
    names="labels.txt",
    classes=_CONTEXT_CLASSES,
    other=0,
)
"""As its authors publish it: files of MATLAB with 459 labels."""

PASCAL_CONTEXT_PNG = Layout(
    title=_CONTEXT_TITLE,
    description=_CONTEXT_DESCRIPTION,
    within=PASCAL_CONTEXT.within,
    lists="ImageSets/SegmentationContext/{split}.txt",
    images="JPEGImages/*.jpg",
    labels="SegmentationClassContext/*.png",
    classes=_CONTEXT_CLASSES,
    void=(255,),
)
"""As OpenMMLab's converter writes it: PNG with 0 for background and 1..59 for the classes."""
