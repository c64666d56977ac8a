"""An audit finds every changed table: summaries, audits and the manifest, each reason alone."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ct2zarr.convert.shard import run_shard
from ct2zarr.errors import DamageError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.paths import joined_audit
from ct2zarr.run.settings import AggregateSettings, AuditSettings, ManifestSettings
from ct2zarr.verify.audit_run import audit_all, gather_audits, print_result, read_result
from ct2zarr.verify.table_check import damaged_tables
from phantom import make_series, not_dicom
from shard_runs import settings_for

SCRIPTS = Path(__file__).parents[2] / "scripts"
SHARDS = 2
FLIPS = 60
"""Flipped bits per file, at places that the seed chooses."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of two shards with its audit."""
    root = tmp_path_factory.mktemp("tables")
    for name in ("a", "b", "c"):
        make_series(root / "in" / name, name=name, n=4)
    not_dicom(root / "in" / "a")
    make_manifest(ManifestSettings({"v1": root / "in"}, root / "manifests", num_shards=SHARDS))
    for shard in range(SHARDS):
        path = root / "manifests" / "shards" / f"series_shard_{shard:02}.csv"
        run_shard(settings_for(path, shard_id=shard, num_shards=SHARDS))
    aggregate(AggregateSettings(root / "out", manifest_dir=root / "manifests"))
    audit_all(audit_of(root)).require_intact()
    return root


@pytest.fixture
def root(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def audit_of(root: Path) -> AuditSettings:
    return AuditSettings(root / "out", manifest_dir=root / "manifests")


def tables_of(root: Path) -> list[Path]:
    store_root, manifest = root / "out" / "zarr_sqlite", root / "manifests"
    found = [*store_root.glob("*.csv"), *store_root.glob("*.json"), *manifest.glob("*.*")]
    return sorted(path for path in (*found, *(manifest / "shards").iterdir()) if path.is_file())


def test_an_audit_looks_at_every_table(made):
    names = [path.name for path in tables_of(made)]
    assert len(names) == 2 * (SHARDS + 1 + SHARDS + 1) + 2 * SHARDS + 3
    assert damaged_tables(audit_of(made)) == []
    content = json.loads(joined_audit(made / "out" / "zarr_sqlite").totals.read_text())
    assert content["tables"] == []


def test_any_flipped_bit_in_any_table_is_found(root):
    settings, choose = audit_of(root), random.Random(11)
    for path in tables_of(root):
        whole = path.read_bytes()
        for _ in range(FLIPS):
            place, bit = choose.randrange(len(whole)), choose.randrange(8)
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with pytest.raises(DamageError) as raised:
                read_result(settings).require_intact()
            assert path.name in str(raised.value), f"bit {bit} of byte {place} of {path.name}"
        path.write_bytes(whole)
    read_result(settings).require_intact()


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


CHANGES = {
    "a status": swap(",ok,", ",failed,"),
    "verify_ok": swap(",true,", ",false,"),
    "a cell": swap(",v1,", ",v2,"),
    "a line removed": lambda text: text[: text.rstrip("\n").rindex("\n") + 1],
    "a line twice": lambda text: text + text[text.rstrip("\n").rindex("\n") + 1 :],
    "lines in another order": lambda text: "".join(
        [(lines := text.splitlines(keepends=True))[0], *lines[:0:-1]]
    ),
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "nothing left": lambda _: "",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["summary_shard_XX", "summary_all"])
def test_each_change_of_a_summary_is_the_only_reason_of_the_audit(root, name, change):
    store_root = root / "out" / "zarr_sqlite"
    pattern = name.replace("XX", "*")
    path = max(store_root.glob(f"{pattern}.csv"), key=lambda one: one.stat().st_size)
    path.write_text(CHANGES[change](path.read_text()), newline="")
    (damage,) = damaged_tables(audit_of(root))
    assert (damage.file, damage.code) == (path.name, "input_damaged")
    assert damage.error.startswith("[file] was changed after it was written")
    assert str(root) not in damage.error
    with pytest.raises(DamageError, match="found 1 changed tables, and 0 damaged and 0 missing"):
        print_result(audit_of(root))


@pytest.mark.parametrize("name", ["summary_shard_01.json", "summary_all.json"])
def test_a_table_without_its_json_is_damaged_and_a_json_without_its_table_is_pending(root, name):
    totals = root / "out" / "zarr_sqlite" / name
    whole = totals.read_text()
    totals.unlink()
    (damage,) = damaged_tables(audit_of(root))
    assert (damage.file, damage.code) == (name, "input_missing")
    totals.write_text(whole)
    totals.with_suffix(".csv").unlink()
    assert damaged_tables(audit_of(root)) == []


def test_the_manifest_is_looked_at_where_its_folder_is_known(root):
    (root / "manifests" / "files_excluded.parquet").write_bytes(b"PAR1")
    (damage,) = damaged_tables(audit_of(root))
    assert damage.file == "files_excluded.parquet"
    assert damaged_tables(AuditSettings(root / "out")) == []


def test_damaged_tables_are_listed_in_the_json_of_the_audit(root):
    settings = audit_of(root)
    (root / "out" / "zarr_sqlite" / "summary_all.csv").write_text("series_hash\n")
    result = gather_audits(settings, settings.labels())
    content = json.loads(joined_audit(settings.store_root).totals.read_text())
    assert content["tables"] == [
        {"file": "summary_all.csv", "code": "input_damaged", "error": result.tables[0].error}
    ]
    assert content["unaccounted"] == {"files": 0, "names": []}
    assert str(result).endswith(", 1 changed tables")


def test_files_are_not_called_unaccounted_where_a_summary_was_changed(root):
    settings = audit_of(root)
    table = root / "out" / "zarr_sqlite" / "summary_shard_00.csv"
    table.write_text(table.read_text().splitlines(keepends=True)[0])
    gather_audits(settings, settings.labels())
    assert "unaccounted" not in json.loads(joined_audit(settings.store_root).totals.read_text())


@pytest.mark.parametrize("damage", ["a cell", pytest.param("nothing left", marks=pytest.mark.slow)])
def test_the_script_ends_with_4_and_one_sentence(root, damage):
    table = max(
        (root / "out" / "zarr_sqlite").glob("summary_shard_*.csv"),
        key=lambda one: one.stat().st_size,
    )
    table.write_text(CHANGES[damage](table.read_text()))
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "audit_volumes.py")],
        env={**plain, "OUT_ROOT": str(root / "out"), "MANIFEST_DIR": str(root / "manifests")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert f"{table.name} was changed after it was written" in done.stderr
