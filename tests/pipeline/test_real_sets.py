"""Real CT data from many makers: what each set must become, and that peers give the same voxels.

``expected_sets.csv`` has a line a kind of volume: the end of its SeriesInstanceUID, how many such
volumes, their shape, the flags they must have, those they may have, the peers that must agree in
voxels and place, and why. A set without a line makes no volume.
"""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from converted import settings_for
from ct2zarr.convert.conversion import convert_volume
from ct2zarr.convert.shard import run_shard
from ct2zarr.dicom.frame_comparison import pixel_digest
from ct2zarr.errors import SeriesError
from ct2zarr.plan.grouping import plan_volumes
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.settings import (
    ConvertSettings,
    EncodingSettings,
    ManifestSettings,
    SelectionSettings,
)
from ct2zarr.scan.scanning import scan, table_to_frames
from ct2zarr.vocabulary import Flag, Role, Status, StoreType
from peer_volumes import agrees, peer_answers
from phantom import real_data, real_set

pytestmark = pytest.mark.slow

SETS = (
    "crlm_ct_1004",
    "d2n_gantrytilting",
    "d2n_notavolume",
    "d2n_sliceincrement",
    "dcmqi_23x38x3_legacy_enhanced",
    "dcmqi_ct_3slice",
    "derived_crlm1004_jpegll70",
    "derived_sts003_legacy_enhanced",
    "enhanced_ct_perfusion",
    "ge_head_tilt_varspacing",
    "ibsi2_orientation_phantom",
    "ibsi_sts_003",
    "medio_8bit_mask_ct",
    "missing_and_duplicate_slices",
    "nonct_objects_highdicom",
    "panimg_enhanced_twin",
    "panimg_tiny_4d_and_rescale",
    "philips_head_phantom_study",
    "pydicom_ct",
    "pydicom_data_ct",
    "rtutils_phantom_oriented",
    "slicer_cthead_64",
    "ts_ctimage_cornerstone",
    "ts_nema_ct1",
    "ts_nema_ct1_more",
    "ts_nema_ct1_wg04",
)
RETIRED_JPEG = "1.2.840.10008.1.2.4.53"
"""A retired transfer syntax that nothing decodes; it is part of the file names."""
DEEPEST = 10
"""Deeper than any folder of a set, so that every file is reached."""

with (Path(__file__).parents[1] / "expected_sets.csv").open(newline="") as lines:
    EXPECTED = list(csv.DictReader(lines))


def parts(text):
    return {part for part in text.split("+") if part}


def plan(datasets, workers=2):
    table = scan(datasets, max_depth=DEEPEST, workers=workers).table
    selection = SelectionSettings()
    frames = [assign_role(frame, selection) for frame in table_to_frames(table)]
    return plan_volumes(frames, pixel_digest)


@pytest.fixture(scope="module")
def planned():
    """Plans and unused frames of all sets, each a dataset of its own."""
    return plan({name: real_set(name) for name in SETS})


def shape_of(plan):
    return f"{len(plan.planes)}x{plan.planes[0].rows}x{plan.planes[0].columns}"


def flags_of(plan):
    return {str(finding.flag) for finding in plan.flags}


def expected_line(plan):
    """The line that describes a plan; fails where none or several do."""
    fits = [
        line
        for line in EXPECTED
        if line["set"] == plan.dataset
        and plan.series_uid.endswith(line["series"])
        and line["shape"] == shape_of(plan)
        and parts(line["flags"]) <= flags_of(plan) <= parts(line["flags"]) | parts(line["may"])
    ]
    seen = f"{plan.dataset} {plan.series_uid} {shape_of(plan)} {sorted(flags_of(plan))}"
    assert len(fits) == 1, f"{len(fits)} lines fit {seen}"
    return fits[0]


def test_the_table_names_sets_flags_and_peers_that_exist():
    assert {line["set"] for line in EXPECTED} <= set(SETS)
    for line in EXPECTED:
        assert parts(line["flags"]) | parts(line["may"]) <= {str(flag) for flag in Flag}
        assert parts(line["peers"]) <= {"dcm2niix", "simpleitk", "highdicom", "dicom2nifti"}


def test_all_sets_of_the_real_data_are_named():
    assert sorted(path.parent.name for path in real_data().glob("ct/*/dicom")) == list(SETS)


