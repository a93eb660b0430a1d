from __future__ import annotations

from datetime import timedelta

import pytest

from workers.database import close_database, open_database, writing
from workers.errors import UploadExpired, UploadUnknown
from workers.records import now
from workers.uploads import (
    UploadRecord,
    advance,
    find_upload,
    known_uploads,
    new_upload_id,
    remove_expired,
    remove_upload,
)


def test_life_of_an_upload(database_url: str) -> None:
    sessions, later = open_database(database_url), now() + timedelta(hours=1)
    kept, old = new_upload_id(), new_upload_id()
    with writing(sessions) as session:
        for id_, expires in ((kept, later), (old, now())):
            session.add(UploadRecord(id=id_, owner="ana", size=10_000_000_000, filename="x.tif", expires=expires))
    with writing(sessions) as session:
        advance(session, kept, 9_999_999_999, later + timedelta(hours=1), "scene")
    with sessions() as session:
        found = find_upload(session, "ana", kept)
        assert (found.offset, found.scene_id, found.options) == (9_999_999_999, "scene", {})
        assert found.expires - later == timedelta(hours=1)
        with pytest.raises(UploadUnknown):
            find_upload(session, "ben", kept)
        with pytest.raises(UploadExpired):
            find_upload(session, "ana", old)
    with writing(sessions) as session:
        remove_expired(session)
        assert known_uploads(session, [kept, old]) == {kept}
        remove_upload(session, kept)
        advance(session, kept, 5, later)
        assert known_uploads(session, [kept, old]) == set()
    close_database(sessions)
