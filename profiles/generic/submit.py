#!/usr/bin/env python3
"""submit.py SCRIPT: submit a job and print its number."""

import sys
from pathlib import Path

from systems import submit

print(submit(Path(sys.argv[1])))