@pytest.mark.parametrize("name", SETS)
def test_volumes_shapes_and_flags_are_as_reasoned(planned, name):
    plans = [plan for plan in planned[0] if plan.dataset == name]
    found = Counter(id(expected_line(plan)) for plan in plans)
    wanted = {id(line): int(line["volumes"]) for line in EXPECTED if line["set"] == name}
    assert found == wanted


def test_every_file_is_accounted_for_exactly_once(planned):
    plans, unused = planned
    left = [*unused, *(unused_frame for plan in plans for unused_frame in plan.unused)]
    frames = [plane for plan in plans for plane in plan.planes]
    frames += [unused_frame.frame for unused_frame in left]
    seen = Counter((frame.path, frame.frame_number) for frame in frames)
    assert set(seen.values()) == {1}
    on_disk = {str(path) for name in SETS for path in real_set(name).rglob("*") if path.is_file()}
    assert {path for path, _ in seen} == on_disk


def test_what_is_no_slice_has_a_reason_for_people(planned):
    plans, unused = planned
    left = [*unused, *(unused_frame for plan in plans for unused_frame in plan.unused)]
    assert {unused_frame.role for unused_frame in left} == {
        Role.DUPLICATE,
        Role.LOCALIZER,
        Role.NOT_CT,
        Role.NOT_IMAGE,
        Role.UNREADABLE,
    }
    for unused_frame in left:
        assert len(unused_frame.reason.split()) >= 3, unused_frame.reason
        assert "Traceback" not in unused_frame.reason


def test_only_the_retired_jpeg_files_cannot_be_read(planned):
    plans, unused = planned
    left = [*unused, *(unused_frame for plan in plans for unused_frame in plan.unused)]
    names = [Path(x.frame.path).stem for x in left if x.role is Role.UNREADABLE]
    assert sorted(name[-2:] for name in names) == ["53", "55"]


def test_measured_geometry_of_the_hard_sets(planned):
    by_set = {plan.dataset: plan for plan in planned[0]}
    tilts = {
        name: evidence
        for name, plan in by_set.items()
        for finding in plan.flags
        if finding.flag is Flag.GANTRY_TILT
        for evidence in [finding.evidence["degrees"]]
    }
    assert abs(tilts["ge_head_tilt_varspacing"]) == pytest.approx(18.5, abs=0.05)
    assert abs(tilts["d2n_gantrytilting"]) == pytest.approx(14.0, abs=0.05)
    assert set(tilts) == {"ge_head_tilt_varspacing", "d2n_gantrytilting"}


def test_copies_in_other_encodings_are_found_across_folders():
    """As one dataset, a series in several sets is one series; its lossless twins are duplicates."""
    folder = real_data() / "ct"
    plans, unused = plan({"all": folder})
    crlm = [p for p in plans if p.series_uid.endswith("950462054011")]
    assert [len(p.planes) for p in crlm] == [41]
    assert [unused_frame.role for unused_frame in crlm[0].unused] == [Role.DUPLICATE] * 20
    nema = [p for p in plans if p.series_uid.endswith("185059.5457")]
    # The encodings called DERIVED are set apart by ImageType; copies are found on either side.
    assert [len(p.planes) for p in nema] == [1, 1, 1, 1]
    copies = [unused_frame.role for p in nema for unused_frame in p.unused]
    assert copies == [Role.DUPLICATE] * ((8 + 2 - 1) + (3 - 1))
    everything = {str(path) for path in folder.rglob("*") if path.is_file()}
    accounted = [frame.path for p in plans for frame in p.planes]
    accounted += [left.frame.path for p in plans for left in p.unused]
    accounted += [left.frame.path for left in unused]
    assert set(accounted) == everything


def convert(plan, out_root):
    settings = ConvertSettings(
        input_csv=out_root / "none.csv",
        out_root=out_root,
        encoding=EncodingSettings(store_type=StoreType.DIR),
        verify_slices="all",
    )
    prepare_store_root(settings.store_root)
    record = convert_volume(plan, settings)
    group = zarr.open_group(settings.store_root / "data" / record.store, mode="r")
    return record, group["volume"][:], dict(group.attrs["ct2zarr"])


