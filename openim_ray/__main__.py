"""Run the command line as `python -m openim_ray`."""

from __future__ import annotations

import sys

from openim_ray.cli import main

if __name__ == "__main__":
    sys.exit(main())
