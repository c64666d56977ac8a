"""What a program prints to a pipe whose reader has left is dropped, and the program goes on."""

import os
import subprocess
import sys

import pytest

from ct2zarr.run.printed_lines import flush_lines, print_line

IMPORT = "import sys\nfrom ct2zarr.run.printed_lines import flush_lines, print_line\n"


@pytest.mark.parametrize(
    "program",
    [
        "print_line('one')\nprint_line('two')",
        "print('one')\nflush_lines()\nprint('two')",
        "sys.stdout = None\nprint_line('one')\nflush_lines()",
    ],
)
def test_a_program_ends_well_although_nobody_reads_what_it_prints(program):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT + program + "\nprint('end', file=sys.stderr)\nsys.exit(7)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": ""},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (7, "end\n")


def test_lines_are_printed_at_once_where_somebody_reads(capfd):
    print_line("one")
    print("two")
    flush_lines()
    assert capfd.readouterr().out == "one\ntwo\n"
