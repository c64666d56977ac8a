"""Single encoded frames with the values that they hold, for tests of decoders."""

from pathlib import Path
from types import ModuleType

import numpy as np
from pydicom import dcmread
from pydicom.encaps import generate_frames

from ct2zarr.dicom.decoders.layout import FrameLayout
from phantom import LOSSY_ERROR, SYNTAXES, make_series

NAMES = {uid: name for name, uid in SYNTAXES.items()}
EIGHT_BITS = frozenset({"jpeg_baseline"})


def encoded_frame(folder: Path, syntax: str, signed: bool = False):
    """One frame of a phantom: its bytes, what the header says of it, and its values."""
    name = NAMES[syntax]
    bits = 8 if name in EIGHT_BITS else 12
    series = make_series(folder, n=1, transfer_syntax=name, bits_stored=bits, signed=signed)
    dataset = dcmread(series.paths[0])
    (encoded,) = generate_frames(dataset.PixelData, number_of_frames=1)
    layout = FrameLayout(
        syntax, dataset.Rows, dataset.Columns, dataset.BitsAllocated, bits, int(signed)
    )
    return encoded, layout, series.stored[0]


def encodable(decoder: ModuleType) -> list[str]:
    """The syntaxes of a decoder for which there is an encoder; real files test the others."""
    return [syntax for syntax in decoder.SYNTAXES if syntax in NAMES]


def check_decoder(decoder: ModuleType, folder: Path, syntax: str) -> None:
    """Assert that a decoder gives the values of a frame, or at most the error of the codec."""
    encoded, layout, stored = encoded_frame(folder, syntax)
    plane = decoder.decode(encoded, layout)
    assert plane.shape == stored.shape
    error = np.abs(plane.astype(int) - stored).max()
    assert error <= LOSSY_ERROR.get(SYNTAXES[NAMES[syntax]], 0)
