"""Every route, read from the OpenAPI description: whatever is sent, the server answers in one line and lives on."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from desks import TOKENS, click_turn, make_desk, make_store
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesslabel.annotating.app import make_app
from lesslabel.annotating.security import LARGEST_BODY_BYTES, Guard
from lesslabel.data.store import Store

DESCRIPTION: dict[str, Any] = make_app(None).openapi()  # type: ignore[arg-type]  # no desk is asked
ROUTES = [(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods]
EVERY_ROUTE = pytest.mark.parametrize(("path", "method"), ROUTES, ids=lambda part: part.rpartition("/")[2])
UNKNOWN = "case_000000000000"
AGAIN = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PAINT = {"type": "paint", "tool": "brush", "value": 1, "runs": "AAE="}
TURNS = st.sampled_from(
    [
        PAINT,
        click_turn(2, (12, 10), 1),
        {"type": "outline", "label": 1, "plane": {"axis": 0, "index": 0}, "runs": "AAE="},
        {"type": "edit", "what": "threshold", "label": 1, "plane": {"axis": 0, "index": 2}, "value": 0.4},
        {"type": "edit", "what": "choose", "label": 1, "plane": {"axis": 0, "index": 2}, "value": "global"},
    ]
)


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the description allows."""
    if "$ref" in schema:
        return values_of(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    kind, low, high = schema.get("type"), schema.get("minimum", -9), schema.get("maximum", 9_999)
    if kind == "string":
        if "pattern" in schema:
            return st.from_regex(re.compile(schema["pattern"], re.ASCII), fullmatch=True).map(lambda text: text[:64])
        return st.text(min_size=schema.get("minLength", 0), max_size=20)
    if kind == "integer":
        return st.integers(low, high)
    if kind == "number":
        return st.floats(low, high, allow_nan=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        items = schema.get("prefixItems")
        return st.tuples(*map(values_of, items)) if items else st.lists(values_of(schema["items"]), max_size=4)
    if schema.get("title") == "Turn":
        return TURNS
    assert kind == "object", schema
    own = {name: values_of(inner) for name, inner in schema["properties"].items()}
    required = {name: own.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=own)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("contract") / "store")


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    guard = Guard(make_app(make_desk(store)), TOKENS)
    client = TestClient(guard, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    client.headers["Authorization"] = "Bearer token-of-ann"
    yield client
    assert client.get("/api/desk").status_code == 200  # it lives on


def body_of(path: str, method: str) -> st.SearchStrategy[Any]:
    content = DESCRIPTION["paths"][path][method].get("requestBody")
    return st.none() if content is None else values_of(content["content"]["application/json"]["schema"])


def sent(client: TestClient, path: str, method: str, body: Any, key: str, **headers: str) -> Any:
    query = "?label=1&axis=0&index=2" if path.endswith("uncertainty") else ""
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    return client.request(method, path.replace("{key}", key) + query, content=content, headers=headers)


def refused(answer: Any, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert re.fullmatch(r"[^\n]+", answer.json()["error"])


@EVERY_ROUTE
def test_strangers_are_refused(client: TestClient, path: str, method: str) -> None:
    refused(sent(client, path, method, None, UNKNOWN, Authorization="Bearer forged"), 401)
    refused(sent(client, path, method, None, UNKNOWN, Origin="http://evil.example"), 403)
    refused(sent(client, path, method, bytes(LARGEST_BODY_BYTES + 1), UNKNOWN), 413)


@EVERY_ROUTE
@AGAIN
@given(st.data())
def test_what_is_described_is_understood(client: TestClient, path: str, method: str, data: st.DataObject) -> None:
    body = data.draw(body_of(path, method))
    key = data.draw(st.sampled_from([item["key"] for item in client.get("/api/desk").json()["items"]] + [UNKNOWN]))
    answer = sent(client, path, method, body, key)
    if answer.status_code != 200:
        refused(answer, 404, 409, 422, 428)
    if key == UNKNOWN and "{key}" in path:
        refused(answer, 404)


@EVERY_ROUTE
@AGAIN
@given(st.data())
def test_what_is_not_described_is_refused(client: TestClient, path: str, method: str, data: st.DataObject) -> None:
    body = data.draw(body_of(path, method))
    if body is None:
        return
    body = {**body, data.draw(st.sampled_from([*body, "more"])): data.draw(ANYTHING)}
    answer = sent(client, path, method, body, data.draw(st.sampled_from([UNKNOWN, "case0", "%2e%2e"])))
    refused(answer, 400, 404, 422)


@EVERY_ROUTE
def test_numbers_that_are_none(client: TestClient, path: str, method: str) -> None:
    if method == "post":
        key = client.get("/api/desk").json()["items"][0]["key"]
        for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
            body = b'{"tab": "a", "id": "b", "active_s": ' + number + b"}"
            refused(sent(client, path, method, body, key), 400, 422)
