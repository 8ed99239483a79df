import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagmaker.htcondor import quoting
from worker.base.errors import SpecError

htcondor2 = pytest.importorskip("htcondor2", reason="no HTCondor bindings: pip install htcondor")

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)


@given(WORDS)
def test_arguments_survive_htcondors_own_parser(word):
    """What we quote is what HTCondor's parser of the new syntax reads back."""
    if "$" in word or word.strip() != word:
        return  # `$` is for the macro expansion of submit, tested below
    submit = htcondor2.Submit(f'arguments = "first {quoting.argument(word)} last"\nqueue')
    raw = submit["arguments"]
    assert raw.startswith('"') and raw.endswith('"')
    inner = raw[1:-1].replace('""', '"')
    assert _split(inner) == ["first", word, "last"]


def _split(text):
    """Words of HTCondor's new syntax, from its manual: single quotes group, two of them are one inside."""
    words, word, inside, i = [], None, False, 0
    while i < len(text):
        c = text[i]
        if c == "'" and inside and text[i + 1 : i + 2] == "'":
            word += "'"
            i += 1
        elif c == "'":
            inside = not inside
            word = word or ""
        elif c == " " and not inside:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + c
        i += 1
    return [*words, word]


def test_a_dollar_is_no_macro():
    submit = htcondor2.Submit(f"a = {quoting.submit_value('/data/$(x)/y')}\nqueue")
    assert submit.expand("a") == "/data/$(x)/y"


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\0b"])
def test_control_characters_are_refused(text):
    with pytest.raises(SpecError, match="cannot hold; rename it"):
        quoting.submit_value(text)


@pytest.mark.parametrize("text", ["/a b", "/a'b", '/a"b', "/a\\b", "/a$(b)"])
def test_dagman_cannot_quote_paths(text):
    with pytest.raises(SpecError, match="use another run directory"):
        quoting.dag_path(text)


def test_dag_values_escape_what_would_end_them():
    assert quoting.dag_value('a "b" \\c') == '"a \\"b\\" \\\\c"'
