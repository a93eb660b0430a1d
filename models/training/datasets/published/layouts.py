"""The published data sets that are known, by the name that a configuration calls them."""

from __future__ import annotations

from models.training.datasets.published.ade20k import ADE20K
from models.training.datasets.published.camvid import CAMVID
from models.training.datasets.published.layout import Layout, by_color, legend
from models.training.datasets.published.pascal import PASCAL_CONTEXT, PASCAL_CONTEXT_PNG, VOC2012

_STREETS = legend("""
    804080 road, f423e8 sidewalk, 464646 building, 66669c wall, be9999 fence, 999999 pole, faaa1e traffic light,
    dcdc00 traffic sign, 6b8e23 vegetation, 98fb98 terrain, 4682b4 sky, dc143c person, ff0000 rider, 00008e car,
    000046 truck, 003c64 bus, 005064 train, 0000e6 motorcycle, 770b20 bicycle
""")
_STREET_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

CITYSCAPES = Layout(
    title="Cityscapes",
    description="Streets of 50 cities from a car, the 19 classes that are evaluated (Cordts et al. 2016).",
    images="leftImg8bit/{split}/*/*_leftImg8bit.png",
    labels="gtFine/{split}/*/*_gtFine_labelIds.png",
    classes=_STREETS,
    values={label: number for number, label in enumerate(_STREET_IDS)},
    void=tuple(label for label in range(34) if label not in _STREET_IDS),
)

_CELLS = legend("1a1a1a membrane, e0e0e0 cell")

ISBI2012 = Layout(
    title="Membranes of neurons",
    description="Membranes of neurons in electron microscopy of 4 nm pixels, one image at a time (ISBI 2012).",
    images="train/image/*.png",
    labels="train/label/*.png",
    splits=None,
    classes=_CELLS,
    values={0: 0, 255: 1},
    bands=("grey",),
    res_m=(4e-9, 4e-9),
)

ISBI2012_VOLUMES = Layout(
    title=ISBI2012.title,
    description=ISBI2012.description,
    images="train-volume.tif",
    labels="train-labels.tif",
    splits=None,
    classes=_CELLS,
    values=ISBI2012.values,
    bands=ISBI2012.bands,
    res_m=ISBI2012.res_m,
)

_ZURICH = legend("""
    000000 roads, 646464 buildings, 007d00 trees, 00ff00 grass, 965000 bare soil, 000096 water, ffff00 railways,
    9696ff swimming pools
""")

EYE_IN_THE_SKY = Layout(
    title="The Eye in the Sky",
    description="Zurich from QuickBird, pan-sharpened, 8 classes (7th Inter IIT Tech Meet, 2018).",
    within=("", "The-Eye-in-the-Sky-dataset"),
    images="sat/*.tif",
    labels="gt/*.tif",
    splits=None,
    classes=_ZURICH,
    colors=by_color(_ZURICH),
    void_colors=("#ffffff",),
    bands=("red", "green", "blue", "nir"),
    scale=1 / 2047,  # the sensor counts in 11 bits
    res_m=(0.6, 0.6),
)

LAYOUTS: dict[str, Layout] = {
    "voc2012": VOC2012,
    "pascal-context": PASCAL_CONTEXT,
    "pascal-context-png": PASCAL_CONTEXT_PNG,
    "ade20k": ADE20K,
    "cityscapes": CITYSCAPES,
    "isbi2012": ISBI2012,
    "isbi2012-volumes": ISBI2012_VOLUMES,
    "eye-in-the-sky": EYE_IN_THE_SKY,
    "camvid": CAMVID,
}