@pytest.mark.parametrize("name", [name for name in SETS if name in {e["set"] for e in EXPECTED}])
def test_voxels_and_places_are_those_of_the_peers(planned, tmp_path, name):
    for plan in (plan for plan in planned[0] if plan.dataset == name):
        line = expected_line(plan)
        if "unreadable_files" in flags_of(plan):
            with pytest.raises(SeriesError, match="CTImage"):
                convert(plan, tmp_path)
            continue
        record, volume, attributes = convert(plan, tmp_path)
        flags = set(record.flags)
        assert parts(line["flags"]) <= flags <= parts(line["flags"]) | parts(line["may"])
        assert "x".join(map(str, volume.shape)) == line["shape"]
        assert record.verification["ok"]
        origins = [plane.position for plane in plan.planes]
        assert np.allclose(attributes["slice_origins_lps"], origins, atol=1e-9)
        answers = peer_answers(real_set(name).parent, plan.series_uid)
        matrix = np.array(attributes["index_to_lps"])
        for peer in parts(line["peers"]):
            assert any(agrees(volume, matrix, answer) for answer in answers[peer]), peer


@pytest.mark.parametrize(
    ("one", "other", "planes"),
    [
        ("crlm_ct_1004", "derived_crlm1004_jpegll70", 20),
        ("ibsi_sts_003", "derived_sts003_legacy_enhanced", 51),
    ],
)
def test_twins_in_another_encoding_give_the_same_volume(planned, tmp_path, one, other, planes):
    by_set = {plan.dataset: plan for plan in planned[0]}
    _, first, attributes = convert(by_set[one], tmp_path)
    _, second, others = convert(by_set[other], tmp_path)
    place = {tuple(origin): i for i, origin in enumerate(attributes["slice_origins_lps"])}
    same = [place[tuple(origin)] for origin in others["slice_origins_lps"]]
    assert len(same) == planes
    assert np.array_equal(first[same], second)


def test_a_volume_that_is_wrong_agrees_with_no_peer(planned, tmp_path):
    plan = next(
        plan for plan in planned[0] if plan.dataset == "pydicom_ct" and len(plan.planes) > 4
    )
    _, volume, attributes = convert(plan, tmp_path)
    matrix = np.array(attributes["index_to_lps"])
    answers = peer_answers(real_set("pydicom_ct").parent, plan.series_uid)["highdicom"]
    assert agrees(volume, matrix, answers[0])
    assert not agrees(volume[::-1], matrix, answers[0])
    assert not agrees(volume[[1, 0, 2, 3, 4]], matrix, answers[0], placed=False)
    assert not agrees(volume.transpose(0, 2, 1), matrix, answers[0])
    shifted = matrix.copy()
    shifted[2, 3] += 0.1
    assert not agrees(volume, shifted, answers[0])
    volume[2, 3, 4] += 1
    assert not agrees(volume, matrix, answers[0], placed=False)


# All sets as one dataset ------------------------------------------------------------------------


def test_all_sets_in_one_tree_are_accounted_converted_and_verified(tmp_path):
    """Series of several sets meet here, as copies and in other encodings."""
    root = real_data() / "ct"
    manifest = tmp_path / "manifest"
    make_manifest(ManifestSettings({"all": root}, manifest, num_shards=1, max_depth=12, workers=2))
    summary = json.loads((manifest / "manifest_summary.json").read_text())
    on_disk = sum(path.is_file() for path in root.rglob("*"))
    assert summary["files_found"] == sum(summary["roles"].values()) == on_disk
    assert summary["deeper_than_max_depth"]["files"] == 0

    settings = settings_for(tmp_path, chunks=(64, 64, 64), num_workers=2)
    rows = run_shard(replace(settings, input_csv=manifest / "series_all.csv")).rows
    with (manifest / "series_all.csv").open(newline="") as lines:
        series = {line["series_hash"]: line["series_uid"] for line in csv.DictReader(lines)}
    found, named = set(), set()
    for row in rows:
        shape = f"{row.slice_count}x{row.rows}x{row.columns}"
        ends = {line["series"] for line in EXPECTED if line["shape"] == shape}
        end = next(end for end in ends if series[row.series_hash].endswith(end))
        found.add((end, shape))
        if row.status == Status.OK:
            assert (row.verify_ok, row.verified_slices) == (True, row.slice_count), row
        else:
            named.add((row.reason, RETIRED_JPEG in row.error))
    assert named == {("unreadable_files", True)}
    # Of copies in two sets the larger volume is there, so that the smaller one is not.
    smaller = {("950462054011", "20x512x512")}
    assert found == {(line["series"], line["shape"]) for line in EXPECTED} - smaller
