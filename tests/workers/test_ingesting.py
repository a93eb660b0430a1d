from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import pytest

import workers.ingesting
from tests.geo.scenes import landscape
from tests.workers import hostile
from tests.workers.places import HEIGHT, WIDTH, again, messages, upload, workplace, write_image
from workers.ingesting import ingest_scene
from workers.reading import Reader, read_upload
from workers.records import SceneRecord, SceneState
from workers.scenes import receive_scene
from workers.settings import Settings
from workers.workplace import Workplace


def test_a_bad_file_is_rejected_and_leaves_nothing(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(b"no TIFF at all")
    with place.sessions() as session:
        scene, _ = receive_scene(session, place.store, "", {"image": tmp_path / "x.tif"}, {})
    ingest_scene(place, scene.id)
    found = again(place, SceneRecord, scene.id)
    assert found.state == SceneState.REJECTED
    assert "TIFF" in found.reason
    assert list(place.store.keys("")) == []


def test_a_zip_of_several_scenes_is_split(place: Workplace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "order.zip", "w") as archive:
        for number, name in enumerate(("20200801_103000_1001", "20200811_103000_1001")):
            image = write_image(tmp_path / f"{name}_3B_AnalyticMS_SR.tif", landscape(HEIGHT, WIDTH, seed=number))
            archive.write(image, f"files/{image.name}")
    with place.sessions() as session:
        scene, _ = receive_scene(session, place.store, "", {"image": tmp_path / "order.zip"}, {})
    ingest_scene(place, scene.id)
    parent = again(place, SceneRecord, scene.id)
    assert parent.state == SceneState.SPLIT, parent.reason
    assert len(parent.parts) == 2
    assert messages(place)["io"] == 2
    for part in parent.parts:
        ingest_scene(place, part)
        found = again(place, SceneRecord, part)
        assert found.state == SceneState.READY
        rasters = [f"scenes/{part}/{name}.tif" for name in ("reflectance", "clear")]
        assert found.size == sum(place.store.stat(key).size for key in rasters) > 0
        assert found.upload_size > 0
    assert parent.size == 0
    assert list(place.store.keys("uploads/")) == []


@pytest.mark.parametrize(
    ("behaviour", "timeout_s", "reason"),
    [
        (hostile.hang, 1, "took longer than 1 s"),
        (hostile.gobble, 600, "more than 4,096 MB of memory"),
        (hostile.die, 600, "crashed or was killed"),
        (hostile.fall_over, 600, "internal error "),
    ],
)
def test_a_hostile_upload_harms_nobody(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: Reader,
    timeout_s: int,
    reason: str,
) -> None:
    monkeypatch.setattr(workers.ingesting, "read_upload", partial(read_upload, read=behaviour))
    with workplace(settings.model_copy(update={"ingest_timeout_s": timeout_s})) as place:
        scene = upload(place, tmp_path, 0)
        ingest_scene(place, scene.id)
        found = again(place, SceneRecord, scene.id)
        assert found.state == SceneState.REJECTED
        assert reason in found.reason
        assert "secret" not in found.reason
        assert list(place.store.keys("")) == []
