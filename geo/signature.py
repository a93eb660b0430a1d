"""What a file is, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

from geo.errors import SceneRejected

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00\x00\x00", b"MM\x00+\x00\x08\x00\x00")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OTHERS = (
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 image", "convert it with `gdal_translate -of COG`"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", "convert it with `gdal_translate -of COG`"),
    (b"\xff\xd8\xff", "a JPEG image", "send the original GeoTIFF"),
    (b"\x89PNG", "a PNG image", "send the original GeoTIFF"),
    (b"GIF8", "a GIF image", "send the original GeoTIFF"),
    (b"CDF", "a netCDF file", "convert it with `gdal_translate -of COG`"),
    (b"\x89HDF", "an HDF5 or netCDF-4 file", "convert it with `gdal_translate -of COG`"),
    (b"NITF", "a NITF file", "convert it with `gdal_translate -of COG`"),
    (b"%PDF", "a PDF", "send the original GeoTIFF"),
    (b"7z\xbc\xaf", "a 7-zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
)


def is_zip(path: Path) -> bool:
    """Tell whether a file starts as a zip archive does."""
    return _head(path).startswith(_ZIP)


def require_tiff(path: Path) -> None:
    """Refuse a file that does not start as a TIFF does, naming what it is.

    Raises:
        SceneRejected: the file is missing, empty, or of another kind.
    """
    head = _head(path)
    if not head:
        raise SceneRejected(f"{path.name} is empty (0 bytes); send the whole file again")
    if head.startswith(_TIFF):
        return
    what, advice = _kind(head)
    raise SceneRejected(f"{path.name} is {what}, not a GeoTIFF; {advice}")


def _kind(head: bytes) -> tuple[str, str]:
    if head.startswith(_ZIP):
        return "a zip archive", "a mask or an image is expected here: send its GeoTIFF"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<VRTDataset"):
        return "a GDAL VRT", "it only points at other files: send the pixels, as `gdal_translate -of COG` writes them"
    if text[:5].lower() in (b"<html", b"<!doc"):
        return "an HTML page", "the download may have ended at a login page"
    if text.startswith((b"<", b"{")):
        return "an XML or JSON document", "send the image itself, and this as its metadata"
    for magic, what, advice in _OTHERS:
        if head.startswith(magic):
            return what, advice
    return "of an unknown kind", "a GeoTIFF starts with II*, MM* or their BigTIFF forms"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except (OSError, ValueError) as err:
        raise SceneRejected(f"{path.name} cannot be read: {err}") from err
