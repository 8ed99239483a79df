"""What a key of the spec affects, as the key says itself: see `worker.spec.fields.Affects`."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args

from worker.spec.fields import Affects, Model
from worker.spec.sections import Spec


@cache
def of(key: str) -> Affects | None:
    """What a key such as ``scan.n_skies`` affects; None if neither it nor a section that it belongs to says so.

    A key without words has those of its section, and makes the same results again.
    """
    effect: Affects | None = None
    models: tuple[type[Model], ...] = (Spec,)
    for word in key.split("."):
        fields = [model.model_fields[word] for model in models if word in model.model_fields]
        models = tuple(model for field in fields for model in _models(field.annotation))
        marks = [mark for field in fields for mark in field.metadata if isinstance(mark, Affects)]
        for own in [*marks, *(model.affects for model in models if model.affects)][:1]:
            effect = own if own.text or effect is None else replace(own, text=effect.text, again=effect.again)
    return effect


@cache
def keys(flag: Literal["identity", "decision"]) -> dict[str, set[str]]:
    """Keys of each section whose effect has a flag; an empty set for a single value."""
    flagged = {}
    for section in Spec.model_fields:
        chosen = {key for key in of_section(section) if getattr(of(f"{section}.{key}"), flag, False)}
        if chosen or (not of_section(section) and getattr(of(section), flag, False)):
            flagged[section] = chosen
    return flagged


def of_section(section: str) -> tuple[str, ...]:
    """Keys of a section, of all its kinds; none for a single value."""
    models = _models(Spec.model_fields[section].annotation)
    return tuple(dict.fromkeys(key for model in models for key in model.model_fields))


def identity() -> Iterator[str]:
    """Keys that every trial depends on: a section as a whole if this is true of all its keys."""
    for section, chosen in keys("identity").items():
        every = of_section(section)
        yield from [section] if len(chosen) == len(every) else (f"{section}.{k}" for k in every if k in chosen)


def _models(annotation: Any) -> Iterator[type[Model]]:
    """Models that an annotation names, such as those of a union."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def address(section: str, values: Model) -> dict[str, Any]:
    """What trials depend on, of a section; an extension of 0 is what it was before there was one."""
    data = values.model_dump(mode="json", include=keys("identity")[section])
    return {key: value for key, value in data.items() if key != "extension_deg" or value}
