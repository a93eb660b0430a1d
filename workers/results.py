"""What is wanted of a job's results, as OGC API - Processes has it: which, in what form, by value or by reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workers.records import ProductRecord

Form = Literal["document", "raw"]
Transmission = Literal["reference", "value"]


@dataclass(frozen=True)
class Wanted:
    """What was asked for with an execution.

    Attributes:
        form: one JSON document, or the products as they are.
        outputs: how each output that was named is to come; None = all, each in `others`.
        others: how an output comes for which nothing was said.
    """

    form: Form = "document"
    outputs: Mapping[str, Transmission] | None = None
    others: Transmission = "reference"

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Wanted:
        """Read what a job's record keeps; nothing is everything, by reference in a document."""
        return cls(**kept)

    def to_json(self) -> dict[str, Any]:
        """Return what a job's record keeps."""
        outputs = None if self.outputs is None else dict(self.outputs)
        return {"form": self.form, "outputs": outputs, "others": self.others}

    def pick(self, products: Iterable[ProductRecord]) -> list[Picked]:
        """Return the products that were asked for, in order, and how each is to come."""
        if self.outputs is None:
            return [Picked(one, by_value=self.others == "value") for one in products]
        named = [(one, self.outputs.get(output_of(one.name))) for one in products]
        return [Picked(one, by_value=how == "value") for one, how in named if how is not None]


@dataclass(frozen=True)
class Picked:
    """A product that was asked for, and whether itself or its address."""

    product: ProductRecord
    by_value: bool


def output_of(name: str) -> str:
    """Return the output, as the description of the process names it, that a product belongs to: all dates are one."""
    return re.sub(r"(mask|instances)_\w+\.(tif|geojson)", r"\1_YYYYMMDD.\2", name)


def results_document(products: Sequence[ProductRecord], base: str) -> dict[str, Any]:
    """Return address, media type and title of every product, by name.

    Args:
        products: of one job.
        base: address of the service as the client sees it, without a slash at its end.
    """
    return {one.name: reference_to(one, base) for one in products}


def reference_to(product: ProductRecord, base: str) -> dict[str, Any]:
    """Return a link to a product."""
    href = f"{base}/masks/{product.job_id}/{product.name}"
    return {"href": href, "type": product.media_type, "title": product.title}
