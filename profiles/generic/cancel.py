#!/usr/bin/env python3
"""cancel.py JOB...: end jobs."""

import sys

from systems import cancel

cancel(sys.argv[1:])
