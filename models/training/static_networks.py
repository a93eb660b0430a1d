"""From a configuration to a fresh static network and its card."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.card import Card
from models.encoders.encoder import Encoder
from models.encoders.weights import load_imagenet
from models.errors import ConfigRefused
from models.mask_rcnn.network import MaskRCNN
from models.networks import FAMILIES
from models.pspnet import PSPNet
from models.static import StaticNet
from models.tiling import choose_tiling
from models.training.config import TrainConfig
from models.training.datasets.source import Source
from models.training.static_config import StaticNetworkConfig
from models.training.themes import Theme
from models.training.written import written

INSTANCES_STEP_PX = 128
"""Tiles overlap by this at least, half their size, so that one of them holds an instance whole, if it is not large."""


def build_static(
    network: StaticNetworkConfig, bands: Sequence[str], classes: int, chip_px: int
) -> StaticNet | MaskRCNN:
    """Build the network to train, with fresh weights, or ImageNet's in its encoder.

    Raises:
        ConfigRefused: the family does not take its options, or chips do not fit its stride.
        CheckpointRefused: `encoder_weights` do not fit the encoder.
    """
    family = FAMILIES[network.family]
    known = set(inspect.signature(family).parameters) - {"mean", "std", "classes"}
    unknown = sorted(set(network.options) - known)
    if unknown:
        raise ConfigRefused(
            f"network: unknown key {', '.join(unknown)}; {network.family} takes {', '.join(sorted(known))}, mean, std"
        )
    try:
        net = family(mean=network.mean, std=network.std, classes=classes, **network.options)
    except (TypeError, ValueError, KeyError) as err:
        raise ConfigRefused(f"network: {network.family} cannot be built with {network.options}: {err}") from err
    if not isinstance(net, StaticNet | MaskRCNN):
        raise ConfigRefused(f"network.family: expected a network of one date; got {network.family}")
    if chip_px % net.stride_px:
        raise ConfigRefused(f"data.chip_px: expected a multiple of the stride {net.stride_px}; got {chip_px}")
    if network.encoder_weights and isinstance(net.encoder, Encoder):
        load_imagenet(net.encoder, Path(network.encoder_weights).expanduser(), roles=bands)
    return net


def static_card(config: TrainConfig, network: StaticNetworkConfig, about: Theme, source: Source) -> Card:
    """Write down what is trained, on what; scores are added when they are measured."""
    net = build_static(network, source.bands, len(about.classes), config.data.chip_px)
    return Card(
        name=config.name,
        version=config.version,
        family=network.family,
        title=about.title,
        description=about.description,
        bands=source.bands,
        classes=about.classes,
        change=about.change,
        mean=network.mean,
        std=network.std,
        res_m=source.res_m,
        architecture=net.architecture,
        training={"data": source.about, "config": written(config)},
        scores={},
        hashes={},
        **_tiling(net, config.data.chip_px),
    )


def _tiling(net: StaticNet | MaskRCNN, chip_px: int) -> dict[str, Any]:
    """Say how a network tiles.

    What looks at its whole input, as PSPNet's pyramid does, gets tiles of the chips' size, so that it sees as much of
    the ground as when it learned; so does what finds instances, which knows none that is larger than a chip; others get
    large ones, since only the edges of tiles cost them anything.
    """
    if isinstance(net, MaskRCNN):
        step = max(-(-chip_px // (2 * net.stride_px)) * net.stride_px, INSTANCES_STEP_PX)
        return {"tiling": "instances", "tile_px": 2 * step, "stride_px": step, "radius_px": step}
    if isinstance(net, PSPNet):
        even = 2 * net.stride_px
        return dataclasses.asdict(choose_tiling(net, tile_px=-(-chip_px // even) * even))
    return dataclasses.asdict(choose_tiling(net))
