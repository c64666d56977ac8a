"""An option is declared once, and the schema, the pages, the scripts and the records follow it."""

import importlib.util
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.provenance import output_settings
from ct2zarr.errors import SettingsError, sentence
from ct2zarr.run import settings as records
from ct2zarr.run import settings_reading as reading
from ct2zarr.run.config_schema import config_schema
from ct2zarr.run.option_kinds import whole
from ct2zarr.run.option_values import Values, fill, option, values_of, variables_of
from ct2zarr.run.options import (
    OPTIONS,
    Option,
    Output,
    config_defaults,
    options_that_change,
)
from ct2zarr.run.settings import SCRIPTS, ConvertSettings, MetadataSettings
from ct2zarr.vocabulary import Flag, StoreType
from ct2zarr.workflow.config_check import checked_config
from ct2zarr.workflow.reruns import changing_options, report_options

ROOT = Path(__file__).parents[2]

ADDED = Option(
    name="denoising",
    kind=whole(0, 9),
    default=2,
    changes=frozenset({Output.SHARD, Output.VOLUME, Output.REPORT}),
    about="How much noise is removed.",
    private=True,
)


@pytest.fixture
def added(monkeypatch):
    """An option that is declared in the table, and nowhere else."""
    monkeypatch.setitem(OPTIONS, ADDED.name, ADDED)


def tables_of_the_pages():
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs" / "make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# One place --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("added")
def test_declared_option_is_in_the_schema_and_the_check_of_a_config():
    assert config_schema()["properties"]["denoising"] == {
        "description": "How much noise is removed.",
        "type": "integer",
        "minimum": 0,
        "maximum": 9,
        "default": 2,
    }
    assert checked_config({})["denoising"] == 2
    assert checked_config({"denoising": 9})["denoising"] == 9
    with pytest.raises(SettingsError, match="denoising is 10; it must be a whole number from 0"):
        checked_config({"denoising": 10})
    with pytest.raises(SettingsError, match="did you mean 'denoising'"):
        checked_config({"denoisin": 1})


@pytest.mark.usefixtures("added")
def test_declared_option_is_in_the_pages():
    pages = tables_of_the_pages()
    row = "| `denoising` | `2` | a whole number from 0 to 9 | How much noise is removed. |"
    assert row in pages.TABLES["options"]().splitlines()
    assert pages.TABLES["reruns"]().count("`denoising`") == 2
    assert "denoising:" in pages.schema_text()


@pytest.mark.usefixtures("added")
def test_declared_option_is_a_variable_and_a_reason_to_run_again():
    assert Values.of_environ({"DENOISING": "7"}).get("denoising") == 7
    with pytest.raises(SettingsError, match=r"^DENOISING is 'x'; it must be a whole number"):
        Values.of_environ({"DENOISING": "x"}).get("denoising")
    assert "denoising" in options_that_change(Output.SHARD)
    assert "denoising" not in options_that_change(Output.MANIFEST)
    config = config_defaults()
    assert changing_options(config, Output.SHARD)["denoising"] == 2
    assert report_options(config)["denoising"] not in (2, "2"), "private: a digest"


@pytest.mark.usefixtures("added")
def test_field_that_holds_a_declared_option_is_filled_documented_and_recorded(tmp_path):
    @dataclass(frozen=True)
    class More(MetadataSettings):
        denoising: int = option("denoising")

    @dataclass(frozen=True)
    class MoreToConvert(ConvertSettings):
        metadata: More = field(default_factory=More)

    environ = {"INPUT_CSV": "a.csv", "OUT_ROOT": str(tmp_path), "DENOISING": "7"}
    assert fill(MoreToConvert, Values.of_environ(environ)).metadata.denoising == 7
    del environ["DENOISING"]
    settings = fill(MoreToConvert, Values.of_environ(environ))
    assert settings.metadata.denoising == 2
    assert ADDED in variables_of(MoreToConvert)
    assert output_settings(settings)["denoising"] == 2


# The table and the records ------------------------------------------------------------------------


def test_every_option_is_held_by_a_record_that_a_script_takes():
    held = {one.name for record in SCRIPTS.values() for one in variables_of(record)}
    workflow_only = {"datasets"}  # as variables: DATASET_V1_ROOT and so on
    assert held | workflow_only == set(OPTIONS)


def test_variables_of_each_script_are_those_of_the_contract():
    taken = {
        script: {o.variable for o in variables_of(record)} for script, record in SCRIPTS.items()
    }
    assert taken["generate_manifest.py"] >= {
        "OUT_DIR", "NUM_SHARDS", "MAX_DEPTH", "DATASET_VERSION", "DATASET_V1_ROOT",
    }  # fmt: skip
    assert taken["convert_dicom_to_volume.py"] >= {
        "INPUT_CSV", "OUT_ROOT", "STORE_TYPE", "NUM_WORKERS", "SHARD_ID", "NUM_SHARDS",
        "OVERWRITE", "VERIFY_SLICES", "SUMMARY_SUFFIX",
    }  # fmt: skip
    assert taken["aggregate_summaries.py"] == {
        "OUT_ROOT", "STORE_TYPE", "DECISIONS", "MANIFEST_DIR",
    }  # fmt: skip
    assert taken["audit_volumes.py"] == {
        "OUT_ROOT", "STORE_TYPE", "NUM_WORKERS", "SHARD_ID", "SERIES_TIMEOUT", "MANIFEST_DIR",
    }  # fmt: skip
    assert taken["generate_verify_report.py"] == {
        "CONVERTED_ROOT", "STORE_TYPE", "OUTPUT_HTML", "NUM_SAMPLES", "SAMPLE_SERIES",
    }  # fmt: skip


