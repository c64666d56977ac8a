"""What people decide in the report counts in the next summary, and a bad file is one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_summaries import ROWS, read, write_shards

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.report.decisions import Review, apply_decisions, read_decisions
from ct2zarr.report.summaries import aggregate
from ct2zarr.vocabulary import Decision

ONE, TWO, FAILED, FLAGGED, UNKNOWN = (f"{number:032x}" for number in (1, 2, 8, 9, 99))


def write_csv(path: Path, *lines: str, head: str = "series_hash,dataset,decision,comment") -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def decide(folder: Path, *lines: str) -> dict[str, dict[str, str]]:
    """The joined table, by series_hash, after these lines of decisions."""
    settings = write_shards(folder, ROWS)
    path = write_csv(folder / "decisions.csv", *lines)
    aggregate(replace(settings, decisions=path))
    table = read(folder / "zarr_sqlite/summary_all.csv")
    return {line["series_hash"]: line for line in table}


def test_rejected_volume_gets_the_status_with_a_reason_of_its_own(tmp_path):
    rows = decide(tmp_path, f'{ONE},v1,reject,"breathing, twice"', f"{TWO},v1,accept,")
    assert (rows[ONE]["status"], rows[ONE]["reason"]) == ("rejected", "rejected_in_review")
    assert rows[ONE]["error"] == "the volume was rejected in review: breathing, twice"
    assert (rows[ONE]["decision"], rows[ONE]["comment"]) == ("reject", "breathing, twice")
    assert (rows[TWO]["status"], rows[TWO]["reason"], rows[TWO]["decision"]) == ("ok", "", "accept")
    content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
    assert content["status"] == {"ok": 8, "failed": 1, "rejected": 2}
    assert content["reason"]["rejected_in_review"] == 1
    assert content["totals"]["input_bytes"] == 800_000


def test_failed_volume_stays_failed_and_a_flagged_one_keeps_its_reason(tmp_path):
    rows = decide(tmp_path, f"{FAILED},v1,reject,", f"{FLAGGED},v1,reject,")
    assert (rows[FAILED]["status"], rows[FAILED]["reason"]) == ("failed", "timeout")
    assert (rows[FLAGGED]["status"], rows[FLAGGED]["reason"]) == ("rejected", "gantry_tilt")


def test_decision_that_is_taken_back_counts_no_longer(tmp_path):
    decide(tmp_path, f"{ONE},v1,reject,")
    assert decide(tmp_path, f"{ONE},v1,,unsure")[ONE]["status"] == "ok"


def test_no_decisions_leave_the_columns_empty(tmp_path):
    aggregate(write_shards(tmp_path, ROWS))
    for line in read(tmp_path / "zarr_sqlite/summary_all.csv"):
        assert (line["decision"], line["comment"]) == ("", "")


def test_decision_on_an_unknown_volume_is_named(tmp_path):
    with pytest.raises(
        SettingsError, match=rf"volumes that this run does not have: series_hash {UNKNOWN};"
    ):
        decide(tmp_path, f"{UNKNOWN},v1,reject,")


@pytest.mark.parametrize(
    "text",
    [
        f"series_hash,decision,comment\n{ONE},Reject,'=odd\n",
        f"series_hash;decision;comment\r\n{ONE};reject;'=odd\r\n",
        f"\ufeffseries_hash\tdecision\tcomment\n{ONE}\treject\t'=odd\n",
        json.dumps({"decisions": [{"series_hash": ONE, "decision": "reject", "comment": "=odd"}]}),
        json.dumps([{"series_hash": ONE, "decision": "reject", "comment": "=odd"}]),
    ],
    ids=["csv", "semicolons", "tabs and mark", "json", "json list"],
)
def test_every_form_that_an_export_takes_is_read_alike(tmp_path, text):
    path = tmp_path / "decisions"
    path.write_bytes(text.encode())
    assert read_decisions(path) == {ONE: Review(ONE, Decision.REJECT, "=odd")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("series_hash,comment\n", "lacks the column decision"),
        (f"series_hash,decision\n{ONE},maybe\n", "line 2 of .* has the decision 'maybe'"),
        ("series_hash,decision\n1.2E+31,reject\n", "has '1.2e\\+31' as series_hash; it must be 32"),
        (f"series_hash,decision\n{ONE},accept\n{ONE},reject\n", "has both accept and reject"),
        ("{", "is not valid JSON"),
        ('{"decisions": 3}', "has no list of decisions"),
        ('[{"series_hash": 7, "decision": "accept"}]', "decision 1 of .* has '7' as series_hash"),
        ("\ufffe\x00".encode("utf-16"), "cannot be read"),
    ],
)
def test_malformed_file_is_one_sentence_that_names_it(tmp_path, text, sentence):
    path = tmp_path / "bad file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=sentence) as caught:
        read_decisions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.csv does not exist"):
        read_decisions(tmp_path / "gone.csv")


def test_deciding_deletes_nothing_and_is_the_same_twice(tmp_path):
    store = tmp_path / "zarr_sqlite/data" / f"{ONE}.zarr.sqlite"
    store.parent.mkdir(parents=True)
    store.write_text("voxels")
    first = decide(tmp_path, f"{ONE},v1,reject,")
    assert decide(tmp_path, f"{ONE},v1,reject,") == first
    assert store.read_text() == "voxels"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.INPUT_DAMAGED),
        ("{", Code.INPUT_DAMAGED),
        ("[1]", Code.INPUT_DAMAGED),
        ('{"decisions": 3}', Code.INPUT_DAMAGED),
        (f"series_hash,decision\n{ONE},maybe\n", Code.SETTING_WRONG),
        ("series_hash,decision\n1,reject\n", Code.SETTING_WRONG),
        (f"series_hash,decision\n{ONE},accept\n{ONE},reject\n", Code.SETTING_WRONG),
    ],
)
def test_malformed_file_has_the_code_of_its_kind(tmp_path, text, code):
    path = tmp_path / "decisions"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_decisions(path)
    assert caught.value.code is code


def test_folder_is_no_decisions_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory") as caught:
        read_decisions(tmp_path)
    assert caught.value.code is Code.INPUT_DAMAGED


def test_line_that_repeats_a_decision_is_no_contradiction(tmp_path):
    path = write_csv(tmp_path / "d.csv", f"{ONE},v1,accept,first", f"{ONE},v1,accept,second")
    assert read_decisions(path) == {ONE: Review(ONE, Decision.ACCEPT, "first")}


def test_hash_in_capitals_and_spaces_around_words_are_read(tmp_path):
    upper = "ABCDEF" + "0" * 26
    path = write_csv(tmp_path / "d.csv", f" {upper} ,v1, ACCEPT ,  so   so ")
    assert read_decisions(path) == {upper.lower(): Review(upper.lower(), Decision.ACCEPT, "so so")}


@pytest.mark.parametrize(
    ("comment", "read_as"),
    [("'=1", "=1"), ("'+1", "+1"), ("'-1", "-1"), ("'@x", "@x"), ("'tis", "'tis"), ("=1", "=1")],
)
def test_apostrophe_that_guards_a_comment_is_removed(tmp_path, comment, read_as):
    path = write_csv(tmp_path / "d.csv", f"{ONE},v1,accept,{comment}")
    assert read_decisions(path)[ONE].comment == read_as


@pytest.mark.parametrize(("number", "ends"), [(3, False), (4, True)])
def test_three_unknown_volumes_are_named_and_more_are_mentioned(number, ends):
    reviews = {f"{i:032x}": Review(f"{i:032x}", Decision.ACCEPT) for i in range(number)}
    with pytest.raises(SettingsError) as caught:
        apply_decisions([], reviews, Path("d.csv"))
    assert caught.value.code is Code.SETTING_WRONG
    assert [f"{i:032x}" in str(caught.value) for i in range(number)] == [True] * 3 + [False] * ends
    assert ("and others" in str(caught.value)) is ends


def test_rejection_is_public_without_its_comment(tmp_path):
    rows = decide(tmp_path, f"{ONE},v1,reject,breathing")
    assert rows[ONE]["code"] == "rejected_in_review"
    assert rows[ONE]["error_public"] == "the volume was rejected in review"
    rows = decide(tmp_path, f"{ONE},v1,reject,")
    assert rows[ONE]["error"] == rows[ONE]["error_public"] == "the volume was rejected in review"
