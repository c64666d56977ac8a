#!/usr/bin/env python3
"""status.py JOB: print whether a job is running, success or failed."""

import sys

from systems import status

print(status(sys.argv[1]))
