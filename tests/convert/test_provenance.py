"""A change of a setting that changes the output converts again; one that does not, does not."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ct2zarr.convert.fingerprint import fingerprint
from ct2zarr.convert.finished import finished_rows
from ct2zarr.convert.shard import run_shard
from ct2zarr.convert.shard_plans import plans_of_shard
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.options import Output, config_options, options_that_change
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.run.settings_reading import convert_from_config, manifest_from_config
from ct2zarr.scan.shares import scan_share
from phantom import make_series

CONVERTS, SUMMARISES, SCANS, NOTHING = "converts", "summarises", "scans", "nothing"

EFFECTS: dict[str, tuple[Any, str]] = {
    # What identifies a volume or says which files it has: the manifest, and all that follows.
    "datasets": ({"other": "<same folder>"}, SCANS),
    "num_shards": (2, SCANS),
    "max_depth": (9, SCANS),
    "include_secondary_capture": (True, SCANS),
    "exclude_image_types": (["MIP"], SCANS),
    # The bytes of a volume or of its sidecars.
    "store_type": ("zip", CONVERTS),
    "values": ("stored", CONVERTS),
    "zarr_format": (3, CONVERTS),
    "chunks": ([5, 8, 8], CONVERTS),
    "compression_level": (3, CONVERTS),
    "pyramid_levels": (2, CONVERTS),
    "deidentify": (True, CONVERTS),
    "extra_series_tags": (["Exposure"], CONVERTS),
    "extra_slice_tags": (["XRayTubeCurrent"], CONVERTS),
    "overwrite": (True, CONVERTS),
    # Which volumes of a shard are wanted: the summary, from the records.
    "reject_flags": (["padding"], SUMMARISES),
    "accept_ambiguous_layers": (True, SUMMARISES),
    "on_bad_slice": ("drop", SUMMARISES),
    "verify_slices": ("all", SUMMARISES),
    # How a run goes, and where its results lie.
    "manifest_dir": ("elsewhere", NOTHING),
    "out_root": ("<a copy of it>", NOTHING),
    "num_workers": (3, NOTHING),
    "num_samples": (3, NOTHING),
    "sample_series": (["0" * 32], NOTHING),
    "decisions": ("decisions.csv", NOTHING),
    "series_timeout": (100, NOTHING),
    "series_memory": (1000, NOTHING),
    "retry_failed": (True, NOTHING),
    "scan_jobs": (4, NOTHING),
}
"""Option → another value than its default, and what a run with it does again."""


def test_the_table_has_every_option():
    assert set(EFFECTS) == {option.name for option in config_options()}


def test_the_rules_name_what_runs_again_as_params():
    """The workflow compares these with those of the last run; dry runs elsewhere show it does."""
    by_effect = {
        effect: {name for name, (_, found) in EFFECTS.items() if found == effect}
        for effect in (CONVERTS, SUMMARISES, SCANS, NOTHING)
    }
    # Another store type has a folder of its own, so that everything in it is missing. The shards
    # themselves are others with another number of them.
    converts = by_effect[CONVERTS] - {"store_type"}
    summarises = by_effect[SUMMARISES] | {"num_shards"}
    assert set(options_that_change(Output.SHARD)) == converts | summarises
    assert set(options_that_change(Output.MANIFEST)) == by_effect[SCANS]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, Any]:
    """The options of a run with one volume, that has ended."""
    root = tmp_path_factory.mktemp("provenance")
    make_series(root / "in", n=5)
    config = {
        "datasets": {"v1": str(root / "in")},
        "manifest_dir": str(root / "manifests"),
        "out_root": str(root / "out"),
        "num_shards": 1,
    }
    (settings,) = shards(config)
    (row,) = run_shard(settings).rows
    assert row.status == "ok"
    return config


OF_THE_REPORT = ("num_samples", "sample_series", "decisions")
OF_THE_STORE = "store_type"
"""Volumes of another store lie in another folder, where none is finished."""


@pytest.mark.parametrize("option", OF_THE_REPORT)
def test_an_option_of_the_report_does_not_reach_the_conversion(option, base, tmp_path):
    config = {**base, "manifest_dir": str(tmp_path)}
    assert shards({**config, option: EFFECTS[option][0]}) == shards(config)


def test_another_store_type_changes_the_fingerprint(base, tmp_path):
    config = {**base, "manifest_dir": str(tmp_path)}
    prints = [
        {fingerprint(plan, settings) for plan in plans_of_shard(settings)}
        for one in (config, {**config, OF_THE_STORE: EFFECTS[OF_THE_STORE][0]})
        for settings in shards(one)
    ]
    assert len(prints) == 2
    assert prints[0].isdisjoint(prints[1])


@pytest.mark.parametrize("option", sorted({*EFFECTS} - {*OF_THE_REPORT, OF_THE_STORE}))
def test_a_changed_option_converts_finished_volumes_again_or_not(option, base, tmp_path):
    value, effect = EFFECTS[option]
    if option == "datasets":
        value = {"other": base["datasets"]["v1"]}
    if option == "out_root":
        value = str(shutil.copytree(base["out_root"], tmp_path / "copy"))
    config = {**base, "manifest_dir": str(tmp_path / "manifests"), option: value}
    if option == "manifest_dir":
        config[option] = str(tmp_path / value)
    reused = [
        row
        for settings in shards(config)
        for row in finished_rows(plans_of_shard(settings), settings)
    ]
    # The dataset's name is part of the name of a volume; the other options of the manifest only
    # decide which volumes there are, and a volume of the same files is the same.
    converts = effect == CONVERTS or option == "datasets"
    assert len(reused) == (0 if converts else 1)


def shards(config: dict[str, Any]) -> list[ConvertSettings]:
    """Make the manifest; the settings of its shards."""
    for part in range(config.get("scan_jobs", 1)):
        scan_share(manifest_from_config(config, workers=1, scan_part=part))
    make_manifest(manifest_from_config(config, workers=1))
    return [
        convert_from_config(config, path, int(path.stem[-2:]), workers=1)
        for path in sorted(Path(config["manifest_dir"]).glob("shards/series_shard_*.csv"))
    ]
