"""What one more date costs after T dates: the state is read from a file, takes one step, and is written again.

    python -m benchmarks.streaming [--model burned-area] [--size 512] [--dates 4,16,64,256]

Prints, for each T, the time of loading, step T + 1 and saving (medians of a few), each over that of the first T, the
file's size, and whether the result is that of all T + 1 dates in one go.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from geo.simulator.series import Series, simulate
from models.engine import RememberingEngine
from models.engines.open import open_engine
from models.recurrent_state import RecurrentState
from models.registry import find_model
from models.training.chips import TEST_SEEDS
from models.training.evaluate import held_out_spec

REPEATS = 5
LOOKS = 8
FIRST_DAY, GAP_DAYS = 18_000, 5


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="burned-area")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dates", default="4,16,64,256")
    wanted = parser.parse_args()
    card, folder = find_model(wanted.model)
    engine = open_engine(folder, device="cpu", threads=1)
    if not isinstance(engine, RememberingEngine):
        raise SystemExit(f"{card.id} keeps no state that could be saved; use a recurrent model")
    looks = simulate(held_out_spec("burned-area", wanted.size), TEST_SEEDS[0])
    print(f"{card.id}, {wanted.size} x {wanted.size} px, one thread")
    print(
        f"{'T':>5}{'load ms':>10}{'step T+1 ms':>13}{'save ms':>10}{'of first':>10}{'file MB':>10}  same as in one go"
    )
    unit, state, done = 0.0, RecurrentState.begin(engine, wanted.size, wanted.size), 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "window.safetensors"
        for dates in (int(count) for count in wanted.dates.split(",")):
            for number in range(done, dates):
                state.step(f"date {number}", *_look(looks, number))
            done = dates
            state.save(path)
            took, probs = [], np.empty(0, np.float32)
            for _ in range(REPEATS):
                moments = [perf_counter()]
                again = RecurrentState.load(path, engine)
                moments.append(perf_counter())
                probs = again.step(f"date {dates}", *_look(looks, dates))
                moments.append(perf_counter())
                again.save(path.with_name("next.safetensors"))
                took.append(np.diff([*moments, perf_counter()]))
            load, step, save = (median(times) for times in zip(*took, strict=True))
            unit = unit or load + step + save
            whole = state.step(f"date {dates}", *_look(looks, dates))
            done += 1
            same = "yes" if np.array_equal(probs, whole, equal_nan=True) else "NO"
            print(
                f"{dates:5}{1e3 * load:10.1f}{1e3 * step:13.1f}{1e3 * save:10.1f}{(load + step + save) / unit:10.2f}"
                f"{path.stat().st_size / 1e6:10.1f}  {same}",
                flush=True,
            )


def _look(looks: Series, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    at = number % LOOKS
    return looks.reflectance[at], looks.clear[at], FIRST_DAY + GAP_DAYS * number


if __name__ == "__main__":
    main()
