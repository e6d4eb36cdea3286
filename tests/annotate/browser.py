"""The page in headless Chromium, and the server behind it as a process of its own."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn, Self

import pytest
import uvicorn

from lesslabel.annotating.app import STATIC, make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.security import Guard
from lesslabel.annotating.serving import listen

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "page" / "tests" / "driver.mjs"
HOW = "make page builds the page and brings playwright-core; Debian's package chromium is the browser"


class Wanted:
    """Whether a test of the page fails, and is not skipped, where the page or a browser is missing: --require-page."""

    always = False


def require_browser() -> str:
    """The path of Chromium; skips the test, or lets it fail (`Wanted`), saying how to get what is missing."""
    if not (STATIC / "page.js").is_file():
        _miss("the page is not built")
    if shutil.which("node") is None or not (ROOT / "page" / "node_modules" / "playwright-core").is_dir():
        _miss("no node, or no playwright-core")
    return shutil.which("chromium") or shutil.which("chromium-browser") or _miss("no chromium")


def _miss(what: str) -> NoReturn:
    if Wanted.always:
        pytest.fail(f"{what}, and --require-page was given: {HOW}")
    pytest.skip(f"{what}: {HOW}")


WITH_OTHER_PAGE = """
import sys
from pathlib import Path
from lesslabel.annotating import serving
from lesslabel.cli import main
serving.serve.__kwdefaults__["static"] = Path(sys.argv.pop(1))
sys.exit(main())
"""
"""The command with another folder in the place of the built page, so that the server is tried where nobody built it."""


class Served:
    """`lesslabel annotate` in a process of its own.

    Args:
        store: what is annotated.
        options: of the command.
        authors: who annotates.
        static: folder in the place of the built page; None takes the built page.

    Attributes:
        links: one for each author.
    """

    def __init__(
        self, store: Path, *options: str, authors: Sequence[str] = ("ann",), static: Path | None = None
    ) -> None:
        arguments = [str(store), "--annotation", "drawn", "--author", *authors, *options]
        program = ["-m", "lesslabel.cli"] if static is None else ["-c", WITH_OTHER_PAGE, str(static)]
        self.process = subprocess.Popen(
            [sys.executable, *program, "annotate", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.links: dict[str, str] = {}
        said = ""
        assert self.process.stdout is not None
        while len(self.links) < len(authors):
            line = self.process.stdout.readline()
            assert line, said
            said += line
            if match := re.fullmatch(r"(\w+): (http://\S+)\n", line):
                self.links[match[1]] = match[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def served_here(desk: Desk) -> Iterator[str]:
    """The link to the page of a desk that a thread of this process serves, so with any model."""
    listening = listen("127.0.0.1", 0)
    guard = Guard(make_app(desk), {"token-of-ann": "ann"})
    config = uvicorn.Config(guard, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/?token=token-of-ann"
    finally:
        server.should_exit = True
        thread.join()


class Browser:
    """Chromium, driven from here; every method returns when it is done."""

    def __init__(self, chromium: str) -> None:
        self.process = subprocess.Popen(
            ["node", DRIVER, chromium], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def do(self, what: str, **more: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def open(self, link: str, **more: Any) -> str:
        self.do("goto", url=link, **more)
        return str(self.do("state", **{"is": "ready"}, **more))

    def place(self, voxel: Sequence[float], axis: int = 0) -> list[float]:
        place = self.do("place", voxel=list(voxel), axis=axis)
        assert place is not None, f"{voxel} is not on screen"
        return list(place)

    def click(self, voxel: Sequence[float], button: str = "left") -> None:
        self.do("click", at=self.place(voxel), button=button)

    def drag(self, voxels: Sequence[Sequence[float]], axis: int = 0) -> None:
        self.do("drag", line=[self.place(voxel, axis) for voxel in voxels])

    def turns(self, count: int) -> None:
        """Wait until so many turns stand."""
        self.do("until", selector="#turns li:not(.back)", count=count)

    def turn_names(self) -> list[str]:
        """What the list of turns shows, in the order in which they were given."""
        script = "[...document.querySelectorAll('#turns .name')].map((name) => name.textContent).reverse()"
        return list(self.do("evaluate", script=script))

    def until_said(self, text: str, **more: Any) -> None:
        """Wait until the page says this below the image."""
        ends = time.monotonic() + 30
        while (said := self.do("text", selector="#status", **more)) != text:
            assert time.monotonic() < ends, said
            time.sleep(0.1)

    def show_slices_across(self, axis: int) -> None:
        for layout in ("axial", "coronal", "sagittal"):
            self.do("push", selector=f"#layouts button[data-layout={layout}]")
            if self.do("place", voxel=[0, 0, 0], axis=axis) is not None:
                return
        raise AssertionError(f"no plane across axis {axis}")

    def finish(self) -> None:
        """Finish the case, with nothing to mark where nothing was, and wait until the next one is there, or none is."""
        before = int(self.do("evaluate", script="document.body.dataset.finished"))
        finished = f"body[data-finished='{before + 1}']"
        self.do("press", key="f")
        self.do("until", selector=f"#ask[open], {finished}", count=1)
        if self.do("count", selector="#ask[open]"):
            self.do("push", selector="#ask-yes")
        self.do("until", selector=f"{finished}[data-state=ready], {finished}[data-state=done]", count=1)

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the driver ended"
        content = json.loads(line)
        assert "error" not in content, content["error"]
        return content["answer"]
