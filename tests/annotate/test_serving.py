"""The server itself: its socket, what it prints, and how it ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from browser import Served
from desks import make_store
from fastapi.testclient import TestClient

from lesslabel.annotating.app import make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.security import Guard
from lesslabel.annotating.serving import LOOPBACK, _how_to_open, listen

IN_A_LOOP = """
import asyncio, sys
from pathlib import Path
import lesslabel
from lesslabel.annotating import serving

serving.serve.__kwdefaults__["static"] = Path(sys.argv[2])

async def cell():
    lesslabel.annotate(sys.argv[1], annotation="drawn", authors=["ann"], model="none")
    print("returned")

asyncio.run(cell())
"""
"""What a cell of a notebook does: its kernel runs an event loop already."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, and a page that is empty."""
    folder = tmp_path_factory.mktemp("serving")
    make_store(folder / "store")
    (folder / "page.js").touch()
    return folder


def test_answers_are_sent_at_once() -> None:
    with listen(LOOPBACK, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_a_notebook_serves_until_it_is_interrupted_and_goes_on(folder: Path) -> None:
    command = [sys.executable, "-c", IN_A_LOOP, str(folder / "store"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            said = "".join(iter(process.stdout.readline, "Ctrl-C ends it; what was drawn is kept\n"))
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "ann: http://127.0.0.1:" in said
    assert rest.splitlines()[0].startswith("0 of 3 cases are finished")
    assert rest.splitlines()[-1] == "returned"
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_command_ends_as_others_do(folder: Path, number: signal.Signals, code: int) -> None:
    with Served(folder / "store", "--model", "none", static=folder) as served:
        served.process.send_signal(number)
        said, _ = served.process.communicate(timeout=60)
        assert "0 of 3 cases are finished" in said
        assert served.process.returncode == code


def test_a_server_for_the_network_prints_where_it_is_and_warns() -> None:
    tokens = {"secret": "ann"}
    link, warning, _ = _how_to_open(tokens, "0.0.0.0", 8000)
    assert not link.startswith("ann: http://0.0.0.0")
    assert "clear text" in warning
    for host, shown in ((LOOPBACK, LOOPBACK), ("localhost", "localhost"), ("::1", "[::1]")):
        lines = _how_to_open(tokens, host, 8000)
        assert lines[0] == f"ann: http://{shown}:8000/?token=secret"
        assert not any("clear text" in line for line in lines)


@pytest.mark.parametrize(
    ("reached", "named", "status"),
    [
        ("192.0.2.7", "192.0.2.7", 200),
        ("::ffff:192.0.2.7", "192.0.2.7", 200),
        ("2001:db8::7", "[2001:DB8:0::7]", 200),
        ("192.0.2.7", "192.0.2.8", 403),
        ("192.0.2.7", "evil.example", 403),
        ("evil.example", "evil.example", 403),
    ],
)
def test_every_address_of_the_machine_is_its_own(desk: Desk, reached: str, named: str, status: int) -> None:
    guard = Guard(make_app(desk), {"token": "ann"})

    async def reached_there(scope: dict[str, object], receive: object, send: object) -> None:
        await guard({**scope, "server": (reached, 8000)}, receive, send)  # type: ignore[arg-type]

    client = TestClient(reached_there, headers={"Authorization": "Bearer token", "Host": f"{named}:8000"})
    assert client.get("/api/next").status_code == status


def test_a_link_to_a_machine_without_an_address_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    class Nowhere(socket.socket):
        connect = unreachable  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Nowhere)
    assert f"http://{socket.gethostname()}:8000/" in _how_to_open({"secret": "ann"}, "0.0.0.0", 8000)[0]
