"""``annotate``: a queue is worked off in the browser."""

import argparse
from pathlib import Path


def annotate(given: list[str]) -> int:
    """Open a page in which people draw."""
    parser = argparse.ArgumentParser(
        "lesslabel annotate",
        description="Work off a queue in the browser; what is finished is an annotation of the store.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotation", required=True, help="name of the annotation to make")
    parser.add_argument("--author", required=True, nargs="+", help="who draws, without patient data; one link for each")
    parser.add_argument("--queue", type=Path, default=None, help="queue.csv of `lesslabel select`; else all cases")
    parser.add_argument("--kind", choices=("dense", "scribble"), default="dense", help="what is drawn")
    parser.add_argument(
        "--model", default="general", help="what answers prompts: general, training-free, a RUN, a BUNDLE, or none"
    )
    parser.add_argument(
        "--second-reading", action="store_true", help="every author draws every case, as NAME/AUTHOR, for `raters`"
    )
    parser.add_argument(
        "--learn",
        type=int,
        default=0,
        metavar="STEPS",
        help="fine-tune --model general by so many steps on what was drawn whenever a case is finished, in the "
        "background; 0 (the default) leaves it as it is",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address; the default lets in nobody but this machine")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args(given)
    from lesslabel.annotating.start import annotate as serve_page

    serve_page(
        options.store,
        annotation=options.annotation,
        authors=options.author,
        queue=options.queue,
        kind=options.kind,
        model=options.model,
        second_reading=options.second_reading,
        learn=options.learn,
        host=options.host,
        port=options.port,
    )
    raise KeyboardInterrupt  # nothing else ends it
