"""The account gives every frame of a scan one place, however the scan is cut into batches."""

import random

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import Ct2zarrError, sentence
from ct2zarr.plan import account as account_module
from ct2zarr.plan.account import make_account
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.vocabulary import Role
from series_of import frame, stack

SELECTION = SelectionSettings()


def grid(n, step=2.0):
    return [step * i for i in range(n)]


def scene():
    """Two series, a third without a slice, and files of no series; in the order of paths."""
    frames = stack(grid(4), 1)
    frames += stack(grid(3), 11, series_uid="1.10", path="/data/multi", frames=3)
    frames = [
        one if one.frames == 1 else frame_of_multi(one, number - 3)
        for number, one in enumerate(frames)
    ]
    frames.append(frame(21, 0, role=Role.LOCALIZER, reason="scout", code=Code.LOCALIZER))
    frames.append(
        frame(31, 0, series_uid="1.11", role=Role.UNREADABLE, reason="cut", code=Code.TRUNCATED)
    )
    frames.append(frame(41, 0, series_uid="1.9", sop_class_uid="1.2.840.10008.5.1.4.1.1.4"))
    frames.append(
        frame(51, 0, series_uid="", role=Role.NOT_DICOM, reason="text", code=Code.NOT_DICOM)
    )
    return sorted(frames, key=lambda one: (one.path, one.frame_number))


def frame_of_multi(one, number):
    from dataclasses import replace

    return replace(one, frame_number=number, sop_instance_uid="1.2.11")


def by_path(account, frames):
    return {
        (one.path, one.frame_number): (role, code, bool(name), index)
        for one, role, code, name, index in zip(
            frames,
            account.roles,
            account.codes,
            account.hashes,
            account.index.tolist(),
            strict=True,
        )
    }


@pytest.mark.parametrize("batch", [1, 4, 5, 20_000])
def test_every_frame_is_entered_once_whatever_the_batches(monkeypatch, batch):
    monkeypatch.setattr(account_module, "GROUPED_ROWS", batch)
    frames = scene()
    account = make_account(frames_to_table(frames), SELECTION)
    entered = by_path(account, frames)
    assert entered["/data/series/0021.dcm", 1] == ("localizer", "localizer", True, -1)
    assert entered["/data/series/0031.dcm", 1] == ("unreadable", "truncated", True, -1)
    assert entered["/data/series/0041.dcm", 1] == ("not_ct", "not_ct", False, -1)
    assert entered["/data/series/0051.dcm", 1] == ("not_dicom", "not_dicom", False, -1)
    for i in range(4):
        assert entered[f"/data/series/000{i + 1}.dcm", 1] == ("slice", "", True, i)
    for i in range(3):
        assert entered["/data/multi", i + 1] == ("slice", "", True, i)
    assert [bool(reason) for reason in account.reasons] == [
        role != Role.SLICE for role in account.roles
    ]
    planes = {row["series_uid"]: row["slice_count"] for row in account.series}
    assert planes == {"1.10": 3, "1.11": 0, "1.9": 4}
    assert (account.series_count, account.unreadable_count) == (3, 1)


def test_rows_of_a_series_may_lie_anywhere_in_the_table():
    frames = scene()
    mixed = random.Random(2).sample(frames, len(frames))
    there, here = (make_account(frames_to_table(some), SELECTION) for some in (frames, mixed))
    assert by_path(here, mixed) == by_path(there, frames)
    assert here.series == there.series


def test_parts_of_a_series_are_counted_as_one_series():
    frames = stack(grid(4), temporal_position=1) + stack(grid(4), 11, temporal_position=2)
    account = make_account(frames_to_table(frames), SELECTION)
    assert (len(account.series), account.series_count) == (2, 1)


def test_series_of_one_uid_in_two_datasets_are_apart():
    frames = stack(grid(2)) + stack(grid(2), 11, dataset="v2")
    account = make_account(frames_to_table(frames), SELECTION)
    assert [row["dataset"] for row in account.series] == ["v1", "v2"]


def test_volumes_of_different_batches_with_one_hash_are_an_error(monkeypatch):
    monkeypatch.setattr(account_module, "GROUPED_ROWS", 1)
    monkeypatch.setattr("ct2zarr.plan.grouping.series_hash", lambda *_: "0" * 32)
    frames = stack(grid(2)) + stack(grid(2), 11, series_uid="1.10", path="/data/b")
    with pytest.raises(Ct2zarrError) as caught:
        make_account(frames_to_table(frames[:3]), SELECTION)
    assert caught.value.code is Code.HASH_COLLISION


def test_a_frame_that_grouping_loses_is_an_error(monkeypatch):
    whole = account_module.plan_volumes

    def without_last(frames, *others):
        return whole(frames[:-1], *others)

    monkeypatch.setattr(account_module, "plan_volumes", without_last)
    with pytest.raises(
        Ct2zarrError, match=r"1 frames were lost .* /data/series/0003\.dcm"
    ) as caught:
        make_account(frames_to_table(stack(grid(3))), SELECTION)
    assert "/data" not in sentence(caught.value, private=False)


def test_rows_are_sorted_over_all_batches(monkeypatch):
    monkeypatch.setattr(account_module, "GROUPED_ROWS", 1)
    frames = stack(grid(2), dataset="v2") + stack(grid(2), 11, series_uid="1.10")
    account = make_account(frames_to_table(frames), SELECTION)
    assert [row["dataset"] for row in account.series] == ["v1", "v2"]
