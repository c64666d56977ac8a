"""A file that ends its reader is a row; where every file does, the scan stops."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError
from ct2zarr.scan import readers
from ct2zarr.scan.frame_tables import table_to_frames
from ct2zarr.scan.readers import ENDED_MOST, read_in_processes, table_of
from worker_tasks import crash_by_name


def codes(folder: Path, names: list[list[str]], workers: int = 1) -> list[Code | None]:
    """The codes of the files of each chunk, read in processes."""
    chunks = [[str(folder / name) for name in chunk] for chunk in names]
    for chunk in chunks:
        for path in chunk:
            Path(path).write_text("no DICOM")
    tables = read_in_processes(chunks, str(folder), workers)
    return [frame.code for table in tables for frame in table_to_frames(table)]


@pytest.fixture
def poisoned(monkeypatch):
    monkeypatch.setattr(readers, "read_packed", crash_by_name)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize(
    "count", [2, ENDED_MOST - 1, pytest.param(3 * ENDED_MOST, marks=pytest.mark.slow)]
)
def test_a_scan_in_which_every_file_ends_its_reader_stops(tmp_path, count):
    names = [f"{number}_crash" for number in range(count)]
    with pytest.raises(MachineError, match=r"ended the process that read it for each of \d+ files"):
        codes(tmp_path, [names[: count // 2], names[count // 2 :]])


@pytest.mark.usefixtures("poisoned")
def test_files_that_end_their_reader_are_rows_where_others_are_read(tmp_path):
    bad = [f"{number}_crash" for number in range(ENDED_MOST + 2)]
    good = [f"{number}_good" for number in range(20)]
    found = codes(tmp_path, [bad, good])
    assert found == [Code.HEADER_CRASH] * len(bad) + [Code.NOT_DICOM] * len(good)


@pytest.mark.usefixtures("poisoned")
def test_a_single_file_that_ends_its_reader_is_a_row(tmp_path):
    assert codes(tmp_path, [["crash"]]) == [Code.HEADER_CRASH]


def test_processes_give_what_one_process_gives(tmp_path):
    names = [f"{number}" for number in range(7)]
    assert codes(tmp_path, [names[:3], names[3:]], workers=2) == [Code.NOT_DICOM] * 7
    in_this_process = table_of([str(tmp_path / name) for name in names], str(tmp_path))
    assert [frame.code for frame in table_to_frames(in_this_process)] == [Code.NOT_DICOM] * 7
