"""``resources.pilot: pilot.json``: the content of the file replaces its name, and is frozen with the spec."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.base.reading import json_value
from worker.spec.pilot import Pilot
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.text import NotTextError, read_text

PLACE: Place = ("resources", "pilot")


def insert(data: dict[str, Any], lines: Mapping[Place, int], base: Path) -> list[Problem]:
    """Replace the name of a pilot file by its content, in place; return its problems."""
    section = data.get("resources")
    if not isinstance(section, dict) or not isinstance(section.get("pilot"), str):
        return []
    path = base / os.path.expandvars(section["pilot"])
    section["pilot"] = None
    again = "`dagmaker pilot` of this spec makes it"
    try:
        raw = json_value(read_text(path))
        Pilot.model_validate(raw)
    except FileNotFoundError:
        return [Problem(PLACE, lines.get(PLACE, 0), f"{path}: cannot be read: it does not exist; {again}")]
    except NotTextError as error:
        return [Problem(PLACE, lines.get(PLACE, 0), f"{str(path)[:200]}: {error}; {again}")]
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        return [Problem(PLACE, lines.get(PLACE, 0), f"{path}: not a pilot: {where}: {fault['msg']}; {again}")]
    except ValueError:
        return [Problem(PLACE, lines.get(PLACE, 0), f"{path}: not a pilot: it is not JSON; {again}")]
    section["pilot"] = raw
    return []
