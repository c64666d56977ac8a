"""No damaged stream is verified in silence where another decoder refused it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from converted import convert, plans_in, settings_for
from ct2zarr import open_volume
from ct2zarr.convert.rejection import RejectedError
from ct2zarr.dicom.decoders import decoders_for
from ct2zarr.dicom.decoders.layout import FrameLayout, is_complete
from ct2zarr.errors import SeriesError
from ct2zarr.vocabulary import Flag, FlagLevel, StoreType
from phantom import make_series

HEADER = 60
"""Bytes before the pixels, about; damage there is refused by all decoders."""
STREAMS = 16


def damaged_streams(
    folder: Path, syntax: str, streams: int = STREAMS
) -> Iterator[tuple[FrameLayout, bytes]]:
    """A series, again and again, with another damage to the stream of its second file."""
    series = make_series(folder, n=3, transfer_syntax=syntax)
    path = series.paths[1]
    dataset = dcmread(path)
    (sound,) = generate_frames(dataset.PixelData, number_of_frames=1)
    layout = FrameLayout(
        syntax=str(dataset.file_meta.TransferSyntaxUID),
        rows=dataset.Rows,
        columns=dataset.Columns,
        bits_allocated=dataset.BitsAllocated,
        bits_stored=dataset.BitsStored,
        pixel_representation=dataset.PixelRepresentation,
    )
    random = np.random.default_rng(11)
    for number in range(streams):
        place = int(random.integers(HEADER, len(sound) - 4))
        damaged = bytearray(sound)
        if number % 4:
            damaged[place] ^= 1 << int(random.integers(8))
        else:
            damaged[place:-2] = b""
        if not is_complete(bytes(damaged), layout.syntax):
            continue
        dataset.PixelData = encapsulate([bytes(damaged)])
        dataset.save_as(path)
        yield layout, bytes(damaged)


def refuses(name: str, layout: FrameLayout, stream: bytes) -> bool:
    (decoder,) = (one for one in decoders_for(layout.syntax) if name == one.NAME)
    try:
        decoder.decode(stream, layout)
    except Exception:  # noqa: BLE001 - each package raises kinds of its own
        return True
    return False


@pytest.mark.parametrize(
    ("syntax", "verifier"),
    [
        ("jpeg_lossless_sv1", "gdcm"),
        ("jpeg_ls", "gdcm"),
        ("jpeg2000_lossless", "pylibjpeg"),
        ("rle", "pylibjpeg"),
    ],
)
def test_a_stream_that_the_second_decoder_refuses_fails_or_is_flagged(tmp_path, syntax, verifier):
    damaged = 0
    for layout, stream in damaged_streams(tmp_path / "in", syntax):
        (plan,) = plans_in(tmp_path / "in")
        settings = settings_for(tmp_path, StoreType.DIR, overwrite=True)
        try:
            record = convert(plan, settings).record
        except SeriesError:
            damaged += 1
            continue
        refused = refuses(verifier, layout, stream) or refuses("imagecodecs", layout, stream)
        assert (Flag.DOUBTFUL_PIXELS in record.flags) == refused
        damaged += refused
    assert damaged


def accepted_by_one(folder: Path) -> None:
    """A series with a stream that imagecodecs alone accepts."""
    for layout, stream in damaged_streams(folder, "jpeg_lossless_sv1"):
        others = [refuses(name, layout, stream) for name in ("gdcm", "pylibjpeg")]
        if all(others) and not refuses("imagecodecs", layout, stream):
            return
    pytest.fail("no such stream")


@pytest.mark.parametrize("kind", StoreType)
def test_the_flag_is_in_the_record_and_in_the_store(tmp_path, kind):
    accepted_by_one(tmp_path / "in")
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path, kind))
    evidence = {"planes": 1, "refused_by": {"gdcm": 1, "pylibjpeg": 1}}
    assert done.record.findings[Flag.DOUBTFUL_PIXELS] == evidence
    assert done.record.verification["ok"] is True
    assert done.record.verification["same_decoder"] == 1
    with open_volume(done.paths.store) as volume:
        assert tuple(volume.attrs["flags"]) == done.record.flags
    assert Flag.DOUBTFUL_PIXELS.level is FlagLevel.SEVERE
    assert [path.name for path in done.paths.store.parent.iterdir()] == [done.paths.store.name]


def test_a_doubtful_volume_is_rejected_where_that_is_asked_for(tmp_path):
    accepted_by_one(tmp_path / "in")
    (plan,) = plans_in(tmp_path / "in")
    rejected = frozenset({Flag.DOUBTFUL_PIXELS})
    with pytest.raises(RejectedError):
        convert(plan, settings_for(tmp_path, reject_flags=rejected))
    assert not list((tmp_path / "zarr_sqlite" / "data").iterdir())


def test_a_stream_that_the_first_decoder_refuses_is_flagged_without_a_verification(tmp_path):
    """The conversion knows it of every plane, the verification only of those that it compares."""
    for layout, stream in damaged_streams(tmp_path / "in", "rle", 200):
        if refuses("imagecodecs", layout, stream) and not refuses("numpy", layout, stream):
            break
    else:
        pytest.fail("no such stream")
    (plan,) = plans_in(tmp_path / "in")
    record = convert(plan, settings_for(tmp_path, verify_slices=0)).record
    assert record.decoders == {"imagecodecs": 2, "numpy": 1}
    evidence = {"planes": 1, "refused_by": {"imagecodecs": 1, "pylibjpeg": 1}}
    assert record.findings[Flag.DOUBTFUL_PIXELS] == evidence
