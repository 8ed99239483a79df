"""Quoting for the languages that we write: submit descriptions and DAG files. Nothing else quotes."""

from worker.base.errors import SpecError


def _plain(text: str, what: str) -> str:
    for character in "\n\r\t\0":
        if character in text:
            raise SpecError(f"{what}: {text!r} contains {character!r}, which HTCondor's files cannot hold; rename it")
    return text


def submit_value(text: str) -> str:
    """A value of a submit command that is taken as it is (a path): `$` is spelt as a macro."""
    return _plain(text, "submit file").replace("$", "$(DOLLAR)")


def list_item(text: str) -> str:
    """A path in a list of files.

    Raises
    ------
    SpecError
        It holds a comma: HTCondor splits its lists there and has no quoting for it.
    """
    if "," in text:
        raise SpecError(f"{text}: HTCondor cannot transfer a path with a comma; use another run directory")
    return submit_value(text)


def argument(text: str) -> str:
    """One argument, or one VAR=value, inside the double quotes of `arguments = "..."` and `environment = "..."`."""
    text = submit_value(text).replace('"', '""')
    if any(character in text for character in " '") or not text:
        return "'" + text.replace("'", "''") + "'"
    return text


def dag_value(text: str) -> str:
    """A value of VARS: between double quotes, with backslashes before what would end it."""
    return '"' + _plain(text, "DAG file").replace("\\", "\\\\").replace('"', '\\"') + '"'


def dag_path(text: str) -> str:
    """A path as a word of a DAG file.

    Raises
    ------
    SpecError
        It holds a blank, a quote or a dollar: DAGMan splits its lines at blanks, has no quoting there, and
        macros in it would be expanded.
    """
    if any(character in _plain(text, "DAG file") for character in " '\"\\$"):
        raise SpecError(
            f"{text}: DAGMan cannot use a path with a blank, a quote, a dollar or a backslash; "
            "use another run directory"
        )
    return text
