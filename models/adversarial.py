"""Adversarial training of segmentation: a discriminator that tells true label maps from those of a network.

The discriminator reads an image and a label map, probabilities per class. A truth given as zeros and ones betrays
itself by its values alone; the published ways of showing the maps are `basic` (as they are), `product` (the map of each
class times the image) and `scaling` (the truth is softened towards the network's own probabilities).

Source: Luc, Couprie, Chintala, Verbeek 2016, "Semantic segmentation using adversarial networks", sections 3.1-3.3.
Batch statistics would mix true and made maps, so that the discriminator here has no norm; widths are a parameter, since
the paper's discriminators are far larger than the networks that are shipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Reads = Literal["basic", "product", "scaling"]

TRUTH_MASS = 0.9
"""tau of the paper: least probability that `scaling` leaves to the true class."""

SLOPE = 0.2


def one_hot(target_BHW: Tensor, valid_BHW: Tensor, classes: int) -> Tensor:
    """Return the truth as a label map, (B, K, H, W): one for the true class, zeros where not valid."""
    known = torch.where(valid_BHW, target_BHW, 0)
    return functional.one_hot(known, classes).movedim(-1, 1).float() * valid_BHW.unsqueeze(1)


def soften_truth(truth_BKHW: Tensor, probs_BKHW: Tensor, mass: float = TRUTH_MASS) -> Tensor:
    """Soften the truth towards a network's probabilities, so that values alone do not tell the two apart.

    The true class l gets max(tau, p_l), the others p_c (1 - that) / (1 - p_l): sums stay 1. Where the truth is zero for
    all classes (not valid) it stays so.

    Args:
        truth_BKHW: zeros and ones.
        probs_BKHW: the network's; no gradient goes through them.
        mass: tau.

    Source: Luc et al. 2016, section 3.2, "Scaling".
    """
    probs = probs_BKHW.detach()
    of_truth = (probs * truth_BKHW).sum(1, keepdim=True)
    kept = of_truth.clamp(min=mass)
    others = probs * (1 - kept) / (1 - of_truth).clamp(min=1e-6)
    valid = truth_BKHW.sum(1, keepdim=True)
    return (truth_BKHW * kept + (1 - truth_BKHW) * others) * valid


def class_images(maps_BKHW: Tensor, x_BCHW: Tensor) -> Tensor:
    """Multiply the image with each class's map: (B, K * C, H, W), class by class.

    Source: Luc et al. 2016, section 3.2, "Product".
    """
    return (maps_BKHW.unsqueeze(2) * x_BCHW.unsqueeze(1)).flatten(1, 2)


class Discriminator(nn.Module):
    """Tells whether a label map is true, from the map and the image.

    Args:
        bands, classes: of images and maps.
        reads: `basic` and `scaling` read map and image in a branch each, then joined; `product` reads the product.
        widths: channels per level; every level halves height and width.
    """

    def __init__(self, bands: int, classes: int, *, reads: Reads = "scaling", widths: Sequence[int] = (16, 32, 64)):
        super().__init__()
        self.reads = reads
        self.of_map = nn.Conv2d(classes * bands if reads == "product" else classes, widths[0], 3, padding=1)
        self.of_image = None if reads == "product" else nn.Conv2d(bands, widths[0], 3, padding=1)
        joined = widths[0] if reads == "product" else 2 * widths[0]
        pairs = itertools.pairwise((joined, *widths))
        self.levels = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairs)
        self.verdict = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x_BCHW: Tensor, maps_BKHW: Tensor) -> Tensor:
        """Return the logit, per image (B,), that the map is true.

        Args:
            x_BCHW: normalised image.
            maps_BKHW: probabilities; zeros where the truth is not known, for true and made maps alike.
        """
        if self.of_image is None:
            features = self.of_map(class_images(maps_BKHW, x_BCHW))
        else:
            features = torch.cat([self.of_map(maps_BKHW), self.of_image(x_BCHW)], dim=1)
        features = functional.leaky_relu(features, SLOPE)
        for level in self.levels:
            features = functional.leaky_relu(level(features), SLOPE)
        logits: Tensor = self.verdict(features).mean(dim=(1, 2, 3))
        return logits


def discriminator_loss(true_B: Tensor, made_B: Tensor) -> Tensor:
    """Binary cross-entropy of calling true maps true and made maps made.

    Args:
        true_B: the discriminator's logits of true maps.
        made_B: those of the network's maps, which must be detached from it.

    Source: Luc et al. 2016, equation 2.
    """
    return (functional.softplus(-true_B) + functional.softplus(made_B)).mean()


def fooling_loss(made_B: Tensor) -> Tensor:
    """-log of the probability that the made maps are true: the practical objective of the network that made them.

    The game's own objective, log(1 - that), has almost no gradient while the discriminator is sure.

    Args:
        made_B: the discriminator's logits of the network's maps.

    Source: Luc et al. 2016, section 3.1; Goodfellow et al. 2014.
    """
    return functional.softplus(-made_B).mean()
