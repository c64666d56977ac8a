"""Invented plans and records, for tests that need no pixels."""

from dataclasses import replace
from pathlib import Path

from ct2zarr import FORMAT_VERSION, __version__
from ct2zarr.model import Frame, VolumePlan, VolumeRecord
from ct2zarr.vocabulary import Role


def sample_plan(series_hash: str = "0" * 32, count: int = 3, folder: str = "/data/s") -> VolumePlan:
    planes = tuple(
        Frame(
            dataset="v1",
            root="/data",
            path=f"{folder}/{index}.dcm",
            bytes=1000 + index,
            mtime_ns=10**18 + index,
            role=Role.SLICE,
            sop_instance_uid=f"1.2.{index}",
            series_uid="1.2.3",
            rows=4,
            columns=5,
            position=(0.0, 0.0, 2.0 * index),
            orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            kernel="B30f",
            kvp=120.0,
        )
        for index in range(count)
    )
    return VolumePlan(series_hash, "v1", folder, "1.2.3", "1.2", 1, 1, "", planes, (), ())


def sample_record(plan: VolumePlan, **changes: object) -> VolumeRecord:
    record = VolumeRecord(
        version=__version__,
        format_version=FORMAT_VERSION,
        fingerprint="f" * 32,
        series_hash=plan.series_hash,
        dataset=plan.dataset,
        series_dir=plan.series_dir,
        part=1,
        parts=1,
        split_by="",
        store=f"{plan.series_hash}.zarr.sqlite",
        store_type="sqlite",
        zarr_format=2,
        shape=(len(plan.planes), 4, 5),
        dtype="int16",
        chunks=(3, 4, 5),
        compression_level=1,
        flags=("gantry_tilt",),
        findings={"gantry_tilt": {"degrees": -20.0}},
        values={"kind": "hu", "slope": 1, "intercept": -1024, "units": "HU"},
        geometry={"spacing": [2.0, 0.8, 0.7], "tilt_degrees": -20.0, "max_position_error_mm": 0.0},
        tags={"PatientName": "山田^太郎", "KVP": 120.0},
        localizers_skipped=1,
        duplicates=0,
        files_unreadable=0,
        input_files=len(plan.planes),
        input_bytes=3003,
        output_bytes=5,
        store_digest="0" * 40,
        store_crc32="0" * 8,
        slices_md5="0" * 32,
        verification={"ok": True, "slices": [0, 1, 2], "decoders": {"pydicom": 3}},
        seconds={"read": 0.5, "write": 0.25, "verify": 0.1, "total": 1.0},
        decoders={"native": 3},
        libraries={"zarr": "3.1.6"},
        settings={"store_type": "sqlite"},
        manifest_md5="0" * 32,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def leave_file(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path
