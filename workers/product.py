"""A product: a finished file of a job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/vnd.flatgeobuf",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv; charset=utf-8",
    ".qml": "application/xml",
    ".xml": "application/xml",
}
"""By suffix. QGIS styles have no registered media type; they are XML."""


@dataclass(frozen=True)
class Product:
    """One file of a job.

    Attributes:
        name: file name, unique within the job.
        path: where it lies now.
        media_type: as in HTTP's Content-Type.
        title: one line for people.
        size: in bytes.
        sha256: of the bytes, hexadecimal.
    """

    name: str
    path: Path
    media_type: str
    title: str
    size: int
    sha256: str


def product_of(path: Path, title: str) -> Product:
    """Describe a finished file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Product(path.name, path, MEDIA_TYPES[path.suffix], title, path.stat().st_size, digest)
