#!/usr/bin/env python3
"""cancel.py JOB...: cancel jobs."""

import sys

from systems import cancel

cancel(sys.argv[1:])
