"""Settings from the environment and from a config: names, defaults, sentences for mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ct2zarr.errors import SettingsError
from ct2zarr.run.paths import shard_label, shard_labels
from ct2zarr.run.settings import (
    AggregateSettings,
    ConvertSettings,
    EncodingSettings,
    ManifestSettings,
    MetadataSettings,
    ReportSettings,
    SelectionSettings,
)
from ct2zarr.run.settings_reading import (
    aggregate_from_config,
    aggregate_from_environ,
    convert_from_config,
    convert_from_environ,
    manifest_from_config,
    manifest_from_environ,
    report_from_config,
    report_from_environ,
    usable_processors,
)
from ct2zarr.vocabulary import Flag, StoreType

SCRIPTS = Path(__file__).parents[2] / "scripts"
MANIFEST = {"OUT_DIR": "m", "DATASET_V1_ROOT": "/one", "DATASET_V2_ROOT": "/two"}
CONVERT = {"INPUT_CSV": "m/shards/series_shard_03.csv", "OUT_ROOT": "out"}


# Defaults --------------------------------------------------------------------------------------


def test_manifest_defaults_are_those_of_the_contract():
    assert manifest_from_environ(MANIFEST) == ManifestSettings(
        datasets={"v1": Path("/one"), "v2": Path("/two")},
        manifest_dir=Path("m"),
        num_shards=16,
        max_depth=3,
        workers=usable_processors(),
        selection=SelectionSettings(),
    )


def test_convert_defaults_are_those_of_the_contract():
    settings = convert_from_environ(CONVERT)
    assert settings == ConvertSettings(
        input_csv=Path("m/shards/series_shard_03.csv"), out_root=Path("out"), max_depth=3
    )
    assert settings.encoding.store_type is StoreType.SQLITE
    assert (settings.num_workers, settings.overwrite, settings.verify_slices) == (1, False, 3)
    assert (settings.summary_suffix, settings.shard_id, settings.num_shards) == ("", None, None)


def test_aggregate_and_report_defaults_are_those_of_the_contract():
    assert aggregate_from_environ({"OUT_ROOT": "out"}) == AggregateSettings(Path("out"))
    report = report_from_environ({"CONVERTED_ROOT": "out"})
    assert report == ReportSettings(Path("out"), StoreType.SQLITE, None, num_samples=10)


def test_empty_variable_counts_as_not_set():
    blank = {"STORE_TYPE": "", "NUM_WORKERS": "", "VERIFY_SLICES": "", "SHARD_ID": ""}
    assert convert_from_environ(CONVERT | blank) == convert_from_environ(CONVERT)


# Every option reaches its field ----------------------------------------------------------------


def test_every_convert_variable_reaches_its_field():
    settings = convert_from_environ(
        {
            "INPUT_CSV": "series_all.csv",
            "OUT_ROOT": "out",
            "STORE_TYPE": "zip",
            "NUM_WORKERS": "5",
            "SHARD_ID": "7",
            "NUM_SHARDS": "8",
            "OVERWRITE": "1",
            "VERIFY_SLICES": "all",
            "SUMMARY_SUFFIX": "shard_03",
            "VALUES": "stored",
            "ZARR_FORMAT": "2",
            "CHUNKS": "32,64,128",
            "COMPRESSION_LEVEL": "5",
            "DEIDENTIFY": "true",
            "REJECT_FLAGS": "missing_slices, gantry_tilt",
            "ON_BAD_SLICE": "drop",
            "INCLUDE_SECONDARY_CAPTURE": "1",
            "EXCLUDE_IMAGE_TYPES": "mip,MPR",
            "EXTRA_SERIES_TAGS": "Exposure",
            "EXTRA_SLICE_TAGS": "XRayTubeCurrent",
            "MAX_DEPTH": "9",
            "SERIES_TIMEOUT": "12.5",
            "SERIES_MEMORY": "500",
            "RETRY_FAILED": "1",
        }
    )
    assert settings == ConvertSettings(
        input_csv=Path("series_all.csv"),
        out_root=Path("out"),
        encoding=EncodingSettings(StoreType.ZIP, "stored", 2, (32, 64, 128), 5),
        metadata=MetadataSettings(True, ("Exposure",), ("XRayTubeCurrent",)),
        selection=SelectionSettings(True, ("MIP", "MPR")),
        num_workers=5,
        shard_id=7,
        num_shards=8,
        max_depth=9,
        overwrite=True,
        verify_slices="all",
        summary_suffix="shard_03",
        reject_flags=frozenset({Flag.MISSING_SLICES, Flag.GANTRY_TILT}),
        on_bad_slice="drop",
        series_timeout_seconds=12.5,
        series_memory_mb=500,
        retry_failed=True,
    )


def test_config_and_environment_give_the_same_settings():
    config = {
        "datasets": {"v1": "/one", "v2": "/two"},
        "manifest_dir": "m",
        "out_root": "out",
        "store_type": "dir",
        "num_shards": 4,
        "max_depth": 2,
        "verify_slices": 7,
        "num_samples": 2,
        "values": "stored",
        "chunks": [8, 16, 32],
        "reject_flags": ["padding"],
        "exclude_image_types": ["MIP"],
    }
    environ = {
        "OUT_DIR": "m",
        "MANIFEST_DIR": "m",
        "OUT_ROOT": "out",
        "CONVERTED_ROOT": "out",
        "OUTPUT_HTML": "r.html",
        "DATASET_V1_ROOT": "/one",
        "DATASET_V2_ROOT": "/two",
        "INPUT_CSV": "m/series_all.csv",
        "STORE_TYPE": "dir",
        "NUM_SHARDS": "4",
        "MAX_DEPTH": "2",
        "NUM_WORKERS": "3",
        "SHARD_ID": "1",
        "VERIFY_SLICES": "7",
        "NUM_SAMPLES": "2",
        "VALUES": "stored",
        "CHUNKS": "8,16,32",
        "REJECT_FLAGS": "padding",
        "EXCLUDE_IMAGE_TYPES": "MIP",
    }
    csv = Path("m/series_all.csv")
    assert manifest_from_config(config, workers=3) == manifest_from_environ(environ)
    assert convert_from_config(config, csv, 1, workers=3) == convert_from_environ(environ)
    assert aggregate_from_config(config, []) == aggregate_from_environ(environ)
    assert report_from_config(config, Path("r.html")) == report_from_environ(environ)


# The manifest ---------------------------------------------------------------------------------


def test_processors_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(1000)))
    assert usable_processors() == 1000


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DATASET_V1_ROOT": "", "DATASET_V2_ROOT": ""}, "DATASET_V1_ROOT"),
        ({"OUT_DIR": ""}, "OUT_DIR"),
        ({"NUM_SHARDS": "0"}, "NUM_SHARDS"),
        ({"NUM_SHARDS": "four"}, "NUM_SHARDS"),
        ({"MAX_DEPTH": "-1"}, "MAX_DEPTH"),
    ],
)
def test_wrong_manifest_variable_is_named(change, named):
    with pytest.raises(SettingsError, match=named):
        manifest_from_environ(MANIFEST | change)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INPUT_CSV", ""),
        ("OUT_ROOT", ""),
        ("STORE_TYPE", "hdf5"),
        ("NUM_WORKERS", "0"),
        ("NUM_WORKERS", "2.5"),
        ("OVERWRITE", "maybe"),
        ("VERIFY_SLICES", "some"),
        ("VERIFY_SLICES", "-1"),
        ("VALUES", "raw"),
        ("ZARR_FORMAT", "4"),
        ("CHUNKS", "64,64"),
        ("CHUNKS", "64,64,0"),
        ("COMPRESSION_LEVEL", "10"),
        ("DEIDENTIFY", "x"),
        ("REJECT_FLAGS", "ugly"),
        ("ON_BAD_SLICE", "ignore"),
        ("EXTRA_SERIES_TAGS", "NoSuchKeyword"),
        ("SERIES_TIMEOUT", "0"),
        ("SERIES_TIMEOUT", "nan"),
        ("SUMMARY_SUFFIX", "../x"),
        ("SHARD_ID", "-1"),
    ],
)
def test_wrong_convert_variable_is_named_with_its_value(name, value):
    with pytest.raises(SettingsError) as caught:
        convert_from_environ(CONVERT | {name: value})
    assert str(caught.value).startswith(f"{name} is ")
    assert value in str(caught.value)
    assert caught.value.exit_code == 2


# Shards ----------------------------------------------------------------------------------------


def test_shard_id_alone_on_an_unsharded_csv_counts_16_shards():
    settings = convert_from_environ(CONVERT | {"INPUT_CSV": "series_all.csv", "SHARD_ID": "3"})
    assert (settings.shard_id, settings.num_shards) == (3, 16)


def test_num_shards_needs_no_shard_id_and_no_limit_but_its_own():
    environ = {"INPUT_CSV": "a.csv", "OUT_ROOT": "o", "SHARD_ID": "3", "NUM_SHARDS": "4"}
    assert convert_from_environ(environ).num_shards == 4
    del environ["SHARD_ID"]
    assert convert_from_environ(environ).shard_id is None


def test_scan_part_is_below_scan_jobs():
    environ = MANIFEST | {"SCAN_JOBS": "3", "SCAN_PART": "2"}
    assert manifest_from_environ(environ).scan_part == 2
    with pytest.raises(SettingsError, match="SCAN_PART is 3; it must be below SCAN_JOBS, which"):
        manifest_from_environ(environ | {"SCAN_PART": "3"})
    with pytest.raises(SettingsError, match="which is 1"):
        manifest_from_environ(MANIFEST | {"SCAN_PART": "1"})


def test_shard_id_beyond_num_shards_is_refused():
    with pytest.raises(SettingsError, match="SHARD_ID is 4; it must be below NUM_SHARDS"):
        convert_from_environ(
            {"INPUT_CSV": "a.csv", "OUT_ROOT": "o", "SHARD_ID": "4", "NUM_SHARDS": "4"}
        )


def test_shard_csv_needs_no_num_shards():
    settings = convert_from_environ(CONVERT | {"SHARD_ID": "3"})
    assert (settings.shard_id, settings.num_shards) == (3, None)
    settings = convert_from_environ(CONVERT | {"SHARD_ID": "3", "NUM_SHARDS": "64"})
    assert (settings.shard_id, settings.num_shards) == (3, 64)


def test_shard_id_that_contradicts_the_csv_is_refused():
    with pytest.raises(SettingsError, match=r"SHARD_ID is 4, but .*_shard_03\.csv"):
        convert_from_environ(CONVERT | {"SHARD_ID": "4"})


def test_shard_labels_sort_as_the_shards_do():
    assert shard_labels(3) == ["00", "01", "02"]
    assert shard_label(7, 100) == "07"
    assert shard_label(7, 101) == "007"
    assert shard_labels(1200) == sorted(shard_labels(1200))


# The scripts themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("generate_manifest.py", "OUT_DIR|DATASET_V1_ROOT"),
        ("convert_dicom_to_volume.py", "INPUT_CSV"),
        ("aggregate_summaries.py", "OUT_ROOT"),
        ("generate_verify_report.py", "CONVERTED_ROOT"),
    ],
)
def test_script_without_its_variables_says_one_line_and_exits_2(script, named, tmp_path):
    keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [sys.executable, SCRIPTS / script], env=keep, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert any(name in done.stderr for name in named.split("|"))
    assert done.stdout == ""
