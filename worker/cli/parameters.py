"""Parameters of a task or command, from its signature."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin

from worker.base.argument import Argument


class Parameter(NamedTuple):
    """A parameter of a task: its kind (str, int, float, bool; tuple: given several times) and default, if any."""

    name: str
    kind: type
    required: bool
    default: Any
    argument: Argument


JSON = Parameter("json", bool, False, False, Argument("The answer as one JSON document on stdout."))
"""Every command and task has it: see `worker.cli.document`."""


def parameters_of(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Parameters of a function by their flags, without ``--json``."""
    return {
        flag_of(name): _parameter(flag_of(name), one) for name, one in inspect.signature(function).parameters.items()
    }


def _parameter(flag: str, parameter: inspect.Parameter) -> Parameter:
    kind, argument = get_args(parameter.annotation)
    return Parameter(flag, _kind(kind), parameter.default is parameter.empty, parameter.default, argument)


def flag_of(name: str) -> str:
    """The flag of a parameter: ``from_`` is written --from."""
    return name.removesuffix("_")


def call(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with arguments by their flags."""
    return function(**{name: values[flag_of(name)] for name in inspect.signature(function).parameters
                       if flag_of(name) in values})  # fmt: skip


def typed(command: str) -> str:
    """A command of `dagmaker` as one types it."""
    return "data fetch" if command == "data_fetch" else command.replace("_", "-")


def _kind(annotation: Any) -> type:
    """The type of ``float``, of ``float | None`` and of ``tuple[str, ...]``."""
    if get_origin(annotation) is tuple:
        return tuple
    kind: type = next((kind for kind in get_args(annotation) if kind is not NoneType), annotation)
    return kind
