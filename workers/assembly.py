"""Assembly: the blocks of a job become its products, streamed by GDAL; bytes depend on the plan alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path

from geo.areas import measure_areas, write_areas
from geo.cog import cache_limit, write_cog
from geo.legend import LegendClass
from geo.mosaic import Layer, mosaic_vrt
from geo.polygons import Regions, Sources, find_regions
from geo.styles import style_classes, style_confidence, style_dates, style_polygons
from geo.vector_tables import write_flatgeobuf, write_geopackage, write_geoparquet
from geo.vectors import write_geojson, write_instances
from models.card import MASK_NODATA, Card
from workers.block_pipeline import SUMMARY_BANDS
from workers.instances import write_instance_raster
from workers.plan import Plan, PlannedDate
from workers.product import Product, product_of

REGION_BANDS = tuple(field.name for field in fields(Sources) if field.name in SUMMARY_BANDS)
"""Of a block's summary, what polygons are made of."""


@dataclass(frozen=True)
class _Step:
    """A product that is still to be written."""

    path: Path
    title: str
    write: Callable[[Path], object]


def assemble(
    plan: Plan, card: Card, block_folder: Callable[[int], Path], out_dir: Path, progress: Callable[[str], None]
) -> list[Product]:
    """Build every product of a job from its blocks' files.

    Products: mask_<label>.tif per date (and .tif.aux.xml beside it, where GDAL keeps the names of classes),
    change_date.tif, confidence.tif, last_look.tif, polygons.geojson, .gpkg, .fgb and .parquet, each with a .qml
    style, and areas.csv; where the model finds instances, instances_<label>.tif and .geojson (with its style) per date.

    Args:
        plan: of the job.
        card: of the plan's model; gives the legend.
        block_folder: local folder of a block's files (`workers.block_pipeline.files_of`), by the block's index.
        out_dir: folder for the products; made if missing.
        progress: called with a product's name before it is built; what it raises ends the work.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    products = []
    with cache_limit():
        for step in _Products(plan, card, block_folder, out_dir).steps():
            progress(step.path.name)
            step.write(step.path)
            products.append(product_of(step.path, step.title))
            names = step.path.with_name(f"{step.path.name}.aux.xml")
            if names.exists():
                products.append(product_of(names, f"{step.title} (names of the classes, for GDAL)"))
    return products


@dataclass(frozen=True)
class _Products:
    """What the products of one job are made of."""

    plan: Plan
    card: Card
    block_folder: Callable[[int], Path]
    out_dir: Path

    def steps(self) -> Iterator[_Step]:
        """Yield the products in the order in which they are built."""
        yield from self._masks()
        yield from self._change_date()
        yield from self._confidence()
        yield from self._last_look()
        yield from self._polygons()
        if self.card.tiling == "instances":
            for date in self.plan.dates:
                yield from self._instances(date)
        yield _Step(self.out_dir / "areas.csv", f"{self.card.title}: hectares per class and date", self._write_areas)

    @property
    def _classes(self) -> tuple[LegendClass, ...]:
        return tuple(LegendClass(c.id, c.name, c.color) for c in self.card.classes)

    def _masks(self) -> Iterator[_Step]:
        for number, date in enumerate(self.plan.dates, start=1):
            day = date.date.isoformat()
            title = f"{self.card.title}: classes on {day}"
            tags = {"date": day, "label": date.label, "model": self.plan.model_id, "title": title}
            source = self._mask(number, f"class on {day}", tags)
            yield self._raster(f"mask_{date.label}.tif", title, partial(write_cog, source, overviews="mode"))
            yield self._style(f"mask_{date.label}.qml", title, partial(style_classes, self._classes))

    def _change_date(self) -> Iterator[_Step]:
        title = f"{self.card.title}: date of {self.card.change.name}, in days since 1970-01-01"
        source = self._summary("change_date", "uint16", 0, tags={"title": title})
        # The most frequent date overlooks pixels that have none: the change would grow with each overview.
        yield self._raster("change_date.tif", title, partial(write_cog, source, overviews="nearest"))
        yield self._style("change_date.qml", title, partial(style_dates, [d.date for d in self.plan.dates]))

    def _confidence(self) -> Iterator[_Step]:
        title = f"{self.card.title}: confidence of the last date's class, 0 to 100"
        meaning = (
            "100 x probability that the class of the last mask is right at that pixel; 255: never seen. It is as old "
            "as the last clear look (last_look.tif): what happened under cloud since then is not in it."
        )
        source = self._summary("confidence", "uint8", 255, source_nodata=-1, tags={"title": title, "meaning": meaning})
        yield self._raster("confidence.tif", title, partial(write_cog, source, overviews="average", predictor=True))
        yield self._style("confidence.qml", title, style_confidence)

    def _last_look(self) -> Iterator[_Step]:
        title = f"{self.card.title}: date of the last clear look, in days since 1970-01-01"
        source = self._summary("last_look", "uint16", 0, tags={"title": title})
        yield self._raster("last_look.tif", title, partial(write_cog, source, overviews="nearest"))
        yield self._style("last_look.qml", title, partial(style_dates, [d.date for d in self.plan.dates]))

    def _polygons(self) -> Iterator[_Step]:
        title = f"{self.card.title}: regions of one class and date of change"
        regions, grid, days = cache(self._find_regions), self.plan.geobox, [d.date for d in self.plan.dates]

        def written(write: Callable[..., None], dst: Path) -> None:
            write(regions(), grid, days, self._classes, dst)

        for suffix, how, write in (
            ("geojson", "WGS84", write_geojson),
            ("gpkg", "in the grid's projection", write_geopackage),
            ("fgb", "WGS84, FlatGeobuf", write_flatgeobuf),
            ("parquet", "WGS84, GeoParquet", write_geoparquet),
        ):
            yield _Step(self.out_dir / f"polygons.{suffix}", f"{title}, {how}", partial(written, write))
        yield self._style("polygons.qml", title, partial(style_polygons, self._classes, self.card.change.before))

    def _instances(self, date: PlannedDate) -> Iterator[_Step]:
        day = date.date.isoformat()
        title = f"{self.card.title}: instances on {day}"
        tags = {"date": day, "label": date.label, "model": self.plan.model_id, "title": title}
        raster = self.out_dir / f"instances_{date.label}.tif"
        find = cache(partial(write_instance_raster, self.plan, self.card, date.label, self.block_folder, tags))
        yield _Step(raster, f"{title}, their numbers", find)
        yield _Step(
            raster.with_suffix(".geojson"),
            f"{title}, with their scores, WGS84",
            lambda dst: write_instances(find(raster), self.plan.geobox, date.date, self._classes, dst),
        )
        # The style of the outlines; QGIS shows the raster, which no legend could list, in grey.
        outlined = partial(style_polygons, self._classes, self.card.change.before)
        yield self._style(f"instances_{date.label}.qml", title, outlined)

    def _raster(self, name: str, title: str, write: Callable[[Path], None]) -> _Step:
        return _Step(self.out_dir / name, title, write)

    def _style(self, name: str, title: str, write: Callable[[Path], None]) -> _Step:
        return _Step(self.out_dir / name, f"{title} (style for QGIS)", write)

    def _mask(self, number: int, description: str, tags: dict[str, str]) -> str:
        layer = Layer(number, "uint8", "uint8", MASK_NODATA, description=description, classes=self._classes, tags=tags)
        return mosaic_vrt(
            self.plan.geobox, self.plan.blocks, lambda index: self.block_folder(index) / "masks.tif", layer
        )

    def _summary(
        self,
        name: str,
        dtype: str,
        nodata: int,
        source_nodata: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        told = {"model": self.plan.model_id, **tags} if tags else {}
        band = SUMMARY_BANDS.index(name) + 1
        layer = Layer(band, "int32", dtype, nodata, source_nodata, description=name, tags=told)
        return mosaic_vrt(
            self.plan.geobox, self.plan.blocks, lambda index: self.block_folder(index) / "summary.tif", layer
        )

    def _find_regions(self) -> Regions:
        sources = Sources(
            **{name: self._summary(name, "int32", 0) for name in REGION_BANDS},
            mask=self._mask(len(self.plan.dates), "", {}),
        )
        return find_regions(
            self.plan.geobox,
            sources,
            self.out_dir,
            min_area_ha=self.plan.min_area_ha,
            simplify_px=self.plan.simplify_px,
        )

    def _write_areas(self, dst: Path) -> None:
        table = measure_areas(
            self.plan.geobox,
            self.plan.blocks,
            lambda index: (self.block_folder(index) / "masks.tif", self.block_folder(index) / "observed.tif"),
            dates=len(self.plan.dates),
            classes=len(self.card.classes),
        )
        write_areas(table, [(d.label, d.date) for d in self.plan.dates], self._classes, dst)
