"""A synthetic chest in patient coordinates: HU of any oblique plane, with tubes for vessels.

It demonstrates the workflow without scans of real people. Points are in mm, LPS, with the centre of
the chest as origin. Sizes are those of an adult, rounded; HU of tissues are textbook values.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
"""float32 values at the pixels of a plane, or an array that broadcasts to them."""
Vector = NDArray[np.float64]
Inside = Callable[[Plane], Plane]
"""From the signed distance to a border (mm, negative inside) to the share of a pixel inside."""
Put = Callable[[Plane, Plane | float], None]
"""Paint HU through a mask (0 to 1)."""

AIR, LUNG, FAT, MUSCLE, SKIN, CARTILAGE = -1000.0, -868.0, -102.0, 52.0, 10.0, 115.0
MARROW, CORTEX, LIVER, SPLEEN, DISC, CORD = 210.0, 720.0, 58.0, 48.0, 82.0, 28.0
BLOOD, ENHANCED_BLOOD = 42.0, 265.0
APEX_MM, RIB_PITCH_MM, VERTEBRA_MM = 124.0, 25.0, 26.0
SPINE_Y_MM = 57.0
SMALLEST_VESSEL_MM = 0.5
GRID_MM = 2.5


@dataclass(frozen=True, slots=True)
class Tube:
    """A straight tube from ``start`` to ``end`` (mm, LPS), filled with ``hu``."""

    start: Vector
    end: Vector
    radius: float
    hu: float


@dataclass(frozen=True, slots=True)
class Chest:
    """One imaginary person.

    Attributes
    ----------
    width, depth
        Scale of the body, 1 for the average.
    enhanced
        Contrast agent in the blood.
    phase
        Shifts ribs and vertebrae, mm.
    nodule
        Centre of a nodule of 5 mm radius, or None.
    tubes
        Vessels and airways, painted in this order.
    """

    width: float = 1.0
    depth: float = 1.0
    enhanced: bool = False
    phase: float = 0.0
    nodule: tuple[float, float, float] | None = None
    tubes: tuple[Tube, ...] = ()


def make_chest(
    seed: int,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    enhanced: bool = False,
    nodule: tuple[float, float, float] | None = None,
) -> Chest:
    """Make a chest with random vessels and phase; ``enhanced`` changes only the blood."""
    rng = np.random.default_rng(seed)
    chest = Chest(width, depth, enhanced, float(rng.uniform(0, RIB_PITCH_MM)), nodule)
    tubes = [*_great_vessels(enhanced), *_lung_tree(chest, rng), *_airways()]
    return replace(chest, tubes=tuple(tubes))


def paint_plane(chest: Chest, x: Plane, y: Plane, z: Plane, edge: float) -> tuple[Plane, Plane]:
    """HU of a plane without its tubes, and the share of lung in each pixel (0 to 1).

    Parameters
    ----------
    x, y, z
        Coordinates of the pixels, mm, arrays that broadcast to (rows, columns).
    edge
        Width of the transition between tissues, mm; about one pixel.
    """
    x, y, z = (np.asarray(v, np.float32) for v in (x / chest.width, y / chest.depth, z))
    radius, angle = np.hypot(x, y + 4), np.arctan2(np.abs(x), y + 4)  # 0 at the back, pi in front

    def inside(distance: Plane) -> Plane:
        share: Plane = np.clip(0.5 - distance / np.float32(edge), 0, 1, dtype=np.float32)
        return share

    def put(mask: Plane, hu: Plane | float) -> None:
        canvas[...] += mask * (hu - canvas)

    shoulder = _step((z - 30) / 80)
    girth = _superellipse(x / (162 + 12 * shoulder), (y + 4) / (117 - 10 * shoulder), 2.25)
    body = radius * (1 - 1 / girth)
    cavity = _cavity(x, y, z)

    canvas = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), AIR, np.float32)
    put(inside(body), SKIN)
    put(inside(body + 2.2), FAT + 9 * np.sin(x / 7) * np.sin(y / 5 + z / 9))
    fat_depth = 11 + 7 * np.cos(angle * 2) ** 2 + 5 * _bump(angle, 2.3, 0.4) * (1 - shoulder)
    thick = 12 + 20 * _bump(angle, 0, 0.5) + 13 * _bump(angle, 2.35, 0.35) * _step((z + 40) / 40)
    thick = thick + 60 * shoulder
    muscle = np.maximum(body + fat_depth, cavity - 12 - thick)
    put(
        inside(muscle),
        MUSCLE + 4 * np.sin(x / 4 + y / 9 + z / 9) * np.sin(y / 3 - np.sin(x / 15) - z / 7),
    )
    for depth, low, high in ((13.0, 0.7, 2.0), (21.0, 0.35, 1.2), (19.0, 2.05, 2.8)):
        plane = np.abs(cavity - depth - 3 * np.sin(3 * angle + z / 30)) - 1.1
        put(inside(np.maximum(plane, _outside(angle, low, high) * radius)), FAT + 25)

    _put_bones_of_wall(chest, put, inside, x, y, z, radius, angle, cavity)
    put(inside(cavity), FAT)
    lung = _lung_distance(x, y, z, cavity)
    _put_abdomen(put, inside, x, y, z, cavity)
    _put_mediastinum(chest, put, inside, x, y, z, cavity)
    lungs = inside(lung)
    put(lungs, LUNG + 0.45 * np.clip(y, -90, 90))
    put(lungs * inside(np.abs(_fissures(x, y, z)) - 0.5) * 0.35, -350)
    _put_spine(chest, put, inside, x, y, z)
    if chest.nodule is not None:
        nx, ny, nz = chest.nodule
        lumpy = 5 + 0.6 * np.sin(2.1 * x) * np.sin(1.7 * y)
        put(inside(np.sqrt((x - nx) ** 2 + (y - ny) ** 2 + (z - nz) ** 2) - lumpy), 35)
    _put_table(put, inside, x * chest.width, y * chest.depth)
    return canvas, lungs


def paint_tubes(
    volume: NDArray[np.float32], index_to_lps: Vector, tubes: tuple[Tube, ...], edge: float
) -> None:
    """Paint tubes into a volume (z, y, x) in place; index_to_lps as in ct2zarr's stores."""
    to_index = np.linalg.inv(index_to_lps)
    reach = np.linalg.norm(to_index[:3, :3], axis=1)  # index steps per mm, at most
    axes = index_to_lps[:3, :3].T
    for tube in tubes:
        first = to_index[:3, :3] @ tube.start + to_index[:3, 3]
        last = to_index[:3, :3] @ tube.end + to_index[:3, 3]
        margin = (tube.radius + edge) * reach
        low = np.maximum(np.minimum(first, last) - margin, 0).astype(int)
        high = np.minimum(np.maximum(first, last) + margin + 2, volume.shape).astype(int)
        if (low >= high).any():
            continue
        z, y, x = (
            (np.arange(low[i], high[i])[:, None] * axes[i]).astype(np.float32) for i in range(3)
        )
        offset = (index_to_lps[:3, 3] - tube.start).astype(np.float32)
        points = z[:, None, None] + y[None, :, None] + x[None, None] + offset
        along = (tube.end - tube.start).astype(np.float32)
        length = float(along @ along)
        t = np.clip(points @ along / length, 0, 1)
        points -= t[..., None] * along
        distance = np.sqrt(np.einsum("...i,...i", points, points))
        mask = np.clip(0.5 - (distance - tube.radius) / edge, 0, min(1.0, 2 * tube.radius / edge))
        box = volume[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        box += mask * (tube.hu - box)


def _put_bones_of_wall(
    chest: Chest,
    put: Put,
    inside: Inside,
    x: Plane,
    y: Plane,
    z: Plane,
    radius: Plane,
    angle: Plane,
    cavity: Plane,
) -> None:
    """Paint ribs with cartilage, sternum and shoulder blades."""
    height = z - chest.phase + 74 * (1 - np.cos(angle)) / 2
    to_rib = (height / RIB_PITCH_MM + 0.5) % 1 * RIB_PITCH_MM - RIB_PITCH_MM / 2
    rib = (np.hypot(to_rib / 6.0, (cavity - 5.5) / 3.9) - 1) * 4.5
    rib = np.maximum(rib, (20 - np.abs(x)) * (y < 0))
    bony = angle < 2.45 + 0.1 * np.sin(z / 9)
    put(inside(rib), np.where(bony, CORTEX, CARTILAGE))
    put(inside(rib + 1.9), np.where(bony, MARROW, CARTILAGE - 25))
    front = np.where(y < 0, cavity - 8, 99)
    sternum = np.maximum(np.abs(front) - 5.5, np.abs(x) - 15 - 5 * _step((z - 30) / 30))
    sternum = np.maximum(sternum, np.abs(z - 15) - 65)
    put(inside(sternum), 420)
    put(inside(sternum + 2), 130)
    blade = np.abs(cavity - 24 - 14 * (angle - 0.9)) - (2.2 + 3.5 * _step((z - 40) / 60))
    blade = np.maximum(blade, _outside(angle, 0.55, 0.6 + 0.6 * _step((z + 30) / 90)) * radius)
    blade = np.maximum(blade, np.abs(z - 60) - 75)
    put(inside(blade), 560)
    put(inside(blade + 2), 190)


def _put_abdomen(put: Put, inside: Inside, x: Plane, y: Plane, z: Plane, cavity: Plane) -> None:
    """Paint liver, spleen and stomach below the diaphragm, with air above the fluid."""
    under = np.maximum(cavity + 3, z - _diaphragm(x, y) + 2.5)
    put(inside(np.maximum(cavity, z - _diaphragm(x, y))), MUSCLE)
    put(inside(under), FAT + 12)
    liver = np.maximum(under, x - 32 + 0.3 * (y + 40) + 0.2 * (z + 100))
    put(inside(liver), LIVER + 3 * np.sin(x / 9 + y / 11) * np.cos(z / 8))
    spleen = _ellipsoid(x - 98, y - 38, z + 118, 26, 40, 34)
    put(inside(np.maximum(spleen, under + 1)), SPLEEN)
    stomach = np.maximum(_ellipsoid(x - 62, y + 8, z + 124, 38, 44, 36), under + 1)
    put(inside(stomach), 45)
    put(inside(stomach + 4), np.where(y < -14, -980.0, 18.0))


def _put_mediastinum(
    chest: Chest, put: Put, inside: Inside, x: Plane, y: Plane, z: Plane, cavity: Plane
) -> None:
    """Paint the heart with its chambers and the oesophagus; the great vessels are tubes."""
    blood = ENHANCED_BLOOD if chest.enhanced else BLOOD
    above = np.maximum(_diaphragm(x, y) - z, cavity + 3)
    heart = np.maximum(_heart(x, y, z), above)
    put(inside(heart), 95.0 if chest.enhanced else 50.0)
    for centre, radii in (
        ((44.0, -20.0, -66.0), (23.0, 21.0, 33.0)),
        ((2.0, -43.0, -64.0), (27.0, 18.0, 30.0)),
        ((8.0, 20.0, -42.0), (32.0, 17.0, 22.0)),
        ((-31.0, -14.0, -58.0), (17.0, 23.0, 27.0)),
    ):
        chamber = _ellipsoid(x - centre[0], y - centre[1], z - centre[2], *radii)
        put(inside(np.maximum(chamber, heart + 6)), blood)
    gullet = np.hypot(x - 3, y - 36) - 7
    put(inside(gullet), 36)
    put(inside(np.hypot((x - 3) / 2, y - 36) - 1.2), -250)


def _put_spine(chest: Chest, put: Put, inside: Inside, x: Plane, y: Plane, z: Plane) -> None:
    """Paint vertebrae with discs, arch, canal and processes, surrounded by muscle."""
    y = y - (SPINE_Y_MM - 0.0006 * (z + 20) ** 2)
    level = (z - chest.phase) / VERTEBRA_MM % 1
    vertebra = np.hypot(x / 17, y / 14) * 15 - 15
    put(inside(np.hypot(x / 46, (y - 27) / 17) * 20 - 20), MUSCLE - 4)
    put(inside(vertebra - 2), MUSCLE - 10)
    disc = level < 0.2
    put(inside(vertebra), np.where(disc, DISC, CORTEX - 150))
    end = np.where((level < 0.27) | (level > 0.93), 330.0, 0.0)
    trabeculae = MARROW - 20 + 28 * np.sin(x * 1.3) * np.sin(y * 1.1 + z * 0.9) + end
    put(inside(vertebra + 1.6), np.where(disc, DISC, trabeculae))
    canal = np.hypot(x / 10, (y - 23) / 8.5) * 9 - 9
    arch = np.maximum(canal - 5.5, 9 - y)
    bone = (level > 0.35) & (level < 0.97)
    put(inside(arch) * bone, CORTEX - 230)
    bar = np.maximum(np.abs(y - 20 - 0.28 * np.abs(x)) - 4, np.abs(np.abs(x) - 24) - 13)
    put(inside(bar) * ((level > 0.5) & (level < 0.82)), CORTEX - 260)
    thorn = np.maximum(np.abs(x) - 3.2, np.abs(y - 41 + 3 * (level - 0.5)) - 11)
    put(inside(thorn) * (level > 0.25), CORTEX - 300)
    put(inside(canal), CORD - 15)
    put(inside(np.hypot(x / 6, (y - 23) / 4.5) * 5 - 5), CORD + 12)


def _put_table(put: Put, inside: Inside, x: Plane, y: Plane) -> None:
    """Paint a curved couch: two shells with foam between them."""
    depth = y - (117 - (x / 34) ** 2)
    sides = np.abs(x) - 205
    put(inside(np.maximum(np.abs(depth - 14) - 14, sides)), -935)
    put(inside(np.maximum(np.abs(depth - 1) - 1.2, sides)), -40)
    put(inside(np.maximum(np.abs(depth - 28) - 1.2, sides)), -40)


def _lung_distance(x: Plane, y: Plane, z: Plane, cavity: Plane) -> Plane:
    """Negative inside either lung, mm (a bound, not an exact distance)."""
    half = 9 + 25 * _bump(y, 12, 33) + 7 * _step((z - 60) / 50)
    middle = half - np.abs(x - 4 + 3 * np.sin(z / 60))
    heart = 4 - np.maximum(_heart(x, y, z), z - 5)
    spine = 24 - np.hypot(x, y - SPINE_Y_MM + 0.0006 * (z + 20) ** 2)
    diaphragm = _diaphragm(x, y) - z
    return np.asarray(np.maximum.reduce([cavity + 3.2, middle, heart, spine, diaphragm]))


def _heart(x: Plane, y: Plane, z: Plane) -> Plane:
    x, y, z = x - 18, y + 18, z + 60
    along = 0.70 * x - 0.53 * y - 0.48 * z  # to the apex: left, forwards, down
    across = np.sqrt(np.maximum(x * x + y * y + z * z - along * along, 0))
    return np.asarray((np.hypot(along / 66, across / 50) - 1) * 50)


def _diaphragm(x: Plane, y: Plane) -> Plane:
    """Height of the diaphragm, mm: two domes, the right one higher."""
    right = -82 - 52 * (((x + 62) / 92) ** 2 + ((y - 2) / 84) ** 2)
    left = -94 - 52 * (((x - 66) / 88) ** 2 + ((y - 2) / 84) ** 2)
    return np.maximum(right, left)


def _fissures(x: Plane, y: Plane, z: Plane) -> Plane:
    """Zero on the oblique fissures and on the horizontal one of the right lung, mm."""
    oblique = 0.62 * (z + 5) - 0.78 * (y - 5) + 4 * np.sin(x / 23)
    horizontal = np.where((x < 0) & (oblique < 0), z - 2 - 5 * np.sin(y / 28), 99)
    return np.where(np.abs(oblique) < np.abs(horizontal), oblique, horizontal)


def _great_vessels(enhanced: bool) -> Iterator[Tube]:
    blood = ENHANCED_BLOOD if enhanced else BLOOD
    courses: list[tuple[float, list[tuple[float, float, float]]]] = [
        (15, [(2, -22, -38), (-13, -27, 0), (-14, -27, 28), (-5, -18, 48), (9, 4, 54)]),
        (12.5, [(9, 4, 54), (19, 27, 46), (23, 38, 20), (22, 42, -40), (14, 40, -150)]),
        (13.5, [(20, -36, -30), (22, -26, 4), (20, -12, 14)]),
        (10.5, [(20, -12, 14), (-10, -3, 10), (-44, 8, 4)]),
        (10.5, [(20, -12, 14), (38, 6, 14), (50, 16, 6)]),
        (8.5, [(-28, -14, -40), (-29, -16, 40), (-24, -18, 85)]),
        (6.5, [(-24, -18, 85), (-5, -28, 72), (28, -22, 92), (40, -14, 120)]),
        (5.5, [(-8, -16, 50), (-18, -4, 84), (-30, 0, 130)]),
        (4.5, [(4, -4, 56), (12, 0, 90), (18, 2, 130)]),
        (5.0, [(16, 16, 54), (22, 14, 86), (44, 10, 124)]),
        (6.5, [(8, 22, -40), (-30, 14, -24), (-56, 14, -26)]),
        (6.5, [(8, 22, -40), (34, 20, -26), (56, 20, -28)]),
    ]
    for radius, course in courses:
        for start, end in itertools.pairwise(course):
            yield Tube(np.array(start, float), np.array(end, float), radius, blood)
    for side in (-1, 1):
        inner, outer = np.array([side * 14.0, -58, 92]), np.array([side * 125.0, -18, 126])
        yield Tube(inner, outer, 6.5, CORTEX)
        yield Tube(inner, outer, 4.2, MARROW)


def _airways() -> Iterator[Tube]:
    trunk = [(0.0, 14.0, 150.0), (0.0, 20.0, 24.0)]
    right = [(0.0, 20.0, 24.0), (-30.0, 20.0, 0.0), (-52.0, 22.0, -28.0), (-62.0, 30.0, -60.0)]
    left = [(0.0, 20.0, 24.0), (38.0, 24.0, -2.0), (56.0, 28.0, -30.0), (66.0, 34.0, -60.0)]
    upper = [[(-30.0, 20.0, 0.0), (-62.0, 12.0, 28.0)], [(38.0, 24.0, -2.0), (64.0, 10.0, 24.0)]]
    courses = [(9.0, trunk), (6.5, right), (6.0, left), *((4.0, course) for course in upper)]
    for wall, hu in ((1.5, 25.0), (0.0, -985.0)):
        for radius, course in courses:
            for i, (start, end) in enumerate(itertools.pairwise(course)):
                size = radius * 0.72**i + wall
                yield Tube(np.array(start), np.array(end), size, hu)


def _lung_tree(chest: Chest, rng: np.random.Generator) -> list[Tube]:
    """Branching vessels from each hilum, with radii by Murray's law, thinnest first."""
    hu = ENHANCED_BLOOD - 30 if chest.enhanced else BLOOD
    in_lung = _lung_grid()
    tubes: list[Tube] = []
    for hilum in (np.array([-46.0, 10, 0]), np.array([50.0, 15, 0])):
        stems = [np.array((np.sign(hilum[0]) * a, b, c)) for a, b, c in _STEMS]
        pending = [(hilum, stem / np.linalg.norm(stem), 4.1) for stem in stems]
        while pending:
            start, direction, radius = pending.pop()
            end = start
            for _ in range(5):  # a vessel that would leave the lung bends
                end = start + direction * (radius * rng.uniform(4.0, 7.0) + 3.5)
                if radius > 3.8 or in_lung(end):
                    break
                direction = direction + 0.9 * rng.normal(size=3)
                direction = direction / np.linalg.norm(direction)
            else:
                continue
            tubes.append(Tube(start, end, radius, hu))
            away = (end - hilum) / np.linalg.norm(end - hilum)
            share = rng.uniform(0.5, 0.8)
            for part, bend in ((share, 0.25), (1 - share, 0.6)):
                child = radius * part ** (1 / 3) * 0.97
                turn = direction + 0.24 * away + bend * rng.normal(size=3)
                if child > SMALLEST_VESSEL_MM:
                    pending.append((end, turn / np.linalg.norm(turn), child))
    return sorted(tubes, key=lambda tube: tube.radius)


_STEMS = (
    (1.0, -0.3, 0.9), (0.7, 0.5, 1.0), (1.0, -0.9, 0.1), (1.0, 0.2, -0.2), (0.7, 0.9, -0.5),
    (0.8, 0.3, -1.0), (0.5, 0.7, -1.0), (0.6, -0.8, -0.6), (0.9, -0.7, 0.5), (0.6, 0.9, 0.3),
)  # fmt: skip
"""Directions (outwards, backwards, upwards) in which vessels leave a hilum."""


def _lung_grid() -> Callable[[Vector], bool]:
    """Return a function that checks on a grid whether a point (mm) is in the lung."""
    low, high = np.array([-140, -110, -150]), np.array([140, 110, 130])
    axes = [np.arange(a, b, GRID_MM, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    lung = _lung_distance(x, y, z, _cavity(x, y, z)) < -2

    def in_lung(point: Vector) -> bool:
        i, j, k = np.rint((point - low) / GRID_MM).astype(int)
        inside = 0 <= i < lung.shape[0] and 0 <= j < lung.shape[1] and 0 <= k < lung.shape[2]
        return bool(inside and lung[i, j, k])

    return in_lung


def _cavity(x: Plane, y: Plane, z: Plane) -> Plane:
    """Distance to the inner side of the ribs, mm along the radius, narrowing to the apex."""
    taper = np.sqrt(np.clip(1 - ((z + 55) / (APEX_MM + 55)) ** 2, 1e-3, 1))
    taper = np.where(z < -55, 1, taper)
    wall = _superellipse(x / (130 * taper), (y + 4) / (92 * taper), 2.1)
    return np.asarray(np.hypot(x, y + 4) * (1 - 1 / wall))


def _superellipse(u: Plane, v: Plane, power: float) -> Plane:
    return np.maximum((np.abs(u) ** power + np.abs(v) ** power) ** (1 / power), 1e-4)


def _ellipsoid(x: Plane, y: Plane, z: Plane, a: float, b: float, c: float) -> Plane:
    return (np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) - 1) * min(a, b, c)


def _step(t: Plane) -> Plane:
    """0 below 0, 1 above 1, and a smooth transition between."""
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _bump(value: Plane, centre: float, width: float) -> Plane:
    return np.exp(-(((value - centre) / width) ** 2))


def _outside(value: Plane, low: float | Plane, high: float | Plane) -> Plane:
    """Distance of a value from an interval; negative inside."""
    return np.maximum(low - value, value - high)
