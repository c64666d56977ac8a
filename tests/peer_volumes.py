"""Compare a volume with the results of other converters for the same files, voxel by voxel.

The peers' answers are kept as the SHA-256 of their float32 voxels with their affine. A volume is
turned into the peer's order of axes by its geometry alone; then the hashes must be equal.
"""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
POSITION_TOLERANCE_MM = 0.01
"""NIfTI stores affines as float32, and the stored results are rounded to 5 digits."""


def peer_answers(folder: Path, series_uid: str) -> dict[str, list[dict[str, Any]]]:
    """The results of each peer for a series: tool name → volumes (shape, sha256_f32, affine_lps).

    ``folder`` is that of a set of the real data. Refusals and failures are empty lists.
    """
    series = json.loads((folder / "ref" / "peers.json").read_text())["series"]
    entry = series.get(series_uid, {})
    answers: dict[str, list[dict[str, Any]]] = {}
    for tool in ("dcm2niix", "simpleitk", "highdicom", "dicom2nifti"):
        found = [*_volumes(entry.get(tool, {}))]
        answers[tool] = [volume | {"affine_lps": _affine_lps(volume)} for volume in found]
    return answers


def agrees(
    volume: NDArray[Any], index_to_lps: NDArray[Any], answer: dict[str, Any], *, placed: bool = True
) -> bool:
    """Whether the voxels of a peer equal those of a volume (z, y, x).

    With ``placed`` the peer's affine must also put every voxel where ours does; without, any order
    and direction of its axes is allowed, for peers whose affine cannot hold the geometry.
    """
    for axes in itertools.permutations(range(3)):
        if [volume.shape[axis] for axis in axes] != list(answer["shape"]):
            continue
        for flips in itertools.product((False, True), repeat=3):
            affine = _reordered(index_to_lps, volume.shape, axes, flips)
            theirs = answer["affine_lps"]
            if placed and (theirs is None or _largest_shift(affine, theirs, answer["shape"])):
                continue
            steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
            turned = np.ascontiguousarray(volume.transpose(axes)[steps], dtype=np.float32)
            if hashlib.sha256(turned.tobytes()).hexdigest() == answer["sha256_f32"]:
                return True
    return False


def _volumes(entry: Any) -> list[dict[str, Any]]:
    """All volumes in the stored results of a tool, at any depth."""
    if not isinstance(entry, dict):
        return []
    if "sha256_f32" in entry:
        return [entry]
    return [volume for value in entry.values() for volume in _volumes(value)]


def _affine_lps(volume: dict[str, Any]) -> NDArray[np.float64] | None:
    """(4, 4) from the peer's own index order to LPS mm."""
    if "affine_LPS" in volume:
        return np.array(volume["affine_LPS"], dtype=np.float64)
    if "affine_RAS" in volume:
        return RAS_OF_LPS @ np.array(volume["affine_RAS"], dtype=np.float64)
    if "direction" in volume and len(volume["direction"]) == 9:
        xyz = np.eye(4)  # SimpleITK: index is (x, y, z), the array is (z, y, x)
        xyz[:3, :3] = np.reshape(volume["direction"], (3, 3)) * np.array(volume["spacing"])
        xyz[:3, 3] = volume["origin"]
        return xyz[:, [2, 1, 0, 3]]
    return None


def _reordered(
    index_to_lps: NDArray[Any],
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    flips: tuple[bool, ...],
) -> NDArray[np.float64]:
    """The affine of ``volume.transpose(axes)`` with some of its axes reversed."""
    affine = np.asarray(index_to_lps, dtype=np.float64)[:, [*axes, 3]].copy()
    for position, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        if flip:
            affine[:, 3] += affine[:, position] * (shape[axis] - 1)
            affine[:, position] *= -1
    return affine


def _largest_shift(ours: NDArray[Any], theirs: NDArray[Any], shape: list[int]) -> bool:
    """Whether any corner of the volume is further away than the tolerance."""
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in shape], [1])), dtype=float)
    difference = corners @ (ours - theirs).T
    return bool(np.abs(difference).max() > POSITION_TOLERANCE_MM * max(1.0, max(shape) / 100))
