"""Inference on CPU by onnxruntime: no torch, the same bytes for the same input from run to run."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.card import Card
from models.checkpoint_files import STEP, read_checked
from models.errors import CheckpointRefused

NEVER = -1e6
"""Day of the last clear look before the first one, as in `models.recurrent_unet` (which needs torch)."""

STATE_SUFFIX = "_in"

OnnxState = dict[str, ort.OrtValue]
"""Name of a state's input -> tensor, owned by onnxruntime; handed from step to step without a copy."""


@functools.cache
def _share_arena() -> None:
    """Give all sessions of the process one arena that grows by what is asked for, and splits what it has.

    By default a free chunk up to 128 MB too large is handed out whole: a quarter more memory at a window of 1136 px.
    """
    growth = ort.OrtArenaCfg(
        {
            "max_mem": 0,
            "arena_extend_strategy": 1,  # by the size requested, not by doubling
            "initial_chunk_size_bytes": -1,
            "max_dead_bytes_per_chunk": 1 << 16,
        }
    )
    cpu = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(cpu, growth)


class OnnxEngine:
    """An ONNX step graph with its session."""

    def __init__(self, folder: Path, card: Card, *, threads: int = 0) -> None:
        self._card = card
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        # Without an arena every step pays for its pages anew (twice the CPU time); a plan per shape would keep memory
        # for every size of window that a grid's edges make.
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        # Spinning threads would burn the CPU on which the next date is read.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                read_checked(folder, card, STEP), options, providers=["CPUExecutionProvider"]
            )
        except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidProtobuf) as err:
            raise CheckpointRefused(f"{card.id}: onnxruntime cannot load {STEP}: {err}") from err
        self._inputs = {i.name: i.shape for i in self._session.get_inputs() if i.name.endswith(STATE_SUFFIX)}
        self._outputs = [o.name for o in self._session.get_outputs()]

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._card

    def start(self, height: int, width: int) -> OnnxState:
        """Return the state before the first date; see `models.engine.Engine`."""
        state = {}
        for name, (_, channels, rows, cols) in self._inputs.items():
            scale = self._scale(rows), self._scale(cols)
            shape = (1, channels, height // self._card.stride_px * scale[0], width // self._card.stride_px * scale[1])
            fill = NEVER if name == "last_day_in" else 0.0
            state[name] = ort.OrtValue.ortvalue_from_numpy(np.full(shape, fill, np.float32))
        return state

    def step(
        self, state: OnnxState, reflectance: NDArray[np.float32], clear: NDArray[np.bool_], day: int
    ) -> tuple[OnnxState, NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`."""
        binding = self._session.io_binding()
        binding.bind_cpu_input("reflectance", np.ascontiguousarray(reflectance[None], np.float32))
        binding.bind_cpu_input("clear", np.ascontiguousarray(clear[None], np.bool_))
        binding.bind_cpu_input("day", np.array([day], np.float32))
        for name, value in state.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        outputs = dict(zip(self._outputs, binding.get_outputs(), strict=True))
        probs: NDArray[np.float32] = outputs.pop("probs").numpy()[0]
        return {name + STATE_SUFFIX: value for name, value in outputs.items()}, probs

    @staticmethod
    def _scale(dimension: str) -> int:
        """Pixels per stride of a free dimension, which the graph names `8*rows`, `4*rows`, ..., `rows`."""
        return int(dimension.split("*", maxsplit=1)[0]) if "*" in dimension else 1
