"""Which volumes the report shows: rare flags, every dataset, and what is listed by hand."""

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.plan.identity import series_hash as hash_of
from ct2zarr.report.sampling import LISTED, find_listed, sample_volumes


def volumes(**counts: int) -> dict[str, tuple[str, list[str]]]:
    made = {}
    for kind, count in counts.items():
        for i in range(count):
            flags = [] if kind.startswith("plain") else [kind]
            made[f"{kind}{i:04d}"] = (kind if not flags else "v1", flags)
    return made


def test_rare_flag_is_sampled_among_thousands() -> None:
    chosen = sample_volumes(volumes(plain=5000, padding=3000, suspicious_hu=1), 4, seed=0)
    assert "suspicious_hu0000" in [sample.series_hash for sample in chosen]


def test_each_dataset_is_sampled() -> None:
    chosen = sample_volumes(volumes(plain_a=900, plain_b=2, plain_c=90), 3, seed=0)
    assert {sample.series_hash[:7] for sample in chosen} == {"plain_a", "plain_b", "plain_c"}


def test_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    some = volumes(plain=300, padding=40)
    turned = dict(reversed(some.items()))
    assert sample_volumes(some, 10, 0) == sample_volumes(turned, 10, 0)
    assert sample_volumes(some, 10, 0) != sample_volumes(some, 10, 1)


def test_listed_volumes_come_first_and_besides() -> None:
    some = volumes(plain=300, padding=40)
    chosen = sample_volumes(some, 3, 0, ["plain0007", "padding0001"])
    assert [sample.series_hash for sample in chosen[:2]] == ["plain0007", "padding0001"]
    assert chosen[0].stratum == LISTED
    assert len(chosen) == 5


def test_series_are_listed_by_hash_its_start_or_their_uid() -> None:
    uid = "1.2.826.0.1.3680043.8.498.1"
    parts = [hash_of("v2", uid, part) for part in (1, 2)]
    hashes = [*parts, "0123456789abcdef" * 2, "01234567ffffffff" * 2]
    wanted = ["0123456789ab", uid, parts[0]]
    assert find_listed(wanted, hashes, ["v1", "v2"], 2) == [hashes[2], *parts]
    with pytest.raises(SettingsError, match="sample_series: 01234567 is the start of 2") as caught:
        find_listed(["01234567"], hashes, ["v1"], 1)
    assert caught.value.code is Code.SETTING_WRONG
    for unknown in ("fedcba9876543210", "1.2.3", "0123"):
        with pytest.raises(
            SettingsError, match=f"sample_series: {unknown} is neither a series_hash"
        ):
            find_listed([unknown], hashes, ["v1", "v2"], 2)


@pytest.mark.parametrize("number", [0, 3, 7, 50])
def test_sample_has_the_wanted_number_and_no_volume_twice(number: int) -> None:
    some = volumes(plain=4, padding=3)
    chosen = [sample.series_hash for sample in sample_volumes(some, number, 0)]
    assert len(set(chosen)) == len(chosen) == min(number, 7)


def test_strata_take_turns_the_rarest_flag_first_and_then_a_dataset() -> None:
    some = volumes(plain=5, padding=9, gantry_tilt=3, suspicious_hu=1)
    assert [sample.stratum for sample in sample_volumes(some, 5, 0)] == [
        "suspicious_hu", "no flag, dataset plain", "gantry_tilt", "padding",
        "no flag, dataset plain",
    ]  # fmt: skip
