"""Reduced axial, coronal and sagittal pictures of a volume, turned as radiologists hang them.

The axes of the array are matched with the patient's (LPS) through the orientation, so a volume
whose planes are sagittal still shows its axial view as axial. Planes are placed by their positions:
shear is undone, and the gap of missing planes stays empty. The pictures are for visual checks, not
for measurements.
"""

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..geometry.tolerances import INDEX_ROUNDING, smallest_step

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]

EMPTY = np.float32(np.nan)
"""Value of a pixel in a place where the volume has no plane."""
_OBLIQUE = 0.2
"""A second letter is shown for an axis turned by more than about 12 degrees."""
_SMALLEST_MM, _LARGEST_MM = 1e-7, 1e5
"""Sides of a voxel: a tenth of a nanometre, a hundred metres. Others are mistakes of a header."""
_FARTHEST_MM = 1e9
_READ_AT_ONCE = 1 << 28
"""Voxels; 64 planes, the depth of a chunk, are as many with 2,048 rows and columns."""
_GAP = 1.5
"""Neighbours further apart than this many usual distances leave an empty band between them."""


class PlaneSource(Protocol):
    """What is needed of a volume: its shape (z, y, x) and a block of planes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        ...

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        """The planes ``start`` to ``stop`` (exclusive), shape (n, rows, columns)."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the planes lie.

    Attributes
    ----------
    offsets
        (N,) mm along the normal, ascending.
    shifts
        (N, 2) mm of each plane's origin along its columns' and rows' direction, against a straight
        stack: zero except for tilt and in-plane shift.
    axes
        (3, 3), the unit LPS direction of the array axes z, y and x.
    pixel
        (between rows, between columns) mm.
    known
        False where position or orientation is missing; then the numbers are nominal.
    """

    offsets: Array
    shifts: Array
    axes: Array
    pixel: tuple[float, float]
    known: bool

    @property
    def is_plausible(self) -> bool:
        """Whether these are distances of something that was scanned, along the normal at least."""
        sizes = np.array([*self.pixel, self.usual_gap])
        places = np.concatenate([self.offsets, self.shifts.ravel(), self.axes.ravel()])
        return (
            bool(np.all((sizes > _SMALLEST_MM) & (sizes < _LARGEST_MM)))
            and bool(np.all(np.abs(places) < _FARTHEST_MM))
            and bool(np.all(np.diff(self.offsets) >= 0))
        )

    @property
    def usual_gap(self) -> float:
        """Median distance between neighbours, mm; 1 for a single plane."""
        return float(np.median(np.diff(self.offsets))) if len(self.offsets) > 1 else 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How far pictures are reduced: longest side in pixels, and pictures per view."""

    side: int
    axial: int
    across: int


@dataclass(frozen=True, slots=True)
class Stack:
    """Pictures of one view, in the order in which they are scrolled.

    Attributes
    ----------
    pixels
        (M, height, width) float32 values of the store; NaN where there is no plane.
    width_mm, height_mm
        Size of the picture in the patient.
    letters
        What is left, right, above and below (R L A P H F); empty where not known.
    captions
        One per picture, such as ``plane 12 of 60``.
    """

    name: str
    title: str
    pixels: Pixels
    width_mm: float
    height_mm: float
    letters: tuple[str, str, str, str]
    captions: tuple[str, ...]


def place_planes(
    count: int,
    spacing: tuple[float, float, float],
    orientation: Array | None,
    origins: Array | None,
) -> Placement:
    """Offsets, shifts and axes from the geometry of the record.

    Parameters
    ----------
    count
        Number of planes N.
    spacing
        (dz, dy, dx) mm.
    orientation
        (2, 3) row and column cosines, or None.
    origins
        (N, 3) LPS mm, or None.
    """
    pixel = (spacing[1], spacing[2])
    if orientation is None or origins is None or len(origins) != count:
        nominal: Array = np.arange(count, dtype=np.float64) * spacing[0]
        return Placement(nominal, np.zeros((count, 2)), np.eye(3)[::-1], pixel, False)
    with np.errstate(all="ignore"):  # what is not finite then is not plausible
        row, column = orientation / np.linalg.norm(orientation, axis=1, keepdims=True)
        normal = np.cross(row, column)
        normal /= np.linalg.norm(normal)
        relative: Array = origins - origins[0]
        shifts: Array = np.stack([relative @ column, relative @ row], axis=1)
        offsets: Array = np.asarray(relative @ normal, dtype=np.float64)
    axes: Array = np.stack([normal, column, row]).astype(np.float64)
    return Placement(offsets, shifts, axes, pixel, True)


