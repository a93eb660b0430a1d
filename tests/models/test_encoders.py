"""Encoders are torchvision's: their names, their sizes, their weights from a file."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from models.encoders.build import ENCODERS, build_encoder
from models.encoders.encoder import Encoder
from models.encoders.weights import load_imagenet
from models.errors import CheckpointRefused

PARAMETERS = {  # of torchvision's classifiers, less their heads; entries of the state dict; its first and last weight
    "resnet18": (11_689_512 - 513_000, 120, "conv1.weight", "layer4.1.bn2.num_batches_tracked"),
    "resnet34": (21_797_672 - 513_000, 216, "conv1.weight", "layer4.2.bn2.num_batches_tracked"),
    "resnet50": (25_557_032 - 2_049_000, 318, "conv1.weight", "layer4.2.bn3.num_batches_tracked"),
    "vgg16": (138_357_544 - 123_642_856, 26, "features.0.weight", "features.28.bias"),
    "vgg16_bn": (138_365_992 - 123_642_856, 91, "features.0.weight", "features.41.num_batches_tracked"),
    "mobilenet_v2": (3_504_872 - 1_281_000, 312, "features.0.0.weight", "features.18.1.num_batches_tracked"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_names_and_sizes_are_torchvision_s(name: str) -> None:
    with torch.device("meta"):
        encoder = build_encoder(name, 3)
    names = list(encoder.state_dict())
    found = sum(p.numel() for p in encoder.parameters()), len(names), names[0], names[-1]
    assert found == PARAMETERS[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_features_have_the_channels_and_strides_they_announce(name: str) -> None:
    encoder = build_encoder(name, 5, width=0.125).eval()
    with torch.no_grad():
        features = encoder(torch.rand((1, 5, 64, 96)))
    assert [tuple(f.shape) for f in features] == [
        (1, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, encoder.strides, strict=True)
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_dilated_resnet_sees_as_far_at_stride_8(name: str) -> None:
    """Dilated, the features at every second (fourth) pixel are those of the network that strides (Yu et al.)."""
    strided, dilated = build_encoder(name, 4, width=0.125), build_encoder(name, 4, width=0.125, dilated=True)
    dilated.load_state_dict(strided.state_dict())
    x = torch.rand((1, 4, 64, 96))
    with torch.no_grad():
        sparse, dense = strided.eval()(x), dilated.eval()(x)
    assert dilated.strides == (2, 4, 8, 8, 8)
    torch.testing.assert_close(dense[3][..., ::2, ::2], sparse[3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(dense[4][..., ::4, ::4], sparse[4], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "resnet18, resnet34"),
        ("vgg16", {"dilated": True}, "only resnet18"),
        ("vgg16", {"width": 0.0}, "width above 0"),
    ],
)
def test_an_encoder_that_there_is_not(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_encoder(name, 4, **options)  # type: ignore[arg-type]


def torchvision_weights(name: str) -> dict[str, Tensor]:
    """A state dict as torchvision publishes it, of known first filters, with a classifier."""
    torch.manual_seed(3)
    weights = build_encoder(name, 3).state_dict()
    first = next(iter(weights))
    weights[first] = torch.stack([torch.full_like(weights[first][:, 0], value) for value in (1.0, 2.0, 6.0)], dim=1)
    weights["fc.weight" if name.startswith("resnet") else "classifier.1.weight"] = torch.zeros((1000, 8))
    return weights


def write(path: Path, weights: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def first_filters(encoder: Encoder) -> list[float]:
    weight: Tensor = next(iter(encoder.state_dict().values()))
    return [float(v) for v in weight[0, :, 0, 0]]


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_come_from_a_file(tmp_path: Path, ending: str) -> None:
    weights = torchvision_weights("mobilenet_v2")
    path, encoder = write(tmp_path / f"w.{ending}", weights), build_encoder("mobilenet_v2", 3)
    load_imagenet(encoder, path)
    assert all(torch.equal(value, weights[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("roles", "filters"),
    [
        (("red", "green", "blue"), [1.0, 2.0, 6.0]),
        (("blue", "green", "red", "nir"), [4.5, 1.5, 0.75, 2.25]),
        (None, [2.25] * 4),
    ],
)
def test_the_first_convolution_is_adapted_to_the_bands(
    tmp_path: Path, roles: tuple[str, ...] | None, filters: list[float]
) -> None:
    path = write(tmp_path / "w.safetensors", torchvision_weights("resnet18"))
    encoder = build_encoder("resnet18", len(filters))
    load_imagenet(encoder, path, roles=roles)
    assert first_filters(encoder) == filters


def test_old_files_without_counts_of_batches_load(tmp_path: Path) -> None:
    weights = {k: v for k, v in torchvision_weights("mobilenet_v2").items() if not k.endswith("num_batches_tracked")}
    load_imagenet(build_encoder("mobilenet_v2", 4), write(tmp_path / "w.safetensors", weights))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never run",)


@pytest.mark.parametrize("harm", ["missing", "extra", "shape", "width", "kind", "absent", "pickle", "bands", "roles"])
def test_everything_else_must_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str) -> None:
    weights, path = torchvision_weights("mobilenet_v2"), tmp_path / "w.safetensors"
    if harm == "missing":
        weights.pop("features.3.conv.3.bias")
    elif harm == "extra":
        weights["features.19.weight"] = torch.zeros(1)
    elif harm == "shape":
        weights["features.3.conv.3.bias"] = torch.zeros(5)
    elif harm == "bands":
        weights["features.0.0.weight"] = torch.zeros((32, 4, 3, 3))
    write(path, weights)
    if harm == "kind":
        path = path.rename(tmp_path / "w.h5")
    elif harm == "absent":
        path = tmp_path / "elsewhere.pth"
    elif harm == "pickle":
        path = tmp_path / "w.pth"
        path.write_bytes(pickle.dumps({"features.0.0.weight": Trap()}, protocol=2))
    encoder = build_encoder("mobilenet_v2", 4, width=0.5 if harm == "width" else 1.0)
    with pytest.raises(CheckpointRefused, match=path.name):
        load_imagenet(encoder, path, roles=("red", "green", "blue") if harm == "roles" else None)
    assert capsys.readouterr().out == ""
