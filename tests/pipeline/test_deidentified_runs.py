"""What identifies a patient stays out of what leaves: sentinels in every element, found nowhere."""

import base64
import csv
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numcodecs
import pytest
from pydicom import Dataset
from pydicom.datadict import DicomDictionary
from pydicom.sequence import Sequence as Items

from cases import garbage
from ct2zarr.dicom.deidentification import KEPT
from ct2zarr.vocabulary import StoreType
from phantom import make_multiframe, make_series, patch_bytes, truncate

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
KEY = {"CT2ZARR_DEIDENTIFY_KEY": "a key that nobody guesses"}
FOLDER, FILE = "zqfolder^doe", "zqfile^jane"

TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
TIMES = frozenset({"AS", "DA", "DT", "TM"})
READ_AS_CODES = frozenset(
    {"SpecificCharacterSet", "SOPClassUID", "BurnedInAnnotation", "TransferSyntaxUID"}
)
"""Elements that decide how a file is read."""


@dataclass
class Planted:
    """Sentinels by what they are: names, dates and UIDs, as text that is found nowhere else."""

    text: set[str] = field(default_factory=lambda: {FOLDER, FILE})
    uids: set[str] = field(default_factory=set)

    def value(self, tag: int, vr: str) -> str:
        """A value for an element that says which element it is."""
        days, seconds = divmod(tag % 2_000_003, 9973)
        date = f"17{days % 90 + 10}{days % 12 + 1:02}{days % 28 + 1:02}"
        time = f"{seconds % 24:02}{seconds % 60:02}{seconds % 59:02}.{tag % 999983:06}"
        if vr == "UI":
            uid = f"1.2.826.0.1.3680043.17.{tag}"
            self.uids.add(uid)
            return uid
        found = {
            "AS": f"{tag % 997:03}Y", "DA": date, "TM": time, "DT": f"{date}{time}",
            "AE": f"ZQ{tag:08X}AE", "CS": f"ZQ{tag:08X}CS", "PN": f"Zq{tag:08x}^Doe^Jane",
            "UR": f"http://zq{tag:08x}.org", "SH": f"zq{tag:08x}sh",
        }.get(vr, f"zq{tag:08x}text")  # fmt: skip
        self.text.add(found)
        return found

    def plant(self, dataset: Dataset) -> None:
        """Fill every element of the dictionary, items of a sequence, and private elements."""
        for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
            group = tag >> 16
            wanted = vr in TEXT | TIMES | {"UI"} and 0x0008 <= group < 0x7FE0
            if wanted and keyword not in KEPT | READ_AS_CODES:
                dataset.add_new(tag, vr, self.value(tag, vr))
        dataset.PatientWeight, dataset.PatientSize = "71.913713", "1.793713"
        self.text.update({"71.913713", "1.793713"})
        inner = Dataset()
        for tag, vr in ((0x00100010, "PN"), (0x00081150, "UI"), (0x00080012, "DA")):
            inner.add_new(tag, vr, self.value(tag + 1, vr))
        dataset.ReferencedPatientSequence = Items([inner])
        block = dataset.private_block(0x0009, "ZQ PRIVATE", create=True)
        for number, vr in enumerate(("LO", "UI", "DA", "DT", "TM", "PN", "UT"), start=1):
            block.add_new(number, vr, self.value(0x00091000 + number, vr))
        block.add_new(0x20, "UN", b"zqunknownbytes")
        self.text.update({"ZQ PRIVATE", "zqunknownbytes"})
        dataset.file_meta.SourceApplicationEntityTitle = self.value(0x00020016, "AE")


@dataclass
class Run:
    """One run of all steps on a dataset full of sentinels."""

    planted: Planted
    root: Path
    printed: str

    @property
    def out(self) -> Path:
        return self.root / "converted"


