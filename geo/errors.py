"""What can be wrong with pixels, grids and areas. Messages say what was expected, what came, what to do."""


class GeoError(Exception):
    """Base of every error that `geo` raises on purpose."""


class SceneRejected(GeoError):
    """A file cannot become a scene."""


class BandsUnknown(SceneRejected):
    """The roles of a raster's bands cannot be told, or do not fit the raster."""


class AreaRefused(GeoError):
    """An area of interest cannot be used."""


class StackRefused(GeoError):
    """Scenes cannot be read onto one grid."""


class WindowOutside(GeoError):
    """A window leaves the grid that it should lie in."""


class TileUnknown(GeoError):
    """The tile matrix has no such tile."""


class RasterUnreadable(GeoError):
    """A raster of our own cannot be read."""
