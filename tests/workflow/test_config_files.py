"""A config that is not what a person meant is refused in one sentence."""

from pathlib import Path

import pytest

from ct2zarr.errors import SettingsError
from ct2zarr.workflow.config_files import check_config_file, check_default_config


def refused(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SettingsError) as raised:
        check_config_file(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 2\nout_root: a\na: 3\n", "a is given twice in {}, in lines 1 and 3"),
        ("datasets:\n  v1: /a\n  v1: /b\n", "v1 is given twice in {}, in lines 2 and 3"),
        ("reject_flags: [{a: 1, a: 2}]\n", "a is given twice in {}, in lines 1 and 1"),
        ("datasets:\n\tv1: /a\n", "line 2 of the config {} is not YAML: found character '\\t'"),
        ("datasets: {v1: /a\n", "line 2 of the config {} is not YAML: expected ',' or '}}'"),
        ("", "the config {} has no keys"),
        ("- a\n", "the config {} has no keys"),
        ("text\n", "the config {} has no keys"),
        (b"\xff\xfe", "the config {} is not a text file in UTF-8"),
        ("a: \x00\n", "the config {} is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path, content, words):
    path = tmp_path / "run.yaml"
    assert words.format(path) in refused(path, content)


def test_tabs_are_named_where_there_are_some(tmp_path):
    assert "not tabs" in refused(tmp_path / "a.yaml", "datasets:\n\tv1: /a\n")
    assert "check brackets" in refused(tmp_path / "b.yaml", "datasets: {v1: /a\n")


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        check_config_file(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        check_config_file(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    "content",
    [
        "a: 1\nb: {a: 1}\nc: {a: 1}\n",
        "\ufeffdatasets: {v1: /a}\n",
        '{"datasets": {"v1": "/a"}}',
        "a: &one {x: 1}\nb: {<<: *one, x: 2}\n",
        "a: [1, 1]\n",
    ],
)
def test_what_yaml_allows_is_allowed(tmp_path, content):
    path = tmp_path / "run.yaml"
    path.write_text(content, encoding="utf-8")
    check_config_file(path)


def test_a_workflow_that_is_started_elsewhere_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as raised:
        check_default_config(Path("config/config.yaml"))
    assert f"there is no config/config.yaml in {tmp_path}; start snakemake" in str(raised.value)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(SettingsError, match="a is given twice"):
        check_default_config(Path("config/config.yaml"))
