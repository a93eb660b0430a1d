"""Bad input: each file is refused with a clear message or becomes a right scene; nothing is ever left behind."""

from __future__ import annotations

import logging
import resource
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geo.errors import BandsUnknown, SceneRejected
from geo.ingest import IngestOptions, ingest
from tests.geo.rasters import NORTH_UP, numbers, write_tif

OPTIONS = IngestOptions("s", acquired=datetime(2020, 8, 1, tzinfo=UTC))


def refusal(source: Path, options: IngestOptions = OPTIONS) -> str:
    """Ingest a file that must be refused, check that nothing is left, and return the message."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(SceneRejected) as caught:
        ingest(source, source.parent / "out", options)
    assert sorted(source.parent.iterdir()) == before
    message = str(caught.value)
    assert source.name in message or "scene" in message
    assert "Traceback" not in message
    assert "See previous exception" not in message
    return message


def tiny_tiff(width: int, height: int, *, bands: int = 4, bits: int = 16, strip_rows: int | None = None) -> bytes:
    """A TIFF header of about 200 bytes that declares any size and holds no pixels."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 180),
        (277, 3, 1, bands),
        (278, 4, 1, height if strip_rows is None else strip_rows),
        (279, 4, 1, 16),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(200, b"\0")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"hello, world" * 20, "unknown kind"),
        (b"II*\0", "damaged|makes no sense"),
        (b"II*\0" + b"\xff" * 60, "damaged|makes no sense"),
        (b"\x1f\x8b\x08" + b"0" * 50, "gzip"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "PNG"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"CDF\x01" + b"0" * 50, "netCDF"),
        (b"  <html><body>Please log in</body></html>", "HTML"),
        (b'{"type": "Feature"}', "JSON"),
    ],
)
def test_not_a_tiff(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(content)
    assert any(word in refusal(path) for word in expected.split("|"))


def test_missing_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "scene.tif")


def test_vrt_in_disguise_reads_no_other_file(tmp_path: Path) -> None:
    other = write_tif(tmp_path / "other.tif", numbers())
    vrt = tmp_path / "scene.tif"
    with rasterio.open(other) as dataset, rasterio.vrt.WarpedVRT(dataset) as warped:
        assert warped.count == 4
    vrt.write_text(
        f'<VRTDataset rasterXSize="53" rasterYSize="37"><SRS>EPSG:32610</SRS>'
        f"<GeoTransform>600000,3,0,4200000,0,-3</GeoTransform>"
        f'<VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>{other}</SourceFilename>'
        f"<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert "VRT" in refusal(vrt)


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 50_000), (2**31, 2**31), (2**32 - 1, 1), (0, 0), (20_000, 20_000)]
)
@pytest.mark.parametrize("strip_rows", [None, 1])
def test_size_that_is_not_there_takes_no_memory(
    tmp_path: Path, width: int, height: int, strip_rows: int | None
) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(tiny_tiff(width, height, strip_rows=strip_rows))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_declared_size_within_the_limit_needs_pixels_to_match(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(tiny_tiff(20_000, 20_000, strip_rows=1))
    assert "declares 3,200,000,000 bytes" in refusal(path)


def test_sparse_file_is_no_scene(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=8_000, height=8_000, count=4, dtype="uint16", crs="EPSG:32610",
        transform=NORTH_UP, SPARSE_OK=True, tiled=True,
    ):  # fmt: skip
        pass
    assert "declares" in refusal(path)


def test_pixel_limit(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "scene.tif", numbers())
    assert "limit of 1,000" in refusal(path, IngestOptions("s", acquired=OPTIONS.acquired, max_px=1_000))


def test_one_huge_compressed_strip_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=9_000, height=9_000, count=4, dtype="uint16", crs="EPSG:32610",
        transform=NORTH_UP, compress="deflate", blockysize=9_000, interleave="pixel", SPARSE_OK=True,
    ) as dataset:  # fmt: skip
        assert dataset.block_shapes[0] == (9_000, 9_000)
    with path.open("ab") as file:
        file.write(b"\0" * 2**20)
    assert "TILED=YES" in refusal(path)


