"""The environment names dataset folders, and which of them to scan."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.dataset_roots import dataset_roots

TWO = {"DATASET_V1_ROOT": "/one", "DATASET_V2_ROOT": "/two"}


def test_all_takes_every_root_that_is_set(caplog):
    roots = dataset_roots(TWO | {"DATASET_V3_ROOT": "/three", "DATASET_V4_ROOT": ""})
    assert roots == {"v1": Path("/one"), "v2": Path("/two"), "v3": Path("/three")}
    assert dataset_roots(TWO | {"DATASET_VERSION": "ALL"}) == dataset_roots(TWO)
    assert caplog.text == ""


def test_all_with_one_root_notes_that_the_other_is_left_out(caplog):
    assert dataset_roots({"DATASET_V2_ROOT": "/two"}) == {"v2": Path("/two")}
    assert [record.message for record in caplog.records] == [
        "DATASET_V1_ROOT is not set: v1 is left out"
    ]


def test_dataset_version_chooses_roots_in_its_order(caplog):
    assert dataset_roots(TWO | {"DATASET_VERSION": "v2"}) == {"v2": Path("/two")}
    both = dataset_roots(TWO | {"DATASET_VERSION": "V2, v1"})
    assert list(both.items()) == [("v2", Path("/two")), ("v1", Path("/one"))]
    assert caplog.text == ""


def test_roots_are_in_the_order_of_their_names_and_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    environ = {"DATASET_V2_ROOT": "~/two", "DATASET_V1_ROOT": "/one"}
    for version in ("all", "ALL", "v1, V2"):
        roots = dataset_roots(environ | {"DATASET_VERSION": version})
        assert list(roots.items()) == [("v1", Path("/one")), ("v2", Path("/home/ada/two"))]


@pytest.mark.parametrize(
    ("environ", "code", "sentence"),
    [
        (
            {},
            Code.SETTING_MISSING,
            "DATASET_V1_ROOT is missing: set it, or DATASET_V2_ROOT, to a dataset folder",
        ),
        (
            TWO | {"DATASET_VERSION": "v3"},
            Code.SETTING_MISSING,
            "DATASET_V3_ROOT is missing: DATASET_VERSION asks for v3",
        ),
        (
            TWO | {"DATASET_VERSION": "v1,newest"},
            Code.SETTING_WRONG,
            "DATASET_VERSION is 'v1,newest'; it must be all, or versions such as v1 or v1,v2",
        ),
    ],
)
def test_wrong_variable_is_named(environ, code, sentence):
    with pytest.raises(SettingsError) as caught:
        dataset_roots(environ)
    assert (caught.value.code, str(caught.value)) == (code, sentence)
