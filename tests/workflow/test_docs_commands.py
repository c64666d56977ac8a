"""The commands in the README and the docs run on the demonstration dataset, in page order.

The tests replace only what a reader would change too: the folders of the examples and the number
of cores.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from demonstration.series import make_demonstration
from doc_blocks import Block, blocks_of
from project import LIMIT_SECONDS, REPOSITORY, clean_environment
from reader_environment import (
    environment_python,
    environment_with_wheel,
    own_requirements,
    requirement_lines,
)

pytestmark = pytest.mark.slow

PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for page in (
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/*.md"),
        *REPOSITORY.glob("config/*.md"),
        *REPOSITORY.glob("examples/*.md"),
    )
    if any(block.runs for block in blocks_of(page))
)
FROM_SCRATCH = {"README.md", "docs/quick-start.md"}
"""Pages that start before anything is converted."""
WITH_EXTRAS = {"docs/training.md", "docs/migration.md"}
"""Pages that need PyTorch, MONAI, nibabel and the like."""
SHARDS = 2
PARTS_OF_THE_TREE = (
    *("Makefile", "Snakefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"),
    *("config", "profiles", "rules", "envs", "workflow", "scripts", "docs", "examples", "tests"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"),
)


@dataclass(frozen=True)
class Checkout:
    """A copy of the tree with an environment, in which a reader follows a page.

    Attributes:
        folder: the copy. binaries: folder of the commands of the reader's environment.
    """

    folder: Path
    binaries: Path

    def localized(self, text: str) -> str:
        """A block with the folders of this checkout and fewer cores."""
        for shown, here in {
            "/data/ct_collection": f"{self.folder}/demo/dicom",
            "/results": f"{self.folder}/results",
            "--cores 16": "--cores 2",
        }.items():
            text = text.replace(shown, here)
        return text

    def set_options(self, text: str, target: str = "config/config.yaml") -> None:
        """Put lines of YAML into a config, with few shards for a small dataset."""
        path = self.folder / target
        options = yaml.safe_load(path.read_text("utf-8")) or {}
        options |= yaml.safe_load(self.localized(text)) | {"num_shards": SHARDS}
        path.write_text(yaml.safe_dump(options), "utf-8")

    def run(self, text: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder with a text as its standard input."""
        path = f"{self.binaries}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment() | {"PATH": path, "MPLBACKEND": "agg"},
            input=self.localized(text),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )


def follow(checkout: Checkout, blocks: list[Block]) -> None:
    """Do what a page says. A Python block sees the names that earlier ones have defined."""
    said_before = ""
    for block in blocks:
        if block.target:
            checkout.set_options(block.text, block.target)
        if not block.runs:
            continue
        if block.language == "python":
            said_before += block.text
            done = checkout.run(said_before, str(checkout.binaries / "python"), "-")
        else:
            done = checkout.run(block.text, "bash", "-eo", "pipefail", "-s")
        as_said = done.returncode != 0 if block.mark == "fails" else done.returncode == 0
        assert as_said, f"{block.place}: exit code {done.returncode}\n{block.text}\n{done.stdout}"
        assert "Traceback" not in done.stdout, f"{block.place}\n{done.stdout}"


def make_environment(root: Path) -> Checkout:
    """Set up the environment of a copy as `make` does, with the packages of the tests."""
    folder = root / ".venv"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    here = [sysconfig.get_path("purelib"), str(root / "scripts")]
    (Path(packages) / "tests.pth").write_text("\n".join(here) + "\n", "utf-8")
    for command in Path(sysconfig.get_path("scripts")).iterdir():
        own = folder / "bin" / command.name  # python and what activates are its own
        if not command.name.startswith(("python", "ct2zarr")) and not own.exists():
            own.symlink_to(command)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    for name, entry in project["scripts"].items():
        module, function = entry.split(":")
        script = folder / "bin" / name
        script.write_text(f"#!{folder}/bin/python\nfrom {module} import {function}\n{function}()\n")
        script.chmod(0o755)
    for made in ("run-ready", "test-ready"):  # nothing is left to install
        (folder / made).touch()
    return Checkout(root, folder / "bin")


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory):
    """The tree and the demonstration dataset; nothing is converted."""
    folder = tmp_path_factory.mktemp("docs") / "ct2zarr"
    folder.mkdir()
    for name in PARTS_OF_THE_TREE:
        source = REPOSITORY / name
        if source.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(source, folder / name)
    make_demonstration(folder / "demo" / "dicom", shrink=2)
    return folder


@pytest.fixture(scope="module")
def finished_checkout(fresh_checkout, tmp_path_factory):
    """The same, after a run on the demonstration dataset with the folders of the default config."""
    folder = tmp_path_factory.mktemp("finished") / "ct2zarr"
    shutil.copytree(fresh_checkout, folder, symlinks=True)
    checkout = make_environment(folder)
    checkout.set_options("datasets: {v1: /data/ct_collection}")
    done = checkout.run("snakemake --cores 16", "bash")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def with_extras(tmp_path_factory):
    """The commands of an environment with the wheel and its extras."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the pinned CPU build of torch is for Python 3.11")
    wanted = requirement_lines(REPOSITORY / "tests" / "training" / "requirements.txt")
    base = environment_python(*own_requirements(), *wanted)
    extras = "nifti,sitk,torch,monai,torchio"
    return environment_with_wheel(tmp_path_factory.mktemp("extras"), base, extras).parent


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_page_run(page, request, tmp_path):
    fixture = "fresh_checkout" if page in FROM_SCRATCH else "finished_checkout"
    folder = tmp_path / "ct2zarr"
    unwanted = shutil.ignore_patterns(".venv")
    source = request.getfixturevalue(fixture)
    shutil.copytree(source, folder, symlinks=True, ignore=unwanted)
    checkout = make_environment(folder)
    if page not in FROM_SCRATCH:
        checkout.set_options("datasets: {v1: /data/ct_collection}")
    if page in WITH_EXTRAS:
        checkout = Checkout(folder, request.getfixturevalue("with_extras"))
    follow(checkout, blocks_of(REPOSITORY / page))


def test_a_command_that_fails_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Do:\n\n1. This:\n   ```sh\n   false | true\n   ```\n", "utf-8")
    with pytest.raises(AssertionError, match=r"page\.md:5: exit code 1"):
        follow(Checkout(tmp_path, tmp_path), blocks_of(page))


def test_what_is_not_run_gives_a_reason():
    """A block without a language, or a misspelt mark, would not be noticed otherwise."""
    for page in (REPOSITORY / name for name in PAGES):
        for block in blocks_of(page):
            assert block.language != "console", f"{block.place}: write sh"
        text = page.read_text("utf-8")
        marks = text.count("<!-- not run") + text.count("<!-- in: ") + text.count("<!-- fails")
        assert marks == sum(bool(block.mark) for block in blocks_of(page)), page.name
