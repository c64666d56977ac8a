"""Real Snakemake on real CT of four makers, in every store, against what other tools made of it."""

import numpy as np
import pytest
import zarr

import ct2zarr
from ct2zarr.vocabulary import StoreType
from peer_volumes import agrees, peer_answers
from phantom import real_set
from project import Project, account

SETS = {
    "crlm_ct_1004": {"dcm2niix", "simpleitk", "highdicom", "dicom2nifti"},
    "philips_head_phantom_study": {"dcm2niix", "simpleitk", "highdicom", "dicom2nifti"},
    "ibsi_sts_003": {"dcm2niix", "simpleitk", "highdicom", "dicom2nifti"},
    "slicer_cthead_64": {"dcm2niix", "simpleitk", "dicom2nifti"},
}
"""Set → the peers that give its CT series as one volume."""
MAX_DEPTH = 5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=list(StoreType))
def project(request, tmp_path_factory):
    """A finished run on all four sets."""
    project = Project(
        tmp_path_factory.mktemp(f"real_{request.param}"),
        {
            "datasets": {name: str(real_set(name)) for name in SETS},
            "num_shards": 2,
            "max_depth": MAX_DEPTH,
            "store_type": str(request.param),
            "verify_slices": "all",
        },
    )
    project.snakemake()
    return project


@pytest.mark.parametrize("name", SETS)
def test_volume_has_the_voxels_and_the_place_that_peers_give(project, name):
    (row,) = (row for row in project.rows() if row["dataset"] == name)
    assert (row["status"], row["verify_ok"]) == ("ok", "true"), row
    assert row["verified_slices"] == row["slice_count"]
    volume = project.volume(row["series_hash"])
    series_uid = volume.series["tags"]["SeriesInstanceUID"]
    answers = peer_answers(real_set(name).parent, series_uid)
    agreeing = {
        tool
        for tool, found in answers.items()
        if any(agrees(volume.numpy(), volume.index_to_lps, answer) for answer in found)
    }
    assert agreeing == SETS[name]


@pytest.mark.parametrize("name", SETS)
def test_volume_opens_in_plain_zarr_with_the_same_voxels(project, name):
    (row,) = (row for row in project.rows() if row["dataset"] == name)
    volume = project.volume(row["series_hash"])
    source = str(volume.path)
    store = {
        "dir": lambda: source,
        "zip": lambda: zarr.storage.ZipStore(source, mode="r"),
        "sqlite": lambda: ct2zarr.SQLiteStore(source, read_only=True),
    }[project.config["store_type"]]()
    array = zarr.open_group(store, mode="r")["volume"]
    assert np.array_equal(array[...], volume.numpy())


def test_every_real_file_has_its_line(project):
    on_disk = sorted(
        str(path) for name in SETS for path in real_set(name).rglob("*") if path.is_file()
    )
    files = account(project.manifest)
    assert sorted(set(files["path"])) == on_disk
    assert (files["reason"].ne("") | files["role"].eq("slice")).all()


def test_second_run_on_real_data_has_nothing_to_do(project):
    assert "Nothing to be done" in project.snakemake()
    assert project.pending() == {}
