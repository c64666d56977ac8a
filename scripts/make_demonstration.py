"""Write the demonstration dataset: synthetic chest CT as DICOM files.

python scripts/make_demonstration.py FOLDER
"""

import sys
from pathlib import Path

from ct2zarr.errors import Ct2zarrError
from ct2zarr.run.printed_lines import print_line
from demonstration.series import make_demonstration


def main(arguments: list[str]) -> int:
    """Write the dataset and print its size; the exit code is 2 for wrong arguments."""
    if arguments in (["-h"], ["--help"]):
        print_line(__doc__ or "")
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python scripts/make_demonstration.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        files = make_demonstration(folder)
    except Ct2zarrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print_line(f"{len(files)} files, {megabytes:.0f} MB in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
