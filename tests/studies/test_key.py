"""The parts of a key beside the sources change with what changes a result, and with nothing else."""

from pathlib import Path

from lesslabel.studies.key import LOCK, hash_lock, hash_values


def test_the_lock_file_is_that_of_the_repository() -> None:
    assert LOCK.is_file()
    assert len(hash_lock(["torch"])) == 64
    assert hash_lock(["torch"], LOCK.with_name("no such file")) == ""


def test_only_the_pins_of_what_is_imported_count(tmp_path: Path) -> None:
    lock = tmp_path / "constraints.txt"

    def hash_of(text: str, *packages: str) -> str:
        lock.write_text(text)
        return hash_lock(packages, lock)

    first = hash_of("# a comment\nruff==1\ntorch==2\nscikit-learn==3\n", "torch", "sklearn", "json")
    assert hash_of("scikit-learn==3\ntorch==2\nruff==9\npytest==1\n", "json", "sklearn", "torch") == first
    assert hash_of("torch==2.1\nscikit-learn==3\n", "torch", "sklearn") != first
    assert hash_of("torch==2\nscikit-learn==3.1\n", "torch", "sklearn") != first
    assert hash_of("torch==2\nscikit-learn==3\n", "torch") != first
    assert hash_of("Not.Installed_here==1\n", "not_installed_here") != hash_of("", "not_installed_here")


def test_the_order_of_keys_does_not_count() -> None:
    assert hash_values({"a": 1, "b": {"c": [1, 2]}}) == hash_values({"b": {"c": [1, 2]}, "a": 1})
    assert hash_values({"a": [1, 2]}) != hash_values({"a": [2, 1]})
