"""Regions against scipy's labels and GDAL's sieve, over strips of any height."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.features import sieve
from scipy.ndimage import gaussian_filter, label

from geo.regions import NO_KEY, Graph, Ints, inner_borders, label_strip, merge_regions, touching


def patches(shape: tuple[int, int], classes: int, seed: int) -> NDArray[np.int32]:
    """Class-like patches with some pixels of no region."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 1.5)
    keys = np.searchsorted(np.quantile(field, np.linspace(0, 1, classes + 1)[1:-1]), field)
    return np.where(rng.random(shape) < 0.02, NO_KEY, keys).astype(np.int32)


def graph_of(keys: NDArray[np.int32], strip_px: int) -> tuple[NDArray[np.int32], Graph]:
    """Label strip by strip; each pixel counts 1 m2."""
    parts, part_keys = list[NDArray[np.int32]](), list[Ints]()
    joins, borders, total = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)], 0
    for row in range(0, len(keys), strip_px):
        strip = keys[row : row + strip_px]
        labels, found = label_strip(strip)
        labels += total
        borders.append(inner_borders(labels))
        if parts:
            same = keys[row - 1] == strip[0]
            joins.append(touching(parts[-1][-1][same], labels[0][same]))
            borders.append(touching(parts[-1][-1][~same], labels[0][~same]))
        parts.append(labels)
        part_keys.append(found)
        total += len(found)
    whole = np.concatenate(parts)
    areas = np.bincount(whole.ravel()).astype(np.float64)
    return whole, Graph(np.concatenate(part_keys), areas, np.concatenate(joins), np.concatenate(borders))


def numbered(keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Connected regions by scipy, numbered from 1 in any order."""
    numbers, total = np.zeros(keys.shape, np.int64), 0
    for key in np.unique(keys[keys != NO_KEY]):
        found, count = label(keys == key)
        numbers += np.where(found > 0, found + total, 0)
        total += count
    return numbers, total


def same_partition(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Tell whether two labellings divide the pixels alike."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return bool(pairs.shape[1] == len(np.unique(one)) == len(np.unique(other)))


@pytest.mark.parametrize("strip_px", [1, 7, 37, 64])
@pytest.mark.parametrize("shape", [(37, 53), (64, 1), (1, 40), (80, 33)])
def test_regions_are_scipy_s(shape: tuple[int, int], strip_px: int) -> None:
    keys = patches(shape, 4, seed=3)
    parts, graph = graph_of(keys, strip_px)
    region, region_keys = merge_regions(graph, 0.0)
    whole = region[parts]
    expected, count = numbered(keys)
    assert len(region_keys) == count
    assert same_partition(whole, expected)
    assert np.array_equal(whole == -1, keys == NO_KEY)
    assert np.array_equal(region_keys[whole[whole >= 0]], keys[whole >= 0])
    first = [np.flatnonzero(whole.ravel() == number)[0] for number in range(count)]
    assert first == sorted(first)


@pytest.mark.parametrize("size", [2, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_small_regions_go_where_gdal_s_sieve_puts_them(seed: int, size: int) -> None:
    """But for ties: of two neighbours as large, GDAL may take the other one."""
    keys = np.maximum(patches((90, 70), 3, seed), 0)
    parts, graph = graph_of(keys, 16)
    region, region_keys = merge_regions(graph, float(size))
    merged = region_keys[region[parts]]
    sieved = keys
    for _ in range(20):
        sieved = sieve(sieved, size, connectivity=4)
    assert (merged == sieved).mean() > 0.97
    assert np.bincount(region[parts].ravel()).min() >= size


def test_a_fragment_goes_to_its_own_class_before_a_larger_neighbour() -> None:
    keys = np.zeros((9, 9), np.int32)
    keys[3:6, 2:5] = 1 + 256 * 1
    keys[4, 5] = 1 + 256 * 2
    parts, graph = graph_of(keys, 4)
    region, region_keys = merge_regions(graph, 2.0)
    merged = region_keys[region[parts]]
    assert merged[4, 5] == 1 + 256 * 1
    assert (merged % 256 == keys % 256).all()


def test_two_halves_that_meet_through_what_lay_between_are_one() -> None:
    keys = np.array([[5, 5, 5, 7, 5, 5]], np.int32)
    parts, graph = graph_of(keys, 1)
    region, region_keys = merge_regions(graph, 2.0)
    assert region_keys.tolist() == [5]
    assert (region[parts] == 0).all()


def test_small_among_smaller_is_merged_in_the_end() -> None:
    """GDAL's sieve gives up here: the largest neighbour of either small region is the other one."""
    keys = np.array([[0, 1, 2, 2, 3, 3, 3, 1, 0]], np.int32)
    parts, graph = graph_of(np.repeat(keys, 1, axis=0), 1)
    region, region_keys = merge_regions(graph, 5.0)
    assert len(region_keys) == 1
    assert region_keys.tolist() == [3]
    assert (region[parts] == 0).all()


def test_a_small_region_without_neighbours_is_dropped() -> None:
    keys = np.full((6, 6), NO_KEY, np.int32)
    keys[2, 2], keys[4:, 4:] = 1, 1
    parts, graph = graph_of(keys, 2)
    region, region_keys = merge_regions(graph, 3.0)
    assert region_keys.tolist() == [1]
    assert region[parts][2, 2] == -1
    assert (region[parts][4:, 4:] == 0).all()
