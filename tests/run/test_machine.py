"""What the machine lacks is found by asking for it, and is told apart from what a file lacks."""

import errno
import os
import resource
import subprocess
import sys

import pytest

from ct2zarr.errors import MachineError
from ct2zarr.run.machine import LACKS, START_MB, lack, raise_lack, require_memory

SHOW = "from ct2zarr.run import machine; error = machine.lack(); print(error or 'nothing')"


def with_limit(kind: int, amount: int, script: str) -> str:
    """What a script prints under a real limit of the system."""

    def limit() -> None:
        resource.setrlimit(kind, (amount, amount))

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    return done.stdout + done.stderr


def test_a_machine_that_has_some_of_everything_lacks_nothing():
    assert lack() is None
    require_memory()


@pytest.mark.parametrize(
    ("kind", "amount", "script", "said"),
    [
        (resource.RLIMIT_AS, 60 << 20, SHOW, "ran out of memory within the limit of 62 MB"),
        (resource.RLIMIT_AS, 900 << 20, SHOW, "nothing"),
        (resource.RLIMIT_NOFILE, 30, SHOW, "nothing"),
        (
            resource.RLIMIT_NOFILE,
            30,
            f"import os\nheld = [os.dup(0) for _ in range(27)]\nimport sys\n{SHOW}",
            "Too many open files",
        ),
    ],
    ids=["no memory", "memory", "descriptors", "no descriptors"],
)
def test_each_limit_of_the_system_is_named(kind, amount, script, said):
    if "held" in script:  # the modules are loaded before the descriptors are gone
        script = "from ct2zarr.run import machine\n" + script
    assert said in with_limit(kind, amount, script)


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed: root has no such limit")
def test_a_limit_of_processes_is_named():
    script = (
        "import os, resource\nfrom ct2zarr.run import machine\n"
        "os.setuid(54321)\nresource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
        "print(machine.lack())"
    )
    assert "no more threads or processes can be started" in with_limit(
        resource.RLIMIT_CORE, 0, script
    )


def test_the_memory_that_a_step_needs_is_asked_for_before_it_starts():
    script = "from ct2zarr.run.entry import run_step\nrun_step(lambda: print('started'))"
    said = with_limit(resource.RLIMIT_AS, START_MB << 20, script)
    assert said.startswith(f"error: {START_MB} MB of memory cannot be reserved within the limit")
    assert len(said.splitlines()) == 1
    assert with_limit(resource.RLIMIT_AS, (START_MB + 200) << 20, script) == "started\n"


@pytest.mark.parametrize("number", sorted(LACKS), ids=errno.errorcode.get)
def test_what_says_nothing_of_the_file_is_an_error_of_the_machine(number):
    with pytest.raises(MachineError) as raised:
        raise_lack(OSError(number, os.strerror(number)))
    assert raised.value.facts["cause"] == os.strerror(number)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, ""), OSError(errno.EACCES, ""), ValueError(errno.EMFILE), None]
)
def test_what_a_file_lacks_is_not_one(error):
    raise_lack(error)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("MemoryError()", "the job ran out of memory"),
        ("OSError(24, 'Too many open files', '/in/file')", "Too many open files"),
        ("OSError(12, 'Cannot allocate memory')", "Cannot allocate memory"),
    ],
)
def test_a_lack_that_nobody_foresaw_is_one_sentence(raised, said):
    script = (
        "from ct2zarr.run.entry import run_step\ndef step(): raise " + raised + "\nrun_step(step)"
    )
    printed = with_limit(resource.RLIMIT_CORE, 0, script)
    assert said in printed
    assert printed.startswith("error: ")
    assert len(printed.splitlines()) == 1
