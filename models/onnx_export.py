"""One step of a network as an ONNX graph: norms folded, height and width free, the same bytes every time."""

from __future__ import annotations

import copy
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.networks import Network, Stepping, stepping
from models.recurrent_unet import RecurrentUNet

OPSET = 18
MEMORY_PREFIX = "memory"


class _Step(nn.Module):
    """`step` as a module's forward, which is what the exporter takes."""

    def __init__(self, net: Stepping) -> None:
        super().__init__()
        self.net = net

    def forward(self, reflectance: Tensor, clear: Tensor, day: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        return self.net.step(reflectance, clear, day, *state)


def state_names(net: Stepping) -> list[str]:
    """Names of the state's tensors in the graph, in the order of the network's state; inputs end with `_in`."""
    if isinstance(net, RecurrentUNet):
        return ["last_day", "reference", "head", *(f"{MEMORY_PREFIX}{level}" for level in range(len(net.widths)))]
    return ["last_probs"]


def export_step(network: Network) -> bytes:
    """Write one step of a network for batch 1 as an ONNX model.

    Inputs: reflectance (1, C, H, W) float32, clear (1, H, W) bool, day (1,) float32, and the state, each name with
    `_in`; outputs: probs (1, K, H, W) and the state. H and W are multiples of the network's stride.
    """
    net = stepping(copy.deepcopy(network).cpu())
    net.fold()
    side, names = 8 * net.stride_px, state_names(net)
    state = list(net.start(1, side, side + net.stride_px))
    x = torch.zeros((1, net.bands, side, side + net.stride_px))
    clear = torch.ones(x.shape[:1] + x.shape[2:], dtype=torch.bool)
    rows, cols = torch.export.Dim("rows", min=2, max=4096), torch.export.Dim("cols", min=2, max=4096)

    def space(tensor: Tensor) -> dict[int, Any]:
        scale = net.stride_px * tensor.shape[2] // side
        return {2: scale * rows, 3: scale * cols} if scale > 1 else {2: rows, 3: cols}

    whole, spaces = space(x), [space(tensor) for tensor in state]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's remarks on itself; the engines' parity test judges its work
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, of which we use nothing
        program = torch.onnx.export(
            _Step(net).eval(),
            (x, clear, torch.zeros(1), state),
            dynamo=True,
            opset_version=OPSET,
            input_names=["reflectance", "clear", "day", *(f"{name}_in" for name in names)],
            output_names=["probs", *names],
            dynamic_shapes=(whole, {1: whole[2], 2: whole[3]}, None, spaces),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program; its dynamo exporter should always return one")
    return _without_remarks(program.model_proto)


def _without_remarks(model: Any) -> bytes:
    """Serialise without the exporter's stack traces, which carry paths of the machine that exported."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    data: bytes = model.SerializeToString(deterministic=True)
    return data
