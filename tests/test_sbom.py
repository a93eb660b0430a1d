"""The bill of materials names what is locked, all of it and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_locked_package_is_a_component(tmp_path: Path) -> None:
    (command,) = re.findall(r"cyclonedx-py (.*) -o build/sbom.json (.*)", (ROOT / "Makefile").read_text())
    out = tmp_path / "sbom.json"
    program = Path(sys.executable).with_name("cyclonedx-py")
    subprocess.run([program, *command[0].split(), "-o", out, command[1]], check=True, cwd=ROOT, capture_output=True)
    found = json.loads(out.read_text())
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = {tuple(line.split("==")) for line in lines if line and not line.startswith("#")}
    assert found["bomFormat"] == "CycloneDX"
    assert {(part["name"], part["version"]) for part in found["components"]} == locked
    assert found["metadata"]["component"]["name"] == "chronoseg"
