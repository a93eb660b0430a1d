from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

HELP = """
import sys
from typer.testing import CliRunner
from service.cli.main import app
for arguments in (["--help"], ["serve", "--help"], ["segment", "--help"], ["demo", "--help"]):
    assert CliRunner().invoke(app, arguments).exit_code == 0
heavy = ("torch", "onnxruntime", "rasterio", "numpy", "sqlalchemy", "fastapi", "celery", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""


def chronoseg(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)


def test_help_imports_nothing_heavy() -> None:
    found = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("train", "nothing.toml", "--out", "run"), "nothing.toml"),
        (("evaluate", "lava"), "burned-area@8"),
        (("segment", "nothing.tif@2020-01-01", "--model", "burned-area", "--out", "out"), "nothing.tif"),
        (("demo", "--out", "."), "--out"),
        (("simulate", "out", "--bands", "5"), "5"),
    ],
)
def test_expected_errors_are_one_line(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ended = chronoseg(*arguments, cwd=tmp_path)
    assert ended.returncode == 1
    assert word in ended.stderr
    assert ended.stderr.startswith("chronoseg: ")
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_settings_that_are_wrong_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHRONOSEG_THREADS", "many")
    ended = chronoseg("models", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "CHRONOSEG_THREADS" in ended.stderr


def test_models(tmp_path: Path) -> None:
    listed = chronoseg("models", cwd=tmp_path)
    assert listed.returncode == 0
    assert "tree-cover@6" in listed.stdout


def test_simulate(tmp_path: Path) -> None:
    ended = chronoseg("simulate", "out", "--size", "96", "--dates", "2", "--theme", "tree-cover", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    out = tmp_path / "out"
    assert len(list(out.glob("*_AnalyticMS_SR.tif"))) == len(list(out.glob("*_udm2.tif"))) == 4
    assert json.loads((out / "aoi.geojson").read_text())["type"] == "Polygon"
    with rasterio.open(next((out / "truth").glob("truth_2*.tif"))) as truth:
        assert truth.shape == (96, 96)
