"""Folders that may have templates."""

import os
import site
import sys
from pathlib import Path

VARIABLE = "DAGMAKER_TEMPLATES"


def chosen() -> list[Path]:
    """$DAGMAKER_TEMPLATES, a site's copy; empty if it is not set."""
    folder = os.environ.get(VARIABLE)
    return [Path(folder)] if folder else []


def own() -> list[Path]:
    """Where the package's own templates may be: the source tree, and where pip installs them."""
    root = Path(__file__).resolve().parents[2]
    shared = Path("share") / "dagmaker" / "templates"
    return [root / "templates", root / shared, Path(sys.prefix) / shared, Path(site.getuserbase()) / shared]
