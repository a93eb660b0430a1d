"""CamVid in the layout of the SegNet tutorial: 11 classes, labels as numbers, or in the colours of the original 32."""

from __future__ import annotations

from models.training.datasets.published.layout import Layout, by_color, legend

_CLASSES = legend("""
    808080 sky, 800000 building, c0c080 pole, 804080 road, 3c28de pavement, 808000 tree, c08080 sign, 404080 fence,
    400080 car, 404000 pedestrian, 0080c0 bicyclist
""")

_ORIGINAL = {
    "building": "c00080 archway, 008040 bridge, 400040 tunnel, 40c000 wall",
    "pole": "000040 traffic cone",
    "road": "8000c0 lane marking (driving), c00040 lane marking (other), ff4500 road marking",
    "pavement": "0000c0 sidewalk, 40c080 parking block, 8080c0 road shoulder",
    "tree": "c0c000 other vegetation",
    "sign": "808040 text, 004040 traffic light",
    "car": "4080c0 SUV or pickup, c080c0 truck or bus, c04080 train, 804040 other moving",
    "pedestrian": "c08040 child, 4000c0 cart or pram, 408040 animal",
    "bicyclist": "c000c0 motorcycle or scooter",
}
"""Colours of the original classes, by the class of the 11 that they belong to; the others have its own colour."""

_NUMBERS = {name: number for number, (name, _) in enumerate(_CLASSES)}

CAMVID = Layout(
    title="CamVid",
    description="Streets of Cambridge from a car, 11 classes (Brostow et al. 2009; Badrinarayanan et al. 2017).",
    within=("", "CamVid"),
    lists="{split}.txt",
    images="{split}/*.png",
    labels="{split}annot/*.png",
    classes=_CLASSES,
    void=(11,),
    colors=by_color(_CLASSES)
    | {color: _NUMBERS[name] for name, text in _ORIGINAL.items() for _, color in legend(text)},
    void_colors=("#000000",),
)
