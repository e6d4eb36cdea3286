import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lesslabel.data.patient_lists import load_split
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import parse_json, parse_yaml, read_json, write_json, write_text, written_aside
from lesslabel.runs.config_files import read_yaml
from lesslabel.studies.declaration import read_study

FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from lesslabel.data.case import Case
from lesslabel.data.store.case_file import write_case
from lesslabel.data.store.prepare import prepare
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import CaseRecord
from lesslabel.data.store.records import write_table
from lesslabel.errors import DataError
from lesslabel.files import write_text

case = Case("a", "a", np.random.default_rng(0).normal(size=(1, 4, 64, 64)).astype(np.float32), (10.0, 1.0, 1.0))
records = [CaseRecord.of(case, "0" * 64)] * 300
writers = {
    "text": lambda path: write_text(path, "x" * 50_000),
    "case": lambda path: write_case(path, case),
    "table": lambda path: write_table(path, records),
    "store": lambda path: prepare(Phantom(cases=2, size=64), path),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    writers[sys.argv[1]](Path(sys.argv[2]))
except DataError as error:
    print(error)
"""


def test_written_aside_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "Maß")
    write_text(path, "two\n")
    assert path.read_text(encoding="utf-8") == "two\n"
    assert list(path.parent.iterdir()) == [path]


def test_written_aside_makes_a_folder(tmp_path: Path) -> None:
    with written_aside(tmp_path / "folder") as aside:
        aside.mkdir()
        (aside / "a").touch()
        assert not (tmp_path / "folder").exists()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("folder", [False, True])
def test_a_failing_block_leaves_what_was_there(tmp_path: Path, error: type[BaseException], folder: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with written_aside(path) as aside:
            if folder:
                aside.mkdir()
                (aside / "part").write_text("new")
            else:
                aside.write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_write_left_is_no_obstacle(tmp_path: Path, folder: bool) -> None:
    left = tmp_path / ".a.txt.part"
    if folder:
        (left / "deep").mkdir(parents=True)
    else:
        left.write_text("half")
    write_text(tmp_path / "a.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_in_the_place_of_a_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt" / "inside").is_dir()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "text")


@pytest.mark.parametrize("what", ["text", "case", "table", "store"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    root = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, what, str(tmp_path / "target")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    assert str(tmp_path) in result.stdout
    assert "cannot be written (File too large); check the free space" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ß": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json", "numbers") == {"ß": [1, 2.5, None]}


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json: not readable as the numbers") as caught:
        read_json(path, "the numbers")
    assert "\n" not in str(caught.value)


def test_absent_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json: no such file; expected the numbers"):
        read_json(tmp_path / "a.json", "the numbers")


class TestKeysThatAreThereTwice:
    """Of a mapping in JSON or YAML one of the values would be lost without a word."""

    @pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "c: {a: 1, a: 1}\n", "- a: 1\n  a: 2\n"])
    def test_of_yaml(self, text: str) -> None:
        with pytest.raises(yaml.YAMLError, match="key 'a' is there twice; keep one"):
            parse_yaml(text)

    @pytest.mark.parametrize("text", ["a: 1\nb: {a: 1}\n", "x: &x {a: 1}\ny: {<<: *x, b: 2}\n", "1: a\n2: b\n"])
    def test_of_others_yaml_is_as_ever(self, text: str) -> None:
        assert parse_yaml(text) == yaml.safe_load(text)

    @pytest.mark.parametrize(
        "top", ["top:\n  <<: *m\n  y: 3\n", "top: [*m, {<<: [*m, *b]}]\n", "top: {a: {<<: *m, z: 1}}\n"]
    )
    def test_merged_keys_are_none(self, top: str) -> None:
        """The constructor writes what is merged into the tree, beside the keys that come before it."""
        text = f"base: &b {{x: 1, z: 1}}\ndeep:\n  mid: &m\n    <<: *b\n    x: 2\n{top}"
        assert parse_yaml(text) == yaml.safe_load(text)

    @pytest.mark.parametrize("text", ["&a [*a]", "&a {b: *a}", "", "? {a: 1, a: 2}\n: 3\n", "x: [{y: {a: 1, a: 1}}]"])
    def test_every_node_is_visited_once(self, text: str) -> None:
        if "a: 1" in text:
            with pytest.raises(yaml.YAMLError, match="key 'a' is there twice; keep one"):
                parse_yaml(text)
        else:
            parse_yaml(text)

    def test_of_json(self) -> None:
        with pytest.raises(ValueError, match="key 'a' is there twice; keep one"):
            parse_json('{"b": {"a": 1, "a": 2}}')

    @pytest.mark.parametrize(
        ("read", "name", "error"),
        [
            (read_yaml, "c.yaml", ConfigError),
            (read_study, "study.yaml", ConfigError),
            (load_split, "s.yaml", DataError),
        ],
    )
    def test_every_reader_names_the_file(
        self, read: Callable[[object], object], name: str, error: type[Exception], tmp_path: Path
    ) -> None:
        (tmp_path / name).write_text("folds: {}\nname: a\nname: b\n", encoding="utf-8")
        where = tmp_path if read is read_study else tmp_path / name
        with pytest.raises(error, match=rf"{name}: .*key 'name' is there twice"):
            read(str(where) if read is load_split else where)
