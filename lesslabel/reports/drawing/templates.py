"""The templates of the pages; a page includes its style sheet, so that it is self-contained."""

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template


def load_template(name: str) -> Template:
    """Load a template of the report, ``runs/report.html`` for example; values are escaped unless they are `Markup`."""
    return Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template(name)


def _read(name: str) -> str:
    return (files("lesslabel.reports") / name).read_text(encoding="utf-8")
