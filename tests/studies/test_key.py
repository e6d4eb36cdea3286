"""The hash changes with what changes a result, and with nothing else."""

from pathlib import Path

from lesslabel.studies.key import LOCK, hash_lock, hash_sources, hash_values


def package(folder: Path) -> Path:
    (folder / "data" / "lists").mkdir(parents=True)
    (folder / "data" / "lists" / "split.yaml").write_text("folds: {}")
    (folder / "a.py").write_text("A = 1\n")
    (folder / "report.html").write_text("<p>")
    return folder


def test_sources_are_code_and_splits(tmp_path: Path) -> None:
    one, other = package(tmp_path / "one"), package(tmp_path / "other")
    first = hash_sources(one)
    assert hash_sources(other) == first
    (one / "report.html").write_text("<br>")
    (one / "docs.md").write_text("words")
    assert hash_sources(one) == first
    (one / "a.py").write_text("A = 2\n")
    assert hash_sources(one) != first
    (other / "data" / "lists" / "split.yaml").write_text("folds: {0: {}}")
    assert hash_sources(other) != first


def test_a_renamed_or_moved_boundary_is_another_package(tmp_path: Path) -> None:
    one, other = package(tmp_path / "one"), package(tmp_path / "other")
    (one / "b.py").write_text("B\n")
    (other / "a.py").write_text("A = 1\nB\n")
    assert hash_sources(one) != hash_sources(other)


def test_the_lock_file_is_that_of_the_repository() -> None:
    assert LOCK.is_file()
    assert len(hash_lock()) == 64
    assert hash_lock(LOCK.with_name("no such file")) == ""


def test_the_order_of_keys_does_not_count() -> None:
    assert hash_values({"a": 1, "b": {"c": [1, 2]}}) == hash_values({"b": {"c": [1, 2]}, "a": 1})
    assert hash_values({"a": [1, 2]}) != hash_values({"a": [2, 1]})
