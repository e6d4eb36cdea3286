"""The page of annotations: minutes of a case, Dice of a minute, revision of prelabels, and the prompts used."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.files import write_text
from lesslabel.reports.annotations.numbers import (
    AnnotatedCase,
    AuthorTotal,
    annotated_cases,
    author_totals,
    prompt_counts,
)
from lesslabel.reports.drawing.svg import drawing, element, hover, method_style
from lesslabel.reports.drawing.templates import load_template
from lesslabel.reports.runs import words
from lesslabel.reports.runs.run_facts import describe

_WIDTH, _HEIGHT = 160.0, 14.0


def write_annotations_report(
    store: Path, annotations: Sequence[str], output: Path, *, reference: str = "dense"
) -> Path:
    """Write one self-contained HTML page about what annotations cost.

    It shows no path; of the patients only the uids of their cases.

    Args:
        store: a store with annotations of `lesslabel annotate`.
        annotations: their names; a name stands for its second readings (``NAME/AUTHOR``) too.
        output: the page.
        reference: annotation to compare with, where a case has it.

    Returns:
        `output`.

    Raises:
        ConfigError: if no annotation is named.
        DataError: if no case has such an annotation with a counted cost, or a file cannot be read or written.
    """
    if not annotations:
        raise ConfigError("--annotation: name the annotations of the store to report on")
    opened = Store(store)
    cases = annotated_cases(opened, annotations, reference)
    totals, prompts = author_totals(cases), prompt_counts(cases)
    longest, most = max(case.minutes for case in cases), max((count for _, count in prompts), default=1)
    colours = {(total.annotation, total.author): index for index, total in enumerate(totals)}
    page = load_template("annotations/annotations.html").render(
        title=f"Annotations of {describe(opened.source)}",
        summary=_in_words(cases, totals),
        totals=totals,
        cases=[
            (case, _bar(case.minutes, longest, f"{case.uid}: {case.minutes:.1f} minutes", colours[_who(case)]))
            for case in cases
        ],
        prompts=[(name, count, _bar(count, most, f"{name}: {count}", 0)) for name, count in prompts],
        reference=reference,
        words=words,
    )
    write_text(output, page)
    return output


def _who(case: AnnotatedCase) -> tuple[str, str]:
    return case.annotation, case.author


def _in_words(cases: Sequence[AnnotatedCase], totals: Sequence[AuthorTotal]) -> str:
    minutes = sum(case.minutes for case in cases)
    slices = sum(case.slices for case in cases)
    authors = len({total.author for total in totals})
    return (
        f"{authors} author{'s' * (authors != 1)} drew {len(cases)} case{'s' * (len(cases) != 1)}, {slices} "
        f"slice{'s' * (slices != 1)} of them, in {words.number(minutes, 1)} minutes."
    )


def _bar(value: float, largest: float, description: str, colour: int) -> Markup:
    width = _WIDTH * value / largest if largest > 0 else 0.0
    bar: dict[str, str | float] = {"x": 0, "y": 1, "width": width, "height": _HEIGHT - 2}
    bar |= {"class": "amount", "style": method_style(colour)}
    return drawing(_WIDTH, _HEIGHT, [element("rect", bar, hover(description))], description, css="bar")