def test_header_faults(tmp_path: Path) -> None:
    values = numbers()
    assert "no coordinate system" in refusal(write_tif(tmp_path / "a.tif", values, crs=None))
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        placeless = write_tif(tmp_path / "b.tif", values, transform=Affine.identity())
    assert "no geotransform" in refusal(placeless)
    assert "1 x 1 pixels" in refusal(write_tif(tmp_path / "c.tif", values[:, :1, :1]))
    assert "at least 16 x 16" in refusal(write_tif(tmp_path / "d.tif", values[:, :15]))
    assert "complex64" in refusal(write_tif(tmp_path / "e.tif", values.astype("complex64")))
    assert "12-bit" in refusal(write_tif(tmp_path / "f.tif", values & 0xFFF, NBITS=12))
    assert "10-bit" in refusal(write_tif(tmp_path / "g.tif", values & 0x3FF, NBITS=10))
    assert "int8" in refusal(write_tif(tmp_path / "h.tif", (values % 100).astype("int8")))
    far = Affine(3, 0, 9e9, 0, -3, 9e9)
    assert "unusable geotransform" in refusal(write_tif(tmp_path / "i.tif", values, transform=far))
    off = Affine(3, 0, 9e8, 0, -3, 9e8)
    assert "CRS" in refusal(write_tif(tmp_path / "m.tif", values, transform=off))
    flat = Affine(3, 3, 6e5, 3, 3.0001, 4.2e6)
    assert "unusable geotransform" in refusal(write_tif(tmp_path / "n.tif", values, transform=flat))
    polar = Affine(0.1, 0, 0, 0, -0.1, 95.0)
    assert "CRS" in refusal(write_tif(tmp_path / "j.tif", values, crs="EPSG:4326", transform=polar))
    local = 'LOCAL_CS["here",UNIT["metre",1]]'
    assert "local" in refusal(write_tif(tmp_path / "k.tif", values, crs=local))


def test_ground_control_points_only(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    points = [
        rasterio.control.GroundControlPoint(row, col, 600_000 + 3 * col, 4_200_000 - 3 * row)
        for row, col in ((0, 0), (0, 53), (37, 0))
    ]
    with rasterio.open(
        path, "w", driver="GTiff", width=53, height=37, count=4, dtype="uint16", gcps=points, crs="EPSG:32610"
    ) as dataset:
        dataset.write(numbers())
    assert "orthorectify" in refusal(path)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_no_data_at_all(tmp_path: Path, dtype: str) -> None:
    empty = np.full((4, 37, 53), np.nan if dtype == "float32" else 7, dtype=dtype)
    assert "no data" in refusal(write_tif(tmp_path / "a.tif", empty, nodata=empty.flat[0]))
    assert "no data" in refusal(write_tif(tmp_path / "b.tif", np.zeros_like(empty)))
    assert "no data" in refusal(
        write_tif(tmp_path / "c.tif", numbers(dtype=dtype), mask=np.zeros((37, 53), dtype=bool))
    )


def test_bands(tmp_path: Path) -> None:
    rgb = write_tif(tmp_path / "rgb.tif", numbers(bands=3, dtype="uint8", high=255), roles=None, photometric="rgb")
    message = refusal(rgb)
    assert "nir" in message
    assert "blue" not in message.split("known to be")[1].split(";")[0]
    nameless = write_tif(tmp_path / "four.tif", numbers(), roles=None)
    assert "blue=1,green=2,red=3,nir=4" in refusal(nameless)
    for bands, expected in (
        ({"blue": 1, "green": 2, "red": 3, "nir": 9}, "nir=9"),
        ({"blue": 1, "green": 2, "red": 3, "nir": 0}, "nir=0"),
        ({"blue": 1, "green": 2, "red": 3, "nir": 3}, "share"),
        ({"blue": 1, "green": 2, "red": 3}, "nir"),
        ({"blue": 1, "green": 2, "red": 3, "nir": 4, "odd": 4}, "odd"),
    ):
        with pytest.raises(BandsUnknown, match=expected):
            ingest(nameless, tmp_path / "out", IngestOptions("s", acquired=OPTIONS.acquired, bands=bands))


def test_no_time(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "scene.tif", numbers())
    assert "acquired=" in refusal(path, IngestOptions("s"))


def test_libraries_keep_quiet(tmp_path: Path) -> None:
    whole = write_tif(tmp_path / "whole.tif", numbers(), compress="lzw").read_bytes()
    (tmp_path / "scene.tif").write_bytes(whole[: len(whole) // 2])
    program = (
        "import sys; from pathlib import Path; from datetime import datetime\n"
        "from geo.errors import SceneRejected; from geo.ingest import IngestOptions, ingest\n"
        "path, options = Path(sys.argv[1]), IngestOptions('s', acquired=datetime(2020, 8, 1))\n"
        "try: ingest(path, path.parent / 'out', options)\n"
        "except SceneRejected: sys.exit(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "scene.tif")], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_disk_errors_are_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "scene.tif", numbers((700, 700)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError) as caught:
            ingest(path, tmp_path / "out", OPTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        logging.getLogger("rasterio").setLevel(logging.NOTSET)
    assert not isinstance(caught.value, SceneRejected)
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]
