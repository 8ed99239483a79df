"""Arguments of commands and tasks: each is described at its place in the signature, and nowhere else.

``dec: Annotated[float, Argument("Declination.", "5", -90, 90, "degrees")]``: `--help`, the checks of a command line,
its error messages and the documentation read this line. Arguments of several tasks or commands have a name here.
"""

import math
from typing import Annotated, NamedTuple

from worker.base.bounds import MAX_ROUNDS, MAX_TRIALS


class Argument(NamedTuple):
    """Description of an argument.

    Attributes
    ----------
    meaning : str
        For `--help`.
    example : str
        A value for error messages; empty for a truth value.
    low, high : float
        Range of a number, both ends included. A default may lie outside.
    unit : str
    """

    meaning: str
    example: str = ""
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""


Run = Annotated[str, Argument("The run directory.", "runs/example")]
NewRun = Annotated[str, Argument("The run directory; made if it does not exist.", "runs/example")]
Spec = Annotated[str, Argument("The YAML file of the analysis.", "analysis.yaml")]
Token = Annotated[str | None, Argument("As printed by `dagmaker review`.", "TOKEN")]
Jobs = Annotated[int, Argument("Processes, one core each; 0: as many as there are cores.", "2", 0, 4096, "processes")]
Dec = Annotated[float | None, Argument("Declination, a value of the background grid.", "5", -90, 90, "degrees")]
Point = Annotated[
    str | None,
    Argument(
        "In place of `dec` if the spec lists its points: the name of one, such as window_days_100.", "window_days_100"
    ),
]
Gamma = Annotated[float | None, Argument("Which of the spec's spectra, where it has several.", "2", 1, 4)]
N = Annotated[int, Argument("How many: trials, skies or patches.", "1000", 1, MAX_TRIALS)]
Seed = Annotated[int, Argument("File seed: another seed is another, independent stream.", "0", 0, 2**63 - 1)]
First = Annotated[int, Argument("Where in the stream to begin.", "0", 0, MAX_TRIALS)]
Part = Annotated[
    int,
    Argument(
        "The file lies in the folder of the trials (skies, patches) from this one on: first_0250000 for 250000.",
        "0", 0, MAX_TRIALS,
    ),
]  # fmt: skip
AllowMissing = Annotated[bool, Argument("Go on over missing files, and record them.")]
Round = Annotated[int, Argument("Which round, from 1; those before it must be complete.", "1", 1, MAX_ROUNDS)]
Changes = Annotated[
    tuple[str, ...],
    Argument("``--set signal.gamma=3``: in place of what the file says; may be given several times.", "signal.gamma=3"),
]
From = Annotated[
    str | None,
    Argument(
        "Another run directory, from which files of trials are taken over that would be the same here, to the bit.",
        "runs/old",
    ),
]