def test_defaults_are_those_of_the_contract():
    defaults = {name: one.variable_default or one.default for name, one in OPTIONS.items()}
    contract = {
        "num_shards": 16, "max_depth": 3, "dataset_version": "all", "store_type": "sqlite",
        "num_workers": 1, "overwrite": False, "verify_slices": 3, "summary_suffix": "",
        "num_samples": 10,
    }  # fmt: skip
    assert {name: defaults[name] for name in contract} == contract


def test_depth_is_limited_by_a_variable_and_not_by_a_config():
    assert config_defaults()["max_depth"] == "all"
    roots = {"DATASET_V1_ROOT": "/one", "OUT_DIR": "m"}
    assert reading.manifest_from_environ(roots).max_depth == 3
    assert reading.manifest_from_environ(roots | {"MAX_DEPTH": "all"}).max_depth is None
    config = {"datasets": {"v1": "/one"}, "manifest_dir": "m"}
    assert reading.manifest_from_config(config, 1).max_depth is None
    assert reading.manifest_from_config(config | {"max_depth": 3}, 1).max_depth == 3


@pytest.mark.parametrize("record", [*SCRIPTS.values(), records.EncodingSettings, MetadataSettings])
def test_field_has_the_type_and_the_default_of_its_option(record):
    hints = get_type_hints(record)
    bound = [one for one in fields(record) if "option" in one.metadata]
    assert bound
    for one in bound:
        if one.default is not MISSING and one.default is not None:
            assert one.default == OPTIONS[one.metadata["option"].option].typed_default()
            if isinstance(hints[one.name], type):
                assert isinstance(one.default, hints[one.name]), one.name


VALUES: dict[str, tuple[str, Any]] = {
    "store_type": ("zip", StoreType.ZIP),
    "num_shards": ("3", 3),
    "max_depth": ("0", 0),
    "include_secondary_capture": ("yes", True),
    "exclude_image_types": ("mip", ("MIP",)),
    "values": ("stored", "stored"),
    "zarr_format": ("3", 3),
    "chunks": ("[8,16,32]", (8, 16, 32)),
    "compression_level": ("9", 9),
    "pyramid_levels": ("16", 16),
    "deidentify": ("on", True),
    "extra_series_tags": ("Exposure", ("Exposure",)),
    "extra_slice_tags": ("Exposure,KVP", ("Exposure", "KVP")),
    "reject_flags": ("padding", frozenset({Flag.PADDING})),
    "accept_ambiguous_layers": ("1", True),
    "on_bad_slice": ("drop", "drop"),
    "verify_slices": ("0", 0),
    "overwrite": ("TRUE", True),
    "num_workers": ("5", 5),
    "series_timeout": ("0.5", 0.5),
    "series_memory": ("0", 0),
    "retry_failed": ("1", True),
    "scan_jobs": ("4", 4),
    "num_samples": ("0", 0),
    "sample_series": (" a , b ", ("a", "b")),
    "decisions": ("d.csv", Path("d.csv")),
    "scan_part": ("3", 3),
    "shard_id": ("0", 0),
    "summary_suffix": ("shard_07", "shard_07"),
    "output_html": ("r.html", Path("r.html")),
    "manifest_dir": ("m", Path("m")),
    "out_dir": ("m", Path("m")),
    "input_csv": ("a.csv", Path("a.csv")),
    "out_root": ("out", Path("out")),
    "converted_root": ("out", Path("out")),
}
"""Option → text of the environment, and the value that the settings have then."""
NEEDED = {
    "generate_manifest.py": {"OUT_DIR": "x", "DATASET_V1_ROOT": "/one", "SCAN_JOBS": "4"},
    "convert_dicom_to_volume.py": {"INPUT_CSV": "series_all.csv", "OUT_ROOT": "x"},
    "aggregate_summaries.py": {"OUT_ROOT": "x"},
    "audit_volumes.py": {"OUT_ROOT": "x"},
    "generate_verify_report.py": {"CONVERTED_ROOT": "x"},
}
READ = {
    "generate_manifest.py": reading.manifest_from_environ,
    "convert_dicom_to_volume.py": reading.convert_from_environ,
    "aggregate_summaries.py": reading.aggregate_from_environ,
    "audit_volumes.py": reading.audit_from_environ,
    "generate_verify_report.py": reading.report_from_environ,
}
ALIAS = {"out_dir": "manifest_dir", "converted_root": "out_root"}
TAKEN = [
    (script, one.name)
    for script, record in SCRIPTS.items()
    for one in variables_of(record)
    if not one.name.startswith("dataset")
]


