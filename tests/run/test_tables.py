"""Files of the manifest are written whole, and only if their content has changed."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ct2zarr.errors import MachineError
from ct2zarr.run import tables
from ct2zarr.run.tables import parquet_bytes, write_bytes_if_changed


def test_a_file_with_the_same_content_keeps_its_time(tmp_path):
    path = tmp_path / "a.csv"
    assert write_bytes_if_changed(path, b"abc")
    before = path.stat()
    assert not write_bytes_if_changed(path, b"abc")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("content", [b"abd", b"ab", b""])
def test_a_file_with_other_content_is_replaced(tmp_path, content):
    path = tmp_path / "a.csv"
    write_bytes_if_changed(path, b"abc")
    assert write_bytes_if_changed(path, content)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_that_is_not_there_is_a_fault_of_the_machine(tmp_path):
    with pytest.raises(MachineError):
        write_bytes_if_changed(tmp_path / "gone" / "a.csv", b"abc")


def test_bytes_of_a_table_do_not_depend_on_how_it_was_put_together(tmp_path):
    whole = pa.table({"n": list(range(10))})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3)])
    assert parts["n"].num_chunks == 2
    content = parquet_bytes(whole, {b"version": b"7"})
    assert parquet_bytes(parts, {b"version": b"7"}) == content
    path = tmp_path / "n.parquet"
    path.write_bytes(content)
    read = pq.read_table(path)
    assert read.equals(whole)
    assert read.schema.metadata == {b"version": b"7"}
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"


def test_long_tables_are_divided_into_groups_of_rows(tmp_path):
    path = tmp_path / "n.parquet"
    path.write_bytes(parquet_bytes(pa.table({"n": pa.nulls(tables.ROW_GROUP + 1)}), {}))
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 2
