"""A misspelt variable is refused, and one of another program never is."""

import pytest

from ct2zarr.errors import SettingsError
from ct2zarr.run.options import OPTIONS
from ct2zarr.run.settings import SCRIPTS, ConvertSettings, ManifestSettings, ReportSettings
from ct2zarr.run.variable_names import SHORTEST, check_variables, is_near


def refused(record: type, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        check_variables(environ, record)
    assert raised.value.exit_code == 2
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NUM_WRKERS", "NUM_WORKERS"),  # left out
        ("NUM_WORKERRS", "NUM_WORKERS"),  # added
        ("NUM_WORKARS", "NUM_WORKERS"),  # replaced
        ("NUM_WROKERS", "NUM_WORKERS"),  # changed places
        ("NUM_WRKRS", "NUM_WORKERS"),  # two left out
        ("num_workers", "NUM_WORKERS"),
        ("NUMWORKERS", "NUM_WORKERS"),
        ("OUT-ROOT", "OUT_ROOT"),
        ("XOVERWRITE", "OVERWRITE"),
        ("OVERWRITEN", "OVERWRITE"),
        ("SHARD_IDS", "SHARD_ID"),
    ],
)
def test_a_near_miss_is_refused_with_the_name_that_was_meant(name, meant):
    assert refused(ConvertSettings, **{name: "1"}) == (
        f"{name} is not a setting: did you mean {meant}?"
    )


def test_a_root_of_any_dataset_may_be_misspelt():
    given = {"DATASET_V1_ROOT": "/data", "DATASET_V2_ROT": "/more"}
    assert "DATASET_V2_ROOT?" in refused(ManifestSettings, **given)
    check_variables({"DATASET_V12_ROOT": "/data", "DATASET_Vx_ROOT": "/a"}, ManifestSettings)


@pytest.mark.parametrize(
    "name",
    [
        "OUT_DIRECTORY", "NUM_CARDS", "CORE_TYPE", "VALUE", "CHUNK", "NUM_MARKERS", "INPUT", "OUT",
        "DATASET_ROOT", "WORKERS", "OMP_NUM_THREADS", "SLURM_JOB_ID", "HOME", "PATH",
    ],
)  # fmt: skip
@pytest.mark.parametrize("record", SCRIPTS.values(), ids=list(SCRIPTS))
def test_a_variable_of_another_program_is_none_of_ours(name, record):
    check_variables({name: "1"}, record)


def test_nothing_is_misspelt_where_the_variable_itself_is_set():
    check_variables({"NUM_WORKERS": "2", "NUM_WORKER": "3"}, ConvertSettings)
    assert "NUM_WORKERS" in refused(ConvertSettings, NUM_WORKERS="", NUM_WORKER="3")


def test_a_variable_of_another_script_is_no_misspelling():
    every = {option.variable: "1" for option in OPTIONS.values()}
    for record in SCRIPTS.values():
        check_variables(every, record)
    check_variables({"NUM_SAMPLE": "1"}, ConvertSettings)
    assert "NUM_SAMPLES?" in refused(ReportSettings, NUM_SAMPLE="1")


def test_no_variable_of_ours_is_a_near_miss_of_another():
    names = [one.variable for one in OPTIONS.values() if len(one.variable) >= SHORTEST]
    near = {(a, b) for a in names for b in names if a != b and is_near(a, b)}
    assert near == set()


def test_two_letters_may_be_missing_from_a_long_name_only():
    assert is_near("SUMARY_SUFIX", "SUMMARY_SUFFIX")
    assert not is_near("OT_ROT", "OUT_ROOT")
    assert not is_near("MMARY_SUFFIX", "SUMMARY_SUFFIX"), "the first letter is seldom wrong"
    assert not is_near("SUMAR_SUFIX", "SUMMARY_SUFFIX"), "three are missing"
