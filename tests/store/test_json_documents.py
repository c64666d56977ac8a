"""Metadata documents are JSON objects, or damage that is named."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.bounds import DOCUMENT_BYTES
from ct2zarr.store.folder import FolderContainer
from ct2zarr.store.json_documents import parse_json, read_document


@pytest.mark.parametrize(
    "text", [b"NaN", b"[Infinity]", b"-Infinity", b"{", b"[" * 99_999, b"\xff"]
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^.+"):
        parse_json(text)


def test_json_is_read_as_json() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}


@pytest.fixture
def store(tmp_path: Path) -> FolderContainer:
    (tmp_path / "zarr.json").write_text("{}")
    return FolderContainer(tmp_path)


def test_a_document_is_an_object_and_may_be_absent(store: FolderContainer) -> None:
    assert read_document(store, "zarr.json") == {}
    assert read_document(store, "volume/zarr.json") is None


@pytest.mark.parametrize("text", ["[]", "1", "{", "NaN"])
def test_any_other_document_is_damage(store: FolderContainer, text: str) -> None:
    (store.path / "zarr.json").write_text(text)
    with pytest.raises(FileError, match=r"zarr\.json is") as raised:
        read_document(store, "zarr.json")
    assert raised.value.code is Code.STORE_DAMAGED
    assert raised.value.facts["key"] == "zarr.json"


def test_the_bound_of_a_document_is_exact(store: FolderContainer) -> None:
    (store.path / "zarr.json").write_text("{}" + " " * (DOCUMENT_BYTES - 2))
    assert read_document(store, "zarr.json") == {}
    (store.path / "zarr.json").write_text("{}" + " " * (DOCUMENT_BYTES - 1))
    with pytest.raises(FileError, match="more than the 16777216 that it may have"):
        read_document(store, "zarr.json")
