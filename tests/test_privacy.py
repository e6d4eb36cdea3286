"""No absolute path survives in what is logged or handed over, and relative names stay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.privacy import argument_without_folders, command_without_folders, last_part, without_folders

BEFORE = (" ", "=", "'", '"', ", ", "(", "[", "{", "<", "|", " -")
FOLDERS = ("jane", "secret", "clinic-7", "über", "a.b", "x+y")
NAMES = ("acdc", "last.ckpt", "hearts.yaml", "run_1")
OPTIONS = ("", "--data.store=", "--a=b=", "-c=")
ROOTS = (
    "/",
    "//",
    "~/",
    "~jane/",
    "C:/",
    "C:\\",
    "d:\\\\",
    "\\\\server9\\",
    "\\\\?\\C:\\",
    "file:///",
    "file://server9/",
)

folders = st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=4)
roots = st.sampled_from(ROOTS)
endings = st.sampled_from(("", "/", "\\"))


def joined(root: str, parts: list[str], name: str, ending: str = "") -> str:
    separator = "\\" if "\\" in root else "/"
    return root + separator.join([*parts, name]) + ending


def require_private(shown: str) -> None:
    for told in (*FOLDERS, "server9"):
        assert told not in shown
    assert not re.search(r"""(?:^|[\s'"=:,(\[{])(?:~\w*|[A-Za-z]:)?[\\/]""", shown), "begins like an absolute path"


@given(
    roots,
    folders,
    st.sampled_from(NAMES),
    endings,
    st.sampled_from(BEFORE),
)
def test_no_absolute_path_survives_in_a_text(root, parts, name, ending, before):
    shown = without_folders(f"see{before}{joined(root, parts, name, ending)}")
    require_private(shown)
    assert name in shown


@given(
    roots,
    folders,
    st.sampled_from(NAMES),
    st.sampled_from(OPTIONS),
    st.sampled_from("'\""),
)
def test_no_absolute_path_with_spaces_survives_in_an_argument_or_in_quotes(root, parts, name, option, quote):
    path = joined(root, [f"{part} of {part}" for part in parts], name)
    assert argument_without_folders(option + path) == option + name
    for shown in (
        argument_without_folders(f"--data={{{quote}store{quote}: {quote}{path}{quote}}}"),
        without_folders(f"store {quote}{path}{quote}, 5"),
    ):
        require_private(shown)
        assert f"{quote}{name}{quote}" in shown


@given(st.text(alphabet="/\\~:'\"=ab C.-", max_size=12))
def test_whatever_the_text_no_absolute_path_is_left(text):
    for strip in (without_folders, argument_without_folders):
        assert not re.search(r"(?:^|[\s=:])[\\/]+\w", strip(text))


@given(
    st.lists(st.text("ab0_.-~", min_size=1, max_size=7).filter(lambda name: name[0] in "ab0_"), min_size=1, max_size=4),
    st.sampled_from(("", "./", "../", "../../")),
)
def test_relative_names_stay(parts, start):
    path = start + "/".join(parts)
    for text in (path, f"--run={path}", f"'{path}'", f"{{store: {path}}}"):
        assert without_folders(text) == argument_without_folders(text) == text


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("/home/jane/hearts.yaml", "hearts.yaml"),
        ("--data.store=/home/jane/my stores/acdc", "--data.store=acdc"),
        (
            "--data.init_args={'store': '/home/jane/stores/acdc', 'fold': 1}",
            "--data.init_args={'store': 'acdc', 'fold': 1}",
        ),
        ("configs/acdc/dmpls.yaml", "configs/acdc/dmpls.yaml"),
        ("../shared/x.yaml", "../shared/x.yaml"),
        ("0.5", "0.5"),
        ("[16, 32]", "[16, 32]"),
    ],
)
def test_an_argument_keeps_the_last_part_of_a_path(argument, kept):
    assert argument_without_folders(argument) == kept


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane/data/acdc.yaml", "acdc.yaml"),
        ("--config=/home/jane/a.yaml --run runs/a", "--config=a.yaml --run runs/a"),
        ("'/srv/secret folder'", "'secret folder'"),
        ("~jane/x/y ~/z", "y z"),
        (r"C:\Users\jane\run", "run"),
        ("file:///home/jane/x", "file:x"),
        ("PATH=/home/a/bin:/home/b/sbin", "PATH=bin:sbin"),
        ("configs/acdc/pce.yaml", "configs/acdc/pce.yaml"),
        ("3/4 of 2.5", "3/4 of 2.5"),
        ("N / A, and/or", "N / A, and/or"),
    ],
)
def test_absolute_paths_lose_their_folders(text, shown):
    assert without_folders(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane", "~"),
        ("/home/jane/", "~"),
        ("C:\\Users\\jane", "~"),
        ("~jane", "~"),
        ("~jane/", "~"),
        ("/home/jane and ~jane", "~ and ~"),
        ("3/4 of 2.5", "3/4 of 2.5"),
        ("N / A, and/or", "N / A, and/or"),
        ("~5 mm", "~5 mm"),
    ],
)
def test_a_home_folder_does_not_tell_its_owner(text, shown):
    assert without_folders(text) == shown


def test_the_last_part_of_a_path_of_any_system():
    assert [last_part(path) for path in ("a/b.ckpt", "C:\\x\\b.ckpt", "/r/checkpoints/best.ckpt/", "best")] == [
        *("b.ckpt", "b.ckpt", "best.ckpt", "best"),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "fit --config '/data/my files/a.yaml' --run runs/a",
        ["fit", "--config", "/data/my files/a.yaml", "--run", "runs/a"],
    ],
)
def test_a_command_loses_the_folders_of_every_word(command):
    assert command_without_folders(command) == "fit --config a.yaml --run runs/a"


def test_a_command_with_an_unbalanced_quote_is_split_at_spaces():
    assert command_without_folders("fit --name jane's /data/x") == "fit --name jane's x"