def step(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", *KEY}}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script)],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def make_dataset(root: Path) -> Planted:
    """Sound, split, multi-frame, cut short, not to be decoded, rejected: each says other things."""
    planted = Planted()

    def plant(index: int, dataset: Dataset) -> None:
        planted.plant(dataset)
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.{index}"
        dataset.SeriesInstanceUID = f"{dataset.SeriesInstanceUID}.{len(made)}"
        dataset.StackID = ""

    def plant_pixels_too(index: int, dataset: Dataset) -> None:
        plant(index, dataset)
        garbage(index, dataset)

    made: list[object] = []
    name = f"{FILE}_%d"
    place = root / FOLDER
    small = {"n": 6, "rows": 16, "columns": 18}
    made.append(make_series(place / "s1", name=name % 1, edit=plant, **small))
    made.append(
        make_series(place / "s2", name=name % 2, edit=plant, duplicates={3: "same"}, **small)
    )
    made.append(make_multiframe(place / "s3", name=name % 3, edit=lambda d: plant(0, d), **small))
    made.append(make_series(place / "s4", name=name % 4, edit=plant, **small))
    truncate(made[-1].paths[2], keep=0.95)
    packed = {"transfer_syntax": "jpeg2000_lossless", **small}
    made.append(make_series(place / "s5", name=name % 5, edit=plant_pixels_too, **packed))
    made.append(make_series(place / "s6", name=name % 6, edit=plant, tilt_degrees=15.0, **small))
    made.append(make_series(place / "s7", name=name % 7, edit=plant, **small))
    for path in made[-1].paths:  # a character set that the text is not in
        patch_bytes(path, b"ISO_IR 192", b"ISO_IR 999")
    return planted


def run(root: Path, store: StoreType, **options: str) -> Run:
    planted = make_dataset(root / "ct")
    manifest = {"DATASET_V1_ROOT": str(root / "ct"), "OUT_DIR": str(root / "manifests")}
    convert = {
        "INPUT_CSV": str(root / "manifests" / "series_all.csv"),
        "OUT_ROOT": str(root / "converted"),
        "STORE_TYPE": store,
        "VERIFY_SLICES": "all",
        "REJECT_FLAGS": "gantry_tilt",
        "EXTRA_SERIES_TAGS": "InstitutionName,PatientBirthDate,PatientWeight,PatientSize,"
        "AccessionNumber,StudyTime,StudyID",
        "EXTRA_SLICE_TAGS": "AcquisitionDateTime,OperatorsName,InstanceCreationDate",
        **options,
    }
    rest = {"OUT_ROOT": str(root / "converted"), "STORE_TYPE": store}
    report = {"CONVERTED_ROOT": str(root / "converted"), "STORE_TYPE": store}
    printed = ""
    for script, environment in (
        ("generate_manifest.py", manifest),
        ("convert_dicom_to_volume.py", convert),
        ("aggregate_summaries.py", rest),
        ("audit_volumes.py", rest),
        ("generate_verify_report.py", report),
    ):
        done = step(script, **environment)
        assert done.returncode == 0, done.stderr
        printed += done.stdout + done.stderr
    return Run(planted, root, printed)


def rows_of(run: Run) -> list[dict[str, str]]:
    (path,) = run.out.glob("zarr_*/summary_all.csv")
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


# Looking for sentinels ---------------------------------------------------------------------------


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and whatever is packed in it."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".sqlite":
        connection = sqlite3.connect(path)
        for key, value in connection.execute("SELECT k, v FROM zarr"):
            yield key.encode()
            yield from unpacked(bytes(value))
        connection.close()
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name))
    else:
        yield from unpacked(content)
    for coded in re.findall(rb"[A-Za-z0-9+/]{64,}={0,2}", content):
        yield from unpacked(base64.b64decode(coded + b"=" * (-len(coded) % 4)))


