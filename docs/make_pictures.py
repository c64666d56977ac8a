"""Draw the pictures of docs/flags.md, one per flag, from the synthetic chest of the demonstration.

    python docs/make_pictures.py [FOLDER]     the default folder is docs/pictures

Lines over a section of the chest are planes, since most flags concern their positions. The same
versions of numpy, matplotlib and Pillow draw the same bytes.
"""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from ct2zarr.vocabulary import Flag
from demonstration.chest_model import make_chest, paint_plane, paint_tubes

GRID_MM = 2.0
WINDOW = (-1000.0, 500.0)
GOOD, BAD, OTHER = "#4cc3ff", "#ff5a4f", "#ffc845"
"""Colours of regular planes, of the planes that the flag concerns, and of a second group."""
COLOURS = 96
"""Number of colours in a stored picture: smooth enough at about 40 KB."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Body:
    """The chest as a box of HU (z, y, x), with ``GRID_MM`` between voxels at x, y, z (mm)."""

    hu: Values
    x: Values
    y: Values
    z: Values

    @property
    def axial(self) -> Values:
        """An axial plane through the heart, front at the top."""
        return self.hu[int(0.42 * len(self.z))]

    def show(self, axes: Axes, side: bool = False) -> None:
        """Show a coronal section, or with ``side`` a sagittal one, with the head at the top."""
        across = self.y if side else self.x
        section = self.hu[:, :, int(0.36 * len(self.x))] if side else self.hu[:, len(self.y) // 2]
        extent = (across[0], across[-1], self.z[0], self.z[-1])
        grey(axes, section, extent=extent, origin="lower")
        axes.set_ylabel("mm along the normal", fontsize=8)


def make_body(enhanced: bool = False) -> Body:
    """Paint the chest; contrast agent changes only the blood."""
    chest = make_chest(1, enhanced=enhanced)
    x, y, z = (
        np.arange(low, high, GRID_MM, dtype=np.float32)
        for low, high in ((-180, 180), (-130, 110), (-140, 120))
    )
    planes = [paint_plane(chest, x[None], y[:, None], np.full((1, 1), h), GRID_MM)[0] for h in z]
    hu = np.stack([np.broadcast_to(plane, (len(y), len(x))) for plane in planes]).copy()
    index_to_lps = np.array(
        [[0, 0, GRID_MM, x[0]], [0, GRID_MM, 0, y[0]], [GRID_MM, 0, 0, z[0]], [0, 0, 0, 1]]
    )
    paint_tubes(hu, index_to_lps, chest.tubes, GRID_MM)
    hu += np.random.default_rng(0).normal(0, 12, hu.shape).astype(np.float32)
    return Body(hu, x, y, z)


def grey(axes: Axes, image: Any, **how: Any) -> None:
    """Show an image in the window of the pictures, without ticks."""
    low, high = how.pop("window", WINDOW)
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, aspect="equal", **how)
    axes.set_xticks([])
    if "extent" not in how:  # a plane, not a section along the normal
        axes.set_yticks([])


def planes_at(
    axes: Axes,
    heights: Sequence[float] | NDArray[np.float64],
    colour: str = GOOD,
    shift: Sequence[float] | None = None,
    slope: float = 0.0,
    **how: Any,
) -> None:
    """Draw planes as lines with their height, shift to the side and slope."""
    left, right = axes.get_xlim()
    inset = 0.06 * (right - left)
    for number, height in enumerate(heights):
        moved = 0.0 if shift is None else shift[number]
        ends = np.array([left + inset, right - inset])
        axes.plot(ends + moved, height + slope * ends, color=colour, linewidth=1.4, **how)
    axes.set_xlim(left, right)


def gaps_of(axes: Axes, heights: Sequence[float] | NDArray[np.float64]) -> None:
    """Draw the distance from each plane to the next."""
    gaps = np.diff(np.asarray(heights))
    usual = np.median(gaps)
    colours = [GOOD if abs(gap - usual) <= 0.01 * usual else BAD for gap in gaps]
    axes.bar(range(len(gaps)), gaps, color=colours)
    axes.set(xlabel="plane", ylabel="mm to the next plane")


def histogram(axes: Axes, values: Any, label: str, colour: str, bins: Any) -> None:
    """Draw a histogram of values as a line."""
    counts, edges = np.histogram(np.asarray(values), bins)
    axes.plot((edges[1:] + edges[:-1]) / 2, counts / counts.max(), color=colour, label=label)
    axes.set(xlabel="HU in the array", yticks=[])
    axes.legend(fontsize=7, loc="upper right", framealpha=0.6)


EVEN = np.arange(-110, 100, 15.0)
Draw = Callable[[Body, Axes, Axes], None]


def split_series(body: Body, left: Axes, right: Axes) -> None:
    """Two phases in one series."""
    grey(left, body.axial, window=(-160, 340))
    left.set_title("part 1: acquisition 1", fontsize=8)
    grey(right, make_body(enhanced=True).axial, window=(-160, 340))
    right.set_title("part 2: acquisition 2, same positions", fontsize=8)


def missing_slices(body: Body, left: Axes, right: Axes) -> None:
    """A missing plane."""
    there = np.delete(EVEN, 8)
    body.show(left)
    planes_at(left, there)
    planes_at(left, EVEN[8:9], BAD, linestyle="--")
    gaps_of(right, there)


def reused_series_uid(body: Body, left: Axes, right: Axes) -> None:
    """The planes of two patients continue each other."""
    body.show(left)
    planes_at(left, EVEN[:10])
    planes_at(left, EVEN[10:], OTHER)
    grey(right, np.hstack([body.axial, body.axial[:, ::-1] * 0.8]))
    right.set_title("one SeriesInstanceUID, two patients: two volumes", fontsize=8)


def duplicate_slices(body: Body, left: Axes, right: Axes) -> None:
    """The same plane twice."""
    body.show(left)
    planes_at(left, EVEN)
    planes_at(left, [EVEN[8] + 2.5], OTHER)
    grey(right, np.hstack([body.axial, body.axial]))
    right.set_title("same position, same pixels: one is kept", fontsize=8)


def conflicting_slices(body: Body, left: Axes, right: Axes) -> None:
    """Two different planes at one position."""
    body.show(left)
    planes_at(left, EVEN)
    planes_at(left, [EVEN[8] + 2.5], BAD)
    other = body.hu[int(0.62 * len(body.z))]
    grey(right, np.hstack([body.axial, other]))
    right.set_title("same position, other pixels", fontsize=8)


def ambiguous_layers(body: Body, left: Axes, right: Axes) -> None:
    """Two frames at every position, in no order."""
    body.show(left)
    first = np.arange(len(EVEN)) % 3 == 0
    planes_at(left, EVEN[first], GOOD)
    planes_at(left, EVEN[~first], OTHER)
    planes_at(left, EVEN[first] + 2.5, OTHER)
    planes_at(left, EVEN[~first] + 2.5, GOOD)
    grey(right, np.hstack([body.axial, make_body(enhanced=True).axial]), window=(-160, 340))
    right.set_title("two images at each position: which belong together?", fontsize=8)


def interleaved_stacks(body: Body, left: Axes, right: Axes) -> None:
    """Planes of two kinds in turn on one even grid."""
    body.show(left)
    first = np.arange(len(EVEN)) % 2 == 0
    planes_at(left, EVEN[first], GOOD)
    planes_at(left, EVEN[~first], OTHER)
    numbers = np.where(first, np.arange(len(EVEN)) // 2, (len(EVEN) + np.arange(len(EVEN))) // 2)
    right.plot(numbers[first] + 1, EVEN[first], "o", color=GOOD)
    right.plot(numbers[~first] + 1, EVEN[~first], "o", color=OTHER)
    right.set(xlabel="InstanceNumber", ylabel="mm along the normal")


def uneven_spacing(body: Body, left: Axes, right: Axes) -> None:
    """Thin planes, then thick ones."""
    heights = np.concatenate([np.arange(-110, 0, 10.0), np.arange(0, 100, 20.0)])
    body.show(left)
    planes_at(left, heights[:11])
    planes_at(left, heights[11:], BAD)
    gaps_of(right, heights)


def gantry_tilt(body: Body, left: Axes, right: Axes) -> None:
    """Planes that are not perpendicular to the stack."""
    angle = np.radians(18.0)
    body.show(left, side=True)
    limits = left.get_ylim()
    planes_at(left, EVEN, slope=np.tan(angle))
    left.set_ylim(limits)
    left.set_title("side view: where the planes are", fontsize=8)
    body_y = body.y * np.tan(angle) / GRID_MM
    section = body.hu[:, :, int(0.36 * len(body.x))]
    rows = np.clip(np.arange(len(body.z))[:, None] + body_y, 0, len(body.z) - 1).astype(int)
    sheared = section[rows, np.arange(len(body.y))]
    grey(right, sheared, origin="lower")
    right.set_title("the array, taken for a box", fontsize=8)


def in_plane_shift(body: Body, left: Axes, right: Axes) -> None:
    """Planes that are shifted to the side."""
    shift = np.where(np.arange(len(EVEN)) % 5 == 3, 18.0, 0.0)
    body.show(left)
    planes_at(left, EVEN[shift == 0])
    planes_at(left, EVEN[shift > 0], BAD, shift=shift[shift > 0])
    right.bar(range(len(EVEN)), shift, color=[BAD if one else GOOD for one in shift])
    right.set(xlabel="plane", ylabel="mm off the line")


def no_geometry(body: Body, left: Axes, right: Axes) -> None:
    """Planes with an order but without positions."""
    picks = body.hu[:: len(body.z) // 5][:4]
    grey(left, np.vstack([np.hstack(picks[:2]), np.hstack(picks[2:])]))
    for number, (column, row) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1)), start=1):
        at = (column * len(body.x) + 6, row * len(body.y) + 18)
        left.text(*at, f"InstanceNumber {number}", color=OTHER, fontsize=6)
    right.plot(range(1, 15), range(1, 15), "o", color=OTHER)
    right.set(xlabel="plane", ylabel="InstanceNumber")
    right.text(7.5, 3, "where in the patient?", color=BAD, ha="center")


def nominal_positions(body: Body, left: Axes, right: Axes) -> None:
    """One position for a file of many frames."""
    body.show(left)
    planes_at(left, EVEN[:1])
    planes_at(left, EVEN[1:], OTHER, linestyle=":")
    right.plot([1], EVEN[:1], "o", color=GOOD, label="ImagePositionPatient")
    right.plot(range(2, len(EVEN) + 1), EVEN[1:], ".", color=OTHER, label="calculated")
    right.set(xlabel="frame", ylabel="mm along the normal")
    right.legend(fontsize=7, loc="lower right", framealpha=0.6)


def inexact_orientation(body: Body, left: Axes, right: Axes) -> None:
    """Cosines that jitter from plane to plane."""
    body.show(left)
    noise = np.random.default_rng(0).uniform(-3e-4, 3e-4, len(EVEN))
    for height, slope in zip(EVEN, 80 * noise, strict=True):
        planes_at(left, [height], OTHER, slope=float(slope))
    right.bar(range(len(EVEN)), np.rad2deg(noise), color=OTHER)
    right.set(xlabel="plane", ylabel="degrees from the mean")


def mixed_rescale(body: Body, left: Axes, right: Axes) -> None:
    """Stored values with a jump, and HU without one."""
    means = body.hu[:, 40:80, 60:120].mean(axis=(1, 2))[::6]
    second = np.arange(len(means)) >= len(means) // 2
    stored = np.where(second, means + 1024, (means + 1000) / 2)
    left.plot(
        np.flatnonzero(~second), stored[~second], "o-", color=GOOD, label="slope 2, intercept -1000"
    )
    left.plot(
        np.flatnonzero(second), stored[second], "o-", color=BAD, label="slope 1, intercept -1024"
    )
    left.set(xlabel="plane", ylabel="mean of stored values")
    left.legend(fontsize=7)
    right.plot(means, "o-", color=GOOD)
    right.set(xlabel="plane", ylabel="mean HU in the array")


def mixed_pixel_format(_: Body, left: Axes, right: Axes) -> None:
    """The bits of two pixel formats."""
    for axes, sign, bits in ((left, "unsigned", 12), (right, "signed", 16)):
        for bit in range(16):
            used = bit < bits
            colour = BAD if used and sign == "signed" and bit == 15 else GOOD if used else "#555555"
            axes.add_patch(mpl.patches.Rectangle((15 - bit, 0), 0.9, 1, color=colour))
            axes.text(15.45 - bit, 0.5, str(bit), ha="center", va="center", fontsize=7, color="k")
        axes.set(xlim=(-0.2, 16.1), ylim=(-1.5, 2.5), yticks=[], xticks=[])
        axes.set_title(f"{bits} bits stored, {sign}", fontsize=8)
    right.text(8, -0.9, "red: the sign", ha="center", fontsize=7)


def contradicted_header(_: Body, left: Axes, right: Axes) -> None:
    """Twelve bits where HighBit says that they are, and where they are."""
    for axes, first, title in ((left, 4, "HighBit 15 says"), (right, 0, "in the file")):
        for bit in range(16):
            used = first <= bit < first + 12
            colour = (BAD if first else GOOD) if used else "#555555"
            axes.add_patch(mpl.patches.Rectangle((15 - bit, 0), 0.9, 1, color=colour))
            axes.text(15.45 - bit, 0.5, str(bit), ha="center", va="center", fontsize=7, color="k")
        axes.set(xlim=(-0.2, 16.1), ylim=(-1.5, 2.5), yticks=[], xticks=[])
        axes.set_title(title, fontsize=8)


def doubtful_pixels(body: Body, left: Axes, right: Axes) -> None:
    """Bits of which one is wrong, and rows that are wrong from there on."""
    bits = np.random.default_rng(5).integers(0, 2, (8, 16))
    for (row, column), bit in np.ndenumerate(bits):
        wrong = (row, column) == (4, 9)
        left.text(column, -row, str(bit), color=BAD if wrong else "k", ha="center", fontsize=8)
    left.set(xlim=(-1, 16), ylim=(-8, 1), xticks=[], yticks=[])
    damaged = body.axial.copy()
    for row in range(len(damaged) // 2, len(damaged)):
        damaged[row] = np.roll(damaged[row], 3 * (row - len(damaged) // 2)) + 150
    grey(right, damaged)
    right.text(len(body.x) / 2, 0.9 * len(body.y), "damaged", color=BAD, ha="center")


def unreadable_files(body: Body, left: Axes, right: Axes) -> None:
    """A plane of a truncated file."""
    body.show(left)
    planes_at(left, np.delete(EVEN, 8))
    planes_at(left, EVEN[8:9], BAD, linestyle=":")
    cut = body.axial.copy()
    cut[len(cut) // 2 :] = WINDOW[0]
    grey(right, cut)
    right.text(len(body.x) / 2, 0.75 * len(body.y), "the file ends here", color=BAD, ha="center")


def localizers_removed(body: Body, left: Axes, right: Axes) -> None:
    """A scout view, and the planes planned on it."""
    scout = body.hu.mean(axis=1)
    extent = (body.x[0], body.x[-1], body.z[0], body.z[-1])
    grey(left, scout, extent=extent, origin="lower", window=(-1000, 60))
    left.set_title("ImageType LOCALIZER: no plane of the volume", fontsize=8)
    body.show(right)
    planes_at(right, EVEN)
    right.set_title("the volume", fontsize=8)


def single_slice(body: Body, left: Axes, right: Axes) -> None:
    """A single plane."""
    body.show(left)
    planes_at(left, EVEN[7:8], BAD)
    grey(right, body.axial)


def lossy_compression(body: Body, left: Axes, right: Axes) -> None:
    """The same detail before and after lossy compression."""
    low, high = WINDOW
    grid = np.clip((body.axial - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    packed = imagecodecs.jpeg8_encode(grid, level=12)
    after = imagecodecs.jpeg8_decode(packed).astype(np.float32)
    part = (slice(30, 90), slice(20, 110))
    for axes, image, title in ((left, grid, "as measured"), (right, after, "after lossy JPEG")):
        grey(axes, image[part], window=(0, 255))
        axes.set_title(title, fontsize=8)


def padding(body: Body, left: Axes, right: Axes) -> None:
    """A round field of view."""
    rows, columns = np.indices(body.axial.shape)
    far = np.hypot(rows - rows.mean(), columns - columns.mean()) > 0.48 * rows.shape[0]
    padded = np.where(far, -2000, body.axial)
    colours = mpl.colormaps["gray"].with_extremes(under=BAD)
    left.imshow(padded, cmap=colours, vmin=WINDOW[0] - 200, vmax=WINDOW[1])
    left.set(xticks=[], yticks=[])
    bins = np.arange(-2200, 900, 25)
    histogram(right, padded[~far], "inside", GOOD, bins)
    histogram(right, padded[far], "padding", BAD, bins)


def suspicious_hu(body: Body, left: Axes, right: Axes) -> None:
    """Histograms of two faults beside the correct one."""
    bins = np.arange(-2300, 4400, 40)
    histogram(left, body.hu, "HU", GOOD, bins)
    histogram(left, body.hu - 1024, "rescaled twice", BAD, bins)
    histogram(right, body.hu, "HU", GOOD, bins)
    wrapped = np.where(body.hu < 0, body.hu + 4096, body.hu)
    histogram(right, wrapped, "sign lost (12 bits)", BAD, bins)


def not_hu(body: Body, left: Axes, right: Axes) -> None:
    """An image in HU and a map in another unit."""
    enhanced = make_body(enhanced=True).axial
    grey(left, enhanced, window=(-160, 340))
    left.set_title("HU", fontsize=8)
    blood = np.clip(enhanced - body.axial, 0, None) / 25
    shown = right.imshow(blood, cmap="inferno", vmin=0, vmax=9)
    right.set_title("iodine, mg/ml", fontsize=8)
    right.set(xticks=[], yticks=[])
    right.figure.colorbar(shown, ax=right, shrink=0.8)


def no_rescale(body: Body, left: Axes, right: Axes) -> None:
    """Histograms with and without the intercept."""
    bins = np.arange(-1300, 1800, 25)
    grey(left, body.axial)
    histogram(right, body.hu, "HU", GOOD, bins)
    histogram(right, body.hu + 1024, "stored, in many files", BAD, bins)


def secondary_capture(body: Body, left: Axes, right: Axes) -> None:
    """A captured screen with a window and text."""
    grey(left, body.axial, window=(-160, 240))
    for at, words in ((12, "W 400 L 40"), (24, "1:1")):
        left.text(4, at, words, color="white", fontsize=6)
    grey_levels = np.clip((body.axial + 160) / 400 * 255, 0, 255).round()
    histogram(right, grey_levels, "grey levels, 0 to 255", BAD, np.arange(-10, 270, 5))


def burned_in_annotation(body: Body, left: Axes, right: Axes) -> None:
    """Text in the pixels."""
    grey(left, body.axial)
    left.text(4, 12, "NAME^OF^PATIENT", color="white", fontsize=7)
    left.text(4, 116, "born 1970-01-01", color="white", fontsize=7)
    grey(right, body.axial[:24, :90])
    right.text(2, 13, "NAME^OF^PATIENT", color="white", fontsize=12)
    right.set_title("the same from near: text is grey values", fontsize=8)


def varying_acquisition(body: Body, left: Axes, right: Axes) -> None:
    """A stack of thin and thick planes."""
    body.show(left)
    heights = np.concatenate([np.arange(-60, 0, 10), np.arange(0, 70, 10)])
    for height in heights:
        thick = height >= 0
        right.barh(height, 80, height=7 if thick else 3, color=BAD if thick else GOOD)
    right.set(xlim=(0, 110), xticks=[], ylabel="mm")
    right.text(82, 30, "5 mm", fontsize=8, va="center")
    right.text(82, -35, "2.5 mm", fontsize=8, va="center")


def unparsed_elements(_: Body, left: Axes, right: Axes) -> None:
    """A header with an element that cannot be parsed."""
    lines = ("(0018,0060) DS KVP 120", "(0018,1151) IS XRayTubeCurrent 2?O", "(0018,5100) CS HFS")
    for number, line in enumerate(lines):
        colour = BAD if number == 1 else GOOD
        left.text(0.02, 0.75 - 0.25 * number, line, color=colour, fontsize=7, family="monospace")
    left.set_title("in the file", fontsize=8)
    for number, line in enumerate((lines[0], lines[2])):
        right.text(0.02, 0.75 - 0.25 * number, line, color=GOOD, fontsize=7, family="monospace")
    right.set_title("in series.json", fontsize=8)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])


PICTURES: dict[Flag, Draw] = {flag: globals()[str(flag)] for flag in Flag}


def picture(draw: Draw, body: Body) -> bytes:
    """Make a PNG of two drawings side by side."""
    with mpl.rc_context({"font.size": 8, "axes.titlesize": 8, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(7.4, 2.7), dpi=100, layout="constrained")
        left, right = figure.subplots(1, 2)
        draw(body, left, right)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", metadata={"Software": None})
    image = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    stored = io.BytesIO()
    image.save(stored, format="png", optimize=True)
    return stored.getvalue()


def main(folder: Path) -> None:
    """Draw all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    body = make_body()
    for flag, draw in PICTURES.items():
        (folder / f"{flag}.png").write_bytes(picture(draw, body))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
