"""Python imports this by itself in every process that has this folder on its path.

It lets the clock of the day jump by the seconds that a file holds at each moment. The clock that
counts from the start of the machine goes on as it does, like after a correction by a time server.
"""

import os
import time

CLOCK_FILE = "CT2ZARR_TEST_CLOCK"

if CLOCK_FILE in os.environ:
    real_time, real_time_ns = time.time, time.time_ns
    clock_file = os.environ[CLOCK_FILE]

    def offset() -> int:
        """Seconds that the clock is wrong by now."""
        with open(clock_file) as text:  # noqa: PTH123
            return int(text.read() or 0)

    time.time = lambda: real_time() + offset()
    time.time_ns = lambda: real_time_ns() + offset() * 10**9
