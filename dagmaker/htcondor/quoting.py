"""Quoting for submit descriptions and DAG files; no other module quotes."""

from worker.base.errors import SpecError


def _plain(text: str, what: str) -> str:
    for character in "\n\r\t\0":
        if character in text:
            raise SpecError(f"{what}: {text!r} contains {character!r}, which HTCondor's files cannot hold; rename it")
    return text


def submit_value(text: str) -> str:
    """A literal value of a submit command, such as a path: `$` becomes a macro."""
    return _plain(text, "submit file").replace("$", "$(DOLLAR)")


def list_item(text: str) -> str:
    """A path in a list of files.

    Raises
    ------
    SpecError
        It contains a comma: HTCondor splits lists at commas and cannot quote them.
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
    """A value of VARS: in double quotes, with backslash escapes."""
    return '"' + _plain(text, "DAG file").replace("\\", "\\\\").replace('"', '\\"') + '"'


def dag_path(text: str) -> str:
    """A path as a word of a DAG file.

    Raises
    ------
    SpecError
        It contains a blank, a quote or a dollar: DAGMan splits lines at blanks, expands macros and cannot quote.
    """
    if any(character in _plain(text, "DAG file") for character in " '\"\\$"):
        raise SpecError(
            f"{text}: DAGMan cannot use a path with a blank, a quote, a dollar or a backslash; "
            "use another run directory"
        )
    return text
