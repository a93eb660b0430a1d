"""Published data sets that are not as published: each wrong layout is refused, with what was expected where."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import ConfigRefused, DataRefused
from models.training.data_config import PublishedConfig
from models.training.datasets.published.source import PublishedSource
from tests.models.training.static_runs import write_raster
from tests.models.training.test_published import (
    classes_of,
    colored,
    labels_of,
    open_layout,
    photograph,
    write_ade,
    write_camvid,
    write_cityscapes,
    write_context,
    write_isbi_volumes,
    write_labels,
    write_list,
    write_voc,
)  # fmt: skip

VOC = Path("VOCdevkit/VOC2012")
ADE = Path("ADEChallengeData2016")


@pytest.mark.parametrize(
    ("layout", "write", "lost", "reason"),
    [
        (
            "voc2012",
            write_voc,
            VOC / "ImageSets",
            r"ImageSets/Segmentation/train.txt is not there; expected JPEGImages",
        ),
        ("voc2012", write_voc, VOC / "ImageSets/Segmentation/val.txt", "ImageSets/Segmentation/val.txt is not there"),
        ("voc2012", write_voc, VOC / "SegmentationClass", "1 of 1 label files of ImageSets/Segmentation/train.txt are"),
        ("voc2012", write_voc, VOC / "JPEGImages/2007_000033.jpg", "not there: JPEGImages/2007_000033.jpg"),
        ("pascal-context", write_context, "VOC2010/labels.txt", "labels.txt is not there"),
        ("pascal-context", write_context, "VOC2010/trainval", "label files .* trainval/2008_000002.mat"),
        ("ade20k", write_ade, ADE / "images/training", "images/training/.*jpg is not there"),
        ("ade20k", write_ade, ADE / "images/validation", "nothing matches images/validation/.*jpg"),
        ("ade20k", write_ade, ADE / "annotations/validation", "not there: annotations/validation/ADE_val_00000001.png"),
        ("cityscapes", write_cityscapes, "gtFine", "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"),
        ("cityscapes", write_cityscapes, "leftImg8bit/val", "nothing matches leftImg8bit/val/"),
        ("camvid", write_camvid, "train.txt", "train.txt is not there"),
        ("camvid", write_camvid, "valannot", "not there: valannot/0016E5_07959.png"),
        ("isbi2012-volumes", write_isbi_volumes, "train-labels.tif", "train-labels.tif is not there"),
    ],
)
def test_what_is_missing_is_named_with_what_was_expected_where(
    layout: str, write: Callable[[Path], object], lost: str | Path, reason: str, tmp_path: Path
) -> None:
    write(tmp_path)
    path = tmp_path / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(DataRefused, match=reason) as caught:
        open_layout(layout, tmp_path)
    assert str(caught.value).startswith(f"{layout}: ")
    assert "in the folder" in str(caught.value)
    assert "there is " in str(caught.value)


def test_a_folder_of_something_else_is_told_what_the_layout_is(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    expected = (
        r"leftImg8bit/train/\*/\*_leftImg8bit.png is not there; expected leftImg8bit/train/\*/\*_leftImg8bit.png, "
        r"leftImg8bit/val/\*/\*_leftImg8bit.png, gtFine/train/.*; there is test, test.txt"
    )
    with pytest.raises(DataRefused, match=expected):
        open_layout("cityscapes", tmp_path)
    with pytest.raises(DataRefused, match=r"\(or under VOC2012 or VOCdevkit/VOC2012 in it\)"):
        open_layout("voc2012", tmp_path)
    with pytest.raises(DataRefused, match=r"data.folder: expected a folder; .*nowhere is none"):
        open_layout("voc2012", tmp_path / "nowhere")


def test_labels_that_the_data_set_does_not_have_are_refused(tmp_path: Path) -> None:
    write_ade(tmp_path)
    write_labels(tmp_path / ADE / "annotations/training/ADE_train_00000001.png", labels_of([1, 151]))
    with pytest.raises(
        DataRefused, match=r"holds 151 \(1 px\), which is no class .*expected labels as ADE20K publishes"
    ):
        open_layout("ade20k", tmp_path)
    write_camvid(tmp_path)
    write_labels(tmp_path / "trainannot" / "0001TP_006690.png", colored(["#808080", "#123456"]))
    with pytest.raises(DataRefused, match=r"holds #123456 \(1 px\)"):
        open_layout("camvid", tmp_path)


def test_colours_where_numbers_are_published_are_refused(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    path = next(tmp_path.glob("gtFine/train/*/*_labelIds.png"))
    write_labels(path, colored(["#804080"]))
    with pytest.raises(DataRefused, match=r"has 3 bands; expected one, of class ids"):
        open_layout("cityscapes", tmp_path)


def test_labels_of_another_size_are_refused(tmp_path: Path) -> None:
    write_voc(tmp_path)
    write_labels(tmp_path / VOC / "SegmentationClass" / "2007_000032.png", labels_of([0])[:-1])
    with pytest.raises(DataRefused, match=r"\(40 x 48\) and its mask 2007_000032.png \(39 x 48\) lie on different"):
        open_layout("voc2012", tmp_path)


def test_an_image_in_both_splits_is_refused(tmp_path: Path) -> None:
    write_voc(tmp_path)
    write_list(tmp_path / VOC / "ImageSets" / "Segmentation" / "val.txt", ["2007_000033", "2007_000032"])
    with pytest.raises(DataRefused, match=r"1 images are in both splits: JPEGImages/2007_000032.jpg"):
        open_layout("voc2012", tmp_path)
    write_list(tmp_path / VOC / "ImageSets" / "Segmentation" / "val.txt", [])
    with pytest.raises(DataRefused, match=r"ImageSets/Segmentation/val.txt names no image"):
        open_layout("voc2012", tmp_path)


def test_names_that_a_list_leads_outside_with_stay_inside(tmp_path: Path) -> None:
    write_camvid(tmp_path / "data")
    photograph(tmp_path / "secret.png", 1)
    write_list(tmp_path / "data" / "train.txt", ["../../secret.png ../../secret.png"])
    with pytest.raises(DataRefused, match=r"not there: train/secret.png"):
        open_layout("camvid", tmp_path / "data")


@pytest.mark.parametrize("text", ["1: accordion\n", "aeroplane\n"])
def test_a_file_of_names_without_the_classes_is_refused(tmp_path: Path, text: str) -> None:
    write_context(tmp_path)
    (tmp_path / "VOC2010" / "labels.txt").write_text(text)
    with pytest.raises(DataRefused, match=r"labels.txt names no aeroplane, bicycle, .*`number: name` a line"):
        open_layout("pascal-context", tmp_path)


def test_a_broken_or_foreign_mat_is_refused(tmp_path: Path) -> None:
    from scipy.io import savemat

    write_context(tmp_path)
    path = tmp_path / "VOC2010" / "trainval" / "2008_000002.mat"
    savemat(path, {"Other": np.zeros((2, 2))})
    with pytest.raises(DataRefused, match=r"2008_000002.mat: expected the array LabelMap"):
        open_layout("pascal-context", tmp_path)
    path.write_bytes(b"\0" * 200)
    with pytest.raises(DataRefused, match=r"expected an intact MATLAB file of version 5"):
        open_layout("pascal-context", tmp_path)


def test_volumes_must_have_as_many_pages(tmp_path: Path) -> None:
    write_isbi_volumes(tmp_path, pages=3)
    (tmp_path / "train-volume.tif").rename(tmp_path / "volume.tif")
    write_isbi_volumes(tmp_path, pages=4)
    (tmp_path / "volume.tif").rename(tmp_path / "train-volume.tif")
    with pytest.raises(DataRefused, match=r"train-volume.tif has 3 page\(s\) and train-labels.tif 4"):
        open_layout("isbi2012-volumes", tmp_path)


def test_images_with_too_few_bands_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        write_raster(tmp_path / "sat" / f"{number}.tif", np.ones((3, 40, 48), np.uint16), west=number * 1e5)
        write_raster(tmp_path / "gt" / f"{number}.tif", np.zeros((3, 40, 48), np.uint8), west=number * 1e5)
    with pytest.raises(DataRefused, match=r"sat/0.tif has 3 band\(s\); expected 4, red, green, blue, nir"):
        open_layout("eye-in-the-sky", tmp_path)


def test_a_legend_of_another_length_and_an_unknown_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"data.layout: expected one of voc2012, .*; got 'voc2007'"):
        PublishedConfig(kind="published", layout="voc2007", folder=str(tmp_path))
    config = PublishedConfig(kind="published", layout="camvid", folder=str(tmp_path))
    with pytest.raises(DataRefused, match=r"camvid: expected a legend of its 11 classes; got 0 membrane, 1 cell"):
        PublishedSource(config, classes_of("isbi2012"))
