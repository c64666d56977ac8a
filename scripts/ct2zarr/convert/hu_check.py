"""A cheap check of whether the values of a volume can be Hounsfield units.

By definition air is -1000 HU and water 0 HU. The check samples every plane, keeps a histogram of
the whole plane and one of its border, and looks for five faults that leave different marks: signed
values read as unsigned, a rescale applied twice or not at all, inverted grey values, and values
far below air. It reports
a fault only where the mark is plain; a phantom of one material, a label map or an empty image has
none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Json

STEP = 8
"""Every 8th row and column is sampled: 1/64 of the pixels, or 4096 of a plane of 512 x 512."""
TOGETHER = 32
"""Planes that are counted at once: a histogram has more bins than a plane has samples."""
BIN = 16
"""Width of a histogram bin in HU: finer than any of the ranges below."""
LOWEST, HIGHEST = -32768, 98304
"""Range of the histogram in HU; values outside of it are counted at its ends."""
IMPOSSIBLE = -4096
"""HU that no noise reaches: four times as far below water as air is. A single value below it is
the padding of some scanners."""
ENOUGH = 2000
"""Number of sampled pixels, without padding, from which a fault is reported."""

_AIR_SHARE = 0.05
"""Share of all pixels that has to be air, or tissue, for a shift of the scale to show."""
_RARE = 0.005
"""Share below which a range counts as empty: noise and metal reach less."""


class HuCheck:
    """Histogram of a volume, filled plane by plane."""

    def __init__(self) -> None:
        count = (HIGHEST - LOWEST) // BIN
        self._whole: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
        self._border: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
        self._samples: list[NDArray[Any]] = []
        self._edges: list[NDArray[Any]] = []

    def add(self, values: NDArray[Any], padding: float | None) -> None:
        """Take a sample of a plane (rows, columns) in HU; ``padding`` is its padding in HU."""
        sample = values[STEP // 2 :: STEP, STEP // 2 :: STEP].ravel()
        edges = (values[0, ::STEP], values[-1, ::STEP], values[::STEP, 0], values[::STEP, -1])
        self._samples.append(_tissue(sample, padding))
        self._edges.append(_tissue(np.concatenate(edges), padding))
        if len(self._samples) == TOGETHER:
            self._count()

    def _count(self) -> None:
        """Add the samples that were taken to the histograms."""
        if self._samples:
            self._whole += _histogram(np.concatenate(self._samples))
            self._border += _histogram(np.concatenate(self._edges))
            self._samples, self._edges = [], []

    def evidence(self) -> dict[str, Json] | None:
        """The fault and the shares that show it; ``None`` where there is no fault."""
        self._count()
        total = int(self._whole.sum())
        if total < ENOUGH or not self._border.any():
            return None
        shares = {
            "above_16000": self._share(16000, HIGHEST),
            "from_3000": self._share(3000, 16000),
            "from_1500_to_2500": self._share(1500, 2500),
            "at_1000": self._share(848, 1248),
            "from_300_to_800": self._share(304, 800),
            "at_0": self._share(-208, 208),
            "near_0": self._share(-64, 160),
            "at_minus_1000": self._share(-1152, -848),
            "at_minus_2000": self._share(-2256, -1856),
            "below_minus_200": self._share(LOWEST, -208),
            "below_minus_4096": self._spread_below(IMPOSSIBLE),
        }
        border_high = float(self._border[_bin(500) :].sum() / self._border.sum())
        fault = _fault(shares, border_high)
        if fault is None:
            return None
        evidence: dict[str, Json] = {"fault": fault, "sampled_pixels": total}
        evidence["shares"] = {name: round(share, 4) for name, share in shares.items()}
        evidence["border_share_above_500"] = round(border_high, 4)
        return evidence

    def _spread_below(self, value: int) -> float:
        """The share of values below one, without the most frequent of them: that may be padding."""
        below = self._whole[: _bin(value)]
        return float((below.sum() - below.max()) / self._whole.sum())

    def _share(self, low: int, high: int) -> float:
        return float(self._whole[_bin(low) : _bin(high)].sum() / self._whole.sum())


def _fault(shares: dict[str, float], border_high: float) -> str | None:
    """The fault whose mark is there, the plainest one first."""
    if shares["above_16000"] > _RARE:
        return "unsigned_wrap"  # no tissue and no metal is recorded beyond 16000 HU
    if (
        shares["from_3000"] > _AIR_SHARE
        and shares["from_1500_to_2500"] < shares["from_3000"] / 10
        and shares["at_minus_1000"] < _RARE
    ):
        return "unsigned_wrap"  # air at 4096 - 1000: twelve bits
    if border_high > 0.8 and shares["at_1000"] > _AIR_SHARE and shares["at_0"] > _AIR_SHARE:
        return "inverted"  # what surrounds the patient is bright
    if (
        shares["at_minus_2000"] > _AIR_SHARE
        and shares["at_minus_1000"] > _AIR_SHARE
        and shares["at_0"] < _RARE
    ):
        return "rescaled_twice"  # air and tissue, both 1024 too low
    if (
        shares["below_minus_200"] < _RARE / 5
        and shares["near_0"] > _AIR_SHARE
        and shares["at_1000"] > 3 * _AIR_SHARE
        and shares["at_1000"] > shares["from_300_to_800"]
        and border_high < 0.2
    ):
        return "not_rescaled"  # air at 0 and tissue at 1024
    if shares["below_minus_4096"] > _RARE:
        return "out_of_range"  # nothing absorbs less than air, and noise does not reach so far
    return None


def _bin(value: int) -> int:
    return (value - LOWEST) // BIN


def _tissue(sample: NDArray[Any], padding: float | None) -> NDArray[Any]:
    """A copy of a sample without padding and what is no number."""
    if padding is not None:
        sample = sample[sample != padding]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    return sample


def _histogram(chosen: NDArray[Any]) -> NDArray[np.int64]:
    if chosen.dtype.itemsize > 2:
        chosen = np.clip(chosen, LOWEST, HIGHEST - BIN)
    bins = (chosen.astype(np.int32) - LOWEST) // BIN
    return np.bincount(bins, minlength=(HIGHEST - LOWEST) // BIN)
