"""The standards that the service keeps to."""

from __future__ import annotations

from workers.settings import Settings

_STAC = "https://api.stacspec.org/v1.0.0"
_OGC = "http://www.opengis.net/spec"

_ALWAYS = [
    f"{_STAC}/core",
    f"{_STAC}/collections",
    f"{_STAC}/ogcapi-features",
    f"{_STAC}/item-search",
    *(f"{_STAC}/{place}#{what}" for place in ("item-search", "ogcapi-features") for what in ("sort", "fields")),
    f"{_STAC}/item-search#filter",
    f"{_STAC}/ogcapi-features/extensions/transaction",
    f"{_OGC}/ogcapi-features-1/1.0/conf/core",
    f"{_OGC}/ogcapi-features-1/1.0/conf/oas30",
    f"{_OGC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_OGC}/ogcapi-features-3/1.0/conf/queryables",
    f"{_OGC}/ogcapi-features-3/1.0/conf/filter",
    f"{_OGC}/ogcapi-features-3/1.0/conf/features-filter",
    f"{_OGC}/cql2/1.0/conf/cql2-text",
    f"{_OGC}/cql2/1.0/conf/cql2-json",
    f"{_OGC}/cql2/1.0/conf/basic-cql2",
    f"{_OGC}/cql2/1.0/conf/advanced-comparison-operators",
    f"{_OGC}/cql2/1.0/conf/basic-spatial-operators",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/core",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/json",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/oas30",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/ogc-process-description",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/job-list",
    f"{_OGC}/ogcapi-processes-1/1.0/conf/dismiss",
]
_CALLBACK = f"{_OGC}/ogcapi-processes-1/1.0/conf/callback"


def conforms_to(settings: Settings) -> list[str]:
    """Return the conformance classes of a service with these settings."""
    return [*_ALWAYS, *([_CALLBACK] if settings.callback_targets else [])]