def axis_letters(direction: Array) -> tuple[str, str]:
    """Letters of the start and the end of an axis with this LPS direction, such as (R, L)."""
    letters = ("RL", "AP", "FH")
    order = np.argsort(-np.abs(direction))
    named = [i for i in order if abs(direction[i]) > _OBLIQUE]
    end = "".join(letters[i][1 if direction[i] > 0 else 0] for i in named)
    start = "".join(letters[i][0 if direction[i] > 0 else 1] for i in named)
    return start, end


def match_axes(axes: Array) -> tuple[int, int, int]:
    """For the patient axes L, P and S: the array axis (0 z, 1 y, 2 x) that lies closest."""
    weight = np.abs(axes)
    best = max(
        itertools.permutations(range(3)), key=lambda p: sum(weight[p[i], i] for i in range(3))
    )
    return best[0], best[1], best[2]


def make_stacks(source: PlaneSource, placement: Placement, limits: Limits) -> list[Stack]:
    """Pictures across the three array axes, named and turned by the patient's axes.

    Reads at most ``limits.side + limits.axial`` planes of the volume, a block at a time; the memory
    needed is that of the reduced planes. One plane gives one view.
    """
    planes, rows, columns = source.shape
    grid = _display_grid(placement, limits.side)
    picked = _spread(planes, limits.axial)
    needed = np.unique(np.concatenate([picked, grid[grid >= 0]]))
    factor = max(1, -(-max(rows, columns) // limits.side))
    cube = _read_reduced(source, needed, factor)
    where = {int(plane): i for i, plane in enumerate(needed)}
    turned = [_turn(axis, placement) for axis in range(3)]
    size_mm = (
        float(np.ptp(placement.offsets)) + placement.usual_gap,
        rows * placement.pixel[0],
        columns * placement.pixel[1],
    )
    stacks = [
        turned[0].stack(
            cube[[where[int(p)] for p in picked]],
            (size_mm[1], size_mm[2]),
            tuple(f"plane {p + 1} of {planes}" for p in picked),
        )
    ]
    if planes > 1:
        cube_rows = np.array([where.get(int(p), -1) for p in grid])
        shift = np.rint(
            placement.shifts[np.maximum(grid, 0)] / (np.array(placement.pixel) * factor)
        )
        straight, margin = _undo_shift(cube, cube_rows, shift.astype(int))
        reduced_mm = (placement.pixel[0] * factor, placement.pixel[1] * factor)
        wide = (straight.shape[1] * reduced_mm[0], straight.shape[2] * reduced_mm[1])
        for axis, count, word in ((1, rows, "row"), (2, columns, "column")):
            inner = _spread(cube.shape[axis], limits.across)
            pictures = np.moveaxis(straight, axis, 0)[inner + margin[axis - 1]]
            captions = tuple(
                f"{word} {min(i * factor + factor // 2, count - 1) + 1} of {count}" for i in inner
            )
            stacks.append(turned[axis].stack(pictures, (size_mm[0], wide[2 - axis]), captions))
    order = ("axial", "coronal", "sagittal", "planes", "rows", "columns")
    return sorted(stacks, key=lambda stack: order.index(stack.name))


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most ``most`` indices, spread evenly over ``count``."""
    if count <= most:
        return np.arange(count)
    return np.floor((np.arange(most) + 0.5) * count / most).astype(np.intp)


def _display_grid(placement: Placement, side: int) -> npt.NDArray[np.intp]:
    """The plane shown in each row along the normal, -1 where none is near."""
    offsets = placement.offsets
    if len(offsets) == 1:
        return np.zeros(1, dtype=np.intp)
    usual = placement.usual_gap
    extent = offsets[-1] - offsets[0] + usual
    height = int(min(side, max(2, np.ceil(extent / max(usual, extent / side) - INDEX_ROUNDING))))
    at = offsets[0] - usual / 2 + (np.arange(height) + 0.5) * extent / height
    right = np.clip(np.searchsorted(offsets, at), 1, len(offsets) - 1)
    nearer_left = at - offsets[right - 1] <= offsets[right] - at
    nearest = np.where(nearer_left, right - 1, right)
    gap = offsets[right] - offsets[right - 1]
    distance = np.abs(at - offsets[nearest])
    empty = (
        (gap > _GAP * usual)
        & (distance > 0.5 * usual + smallest_step((usual,)))
        & _is_missing(gap, usual)
    )
    return np.where(empty, -1, nearest).astype(np.intp)


def _is_missing(gap: Array, usual: float) -> npt.NDArray[np.bool_]:
    """Whether a gap is a multiple of the usual distance; any other gap is uneven spacing."""
    multiple = gap / usual
    return np.abs(multiple - np.rint(multiple)) < 0.05


def _read_reduced(source: PlaneSource, needed: npt.NDArray[np.intp], factor: int) -> Pixels:
    """Mean over ``factor`` x ``factor`` pixels of the needed planes, read in blocks."""
    block = max(1, min(64, _READ_AT_ONCE // (source.shape[1] * source.shape[2])))
    parts: list[Pixels] = []
    for start in range(0, source.shape[0], block):
        inside = needed[(needed >= start) & (needed < start + block)]
        if not len(inside):
            continue
        low, high = int(inside[0]), int(inside[-1]) + 1
        parts.append(_reduce(source.read_planes(low, high)[inside - low], factor))
    return np.concatenate(parts)


def _reduce(planes: np.ndarray, factor: int) -> Pixels:
    if factor == 1:
        return planes.astype(np.float32)
    rows, columns = (-(-size // factor) * factor for size in planes.shape[1:])
    pad = ((0, 0), (0, rows - planes.shape[1]), (0, columns - planes.shape[2]))
    planes = np.pad(planes, pad, mode="edge") if any(map(any, pad)) else planes
    total = np.zeros((len(planes), rows // factor, columns // factor), dtype=np.float32)
    for y, x in itertools.product(range(factor), repeat=2):
        total += planes[:, y::factor, x::factor]
    total /= np.float32(factor * factor)
    return total


def _undo_shift(
    cube: Pixels, cube_rows: npt.NDArray[np.intp], shift: npt.NDArray[np.intp]
) -> tuple[Pixels, tuple[int, int]]:
    """Planes put on the display grid, each moved by its shift in reduced pixels.

    Returns the (rows of the grid, y, x) array, NaN where nothing lies, and the margin before the
    first plane's pixels in y and x.
    """
    low, high = shift.min(axis=0), shift.max(axis=0)
    limit = 2 * max(cube.shape[1:])
    if np.any(high - low > limit):  # no longer a stack: show the planes unshifted
        shift, low, high = shift * 0, low * 0, high * 0
    height, width = cube.shape[1:]
    out = np.full((len(cube_rows), height + high[0] - low[0], width + high[1] - low[1]), EMPTY)
    for i, plane in enumerate(cube_rows):
        if plane >= 0:
            y, x = shift[i] - low
            out[i, y : y + height, x : x + width] = cube[plane]
    middle = shift[len(shift) // 2] - low
    return out, (int(middle[0]), int(middle[1]))


@dataclass(frozen=True, slots=True)
class _Turn:
    """How a picture across one array axis is transposed and flipped for display."""

    name: str
    title: str
    transpose: bool
    flip_stack: bool
    flip_down: bool
    flip_right: bool
    letters: tuple[str, str, str, str]

    def stack(
        self, pictures: Pixels, size_mm: tuple[float, float], captions: tuple[str, ...]
    ) -> Stack:
        """``pictures`` (M, h, w) of ``size_mm`` (height, width) as a stack for display."""
        if self.transpose:
            pictures, size_mm = pictures.transpose(0, 2, 1), size_mm[::-1]
        step = [-1 if flip else 1 for flip in (self.flip_stack, self.flip_down, self.flip_right)]
        pictures = pictures[:: step[0], :: step[1], :: step[2]]
        return Stack(
            self.name,
            self.title,
            np.ascontiguousarray(pictures),
            size_mm[1],
            size_mm[0],
            self.letters,
            captions[:: step[0]],
        )


def _turn(axis: int, placement: Placement) -> _Turn:
    """Display of pictures across ``axis``: patient's right on the left, head or front on top."""
    down, right = (i for i in range(3) if i != axis)
    if not placement.known:
        name = ("planes", "rows", "columns")[axis]
        title = ("Planes", "Across the rows", "Across the columns")[axis]
        return _Turn(name, title, False, False, axis != 0, False, ("", "", "", ""))
    matched = match_axes(placement.axes)
    patient = matched.index(axis)  # 0 L: sagittal, 1 P: coronal, 2 S: axial
    want_right, right_sign, want_down, down_sign = {
        0: (matched[1], 1, matched[2], -1),
        1: (matched[0], 1, matched[2], -1),
        2: (matched[0], 1, matched[1], 1),
    }[patient]
    transpose = want_right != right
    down, right = want_down, want_right
    patient_right, patient_down = matched.index(right), matched.index(down)
    flip_right = placement.axes[right][patient_right] * right_sign < 0
    flip_down = placement.axes[down][patient_down] * down_sign < 0
    left_letter, right_letter = axis_letters(placement.axes[right])
    top_letter, bottom_letter = axis_letters(placement.axes[down])
    if flip_right:
        left_letter, right_letter = right_letter, left_letter
    if flip_down:
        top_letter, bottom_letter = bottom_letter, top_letter
    # Scrolling goes from feet to head, front to back and right to left.
    flip_stack = placement.axes[axis][patient] < 0
    name = ("sagittal", "coronal", "axial")[patient]
    return _Turn(
        name,
        name.capitalize(),
        transpose,
        bool(flip_stack),
        bool(flip_down),
        bool(flip_right),
        (left_letter, right_letter, top_letter, bottom_letter),
    )
