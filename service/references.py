"""Scenes by reference: the body of a request that names files in place of carrying them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from service.bodies import body_validation, small_body
from service.context import Context
from service.scene_options import parse_options
from workers.database import writing
from workers.dispatch import send
from workers.outbound import MAX_URL_CHARACTERS
from workers.records import SceneRecord
from workers.references import check_reference, receive_reference
from workers.scenes import ROLES
from workers.storage import check_storage

_MAX_BODY_BYTES = 100_000

_Address = Annotated[
    str, Field(min_length=1, max_length=MAX_URL_CHARACTERS, examples=["https://example.org/scene.tif"])
]


class Reference(BaseModel):
    """A scene that lies elsewhere; addresses are https or s3."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[_Address, Field(description="GeoTIFF, or a zip as Planet delivers it")]
    udm2: Annotated[_Address | None, Field(description="usable data mask (UDM2 or the old UDM)")] = None
    metadata: Annotated[_Address | None, Field(description="PlanetScope metadata, XML or JSON")] = None
    bands: Annotated[str | None, Field(examples=["blue=1,green=2,red=3,nir=4"], max_length=600)] = None
    scale: Annotated[float | None, Field(gt=0, le=1e6, description="reflectance of one digital number")] = None
    acquired: Annotated[
        str | None, Field(max_length=100, description="time of acquisition", examples=["2020-08-01T14:03:00Z"])
    ] = None


async def read_reference(request: Request) -> Reference:
    """Read a request's body.

    Raises:
        BodyTooLarge: no reference is as long as that.
        RequestValidationError: it is another document.
    """
    body = await small_body(request, _MAX_BODY_BYTES, "a scene by reference")
    with body_validation():
        return await run_in_threadpool(Reference.model_validate_json, body)


def take_reference(here: Context, owner: str, reference: Reference) -> SceneRecord:
    """Check a reference, note it, and have it fetched.

    Raises:
        AddressRefused: an address is not among the sources that are allowed.
        InputsRefused: an option cannot be read.
        StorageExceeded: the owner may store nothing more.
    """
    told = reference.model_dump(exclude_none=True)
    urls = {role: str(told.pop(role)) for role in ROLES if role in told}
    for url in urls.values():
        check_reference(url, here.settings)
    options = parse_options({name: str(value) for name, value in told.items()})
    with writing(here.sessions) as session:
        check_storage(session, owner, here.settings.stored_mb, 1)
        scene = receive_reference(session, owner, urls, options)
    send(here.celery, "ingest_scene", scene.id)
    return scene
