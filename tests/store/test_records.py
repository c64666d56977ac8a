"""The sidecars read back as what was written, and damage is found."""

import json
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SeriesError
from ct2zarr.model import SliceTable
from ct2zarr.store.records import (
    read_record,
    read_slices,
    record_from_json,
    record_to_json,
    slices_to_csv,
)
from record_samples import sample_plan, sample_record


def test_a_record_reads_back_as_it_was_written():
    record = sample_record(sample_plan())
    assert record_from_json(record_to_json(record), Path("x.series.json")) == record


def test_a_record_is_written_as_in_the_files_that_users_have():
    record = sample_record(sample_plan(), version="0.1.0", format_version=1)
    text = (Path(__file__).parent / "sample.series.json").read_text("utf-8")
    assert record_to_json(record) == text
    assert record_from_json(text, Path("x.series.json")) == record


def test_slices_are_written_as_in_the_files_that_users_have():
    assert slices_to_csv(TABLE) == (
        'slice_index,file_name,md5\n0,"a,""b"".dcm",00\n1,with\\x0aline,11\n2,名前.dcm,22\n'
    )


def test_a_value_that_is_no_json_number_is_refused():
    record = sample_record(sample_plan(), values={"slope": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        record_to_json(record)


def test_a_record_with_one_bit_flipped_anywhere_is_damaged(tmp_path):
    path = tmp_path / "x.series.json"
    whole = record_to_json(sample_record(sample_plan())).encode()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(SeriesError):
            read_record(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda _: "[]", "JSON object"),
        (lambda text: text.replace('"fingerprint"', '"finger"'), "no fingerprint"),
        (
            lambda text: text.replace('"dtype": "int16"', '"dtype": 16'),
            "no dtype, or one of another type",
        ),
        (lambda text: text.replace('"output_bytes": 5', '"output_bytes": true'), "output_bytes"),
        (
            lambda text: text.replace('"flags": [', '"flags": [3, '),
            "no flags, or one of another type",
        ),
    ],
)
def test_a_damaged_record_is_an_error_that_says_what_is_wrong(tmp_path, damage, said):
    path = tmp_path / "x.series.json"
    path.write_text(damage(record_to_json(sample_record(sample_plan()))))
    with pytest.raises(SeriesError, match=said) as raised:
        read_record(path)
    assert raised.value.code is Code.DAMAGED_RECORD


def test_a_shape_of_two_numbers_is_damage():
    content = json.loads(record_to_json(sample_record(sample_plan())))
    content["shape"] = [3, 4]
    with pytest.raises(SeriesError, match="shape"):
        record_from_json(json.dumps(content), Path("x.series.json"))


TABLE = SliceTable(
    ("slice_index", "file_name", "md5"),
    (("0", 'a,"b".dcm', "00"), ("1", "with\nline", "11"), ("2", "名前.dcm", "22")),
)


def test_slices_read_back_whatever_is_in_the_file_names(tmp_path):
    path = tmp_path / "x.slices.csv"
    path.write_text(slices_to_csv(TABLE), encoding="utf-8")
    assert read_slices(path) == TABLE
    before = slices_to_csv(TABLE).replace(r"with\x0aline", '"with\nline"')  # as 0.1.0 wrote it
    path.write_text(before, encoding="utf-8")
    assert read_slices(path) == TABLE


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda text: text.replace("2,名前.dcm,22", "2,名前.dcm"),
            "2 cells on line 4, where the",
        ),
        (lambda text: text.replace("1,", "7,", 1), "count its planes"),
        (lambda text: text.replace("slice_index", "index"), "lacks the column slice_index"),
        (lambda _: "", "empty"),
    ],
)
def test_damaged_slices_are_an_error_that_says_what_is_wrong(tmp_path, damage, said):
    path = tmp_path / "x.slices.csv"
    path.write_text(damage(slices_to_csv(TABLE)), encoding="utf-8")
    with pytest.raises(SeriesError, match=said):
        read_slices(path)
