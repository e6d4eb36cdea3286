"""Words and placeholders of steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.errors import ConfigError
from lesslabel.studies.steps import fill, option, options, output_of, placeholders, split_step, without


def test_words_are_split_before_values_come_in() -> None:
    step = split_step('adapt --name {method} --out {job}/adapted --settings "{a b}" {more} --x=[1,{seed}]')
    values = {"method": 'he said "20 %", once', "a b": "c d", "more": ["--flag", "e f"], "seed": 3, "job": "runs/a b"}
    assert fill(step, values) == (
        *("adapt", "--name", 'he said "20 %", once', "--out", "runs/a b/adapted", "--settings", "c d"),
        *("--flag", "e f", "--x=[1,3]"),
    )
    assert placeholders(step) == {"method", "job", "a b", "more", "seed"}


@given(st.text())
def test_a_value_arrives_whole_and_its_braces_stay(value: str) -> None:
    assert fill(("fit", "--name", "{name}"), {"name": value, "seed": 1}) == ("fit", "--name", value)


def test_what_has_no_value_stays_and_an_empty_list_is_no_word() -> None:
    step = ("clicks", "{how}", "{job}/a", '{"json": 1}')
    assert fill(step, {"how": []}) == ("clicks", "{job}/a", '{"json": 1}')
    assert fill(("{yes}",), {"yes": True}) == ("true",)


def test_a_list_in_the_middle_of_a_word_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the list \{a\} is a part of '--x=\{a\}'"):
        fill(("fit", "--x={a}"), {"a": ["b"]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown command ''"),
        ("export stores/a --out {job}/a", "unknown command 'export'; a step begins with one of fit, test"),
        ("fit --config a.yaml --run runs/a", r"write --run \{job\}/NAME"),
        ("clicks --run {job}/run", r"write --out \{job\}/NAME"),
        ("bundle inspect {job}/bundle", r"write bundle export RUN \{job\}/NAME"),
        ("fit --name 'a --run {job}/run", "close the quote"),
    ],
)
def test_a_step_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        split_step(text)


def test_options_in_both_forms() -> None:
    step = ("fit", "--config", "a", "--config=b", "--run", "{job}/r", "--seed=1", "--flag")
    assert options(step, "--config") == ["a", "b"]
    assert (option(step, "--config"), option(step, "--seed"), option(step, "--none")) == ("b", "1", None)
    assert without(step, ["--config", "--seed"], ["--flag"]) == ("fit", "--run", "{job}/r")
    assert output_of(step) == "{job}/r"
    assert output_of(split_step("bundle export {a}/run {job}/bundle --store {store}")) == "{job}/bundle"
