"""Programs of the system that tests run: skipped where absent, missed where the tests must be complete."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need(program: str) -> str:
    """Return the path of a program, or skip the test that asks for it.

    Where CHRONOSEG_TESTS_COMPLETE=1 (as in .ci/run) a missing program fails the test instead.

    Args:
        program: a name to be found on PATH, or an absolute path.
    """
    path = shutil.which(program)
    if path is None:
        refuse(f"{program} is not installed")
    return path


def refuse(reason: str) -> NoReturn:
    """Skip the running test with a reason; fail it where the tests must be complete."""
    if os.environ.get("CHRONOSEG_TESTS_COMPLETE") == "1":
        pytest.fail(f"{reason}, and CHRONOSEG_TESTS_COMPLETE=1 lets nothing be skipped")
    pytest.skip(reason)
