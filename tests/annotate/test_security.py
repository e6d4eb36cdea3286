"""What a stranger, another page or a broken client may try: refused in one line, and the server lives on."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser import Served
from desks import Page, click_turn, make_desk, make_store, seen_all
from fastapi.testclient import TestClient

from lesslabel.annotating.app import make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.security import LARGEST_BODY_BYTES, Guard

BEARER = {"Authorization": "Bearer token-of-ann"}
HUGE = 2**30


@pytest.fixture
def client(desk: Desk, tmp_path: Path) -> TestClient:
    static = tmp_path / "static"
    static.mkdir()
    for name in ("index.html", "page.js", "page.css"):
        (static / name).write_text(name)
    guard = Guard(make_app(desk, static), {"token-of-ann": "ann"})
    return TestClient(guard, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error
    assert "\n" not in error
    assert "Traceback" not in error
    return str(error)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}, {"Cookie": "lesslabel-8000=forged"}])
def test_without_the_token_nothing_is_told(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/", "/page.js", "/api/desk", "/api/openapi.json", "/api/nowhere"):
        refused(client.get(path, headers=headers), 401)
    refused(client.get("/?token=forged"), 401)


def test_the_link_leaves_a_cookie_that_scripts_and_other_sites_do_not_see(client: TestClient) -> None:
    answer = client.get("/?token=token-of-ann", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.text == "index.html"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("lesslabel-8000=token-of-ann;")
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert client.get("/api/desk", headers={"Cookie": "lesslabel-8000=token-of-ann"}).json()["author"] == "ann"


def signed_in(desk: Desk, author: str) -> Page:
    """A page whose browser brings another author's cookie with what ann's tab sends."""
    page = Page(desk, f"token-of-{author}")
    page.client.headers["Lesslabel-Author"] = quote("ann")
    return page


def test_a_link_opened_later_in_the_same_browser_does_not_sign_in_its_tabs(desk: Desk) -> None:
    ann, mixed = signed_in(desk, "ann"), signed_in(desk, "ben")
    ann.open()
    mixed.key = ann.key
    for what, more in (("open", {}), ("turns", {"turn": click_turn(2, (12, 10), 1)}), ("finish", {}), ("close", {})):
        said = refused(mixed.post(what, **more), 409)
        assert said == "this tab belongs to ann, but this browser is signed in as ben; open the link again"
    assert [path.name for path in desk.store.path.rglob("*.jsonl")] == [f"{ann.key}.ann.jsonl"]
    assert ann.click(2, (12, 10), 1)["number"] == 1


@pytest.mark.parametrize(("author", "status"), [("Jörg Müller", 200), ("Jorg", 409), ("a\nb", 409), ("\udcff", 409)])
def test_a_tab_says_its_author_in_any_alphabet(desk: Desk, author: str, status: int) -> None:
    guard = Guard(make_app(desk), {"token": "Jörg Müller"})
    client = TestClient(guard, base_url="http://127.0.0.1:8000", headers={"Authorization": "Bearer token"})
    key = desk.next_key("Jörg Müller")
    body = {"tab": "tab1", "id": "a"}
    name = quote(author, errors="surrogateescape")
    answer = client.post(f"/api/cases/{key}/open", json=body, headers={"Lesslabel-Author": name})
    assert answer.status_code == status
    if status == 409:
        refused(answer, 409)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_another_host_name_does_not_lead_here(client: TestClient, host: str) -> None:
    refused(client.get("/api/desk", headers=BEARER | {"Host": host}), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_may_not_ask(client: TestClient, headers: dict[str, str]) -> None:
    refused(client.get("/api/desk", headers=BEARER | headers), 403)


def test_every_answer_forbids_what_the_page_does_not_need(client: TestClient) -> None:
    for answer in (client.get("/", headers=BEARER), client.get("/api/desk", headers=BEARER), client.get("/api/desk")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.js/../../app.py",
        "/app.py",
        "/api/cases/..%2F..%2Ffingerprint.json/image",
        "/api/cases/../../cases.csv/image",
        "/api/cases/case_000000000000/image",
        "/api/cases/case0/image",
    ],
)
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=BEARER)
    assert answer.status_code in (404, 422), answer.text
    assert "\n" not in answer.json()["error"]


def test_an_unknown_case_is_refused(page: Page) -> None:
    page.key = "case_000000000000"
    assert "no case" in refused(page.post("open"), 404)
    assert "no case" in refused(page.post("turns", turn=click_turn(2, (1, 1), 1)), 404)


STROKE = {"type": "scribble", "version": 1, "strokes": [[[1, 1]] * 10_000], "side": "foreground"}


@pytest.mark.parametrize(
    ("turn", "what"),
    [
        (click_turn(2, (float("nan"), 3), 1), "nan"),
        (click_turn(2, (float("inf"), 3), 1), "inf"),
        (click_turn(2, (1e300, 3), 1), "outside the image"),
        (click_turn(2, (-40, 3), 1), "outside the image"),
        (click_turn(99, (3, 3), 1), "plane"),
        (click_turn(2, (3, 3), 7), "label 7"),
        ({**click_turn(2, (3, 3), 1), "prompts": [STROKE]}, "10000 positions"),
        ({**click_turn(2, (3, 3), 1), "prompts": []}, "at least one"),
        ({**click_turn(2, (3, 3), 1), "plane": None}, "2 dimensions"),
        ({**click_turn(2, (3, 3), 1), "more": 1}, "exactly"),
        ({"type": "paint", "tool": "brush", "value": 1, "runs": "!"}, "base64"),
        ({"type": "paint", "tool": "brush", "value": 1, "runs": ""}, "no voxel"),
        ({"type": "paint", "tool": "brush", "value": 1, "runs": "AP///38="}, "beyond"),
        ({"type": "paint", "tool": "brush", "value": 1, "runs": "/////////////w=="}, "cut short"),
        ({"type": "paint", "tool": "brush", "value": 1, "runs": "AAA="}, "order"),
        ({"type": "paint", "tool": "rm", "value": 1, "runs": "AAE="}, "tool"),
        ({"type": "paint", "tool": "brush", "value": True, "runs": "AAE="}, "label"),
        ({"type": "steal"}, "type"),
    ],
)
def test_a_turn_that_makes_no_sense_changes_nothing(page: Page, turn: dict[str, Any], what: str) -> None:
    page.open()
    content = json.dumps(page.body(turn=turn)).encode()
    answer = page.client.post(
        f"/api/cases/{page.key}/turns", content=content, headers={"Content-Type": "application/json"}
    )
    assert what in refused(answer, 422)
    assert page.click(2, (12, 10), 1)["number"] == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"tab": 1}', b'{"tab": "a", "id": "../b"}', b"[" * 100_000]
)
def test_what_is_no_message_is_refused(page: Page, content: bytes) -> None:
    page.open()
    url, headers = f"/api/cases/{page.key}/look", {"Content-Type": "application/json"}
    answer = page.client.post(url, content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "more", [{"active_s": -1}, {"active_s": 1e9}, {"active_s": "1"}, {"seen": [[0]]}, {"seen": [["a", 1]]}, {"who": 1}]
)
def test_a_note_out_of_range_is_refused(page: Page, more: dict[str, Any]) -> None:
    page.open()
    refused(page.post("look", **more), 422)


def test_slices_that_the_case_does_not_have_are_not_seen(page: Page) -> None:
    page.open()
    page.done("look", seen=[[0, 1], [0, 99], [7, 0], [0, -1]])
    assert page.open(page.key)["seen"] == [[0, 1]]


def test_nobody_finishes_what_they_do_not_hold(desk: Desk) -> None:
    ann, ben = Page(desk), Page(desk, "token-of-ben", "tab2")
    ann.open()
    ben.key = ann.key
    for what, more in (("turns", {"turn": click_turn(2, (3, 3), 1)}), ("finish", {}), ("skip", {"reason": "no"})):
        assert "'ann' has this case open" in refused(ben.post(what, seen=seen_all(), **more), 409)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    make_store(folder / "store")
    (folder / "page.js").touch()
    with Served(folder / "store", static=folder) as server:
        yield server


def address_of(served: Served) -> tuple[str, int, dict[str, str]]:
    address, _, token = served.links["ann"].removeprefix("http://").partition("/?token=")
    host, _, port = address.partition(":")
    return host, int(port), {"Authorization": f"Bearer {token}"}


def lives(served: Served) -> bool:
    host, port, headers = address_of(served)
    connection = HTTPConnection(host, port, timeout=30)
    connection.request("GET", "/api/desk", headers=headers)
    return connection.getresponse().status == 200


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(served: Served) -> None:
    host, port, headers = address_of(served)
    connection = HTTPConnection(host, port, timeout=30)
    connection.putrequest("POST", "/api/cases/case_000000000000/look")
    for name, value in {**headers, "Content-Length": str(HUGE)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "larger than" in json.loads(answer.read())["error"]
    assert lives(served)


def test_a_body_that_does_not_say_its_size_is_cut_off(served: Served) -> None:
    host, port, headers = address_of(served)
    sent, chunk = 0, b"%x\r\n" % 2**16 + bytes(2**16) + b"\r\n"
    with socket.create_connection((host, port), timeout=30) as connection:
        head = [f"POST /api/cases/case_000000000000/look HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        try:
            while sent < HUGE:
                connection.sendall(chunk)
                sent += 2**16
        except OSError:
            pass  # the server hung up
    assert sent < 16 * LARGEST_BODY_BYTES
    assert lives(served)


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    host, port, _ = address_of(served)
    assert host == "127.0.0.1"
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((own, port), timeout=5)


def test_what_a_scribble_task_has_no_model_for_is_said(tmp_path: Path) -> None:
    from lesslabel.data.case import Kind

    page = Page(make_desk(make_store(tmp_path / "store"), kind=Kind.SCRIBBLE))
    page.open()
    assert "no model" in refused(page.post("turns", turn=click_turn(2, (3, 3), 1)), 422)
