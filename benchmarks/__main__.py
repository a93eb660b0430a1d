"""All benchmarks, as `make bench` runs them: speed, memory, real fires.

    python -m benchmarks [--quick] [--model NAME]

The whole takes about an hour on two cores; --quick some minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> None:
    """Run each in a process of its own, so that none disturbs the memory of the next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller images, fewer dates")
    parser.add_argument("--model", default="burned-area")
    wanted = parser.parse_args()
    runs = [
        ["benchmarks.speed", "--model", wanted.model, *(["--dates", "4"] if wanted.quick else [])],
        ["benchmarks.memory", "--model", wanted.model, *(["--quick"] if wanted.quick else [])],
        ["benchmarks.real_fires"],
    ]
    failed = [run[0] for run in runs if subprocess.run([sys.executable, "-m", *run], check=False).returncode]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
