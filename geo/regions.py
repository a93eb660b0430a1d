"""Regions: 4-connected pixels of one key, found strip by strip, the small ones merged into their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NO_KEY = -1
"""Key of pixels that belong to no region."""

CLASSES = 256
"""A key is class + CLASSES x date of change."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Graph:
    """Parts of regions and how they touch.

    Attributes:
        keys, areas_m2: of each part, (parts,).
        joins: pairs of parts that are one region, (pairs, 2): a region that crosses strips has several parts.
        borders: pairs of parts of different keys that share a pixel's edge, (pairs, 2).
    """

    keys: Ints
    areas_m2: NDArray[np.float64]
    joins: Ints
    borders: Ints


def label_strip(keys: NDArray[np.int32]) -> tuple[NDArray[np.int32], Ints]:
    """Number the 4-connected parts of one key within a strip.

    Args:
        keys: (H, W).

    Returns:
        The part of each pixel, (H, W), numbered from 0 by first pixel in row-major order, and each part's key.
    """
    starts = np.ones(keys.shape, bool)
    starts[:, 1:] = keys[:, 1:] != keys[:, :-1]
    runs = (np.cumsum(starts) - 1).reshape(keys.shape)
    # Where a run meets a run of the same key below it, one column of the meeting is enough.
    meet = (keys[1:] == keys[:-1]) & (starts[1:] | starts[:-1])
    pairs = np.stack([runs[:-1][meet], runs[1:][meet]], axis=1)
    part_of_run = connect(int(runs[-1, -1]) + 1, pairs)
    part_keys = np.empty(int(part_of_run.max()) + 1, np.int64)
    part_keys[part_of_run] = keys[starts]
    return part_of_run[runs].astype(np.int32), part_keys


def touching(one: NDArray[np.int32], other: NDArray[np.int32]) -> Ints:
    """Return the distinct pairs of different numbers at the same places of two arrays, (pairs, 2), smaller first."""
    differ = one != other
    low, high = np.minimum(one[differ], other[differ]), np.maximum(one[differ], other[differ])
    return _distinct(np.stack([low, high], axis=1).astype(np.int64))


def inner_borders(parts: NDArray[np.int32]) -> Ints:
    """Return the distinct pairs of parts that share a pixel's edge within a strip, (pairs, 2)."""
    return _distinct(np.concatenate([touching(parts[:, 1:], parts[:, :-1]), touching(parts[1:], parts[:-1])]))


def connect(count: int, pairs: Ints) -> Ints:
    """Number the connected components of a graph by their lowest node; returns the component of each node."""
    ones = np.ones(len(pairs), bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def totals(groups: NDArray[np.integer[Any]], values: NDArray[Any], count: int = 0) -> NDArray[np.float64]:
    """Add up values per group, for groups numbered from 0; at least `count` of them."""
    return np.asarray(np.bincount(groups, values, count), np.float64)


def merge_regions(graph: Graph, min_area_m2: float) -> tuple[Ints, Ints]:
    """Unite parts into regions and merge regions below the minimum mapping unit into their neighbours.

    A small region goes to the largest region that it shares an edge with, as in GDAL's sieve. Other than there, a
    neighbour of the same class comes first, so that merging dates does not move area between classes; areas are true
    areas; and merging goes on until no small region has a neighbour. One that has none at all is dropped.

    Returns:
        The region of each part, from 0 by first pixel, -1 where dropped or without a key; and each region's key.
    """
    region = connect(len(graph.keys), graph.joins)
    keys = _first(region, graph.keys)
    areas = totals(region, graph.areas_m2)
    borders = _between_regions(region, keys, graph.borders)
    while True:
        moves = _moves(keys, areas, borders, min_area_m2)
        if not len(moves):
            break
        rank = _rank(areas)
        merged = connect(len(keys), moves)
        largest = np.zeros(int(merged.max()) + 1, np.int64)
        np.maximum.at(largest, merged, rank)
        keys = keys[np.argsort(rank)][largest]
        region, areas = merged[region], totals(merged, areas)
        borders = _distinct(np.sort(merged[borders], axis=1))
        # Two regions of one key may have come to touch through what lay between them.
        united = connect(len(keys), borders[keys[borders[:, 0]] == keys[borders[:, 1]]])
        keys, areas, region = _first(united, keys), totals(united, areas), united[region]
        borders = _between_regions(united, keys, borders)
    kept = (keys != NO_KEY) & (areas >= min_area_m2)
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    return number[region], keys[kept]


def _moves(keys: Ints, areas: NDArray[np.float64], borders: Ints, min_area_m2: float) -> Ints:
    """Pair each small region with the neighbour that takes it; without one of its class, the neighbour is larger."""
    rank = _rank(areas)
    both = np.concatenate([borders, borders[:, ::-1]])
    both = both[areas[both[:, 0]] < min_area_m2]
    same = keys[both[:, 0]] % CLASSES == keys[both[:, 1]] % CLASSES
    fits = same | (rank[both[:, 1]] > rank[both[:, 0]])
    both, same = both[fits], same[fits]
    both = both[np.lexsort((-rank[both[:, 1]], ~same, both[:, 0]))]
    moves: Ints = both[np.unique(both[:, 0], return_index=True)[1]]
    return moves


def _rank(areas: NDArray[np.float64]) -> Ints:
    """Order regions by area; of two as large, the one that comes first in the raster ranks higher."""
    rank = np.empty(len(areas), np.int64)
    rank[np.lexsort((-np.arange(len(areas)), areas))] = np.arange(len(areas))
    return rank


def _between_regions(region: Ints, keys: Ints, borders: Ints) -> Ints:
    """Turn borders of parts into borders of regions, leaving out those with pixels of no region."""
    pairs = region[borders].reshape(-1, 2)
    known = (keys[pairs] != NO_KEY).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    return _distinct(np.sort(pairs[known], axis=1))


def _first(groups: Ints, values: Ints) -> Ints:
    """Return one value per group; all members of a group hold the same."""
    result = np.empty(int(groups.max()) + 1, np.int64)
    result[groups] = values
    return result


def _distinct(pairs: Ints) -> Ints:
    """Drop repeated pairs; sorts."""
    if not len(pairs):
        return pairs.reshape(0, 2)
    span = int(pairs.max()) + 1
    codes = np.unique(pairs[:, 0] * span + pairs[:, 1])
    return np.stack([codes // span, codes % span], axis=1)
