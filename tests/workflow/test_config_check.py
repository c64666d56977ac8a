"""The config, its schema, its page and the code agree; a mistake is one sentence."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError, sentence
from ct2zarr.run.config_schema import config_schema
from ct2zarr.run.options import OPTIONS, config_defaults, config_options
from ct2zarr.run.settings import (
    AggregateSettings,
    ConvertSettings,
    ManifestSettings,
    ReportSettings,
)
from ct2zarr.run.settings_reading import (
    aggregate_from_config,
    convert_from_config,
    manifest_from_config,
    report_from_config,
)
from ct2zarr.vocabulary import Flag, StoreType
from ct2zarr.workflow.config_check import checked_config, require_absolute, require_folders

CONFIG = Path(__file__).parents[2] / "config"
SCHEMA = config_schema()
PROPERTIES = SCHEMA["properties"]


def check(**config):
    return checked_config(config)


# Agreement -------------------------------------------------------------------------------------


def test_schema_is_a_valid_schema_that_refuses_unknown_keys():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False


def test_file_of_the_schema_is_the_one_that_the_options_make():
    assert yaml.safe_load((CONFIG / "config.schema.yaml").read_text()) == SCHEMA


def test_default_of_every_option_fits_its_own_schema():
    validator = Draft202012Validator(SCHEMA)
    assert not list(validator.iter_errors(config_defaults()))


def test_schema_draws_its_words_from_the_vocabularies():
    assert PROPERTIES["reject_flags"]["items"]["enum"] == list(Flag)
    assert PROPERTIES["store_type"]["enum"] == list(StoreType)


def test_defaults_of_the_schema_are_those_of_the_code():
    config = checked_config({"datasets": {"v1": "/one"}})
    csv = Path("series_shard_00.csv")
    assert manifest_from_config(config, workers=1) == ManifestSettings(
        {"v1": Path("/one")}, Path(config["manifest_dir"])
    )
    # The workflow names the number of shards; alone, the script needs none.
    assert replace(convert_from_config(config, csv, 0, 1), num_shards=None) == ConvertSettings(
        csv, Path(config["out_root"]), shard_id=0
    )
    assert aggregate_from_config(config, []) == AggregateSettings(
        Path(config["out_root"]), manifest_dir=Path(config["manifest_dir"])
    )
    html = Path("r.html")
    assert report_from_config(config, html) == ReportSettings(
        Path(config["out_root"]), output_html=html
    )


@pytest.mark.parametrize("name", ["config.yaml", "demonstration.yaml"])
def test_shipped_config_fits_the_schema(name):
    config = checked_config(yaml.safe_load((CONFIG / name).read_text()))
    assert set(config) == {option.name for option in config_options()}


def test_shipped_config_states_the_defaults():
    shipped = yaml.safe_load((CONFIG / "config.yaml").read_text())
    assert shipped == {name: config_defaults()[name] for name in shipped}


def test_conda_environment_has_the_dependencies_of_the_package():
    root = CONFIG.parent
    environment = yaml.safe_load((root / "envs" / "ct2zarr.yaml").read_text())
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert environment["dependencies"][-1]["pip"] == project["dependencies"]


def test_lock_pins_every_dependency():
    root = CONFIG.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["workflow"]]
    for name in ("requirements.txt", "requirements-dev.txt"):
        pinned = set(re.findall(r"^([\w.-]+)==", (root / name).read_text(), flags=re.MULTILINE))
        assert {re.split("[<>=]", one)[0] for one in wanted} <= pinned


# Sentences -------------------------------------------------------------------------------------


def test_misspelt_key_is_named_with_the_right_one():
    with pytest.raises(SettingsError) as caught:
        check(num_shard=4)
    assert str(caught.value) == "config: unknown key 'num_shard'; did you mean 'num_shards'?"


def test_every_wrong_key_has_its_own_line():
    with pytest.raises(SettingsError) as caught:
        check(num_shard=4, store_type="hdf5", chunks=[1, 2])
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "config: store_type is 'hdf5'; it must be one of sqlite, dir, zip" in lines


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets", "/data"),
        ("datasets", {"v1": 3}),
        ("datasets", {"../v1": "/data"}),
        ("manifest_dir", ""),
        ("out_root", 5),
        ("store_type", "SQLITE"),
        ("num_shards", 0),
        ("num_shards", 1.5),
        ("num_shards", True),
        ("max_depth", -1),
        ("num_workers", "many"),
        ("verify_slices", "some"),
        ("overwrite", "sometimes"),
        ("num_samples", -1),
        ("values", "raw"),
        ("zarr_format", 4),
        ("chunks", [64, 64, 0]),
        ("chunks", 64),
        ("compression_level", 10),
        ("pyramid_levels", 0),
        ("deidentify", 2),
        ("reject_flags", ["ugly"]),
        ("reject_flags", "padding"),
        ("on_bad_slice", "ignore"),
        ("include_secondary_capture", "x"),
        ("exclude_image_types", "MIP"),
        ("extra_series_tags", ["exposure time"]),
        ("extra_slice_tags", [7]),
        ("series_timeout", 0),
        ("series_memory", -1),
        ("retry_failed", "perhaps"),
        ("scan_jobs", 0),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(key, value):
    with pytest.raises(SettingsError) as caught:
        check(**{key: value})
    said = str(caught.value)
    assert said.startswith(f"config: {key} is ")
    assert said.endswith(OPTIONS[key].kind.allowed)
    assert caught.value.code is Code.SETTING_WRONG


def test_wrong_value_is_left_out_of_what_is_passed_on():
    with pytest.raises(SettingsError) as caught:
        check(sample_series="Jane Doe", num_shard=1)
    assert "Jane Doe" in str(caught.value)
    passed_on = sentence(caught.value, private=False)
    assert "Jane" not in passed_on
    assert "config: sample_series is [removed]" in passed_on


def test_text_from_the_command_line_is_read_as_what_it_means():
    config = check(
        chunks=["32", "64", "64"], datasets={"v1:/data/ct": ""}, overwrite="true", deidentify=0
    )
    assert (config["overwrite"], config["deidentify"]) == (True, False)
    assert config["chunks"] == [32, 64, 64]
    assert config["datasets"] == {"v1": "/data/ct"}


def test_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    outputs = {"manifest_dir": "~/m", "out_root": "~/o"}
    config = check(datasets={"v1": "~/ct"}, decisions="", **outputs)
    assert config["out_root"] == f"{tmp_path}/o"
    assert config["decisions"] == ""
    (tmp_path / "ct").mkdir()
    require_folders(config)
    require_absolute(config)


def test_relative_path_is_named_where_jobs_run_elsewhere():
    whole = {"datasets": {"v1": "/ct"}, "manifest_dir": "/m", "out_root": "/o"}
    require_absolute(check(**whole))
    for change, named in (
        ({"datasets": {"v1": "ct"}}, "the folder of dataset 'v1' is ct; with a default storage"),
        ({"out_root": "o"}, "config: out_root is o; with a default storage"),
        ({"decisions": "d.csv"}, "config: decisions is d.csv; with a default storage"),
    ):
        with pytest.raises(SettingsError, match=named) as caught:
            require_absolute(check(**whole | change))
        assert caught.value.code is Code.SETTING_WRONG


def test_missing_dataset_folder_is_named(tmp_path):
    outputs = {"manifest_dir": f"{tmp_path}/m", "out_root": f"{tmp_path}/o"}
    (tmp_path / "ct").mkdir()
    (tmp_path / "file").touch()
    here = {"v1": f"{tmp_path}/ct"}
    require_folders({"datasets": here, **outputs})
    with pytest.raises(SettingsError, match=r"dataset 'v2' does not exist: .*gone"):
        require_folders({"datasets": here | {"v2": f"{tmp_path}/gone"}, **outputs})
    with pytest.raises(SettingsError, match=r"dataset 'v2' is a file: .*/file; name the folder"):
        require_folders({"datasets": here | {"v2": f"{tmp_path}/file"}, **outputs})
    assert {path.name for path in tmp_path.iterdir()} == {"ct", "file"}


@pytest.mark.parametrize("key", ["manifest_dir", "out_root"])
def test_output_in_a_dataset_or_with_braces_is_refused(tmp_path, key):
    (tmp_path / "ct").mkdir()
    whole = {"datasets": {"v1": f"{tmp_path}/ct"}, "manifest_dir": "m", "out_root": "o"}
    for folder in (f"{tmp_path}/ct", f"{tmp_path}/ct/a/b"):
        with pytest.raises(SettingsError, match=f"config: {key} is .* in the folder of dataset v1"):
            require_folders(whole | {key: folder})
    with pytest.raises(SettingsError, match=f"config: {key} is .*braces for wildcards"):
        require_folders(whole | {key: f"{tmp_path}/a{{b}}"})
    assert not any((tmp_path / "ct").iterdir())


def test_output_folder_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    outputs = {"manifest_dir": f"{tmp_path}/m", "out_root": f"{tmp_path}/file/a/b"}
    (tmp_path / "ct").mkdir()
    with pytest.raises(SettingsError, match=r"out_root cannot be .*/file/a/b: .*/file is not a"):
        require_folders({"datasets": {"v1": f"{tmp_path}/ct"}, **outputs})


def test_config_without_datasets_says_where_to_name_them():
    with pytest.raises(SettingsError, match=r"datasets is empty.*config/config\.yaml"):
        require_folders(check())


@pytest.fixture
def folders(tmp_path) -> dict[str, object]:
    """A config whose folders can be used."""
    outputs = {"manifest_dir": f"{tmp_path}/m", "out_root": f"{tmp_path}/o"}
    (tmp_path / "ct").mkdir()
    return {"datasets": {"v1": f"{tmp_path}/ct"}, **outputs}


def test_key_of_deidentification_is_needed_before_anything_runs(folders, monkeypatch):
    monkeypatch.delenv("CT2ZARR_DEIDENTIFY_KEY", raising=False)
    require_folders(folders | {"deidentify": False})
    with pytest.raises(SettingsError, match="CT2ZARR_DEIDENTIFY_KEY"):
        require_folders(folders | {"deidentify": True})


def test_decisions_are_read_before_anything_runs(folders, tmp_path):
    require_folders(folders | {"decisions": ""})
    with pytest.raises(SettingsError) as caught:
        require_folders(folders | {"decisions": f"{tmp_path}/gone.csv"})
    assert caught.value.path == f"{tmp_path}/gone.csv"


@pytest.mark.parametrize("key", ["manifest_dir", "out_root"])
def test_every_folder_to_write_is_looked_at(folders, tmp_path, key):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        require_folders(folders | {key: f"{tmp_path}/file"})
    assert caught.value.facts == {"setting": key, "nearest": tmp_path / "file"}


def test_dataset_has_to_be_a_folder_and_its_name_is_private(folders, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        require_folders(folders | {"datasets": {"doe": f"{tmp_path}/file"}})
    assert "dataset 'doe' is a file" in str(caught.value)
    assert sentence(caught.value, private=False).startswith(
        "config: the folder of dataset '[removed]' is a file: [file]; "
    )
    with pytest.raises(SettingsError) as caught:
        require_folders(folders | {"datasets": {"doe": f"{tmp_path}/gone"}})
    assert sentence(caught.value, private=False) == (
        "config: the folder of dataset '[removed]' does not exist: [file]"
    )


def test_names_that_a_user_chose_are_left_out_of_what_is_passed_on():
    for key, shown in (("sample_serie", "did you mean 'sample_series'?"), ("doe", "README.md")):
        with pytest.raises(SettingsError, match=f"unknown key '{key}'.*{shown[:9]}") as caught:
            check(**{key: 1})
        passed_on = sentence(caught.value, private=False)
        assert passed_on.startswith("config: unknown key '[removed]'; ")
        assert shown in passed_on
    whole = check(datasets={"doe": "ct"}, manifest_dir="/m", out_root="/o")
    with pytest.raises(SettingsError, match="dataset 'doe' is ct") as caught:
        require_absolute(whole)
    assert sentence(caught.value, private=False).startswith("config: [removed] is [file]; ")
