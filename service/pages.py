"""Long lists in pages: newest first, with a token that says where the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import Session

from service.errors import PageUnknown
from service.links import href
from workers.links import link
from workers.records import JobRecord, SceneRecord

Limit = Annotated[int, Query(ge=1, le=1000, description="Most entries on a page.")]
Token = Annotated[str, Query(max_length=200, description="Where the page begins; comes with the link `next`.")]
R = TypeVar("R", JobRecord, SceneRecord)


def page(session: Session, query: Select[R], table: type[R], limit: int, token: str) -> tuple[Sequence[R], str | None]:
    """Return the records of a page, and the token of the next one or None.

    Raises:
        PageUnknown: the token is none of ours.
    """
    if token:
        created, last_id = _read_token(token)
        query = query.where(or_(table.created < created, and_(table.created == created, table.id < last_id)))
    found = session.scalars(query.order_by(table.created.desc(), table.id.desc()).limit(limit + 1)).all()
    rows = found[:limit]
    more = len(found) > limit
    return rows, _write_token(rows[-1].created, rows[-1].id) if more else None


def page_links(request: Request, next_token: str | None) -> list[dict[str, Any]]:
    """Return the links `self`, `root` and, where there is more, `next`."""
    links = [link("self", str(request.url)), link("root", href(request, "/"))]
    if next_token is not None:
        links.append(link("next", str(request.url.include_query_params(token=next_token))))
    return links


def _write_token(created: datetime, last_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created.isoformat()}|{last_id}".encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        created, last_id = text.split("|", 1)
        return datetime.fromisoformat(created).astimezone(UTC), last_id
    except (ValueError, binascii.Error) as err:
        raise PageUnknown("the token of the page is not one that a link `next` gave") from err
