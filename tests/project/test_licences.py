"""The page of licences names every package that is installed, with what the package itself says."""

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

import pytest

from phantom import make_series

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "licences.md").read_text("utf-8")
PINNED = sorted(
    set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE))
)
FAMILIES = {
    "GPL": r"(?<!L)GPL|GNU General Public",
    "LGPL": r"LGPL|Lesser General Public",
    "MPL": r"MPL|Mozilla Public",
    "Apache": r"Apache",
    "BSD": r"BSD|Kiwi licensing terms|Redistribution and use in source and binary forms",
    "PSF": r"PSF|Python Software Foundation|agreement for matplotlib",
    "MIT": r"\bMIT\b",
    "public domain": r"Public Domain|public domain",
}


def families(text: str) -> set[str]:
    return {name for name, words in FAMILIES.items() if re.search(words, text)}


def said_by(package: PackageMetadata) -> set[str]:
    """The families that the metadata of a package name: the SPDX expression before others."""
    if package.get("License-Expression"):
        return families(package["License-Expression"])
    classifiers = [one for one in package.get_all("Classifier") or [] if one.startswith("License")]
    return families("\n".join(classifiers)) or families(package.get("License") or "")


def rows() -> dict[str, str]:
    """Package → licence, as the page has it."""
    found: dict[str, str] = {}
    for licence, packages in re.findall(r"^\| ([^|]+) \| (`.*) \|$", PAGE, flags=re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", packages):
            assert name not in found, f"{name} has two licences on the page"
            found[name] = licence
    return found


def test_page_names_every_package_of_the_lock_and_no_other():
    assert sorted(rows()) == PINNED


@pytest.mark.parametrize("name", PINNED)
def test_licence_is_the_one_that_the_package_states(name):
    try:
        said = said_by(metadata(name))
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed for this version of Python")
    shown = families(rows()[name])
    if "others as permissive" in rows()[name]:
        assert shown <= said
        assert not said & {"GPL", "LGPL", "MPL"}
    elif said:
        assert shown == said


@pytest.mark.slow
def test_jpeg_converts_and_verifies_without_the_package_under_the_gpl(tmp_path):
    make_series(tmp_path / "ct", transfer_syntax="jpeg_lossless_sv1", n=4)
    # What `pip uninstall` leaves behind.
    left = tmp_path / "packages"
    left.mkdir()
    for one in Path(sysconfig.get_path("purelib")).iterdir():
        if not one.name.startswith(("libjpeg", "pylibjpeg_libjpeg")):
            (left / one.name).symlink_to(one)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from converted import convert, plans_in, settings_for\n"
        "root = Path(sys.argv[1])\n"
        "(plan,) = plans_in(root / 'ct')\n"
        "record = convert(plan, settings_for(root / 'out')).record\n"
        "print(record.decoders, record.verification['ok'], 'libjpeg' in str(record.verification))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)],
        env={"PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT / 'tests'}:{left}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["True", "False"], done.stdout
