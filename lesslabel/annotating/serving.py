"""Start the server, and say in the terminal how to get to it."""

import getpass
import shlex
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from lesslabel.annotating.app import STATIC, make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.security import Guard, new_token
from lesslabel.errors import ConfigError
from lesslabel.interaction.session_start import require_plain

LOOPBACK = "127.0.0.1"
_LOOPBACK = (LOOPBACK, "localhost", "::1")
_ELSEWHERE = {"0.0.0.0": (socket.AF_INET, "192.0.2.1"), "::": (socket.AF_INET6, "2001:db8::1")}
"""For a server at every address of the machine, an address (RFC 5737, RFC 3849) towards which its own is looked up."""


def serve(desk: Desk, authors: Sequence[str], *, host: str = LOOPBACK, port: int = 0, static: Path = STATIC) -> None:
    """Serve the page until Ctrl-C, also where an event loop runs already, as in a notebook.

    Args:
        desk: the state.
        authors: who annotates; each gets a link of their own.
        host: address to listen at; anything but loopback lets others in the network knock.
        port: 0 takes a free one.
        static: folder of the built page.

    Raises:
        ConfigError: if the page was not built, or the address is taken.
        DataError: if an author's name will not do.
    """
    if not (static / "page.js").is_file():
        raise ConfigError(f"{static.name}: the page was not built; run `make page` in the source, or install the wheel")
    for author in authors:
        require_plain("author", author)
    tokens = {new_token(): author for author in authors}
    listening = listen(host, port)
    port = int(listening.getsockname()[1])
    guard = Guard(make_app(desk, static), tokens, () if host in _LOOPBACK else (host, socket.gethostname()))
    config = uvicorn.Config(
        guard, log_level="warning", access_log=False, server_header=False, lifespan="off", limit_concurrency=256
    )
    with _ended_by_signals(server := uvicorn.Server(config)):
        print("\n".join(_how_to_open(tokens, host, port)), flush=True)
        try:
            _run(server, listening)
        finally:
            desk.end()
            print("\n".join(_what_now(desk, authors)), flush=True)


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    """Run a server to its end in a thread of its own: this one may have an event loop that waits for it."""
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(server.run, [listening])
        try:
            running.result()
        finally:
            server.should_exit = True


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a server that another thread runs; SIGTERM then ends the process as ever."""
    if threading.current_thread() is not threading.main_thread():  # no other is told of signals
        yield
        return
    came = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        server.handle_exit(number, frame)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGTERM in came:
        signal.raise_signal(signal.SIGTERM)


def _what_now(desk: Desk, authors: Sequence[str]) -> list[str]:
    """What is printed at the end: what is in the store, and the next command."""
    store, cases = desk.store.path, desk.count_items()
    finished = {desk.task.name_for(author): desk.count_finished(author) for author in authors}
    lines = [f"{count} of {cases} cases are finished as '{name}' in {store}" for name, count in finished.items()]
    if not any(finished.values()):
        return [*lines, "next: the same command again; what was begun is kept"]
    where, name = shlex.quote(str(store)), shlex.quote(desk.task.annotation)
    if desk.task.second_reading:
        return [*lines, f"next: lesslabel raters {where}"]
    return [*lines, f"next: lesslabel verify {where} --propose FILE.yaml --annotation {name}"]


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of the server; its answers are sent at once.

    Args:
        host: address to listen at.
        port: 0 takes a free one.

    Raises:
        ConfigError: if the address is taken.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms
    try:
        listening.bind((host, port))
        listening.listen()  # so that the link works as soon as it is printed
    except OSError as error:
        raise ConfigError(f"--host {host} --port {port}: {error.strerror}; choose another port, or 0") from error
    return listening


def _how_to_open(tokens: Mapping[str, str], host: str, port: int) -> list[str]:
    """What is printed: the links, and the way in from another machine."""
    address = _own_address(host)
    shown = f"[{address}]" if ":" in address else address
    lines = [f"{author}: http://{shown}:{port}/?token={token}" for token, author in tokens.items()]
    if host not in _LOOPBACK:
        lines.append(
            "warning: everybody in the network can knock, and token and drawings travel in clear text; where you do "
            "not trust it, leave --host out and forward the port by SSH"
        )
    elif host == LOOPBACK:
        there = f"{getpass.getuser()}@{socket.gethostname()}"
        lines.append(f"over SSH, first on your own machine: ssh -L {port}:{LOOPBACK}:{port} {there}")
    return [*lines, "Ctrl-C ends it; what was drawn is kept"]


def _own_address(host: str) -> str:
    """What others call a server that listens there: of a machine with several addresses the one that leads out."""
    if host not in _ELSEWHERE:
        return host
    family, elsewhere = _ELSEWHERE[host]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((elsewhere, 9))  # of a datagram socket this sends nothing
            return str(asking.getsockname()[0])
    except OSError:
        return socket.gethostname()
