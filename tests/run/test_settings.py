"""What the settings of a step imply."""

from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.paths import shard_summary
from ct2zarr.run.settings import AuditSettings, EncodingSettings
from ct2zarr.vocabulary import StoreType


def test_audit_takes_the_shards_that_have_a_summary_in_their_order(tmp_path):
    settings = AuditSettings(tmp_path)
    assert settings.labels() == []
    settings.store_root.mkdir()
    for label in ("20", "02", "100"):
        shard_summary(settings.store_root, label).table.touch()
    for name in ("summary_all.csv", "summary_shard_03_again.csv", "audit_shard_04.csv"):
        (settings.store_root / name).touch()
    assert settings.labels() == ["02", "20", "100"]
    assert replace(settings, shard_id=2).labels() == ["02"]
    assert replace(settings, shard_id=100).labels() == ["100"]
    with pytest.raises(SettingsError) as caught:
        replace(settings, shard_id=3).labels()
    assert caught.value.code is Code.INPUT_MISSING
    assert str(caught.value).startswith(f"SHARD_ID is 3, but {settings.store_root} has no summary")


def test_zarr_format_follows_the_store_unless_it_is_set():
    formats = {store: EncodingSettings(store).format_number for store in StoreType}
    assert formats == {StoreType.SQLITE: 2, StoreType.DIR: 3, StoreType.ZIP: 3}
    assert EncodingSettings(StoreType.SQLITE, zarr_format=3).format_number == 3
    assert EncodingSettings(StoreType.ZIP, zarr_format=2).format_number == 2