@pytest.mark.parametrize(("script", "name"), TAKEN)
def test_variable_of_a_script_reaches_its_settings(script, name):
    text, value = VALUES[name]
    environ = NEEDED[script] | {name.upper(): text}
    if (script, name) == ("generate_manifest.py", "manifest_dir"):
        del environ["OUT_DIR"]  # which comes first
    found = values_of(READ[script](environ))[ALIAS.get(name, name)]
    assert found == value
    assert type(found) is type(value)


def test_out_dir_comes_before_manifest_dir():
    environ = NEEDED["generate_manifest.py"] | {"MANIFEST_DIR": "other"}
    assert reading.manifest_from_environ(environ).manifest_dir == Path("x")


@pytest.mark.parametrize("script", SCRIPTS)
def test_missing_variable_is_named_with_what_to_set_it_to(script):
    for name in {"OUT_DIR", "INPUT_CSV", "OUT_ROOT", "CONVERTED_ROOT"} & set(NEEDED[script]):
        environ = {key: value for key, value in NEEDED[script].items() if key != name}
        with pytest.raises(SettingsError) as caught:
            READ[script](environ)
        assert caught.value.code is Code.SETTING_MISSING
        purpose = OPTIONS[name.lower()].purpose
        assert str(caught.value) == f"{name} is missing: set it to {purpose}"
        assert purpose


def test_config_names_its_options_as_it_writes_them():
    with pytest.raises(SettingsError) as caught:
        reading.audit_from_config({"out_root": "x", "store_type": "hdf5"}, workers=1)
    error = caught.value
    assert error.code is Code.SETTING_WRONG
    assert str(error) == "config: store_type is 'hdf5'; it must be one of sqlite, dir, zip"
    assert sentence(error, private=False).startswith("config: store_type is [removed]; it must be")
    with pytest.raises(SettingsError, match="config: out_root is missing: set it to the folder"):
        reading.audit_from_config({"out_root": None}, workers=1)


def test_what_the_rules_know_is_not_taken_from_the_config():
    config = {"out_root": "x", "retry_failed": True, "num_workers": 9, "num_shards": 4}
    settings = reading.convert_from_config(config, Path("a.csv"), 1, workers=2)
    assert (settings.retry_failed, settings.num_workers) == (False, 2)
    assert (settings.shard_id, settings.num_shards) == (1, 4)


# Provenance ---------------------------------------------------------------------------------------


def test_recorded_settings_are_plain_values_in_their_order():
    settings = ConvertSettings(Path("a.csv"), Path("out"))
    assert list(output_settings(settings).items()) == [
        ("store_type", "sqlite"),
        ("values", "hu"),
        ("zarr_format", 2),
        ("chunks", [64, 64, 64]),
        ("compression_level", 1),
        ("pyramid_levels", 1),
        ("deidentify", False),
        ("extra_series_tags", []),
        ("extra_slice_tags", []),
    ]
    assert type(output_settings(settings)["store_type"]) is str
    encoding = replace(settings.encoding, store_type=StoreType.DIR)
    assert output_settings(replace(settings, encoding=encoding))["zarr_format"] == 3


def test_params_of_the_rules_keep_their_order_as_another_one_would_convert_everything_again():
    assert options_that_change(Output.SCAN_PART) == ["datasets", "max_depth"]
    assert options_that_change(Output.MANIFEST) == [
        "datasets", "num_shards", "max_depth", "include_secondary_capture", "exclude_image_types",
    ]  # fmt: skip
    assert options_that_change(Output.SHARD) == [
        "num_shards", "values", "zarr_format", "chunks", "compression_level", "pyramid_levels",
        "deidentify", "extra_series_tags", "extra_slice_tags", "reject_flags",
        "accept_ambiguous_layers", "on_bad_slice", "verify_slices", "overwrite",
    ]  # fmt: skip
    assert list(changing_options(config_defaults(), Output.SCAN_PART)) == [
        "format_version", "datasets", "max_depth",
    ]  # fmt: skip
    assert list(report_options(config_defaults())) == ["num_samples", "sample_series"]


# Words -----------------------------------------------------------------------------------------


def test_option_has_words_a_kind_and_one_name():
    for name, one in OPTIONS.items():
        assert one.name == name
        assert one.about.endswith("."), name
        assert one.kind.allowed, name


def test_words_of_an_enumeration_are_all_named_in_what_is_allowed():
    assert OPTIONS["store_type"].kind.allowed == "one of sqlite, dir, zip"
    allowed = OPTIONS["reject_flags"].kind.allowed
    assert allowed.removeprefix("a list with any of ").split(", ") == list(Flag)
    assert OPTIONS["compression_level"].kind.allowed == "a whole number from 0 to 9"
    assert OPTIONS["num_shards"].kind.allowed == "a whole number, at least 1"
