"""Pack pictures for the page: 12-bit levels without loss, small enough to be embedded.

A picture keeps up to 4,095 levels, so that any window can be set in the browser. Each level is
predicted from its neighbours (the median edge detector of JPEG-LS, ISO/IEC 14495-1, A.4.1), the
difference is folded to a small positive number, and its high and low bytes go in turn through
deflate, which every browser can undo (DecompressionStream). docs/design.md says why not PNG.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ..visible_text import visible

LEVELS = 4095
"""Levels 1 to 4095 carry values; level 0 says that there is nothing."""
HU_RANGE = (-1024.0, 3070.0)
"""What 4,095 levels of one HU hold: air to dense bone. Metal is shown as the upper end."""


@dataclass(frozen=True, slots=True)
class Scale:
    """value = offset + step * (level - 1). ``clipped`` says that values lie outside."""

    offset: float
    step: float
    clipped: bool

    def levels(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
        """Levels of the values, 0 where they are NaN."""
        level = np.rint((values - self.offset) / self.step) + 1
        return np.where(np.isnan(values), 0, np.clip(level, 1, LEVELS)).astype(np.uint16)


def choose_scale(low: float, high: float, hounsfield: bool, coarseness: float = 1.0) -> Scale:
    """The scale for values from ``low`` to ``high``; ``coarseness`` widens its step."""
    bottom, top = low, high
    if hounsfield:
        bottom, top = max(low, HU_RANGE[0]), min(high, HU_RANGE[1])
        if bottom >= top:
            bottom, top = low, high
    finest = (top - bottom) / (LEVELS - 1)
    step = max(finest, 1.0 if hounsfield else finest) * coarseness
    return Scale(bottom, step or 1.0, low < bottom or high > top)


def pack_levels(stacks: Sequence[npt.NDArray[np.uint16]]) -> bytes:
    """Deflated prediction errors of all stacks, one after the other; see the module."""
    parts: list[npt.NDArray[np.uint8]] = []
    for stack in stacks:
        folded = _fold(stack)
        parts.extend(
            [(folded >> 8).astype(np.uint8).ravel(), (folded & 255).astype(np.uint8).ravel()]
        )
    return zlib.compress(b"".join(part.tobytes() for part in parts), 5)


def _fold(stack: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Difference to the prediction from left, above and above left, signs folded into bit 0."""
    padded = np.zeros((stack.shape[0], stack.shape[1] + 1, stack.shape[2] + 1), dtype=np.int32)
    padded[:, 1:, 1:] = stack
    left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    predicted = np.clip(left + above - corner, low, high)
    error = padded[:, 1:, 1:] - predicted
    folded: npt.NDArray[np.uint16] = np.where(error >= 0, 2 * error, -2 * error - 1).astype(
        np.uint16
    )
    return folded


def visible_values(content: object) -> object:
    """What JSON can hold, without hidden characters in any text of it."""
    if isinstance(content, str):
        return visible(content)
    if isinstance(content, Mapping):
        return {visible_values(key): visible_values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [visible_values(value) for value in content]
    return content


def to_script_json(content: object) -> Markup:
    """JSON that is safe inside a script element: no ``<`` and no ``&`` can occur in it."""
    text = json.dumps(visible_values(content)).replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text.replace("&", "\\u0026"))


def to_base64(data: bytes) -> str:
    """Base64 text for the page."""
    return base64.b64encode(data).decode("ascii")


def grey_picture(values: npt.NDArray[np.float32], center: float, width: float) -> str:
    """One picture at a window as a WebP data URI; shown until, or where, scripts do not run."""
    grey = np.nan_to_num((values - (center - width / 2)) / width * 255, nan=0.0)
    image = np.clip(grey, 0, 255).astype(np.uint8)
    colours = np.repeat(image[..., None], 3, axis=2)
    encoded = imagecodecs.webp_encode(colours, level=82)
    return "data:image/webp;base64," + to_base64(bytes(encoded))
