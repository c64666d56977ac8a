"""How planes follow each other along the normal: evenly, with holes, or unevenly; arrays only.

The decimals that a header writes, the spacing that it declares and its InstanceNumbers are heard
before a gap is called irregular.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .tolerances import FLOAT_NOISE_MM, NORMAL_TOLERANCE, float_noise

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CHANGE_OF_SPACING_RUN = 3
"""This many equal wide gaps in a row are another spacing; fewer are missing planes."""

LISTED_MISSING = 1000
"""At most this many offsets of missing planes are listed; their count is always complete."""

_DECIMALS = (1, 2, 3, 4, 5, 6, 7)
"""Numbers of decimals that positions in headers are rounded to; more than three in micro-CT."""
_ROUNDING_SHARE = 0.25
"""Decimals coarser than this share of the spacing explain nothing: any stack would fit them."""
_WIDTH_NOISE = 1e-4
"""Share of a unit that float64 arithmetic adds to the width of a rounded grid."""
_WRITABLE = 1e-3
"""Share of a unit within which a spacing counts as written with those decimals."""
_LISTED_DECIMALS = 4
"""Decimals of the offsets of missing planes, mm; more where the spacing is below 0.01 mm."""


@dataclass(frozen=True, slots=True)
class MissingPlanes:
    """Holes in the grid that the other planes make.

    Attributes
    ----------
    spacing_mm
        Spacing of that grid.
    count
        Number of planes that are missing.
    after
        For each hole, the index of the plane before it.
    offsets_mm
        Where the missing planes should be along the normal, at most ``LISTED_MISSING``.
    """

    spacing_mm: float
    count: int
    after: tuple[int, ...]
    offsets_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spacing:
    """How planes follow each other along the normal.

    ``irregular_gaps``: gaps that are not the usual one: 0 if uniform, the wide ones if planes are
    missing, those off the median if the spacing is uneven. A uniform stack may lack planes too:
    the same number in every gap.
    """

    kind: Literal["uniform", "missing", "uneven"]
    irregular_gaps: int
    missing: MissingPlanes | None = None


def is_uniform(offsets: Floats) -> bool:
    """Whether ascending offsets lie on the grid of span/(N-1), each within the tolerance.

    Each plane is measured against its place on the grid, so jitter does not count twice as it
    would in the gaps, and a drift that adds up is seen.
    """
    n = len(offsets)
    if n < 3:
        return True
    step = (offsets[-1] - offsets[0]) / (n - 1)
    deviation = np.abs(offsets - (offsets[0] + step * np.arange(n))).max()
    return bool(deviation <= NORMAL_TOLERANCE * step + float_noise(step))


def written_unit(positions: Floats, normal: Sequence[float]) -> float:
    """Width, mm along the normal, in which a true offset may lie given the decimals written.

    Headers often carry positions with one or two decimals: 0.625 mm steps then read 0.6, 0.6,
    0.7, far outside 1 %. Floats do not tell how many decimals were written, but values that all
    agree with their rounding to k decimals do. Whole numbers count as one decimal, never coarser.
    """
    for decimals in _DECIMALS:
        last = 10.0**-decimals
        noise = min(FLOAT_NOISE_MM, _WIDTH_NOISE * last)
        if np.abs(positions - np.round(positions, decimals)).max() < noise:
            return float(last * sum(abs(component) for component in normal))
    return 0.0


def spacing_of(
    offsets: Floats,
    hints: Sequence[float] = (),
    unit: float = 0.0,
    numbers: Integers | None = None,
    *,
    steps_count: bool = True,
) -> Spacing:
    """Say whether ascending, distinct offsets are uniform, uniform with holes, or uneven.

    A base spacing is tried from the smallest gaps, then from the hints; if every gap is a whole
    multiple of it the planes between are missing. Three or more equal wide gaps in a row are a
    change of spacing instead, and so are wide gaps that outnumber the base gaps, unless a hint
    confirms the base. More planes than there are can be missing only if InstanceNumber skips just
    as many in each gap: two passes of the scanner 0.05 mm apart look like holes, too.

    A stack from which every second plane is gone is uniform again. It counts as missing only
    where InstanceNumber skips the same number at every gap, and no header declares the spacing
    that is there.

    Parameters
    ----------
    offsets
        (N,) mm along the normal, ascending.
    hints
        Spacings that the headers declare, mm, the more credible first.
    numbers
        (N,) InstanceNumber of the planes, where all have one.
    steps_count
        No frame elsewhere has the numbers that are skipped at every gap.
    """
    n = len(offsets)
    if n < 2:
        return Spacing("uniform", 0)
    gaps = np.diff(offsets)
    if is_uniform(offsets) or _rounding_explains(offsets, np.arange(n), unit):
        counted = numbers if steps_count else None
        steps = _thinned_steps(float(offsets[-1] - offsets[0]) / (n - 1), hints, counted)
        if steps > 1:
            multiples = np.full(n - 1, steps, dtype=np.int64)
            return Spacing("uniform", 0, _missing_planes(offsets, multiples))
        return Spacing("uniform", 0)
    smallest = float(gaps.min())
    if smallest > 0:
        near = gaps[gaps <= smallest * (1 + 4 * NORMAL_TOLERANCE) + unit]
        bases = (float(near.mean()), *hints)
        for base in bases:
            found = _on_grid_with_holes(offsets, gaps, base, hints, unit)
            if found is not None and _are_credible(found, numbers):
                return Spacing("missing", int((found > 1).sum()), _missing_planes(offsets, found))
    usual = float(np.median(gaps))
    off = np.abs(gaps - usual) > 2 * NORMAL_TOLERANCE * usual + float_noise(usual)
    return Spacing("uneven", max(int(off.sum()), 1))


def _thinned_steps(step: float, hints: Sequence[float], numbers: Integers | None) -> int:
    """How many planes of the original stack lie from one plane to the next; 1 if all are there.

    InstanceNumber must skip equally at each gap. Then the first declared spacing that agrees with
    the planes as they are, or with the skipped ones between them, decides: numbers may well run in
    steps of 2 or 10. Where none agrees, every second plane is missing if three gaps say so; more
    than there are cannot be missing by their numbers alone.
    """
    if numbers is None or len(numbers) < 2:
        return 1
    skips = np.diff(numbers)
    skip = abs(int(skips[0]))
    if skip < 2 or not (skips == skips[0]).all():
        return 1
    for hint in hints:
        for steps in (1, skip):
            if abs(step - steps * hint) <= NORMAL_TOLERANCE * step:
                return steps
    few = (skip - 1) * len(skips) <= len(numbers)
    return skip if few and len(skips) >= CHANGE_OF_SPACING_RUN else 1


def _on_grid_with_holes(
    offsets: Floats, gaps: Floats, base: float, hints: Sequence[float], unit: float
) -> Integers | None:
    """Gaps as whole multiples of the base, or None if they are not, or mean another spacing."""
    multiples = np.rint(gaps / base).astype(np.int64)
    if multiples.min() < 1 or multiples.max() == 1:
        return None
    steps = np.concatenate(([0], np.cumsum(multiples)))
    fitted = float(offsets[-1] - offsets[0]) / int(steps[-1])
    if abs(fitted - base) > 2 * NORMAL_TOLERANCE * base + unit:
        return None
    deviation = np.abs(offsets - (offsets[0] + fitted * steps)).max()
    on_grid = deviation <= NORMAL_TOLERANCE * fitted + float_noise(fitted)
    if not (on_grid or _rounding_explains(offsets, steps, unit)):
        return None
    run = 1
    for before, after in pairwise(multiples.tolist()):
        run = run + 1 if before == after > 1 else 1
        if run >= CHANGE_OF_SPACING_RUN:
            return None
    confirmed = any(abs(fitted - hint) <= NORMAL_TOLERANCE * hint + unit for hint in hints)
    narrow = int((multiples == 1).sum())
    if not confirmed and narrow < len(multiples) - narrow:
        return None
    return multiples


def _are_credible(multiples: Integers, numbers: Integers | None) -> bool:
    """Whether holes are no more than the planes, or InstanceNumber counts them."""
    if int((multiples - 1).sum()) <= len(multiples) + 1:
        return True
    return numbers is not None and bool((np.abs(np.diff(numbers)) == multiples).all())


def _missing_planes(offsets: Floats, multiples: Integers) -> MissingPlanes:
    """Describe the holes of a grid whose neighbours are ``multiples`` steps apart."""
    holes = np.flatnonzero(multiples > 1)
    spacing = float(offsets[-1] - offsets[0]) / int(multiples.sum())
    decimals = max(_LISTED_DECIMALS, 2 - math.floor(math.log10(spacing)))
    listed: list[float] = []
    for hole in holes:
        steps = int(multiples[hole])
        width = (offsets[hole + 1] - offsets[hole]) / steps
        for step in range(1, min(steps, LISTED_MISSING - len(listed) + 1)):
            listed.append(round(float(offsets[hole] + step * width), decimals))
    return MissingPlanes(
        spacing_mm=spacing,
        count=int((multiples - 1).sum()),
        after=tuple(int(hole) for hole in holes),
        offsets_mm=tuple(listed),
    )


def _rounding_explains(offsets: Floats, steps: Integers, unit: float) -> bool:
    """Whether some exact grid, rounded to the decimals written, gives these offsets.

    A grid (origin a, spacing d) fits if all of offsets - d*steps lie within one unit of each
    other: that width is convex in d, so a ternary search finds the narrowest. A width of exactly
    one unit comes from halves rounded both ways; but if d itself can be written with those
    decimals, rounding moves all planes alike, and a plane that is a unit off is off.
    """
    span = float(offsets[-1] - offsets[0])
    if unit == 0 or unit > _ROUNDING_SHARE * span / int(steps[-1]):
        return False
    middle, reach = span / int(steps[-1]), 2 * unit / int(steps[-1])
    low, high = middle - reach, middle + reach
    for _ in range(60):
        third = (high - low) / 3
        left, right = low + third, high - third
        if np.ptp(offsets - left * steps) < np.ptp(offsets - right * steps):
            high = right
        else:
            low = left
    step = (low + high) / 2
    width = float(np.ptp(offsets - step * steps)) / unit
    writable = abs(step / unit - round(step / unit)) < _WRITABLE
    return width < 1 - _WIDTH_NOISE or (width < 1 + _WIDTH_NOISE and not writable)
