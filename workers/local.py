"""The whole pipeline in one process, without a server: files in, products out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geo.ingest import IngestOptions, ingest, split_source
from geo.reader import gdal_env
from geo.scene import Scene
from models.card import read_card
from models.engines.open import open_engine
from workers.assembly import assemble
from workers.block_pipeline import segment_block
from workers.errors import JobRefused
from workers.plan import Plan
from workers.planning import Request, make_plan
from workers.product import Product

Progress = Callable[[str, int, int], None]
"""Called with a stage (`reading`, `segmenting`, `writing`), the steps done, and the steps in all (0 = unknown)."""


@dataclass(frozen=True)
class SceneFile:
    """A scene that is still a file, and what the caller knows of it."""

    source: Path
    options: IngestOptions


def segment_locally(
    files: Sequence[SceneFile],
    request: Request,
    model_folder: Path,
    out_dir: Path,
    *,
    block_px: int = 1024,
    max_aoi_km2: float = 1e9,
    device: str = "auto",
    threads: int = 0,
    progress: Progress | None = None,
) -> list[Product]:
    """Segment scenes from files and write the products into a folder.

    Work in progress lies in a hidden folder beside `out_dir` and goes away in the end, on errors and Ctrl-C too;
    `out_dir` changes only once everything is made.

    Args:
        files: GeoTIFFs, or PlanetScope bundles as zips or folders (which may hold several scenes).
        request: area, period, and how dates and polygons are made.
        model_folder: checkpoint.
        out_dir: for the products; made if missing, files of the same names are replaced.
        block_px: largest edge of a block's core.
        max_aoi_km2: largest area.
        device: auto, cpu or cuda.
        threads: CPU threads of the network; 0 = all cores.
        progress: called as the work goes on; what it raises ends the work.

    Returns:
        The products, their paths in `out_dir`.

    Raises:
        SceneRejected: a file cannot be read.
        JobRefused: the request cannot be planned with these scenes.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise JobRefused(f"{out_dir} is a file; expected a folder for the products: choose another")
    card = read_card(model_folder)
    progress = progress or _silent
    existing = next(folder for folder in out_dir.absolute().parents if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".chronoseg-", dir=existing) as name, gdal_env():
        scratch = Path(name)
        scenes = _ingest(files, scratch, progress)
        plan = make_plan(scenes, request, card, block_px=block_px, max_aoi_km2=max_aoi_km2)
        engine = open_engine(model_folder, device=device, threads=threads, tta=plan.tta)
        total = len(plan.blocks) * len(plan.dates)
        for number, block in enumerate(plan.blocks):

            def report(date: int, before: int = number * len(plan.dates)) -> None:
                progress("segmenting", before + date, total)

            segment_block(plan, block, {scene.id: scene for scene in scenes}, engine, _folder(scratch, number), report)
        progress("segmenting", total, total)
        del engine
        made = assemble(
            plan, card, lambda index: _folder(scratch, index), scratch / "products", _counting(plan, progress)
        )
        return [_publish(product, out_dir) for product in made]


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def _ingest(files: Sequence[SceneFile], scratch: Path, progress: Progress) -> list[Scene]:
    scenes: list[Scene] = []
    for number, file in enumerate(files):
        progress("reading", number, len(files))
        unpacked = scratch / "unpacked" / str(number)
        unpacked.mkdir(parents=True)
        for part, (source, options) in enumerate(split_source(file.source, unpacked, file.options)):
            scenes.append(ingest(source, scratch / "scenes" / f"{number}-{part}", options))
    progress("reading", len(files), len(files))
    if len({scene.id for scene in scenes}) < len(scenes):
        raise JobRefused(f"two scenes have the same name: {', '.join(sorted(scene.id for scene in scenes))}")
    return scenes


def _folder(scratch: Path, index: int) -> Path:
    return scratch / "blocks" / f"{index:06d}"


_BESIDE_MASKS = 12
"""Products that a job has besides those of each date."""


def _counting(plan: Plan, progress: Progress) -> Callable[[str], None]:
    """Count products as they are begun: a mask for each date, and more with their styles."""
    begun: list[str] = []

    def begin(name: str) -> None:
        progress("writing", len(begun), max(2 * len(plan.dates) + _BESIDE_MASKS, len(begun) + 1))
        begun.append(name)

    return begin


def _publish(product: Product, out_dir: Path) -> Product:
    out_dir.mkdir(parents=True, exist_ok=True)
    return replace(product, path=product.path.replace(out_dir / product.path.name))