def unpacked(value: bytes) -> Iterator[bytes]:
    yield value
    for undo in (zlib.decompress, numcodecs.Blosc().decode):
        try:
            yield bytes(undo(value))
        except (zlib.error, RuntimeError, ValueError):
            continue


def found(names: set[str], content: bytes) -> set[str]:
    """Those of ``names`` in ``content``, in any case, that are no part of a longer word."""
    text = content.decode("latin-1").lower()
    hits = set()
    for name in names:
        small = name.lower()
        if small not in text:
            continue
        if re.search(rf"(?<![0-9a-z]){re.escape(small)}(?![0-9a-z])", text):
            hits.add(name)
    return hits


def leaks(folder: Path, names: set[str]) -> dict[str, set[str]]:
    """File below ``folder`` → sentinels in its name or bytes."""
    result: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        hits = found(names, path.name.encode())
        if path.is_file():
            content = b"\0".join(dict.fromkeys(pieces(path)))
            hits |= found(names, content)
        if hits:
            result[str(path.relative_to(folder))] = hits
    return result


# The claims -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(StoreType))
def hidden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("hidden"), request.param, DEIDENTIFY="true", **KEY)


@pytest.fixture(scope="module")
def open_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("open"), StoreType.SQLITE)


def test_the_dataset_has_sentinels_in_thousands_of_elements_and_every_kind_of_volume(hidden: Run):
    assert len(hidden.planted.text) > 1500
    assert len(hidden.planted.uids) > 80
    statuses = sorted((row["status"], row["reason"]) for row in rows_of(hidden))
    assert statuses == [
        ("failed", "cannot_decode"),
        ("failed", "unreadable_files"),
        ("ok", ""), ("ok", ""), ("ok", ""), ("ok", ""),
        ("rejected", "gantry_tilt"),
    ]  # fmt: skip


def test_no_sentinel_is_in_any_byte_under_deidentify(hidden: Run):
    names = hidden.planted.text | hidden.planted.uids
    assert leaks(hidden.out, names) == {}
    assert found(names, hidden.printed.encode()) == set()


def test_without_deidentify_no_sentinel_is_in_stores_names_logs_and_report(open_run: Run):
    frame_of_reference = open_run.planted.value(0x00200052, "UI")  # the store is to have it
    text, uids = open_run.planted.text, open_run.planted.uids - {frame_of_reference}
    root = open_run.out / "zarr_sqlite"
    assert leaks(root / "data", text | uids) == {}
    assert found(text | uids, open_run.printed.encode()) == set()
    names = "\n".join(
        str(path.relative_to(open_run.root))
        for path in open_run.root.rglob("*")
        if not path.is_relative_to(open_run.root / "ct")
    )
    assert found(text | uids, names.encode()) == set()
    # What a series is called tells people what they look at; identifiers are taken out of it.
    titles = {open_run.planted.value(tag, "LO") for tag in (0x0008103E, 0x00081030, 0x00181030)}
    report = b"\0".join(pieces(root / "verify_report.html"))
    assert found((text | uids) - titles, report) == set()


def test_the_search_for_sentinels_finds_them(open_run: Run):
    """The sidecars have names and UIDs without ``deidentify``: the search sees them there."""
    hits = leaks(open_run.out / "zarr_sqlite" / "meta", open_run.planted.text)
    assert {Path(name).suffix for name in hits} == {".json", ".csv"}


@pytest.mark.parametrize("key", [{}, {"CT2ZARR_DEIDENTIFY_KEY": "short"}])
def test_a_missing_key_is_one_sentence_and_exit_code_2(open_run: Run, tmp_path: Path, key):
    done = step(
        "convert_dicom_to_volume.py",
        INPUT_CSV=str(open_run.root / "manifests" / "series_all.csv"),
        OUT_ROOT=str(tmp_path / "out"),
        DEIDENTIFY="1",
        **key,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "CT2ZARR_DEIDENTIFY_KEY" in done.stderr
    assert not (tmp_path / "out").exists()
