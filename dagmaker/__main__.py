"""`python -m dagmaker`."""

import sys

from dagmaker.cli import main

sys.exit(main())
