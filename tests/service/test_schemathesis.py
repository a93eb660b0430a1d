"""The whole OpenAPI document against a running service: nothing undocumented, nothing that breaks it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.context import Context
from tests.service.conftest import serving
from tests.service.made import add_made_job, add_made_scene, assembled

pytestmark = pytest.mark.e2e

CASES = 2000


def test_every_operation_does_what_the_document_says(app: FastAPI, parts: Context, tmp_path: Path) -> None:
    """Schemathesis: thousands of requests, valid and not; every check of its; objects that are there and are not."""
    add_made_scene(parts, tmp_path)
    add_made_job(parts, *assembled(tmp_path / "job"))
    with serving(app) as url:
        program, config = Path(sys.executable).with_name("schemathesis"), Path(__file__).with_name("schemathesis.toml")
        hooks = Path(__file__).with_name("schemathesis_hooks.py")
        run = subprocess.run(
            [
                program, "--config-file", config, "run", f"{url}/openapi.json", "--checks", "all",
                "--max-examples", "100", "--continue-on-failure", "--seed", "20260101", "--no-color",
            ],
            capture_output=True, text=True, check=False, timeout=900, cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)},
        )  # fmt: skip
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    told = run.stdout[-20000:] + run.stderr[-2000:]
    assert run.returncode == 0, told
    generated = re.search(r"(\d+) generated", told)
    assert generated is not None, told
    assert int(generated[1]) >= CASES
