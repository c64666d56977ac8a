"""No file takes minutes or gigabytes to read, whatever it declares or holds."""

import multiprocessing
import resource
from pathlib import Path

import pytest
from hostile_files import OTHERS, TOO_LARGE, element, item

import phantom
from ct2zarr.codes import Code
from ct2zarr.dicom.frames import BYTES_PER_FRAME, FEW_FRAMES, MOST_FRAMES, read_frames
from ct2zarr.dicom.header.bounds import (
    COUNTED_FROM,
    MOST_ELEMENTS,
    BoundedSource,
    check_elements,
)
from ct2zarr.dicom.header.raw_header import Unpacked
from ct2zarr.errors import FileError
from ct2zarr.model import Frame
from ct2zarr.plan.roles import LARGEST_PLANE, assign_role
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.vocabulary import Role

MOST_MEMORY = 3 << 29
"""Bytes of address space for a process with its packages: a hostile file gets less than 1 GiB."""
CT = "1.2.840.10008.5.1.4.1.1.2"

LONG = ("endless sequence", "big endian", "zeros")
"""Hostile files that take some seconds each."""

MOST_SECONDS = 60
"""Processor seconds; the slowest of them takes 3 to 5."""


def _limited(path: Path, answers: "multiprocessing.SimpleQueue[list[Frame]]") -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, used + MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    frames = read_frames("d", str(path.parent), str(path))
    frames_to_table(frames)
    answers.put(frames)


def read_under_limits(path: Path) -> list[Frame]:
    """The frames of a file, read by a process with little memory and time."""
    fork = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[list[Frame]] = fork.SimpleQueue()
    process = fork.Process(target=_limited, args=(path, answers))
    process.start()
    process.join()
    assert process.exitcode == 0, "the process needed too much"
    return answers.get()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in TOO_LARGE]
)
def test_too_large_file_is_refused_and_says_what_is_too_large(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.dcm"
    TOO_LARGE[name](path)
    (frame,) = read_under_limits(path)
    frame = assign_role(frame, SelectionSettings())
    assert (frame.role, frame.code) == (Role.UNREADABLE, Code.TOO_LARGE)
    assert "too large" in frame.reason or "unpacks to more" in frame.reason
    assert str(tmp_path) not in frame.reason


@pytest.mark.parametrize("name", OTHERS)
def test_odd_file_has_one_row(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.dcm"
    OTHERS[name](path)
    (frame,) = read_under_limits(path)
    frame = assign_role(frame, SelectionSettings())
    if name == "texts":
        assert (frame.series_uid, frame.position, frame.bad_elements) == ("", None, 5)
    else:
        assert frame.role is Role.UNREADABLE
        assert frame.code in (Code.DAMAGED, Code.TRUNCATED)


def test_series_of_a_file_with_too_many_frames_is_known(tmp_path: Path) -> None:
    TOO_LARGE["fragments"](tmp_path / "x.dcm")
    (frame,) = read_frames("d", str(tmp_path), str(tmp_path / "x.dcm"))
    assert frame.series_uid
    assert frame.sop_class_uid


@pytest.mark.parametrize(
    ("frames", "size", "refused"),
    [
        (FEW_FRAMES, 0, False),
        (FEW_FRAMES + 1, (FEW_FRAMES + 1) * BYTES_PER_FRAME - 1, True),
        (FEW_FRAMES + 1, (FEW_FRAMES + 1) * BYTES_PER_FRAME, False),
        (MOST_FRAMES, 1 << 40, False),
        (MOST_FRAMES + 1, 1 << 40, True),
    ],
)
def test_number_of_frames_goes_with_the_size_of_the_file(
    tmp_path: Path, frames: int, size: int, refused: bool
) -> None:
    path = tmp_path / "x.dcm"
    header = phantom_header(tmp_path, frames)
    path.write_bytes(header)
    with path.open("r+b") as file:
        file.truncate(max(size, len(header)))
    (frame, *_) = read_frames("d", str(tmp_path), str(path))
    assert (frame.code is Code.TOO_LARGE) is refused


def phantom_header(folder: Path, frames: int) -> bytes:
    """A file of so many frames, with little in it."""
    (path,) = phantom.make_series(
        folder / "made", n=1, rows=8, columns=8, NumberOfFrames=frames
    ).paths
    return path.read_bytes()


@pytest.mark.parametrize(
    ("rows", "columns", "refused"), [(1 << 14, 1 << 14, False), (1, LARGEST_PLANE + 1, True)]
)
def test_matrix_is_bounded(rows: int, columns: int, refused: bool) -> None:
    frame = Frame(
        "d", "/d", "/d/x", 1, 1, Role.SLICE, sop_class_uid=CT, modality="CT",
        rows=rows, columns=columns, bits_allocated=16,
    )  # fmt: skip
    assert (assign_role(frame, SelectionSettings()).code is Code.TOO_LARGE) is refused


def test_bounded_source_gives_what_is_allowed_and_no_byte_more() -> None:
    source = BoundedSource(Unpacked(bytes(range(10))), 4)
    assert source.size == 10
    assert source.read(2, 3) == b"\2\3\4"
    assert source.read(9, 1) == b"\t"
    with pytest.raises(FileError) as caught:
        source.read(0, 1)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("explicit", [True, False])
def test_elements_are_counted_at_any_depth(explicit: bool) -> None:
    def of(count: int) -> bytes:
        inner = item(b"") * (count // 2)
        return item(element(8, 0x1140, b"SQ", inner) if explicit else inner) + item(b"") * (
            count // 2
        )

    assert len(of(MOST_ELEMENTS)) > COUNTED_FROM
    check_elements(of(MOST_ELEMENTS - 2), explicit=explicit)
    with pytest.raises(FileError) as caught:
        check_elements(of(MOST_ELEMENTS + 4), explicit=explicit)
    assert caught.value.code is Code.TOO_LARGE


def test_large_values_are_no_elements() -> None:
    check_elements(item(element(0x11, 0x1001, b"OB", bytes(9 * MOST_ELEMENTS))), explicit=True)


def test_implicit_elements_in_an_explicit_sequence_count_by_their_bytes() -> None:
    hidden = element(0x11, 0x1001, b"UN", item(b"") * (MOST_ELEMENTS + 1), 0xFFFFFFFF)
    with pytest.raises(FileError):
        check_elements(item(hidden), explicit=True)
