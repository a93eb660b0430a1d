"""Published data sets: a tiny one in each exact layout is read back, values, classes and split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.card import MASK_NODATA, LandClass
from models.training.data_config import PublishedConfig
from models.training.datasets.published.layout import voc_color
from models.training.datasets.published.layouts import LAYOUTS
from models.training.datasets.published.source import PublishedSource
from tests.models.training.static_runs import write_raster

ISBI = Path(__file__).parents[4] / "shared" / "data" / "isbi"
SIZE = (40, 48)


def open_layout(layout: str, folder: Path, **other: Any) -> PublishedSource:
    config = PublishedConfig(kind="published", layout=layout, folder=str(folder), chip_px=32, **other)
    return PublishedSource(config, classes_of(layout))


def classes_of(layout: str) -> list[LandClass]:
    return [LandClass(id=i, name=name, color=color) for i, (name, color) in enumerate(LAYOUTS[layout].classes)]


def photograph(path: Path, seed: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """A smooth picture, which JPEG hardly changes."""
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    bands = [40 * seed + 60 + rows, 200 - cols, 80 + rows + cols]
    pixels = (bands[0] if grey else np.stack(bands, axis=-1)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        Image.fromarray(pixels).save(path, quality=100, subsampling=0)
    else:
        Image.fromarray(pixels).save(path)
    return pixels


def labels_of(values: list[int], dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    """The labels of a tiny file: the first row holds `values`, all else the first of them."""
    labels = np.full(SIZE, values[0], dtype)
    labels[0, : len(values)] = values
    return labels


def write_labels(path: Path, labels: NDArray[Any], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    if palette:
        image.putpalette([int(voc_color(n)[i : i + 2], 16) for n in range(256) for i in (1, 3, 5)])
    image.save(path)


def write_list(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def colored(codes: list[str]) -> NDArray[np.uint8]:
    """RGB labels whose first row holds colours, all else the first of them."""
    rgb = [[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in codes]
    labels = np.empty((*SIZE, 3), np.uint8)
    labels[:] = rgb[0]
    labels[0, : len(rgb)] = rgb
    return labels


def write_voc(folder: Path) -> list[int]:
    root = folder / "VOCdevkit" / "VOC2012"
    for split, name in (("train", "2007_000032"), ("val", "2007_000033")):
        photograph(root / "JPEGImages" / f"{name}.jpg", 1)
        write_labels(root / "SegmentationClass" / f"{name}.png", labels_of([0, 1, 15, 20, 255]), palette=True)
        write_list(root / "ImageSets" / "Segmentation" / f"{split}.txt", [name])
    photograph(root / "JPEGImages" / "2008_000001.jpg", 2)  # for detection alone: it has no labels
    return [0, 1, 15, 20, MASK_NODATA]


def write_context(folder: Path) -> list[int]:
    from scipy.io import savemat

    root = folder / "VOC2010"
    names = ["accordion", "aeroplane", "sky", "table", *(name for name, _ in LAYOUTS["pascal-context"].classes[1:])]
    write_list(root / "labels.txt", [f"{i}: {name}" for i, name in enumerate(dict.fromkeys(names), start=1)])
    for split, name in (("train", "2008_000002"), ("val", "2008_000003")):
        photograph(root / "JPEGImages" / f"{name}.jpg", 1)
        (root / "trainval").mkdir(exist_ok=True)
        savemat(root / "trainval" / f"{name}.mat", {"LabelMap": labels_of([1, 2, 3, 4, 459, 0], np.uint16)})
        write_list(root / "ImageSets" / "Main" / f"{split}.txt", [name])
    return [0, 1, 50, 11, 0, 0]


def write_context_png(folder: Path) -> list[int]:
    for split, name in (("train", "2008_000002"), ("val", "2008_000003")):
        photograph(folder / "JPEGImages" / f"{name}.jpg", 1)
        write_labels(folder / "SegmentationClassContext" / f"{name}.png", labels_of([0, 1, 59]))
        write_list(folder / "ImageSets" / "SegmentationContext" / f"{split}.txt", [name])
    return [0, 1, 59]


def write_ade(folder: Path) -> list[int]:
    root = folder / "ADEChallengeData2016"
    for split, name in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        photograph(root / "images" / split / f"{name}.jpg", 1)
        write_labels(root / "annotations" / split / f"{name}.png", labels_of([1, 0, 2, 150]))
    return [0, MASK_NODATA, 1, 149]


def write_cityscapes(folder: Path) -> list[int]:
    for split, city in (("train", "aachen"), ("val", "lindau")):
        name = f"{city}_000000_000019"
        photograph(folder / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", 1)
        for kind in ("labelIds", "instanceIds", "labelTrainIds"):
            path = folder / "gtFine" / split / city / f"{name}_gtFine_{kind}.png"
            write_labels(path, labels_of([7, 8, 26, 31, 33, 0, 9, 29]))
    return [0, 1, 13, 16, 18, MASK_NODATA, MASK_NODATA, MASK_NODATA]


def write_camvid(folder: Path) -> list[int]:
    for split, name in (("train", "0001TP_006690"), ("val", "0016E5_07959"), ("test", "0001TP_008550")):
        photograph(folder / split / f"{name}.png", 1)
        write_labels(folder / f"{split}annot" / f"{name}.png", labels_of([3, 0, 10, 11]))
        line = f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png"
        write_list(folder / f"{split}.txt", [line])
    return [3, 0, 10, MASK_NODATA]


def write_camvid_colors(folder: Path) -> list[int]:
    write_camvid(folder)
    codes = ["#804080", "#808080", "#0080c0", "#3c28de", "#0000c0", "#8000c0", "#40c000", "#c000c0", "#000000"]
    for path in folder.glob("*annot/*.png"):
        write_labels(path, colored(codes))
    return [3, 0, 10, 4, 4, 3, 1, 10, MASK_NODATA]


LEARNED = {
    "voc2012": "2007_000032.", "pascal-context": "2008_000002.", "pascal-context-png": "2008_000002.",
    "ade20k": "ADE_train", "cityscapes": "aachen", "camvid": "0001TP_006690.",
}  # fmt: skip
"""How the one image to learn from is called."""

WRITERS: list[tuple[str, Callable[[Path], list[int]]]] = [
    ("voc2012", write_voc), ("pascal-context", write_context), ("pascal-context-png", write_context_png),
    ("ade20k", write_ade), ("cityscapes", write_cityscapes), ("camvid", write_camvid), ("camvid", write_camvid_colors),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "write"), WRITERS)
def test_photographs_are_read_as_their_layout_has_them(
    layout: str, write: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    expected = write(tmp_path)
    source = open_layout(layout, tmp_path)
    (train,), (held,) = source.pictures("train"), source.pictures("held-out")
    assert train.name != held.name
    assert train.name.rpartition("/")[2].startswith(LEARNED[layout])
    assert (source.bands, train.shape, source.res_m) == (("red", "green", "blue"), SIZE, (1.0, 1.0))
    chip = train.window(0, 0, *SIZE)
    assert chip.target[0, 0, : len(expected)].tolist() == expected
    assert (chip.target[0, 1:] == expected[0]).all()
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = np.stack([100 + rows, 200 - cols, 80 + rows + cols]) / 255
    np.testing.assert_allclose(chip.reflectance[0], truth, atol=4 / 255)
    assert chip.clear.all()
    counts = np.bincount(
        [number for number in expected if number != MASK_NODATA], minlength=len(LAYOUTS[layout].classes)
    )
    counts[expected[0]] += SIZE[0] * SIZE[1] - len(expected)
    assert source.frequencies(len(counts)).pixels_K.tolist() == counts.tolist()
    assert source.draw(np.random.default_rng(0))[0].reflectance.shape == (1, 3, 32, 32)
    assert "1 images learned from, 1 held out, the authors' val" in source.about


def test_voc_labels_may_be_its_colours(tmp_path: Path) -> None:
    write_voc(tmp_path)
    for path in tmp_path.glob("VOCdevkit/VOC2012/SegmentationClass/*.png"):
        write_labels(path, colored(["#000000", "#c08080", "#004080", "#e0e0c0"]))
    (train,) = open_layout("voc2012", tmp_path / "VOCdevkit").pictures("train")
    assert train.window(0, 0, 1, 4).target[0, 0].tolist() == [0, 15, 20, MASK_NODATA]


def test_a_grey_photograph_has_its_grey_three_times(tmp_path: Path) -> None:
    write_ade(tmp_path)
    path = tmp_path / "ADEChallengeData2016" / "images" / "training" / "ADE_train_00000001.jpg"
    photograph(path, 1, grey=True)
    (train,) = open_layout("ade20k", tmp_path).pictures("train")
    chip = train.window(0, 0, 8, 8)
    assert chip.reflectance.shape == (1, 3, 8, 8)
    assert np.array_equal(chip.reflectance[0, 0], chip.reflectance[0, 2])


def test_eye_in_the_sky_has_16_bits_four_bands_and_colours(tmp_path: Path) -> None:
    root = tmp_path / "The-Eye-in-the-Sky-dataset"
    codes = ["#000000", "#646464", "#007d00", "#00ff00", "#965000", "#000096", "#ffff00", "#9696ff", "#ffffff"]
    values = np.random.default_rng(0).integers(0, 2048, (4, *SIZE)).astype(np.uint16)
    for number in range(1, 6):
        write_raster(root / "sat" / f"{number}.tif", values, west=number * 1e5)
        write_raster(root / "gt" / f"{number}.tif", np.moveaxis(colored(codes), 2, 0), placed=False)
    source = open_layout("eye-in-the-sky", tmp_path)
    assert (len(source.pictures("train")), len(source.pictures("held-out"))) == (4, 1)
    assert (source.bands, source.res_m) == (("red", "green", "blue", "nir"), (0.6, 0.6))
    chip = source.pictures("all")[0].window(0, 0, *SIZE)
    np.testing.assert_allclose(chip.reflectance[0], values / 2047, rtol=1e-6)
    assert chip.target[0, 0, :9].tolist() == [*range(8), MASK_NODATA]
    assert [one.name for one in classes_of("eye-in-the-sky")][4:6] == ["bare soil", "water"]


def write_isbi_volumes(folder: Path, pages: int = 6) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, SIZE).astype(np.uint8) for _ in range(pages)]
    for name, stack in (
        ("train-volume", images), ("train-labels", [np.uint8(255 * (one > 99)) for one in images]),
    ):  # fmt: skip
        first, *others = [Image.fromarray(one) for one in stack]
        first.save(folder / f"{name}.tif", save_all=True, append_images=others)
    return images


def test_isbi_volumes_are_read_page_by_page(tmp_path: Path) -> None:
    images = write_isbi_volumes(tmp_path)
    source = open_layout("isbi2012-volumes", tmp_path, held_out=2)
    assert (len(source.pictures("train")), len(source.pictures("held-out")), source.bands) == (4, 2, ("grey",))
    assert not {one.name for one in source.pictures("train")} & {one.name for one in source.pictures("held-out")}
    for picture in source.pictures("all"):
        image = images[int(picture.name.split()[-1]) - 1]
        chip = picture.window(0, 0, *SIZE)
        np.testing.assert_allclose(chip.reflectance[0, 0], image / 255, atol=1e-6)
        np.testing.assert_array_equal(chip.target[0], image > 99)


@pytest.mark.skipif(not ISBI.is_dir(), reason="no ../shared/data/isbi")
def test_isbi_as_it_is_here() -> None:
    source = open_layout("isbi2012", ISBI, held_out=6)
    assert (len(source.pictures("train")), len(source.pictures("held-out"))) == (24, 6)
    counted = source.frequencies(2).pixels_K
    assert counted.sum() == 24 * 512 * 512
    assert 0.15 < counted[0] / counted.sum() < 0.3


def test_data_that_move_are_the_same_data(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    one, other = (open_layout("cityscapes", tmp_path / name) for name in ("here", "there"))
    assert one.fingerprint == other.fingerprint


def test_the_colours_of_pascal_are_the_published_ones() -> None:
    assert [voc_color(number) for number in (0, 1, 2, 15, 20, 255)] == [
        "#000000", "#800000", "#008000", "#c08080", "#004080", "#e0e0c0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "count"),
    [("voc2012", 21), ("pascal-context", 60), ("ade20k", 150), ("cityscapes", 19), ("isbi2012", 2), ("camvid", 11),
     ("eye-in-the-sky", 8)],
)  # fmt: skip
def test_legends_have_the_published_number_of_classes(layout: str, count: int) -> None:
    names = [name for name, _ in LAYOUTS[layout].classes]
    assert len(names) == len(set(names)) == count
    assert all(one.color for one in classes_of(layout))
