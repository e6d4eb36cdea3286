"""Click protocols of a run: its own data and other stores, robots and people, and what lies in the folder then."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from clicking import GreyValue, fit_grey_value
from phantom_stores import PhantomStores
from running import one_line

from lesslabel.cli import main
from lesslabel.clicks.chosen_data import OtherStore, data_of
from lesslabel.clicks.folder import ClickFolder
from lesslabel.clicks.measures import BOUNDARY_COLUMN, CLICK_COLUMNS, OBJECT, PHASE_COLUMNS
from lesslabel.clicks.object_scores import object_scores
from lesslabel.clicks.objects import WHOLE_CASE, ClickObject, iterate_objects
from lesslabel.clicks.protocol import run_clicks
from lesslabel.clicks.simulator import PICTURED, ClickProtocol, ClickSimulator
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.resize import resize_labels
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.data.view import View
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import Click, InteriorMarginPoints, Scribble, Side, prompt_from_json, rasterise
from lesslabel.interaction.encoding import CueMap, Encoding, Role
from lesslabel.interaction.session import InteractiveSession
from lesslabel.interaction.wrappers import WRAPPERS
from lesslabel.networks import UNet

SHORT = ClickProtocol(cap=7, min_voxels=10)


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the method that goes by grey value."""
    return fit_grey_value(store, tmp_path_factory.mktemp("runs") / "grey")


@pytest.fixture(scope="module")
def finished(run: Path, tmp_path_factory: pytest.TempPathFactory) -> ClickFolder:
    """Its protocol on its own test part."""
    out = tmp_path_factory.mktemp("clicks") / "own"
    run_clicks(run, SHORT, out)
    return ClickFolder(out)


def without_seconds(folder: ClickFolder) -> pd.DataFrame:
    return folder.frame.drop(columns=["seconds", *PHASE_COLUMNS]).sort_values([*OBJECT, "turn"]).reset_index(drop=True)


def objects_of(
    store: Path, uids: list[str] | None = None, **settings: object
) -> dict[tuple[str, int, str], ClickObject]:
    options = {name: settings.pop(name) for name in ("min_voxels", "slices", "annotation") if name in settings}
    data = SegmentationDataModule(str(store), **settings)  # type: ignore[arg-type]
    wanted = uids or list(data.store.records)
    found = iterate_objects(data, wanted, data.mapping.names[1:], **options)  # type: ignore[arg-type]
    return {(entry.uid, entry.slice, entry.label): entry for entry in found}


def test_there_is_a_row_for_every_object_and_turn(finished: ClickFolder, store: Path) -> None:
    frame = finished.frame
    assert list(frame.columns) == [*CLICK_COLUMNS, BOUNDARY_COLUMN, *PHASE_COLUMNS]
    assert frame[list(PHASE_COLUMNS)].isna().all().all()  # this method cannot tell
    records = Store(store).records
    tested = objects_of(store, sorted(set(frame["uid"])), min_voxels=SHORT.min_voxels)
    assert {(row.uid, row.slice, row.label) for row in frame.itertuples()} == set(tested)
    for (patient, uid, label, place), rows in frame.groupby(OBJECT):
        assert records[uid].patient == patient
        assert rows["turn"].tolist() == list(range(len(rows)))
        nothing, *turns = rows.itertuples()
        diagonal = np.hypot(*np.multiply(tested[uid, place, label].truth.shape, tested[uid, place, label].spacing_mm))
        assert (nothing.clicks, nothing.dice, nothing.assd_mm) == (0, 0.0, pytest.approx(diagonal))
        assert np.isnan(nothing.seconds)
        assert all(turn.seconds > 0 for turn in turns)
        assert rows["clicks"].is_monotonic_increasing
        assert rows["clicks"].iloc[-1] <= SHORT.cap or len(turns) == 1


def test_the_prompts_play_every_curve_again(finished: ClickFolder, store: Path) -> None:
    turns = finished.turns()
    tested = objects_of(store, sorted(set(finished.frame["uid"])), min_voxels=SHORT.min_voxels)
    assert turns.keys() == tested.keys()
    for key, entry in tested.items():
        rows = finished.frame[(finished.frame[["uid", "slice", "label"]] == key).all(axis=1)].sort_values("turn")
        first, *corrections = turns[key]
        session = InteractiveSession(GreyValue()).set_image(entry.image, entry.spacing_mm)
        for given, row in zip([first, *corrections], rows.iloc[1:].itertuples(), strict=True):
            mask = session.add(*given).mask
            assert object_scores(mask, entry.truth, entry.spacing_mm) == pytest.approx((row.dice, row.assd_mm))


def test_robots_point_first_and_then_at_the_errors(finished: ClickFolder) -> None:
    for first, *corrections in finished.turns().values():
        assert [type(prompt) for prompt in first] == [InteriorMarginPoints]
        assert all(len(given) == 1 and isinstance(given[0], Click) for given in corrections)


def test_the_summary_says_how_it_was_made(finished: ClickFolder, store: Path) -> None:
    summary = finished.summary
    assert summary["protocol"] == {
        "first": "robot",
        "robot": "error-centre",
        "cap": 7,
        "turns": None,
        "jitter_voxel": None,
        "seed": 0,
        "min_voxels": 10,
        "slices": None,
        "start": "nothing",
        "thin": None,
    }
    assert (summary["method"], summary["first_robot"]) == ("GreyValue", "interior-margin-points")
    assert summary["data"]["data_hash"] == Store(store).data_hash
    assert summary["data"]["labels"] == ["RV", "Myo", "LV"]
    assert (summary["data"]["part"], summary["unseen_store"], summary["without_prompts"]) == ("test", False, 0)
    assert summary["objects"] == len(finished.turns())
    assert {row["measure"] for row in summary["results"]} >= {"noc_dice_85", "noc_iou_90", "dice_first", "dice_7"}
    text = (finished.path / "summary.json").read_text()
    assert "NaN" not in text
    assert str(store.parent) not in text


def test_the_checkpoint_that_was_asked_for_plays_and_is_named(run: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run, tmp_path / "run")
    shutil.copy(copied / "checkpoints" / "last.ckpt", copied / "checkpoints" / "best.ckpt")
    for given, played in ((None, "best"), ({"ckpt_path": "last"}, "last")):
        out = tmp_path / played
        run_clicks(copied, SHORT, out, overrides=given)
        assert ClickFolder(out).summary["checkpoint"] == played


def test_the_worst_objects_are_kept_as_pictures(finished: ClickFolder, store: Path) -> None:
    last = finished.frame.sort_values("turn").groupby(OBJECT)["dice"].last().sort_values()
    worst = finished.worst()
    assert len(worst) == min(PICTURED, len(last))
    tested = objects_of(store, sorted(set(finished.frame["uid"])), min_voxels=SHORT.min_voxels)
    kept = []
    for entry in worst:
        truth = tested[entry.key].truth
        np.testing.assert_array_equal(entry.truth, truth)
        np.testing.assert_array_equal(entry.image, tested[entry.key].image[0])
        uid, place, label = entry.key
        assert entry.z == place
        kept.append(object_scores(entry.last, truth, entry.spacing_mm)[0])
        assert kept[-1] == pytest.approx(
            last[finished.frame.query("uid == @uid")["patient"].iloc[0], uid, label, place]
        )
    assert kept == pytest.approx(last.iloc[: len(kept)].tolist())


def test_an_object_is_played_alike_whatever_else_is(run: Path, finished: ClickFolder, tmp_path: Path) -> None:
    run_clicks(run, SHORT, tmp_path / "one", labels=["LV"])
    alone, every = without_seconds(ClickFolder(tmp_path / "one")), without_seconds(finished)
    assert set(alone["label"]) == {"LV"}
    pd.testing.assert_frame_equal(alone, every[every["label"] == "LV"].reset_index(drop=True))
    own = finished.turns()
    assert ClickFolder(tmp_path / "one").turns() == {key: turns for key, turns in own.items() if key[2] == "LV"}


def test_another_seed_or_hand_points_elsewhere(run: Path, finished: ClickFolder, tmp_path: Path) -> None:
    base = {key: turns for key, turns in finished.turns().items() if key[2] == "RV"}
    for name, change in {"seed": {"seed": 1}, "hand": {"jitter_voxel": 2.0}}.items():
        protocol = ClickProtocol(cap=7, min_voxels=10, turns=1, **change)  # type: ignore[arg-type]
        run_clicks(run, protocol, tmp_path / name, labels=["RV"])
        other = ClickFolder(tmp_path / name).turns()
        assert other.keys() == base.keys()
        assert {key: turns[0] for key, turns in other.items()} != {key: turns[0] for key, turns in base.items()}
        assert all(len(turns) == 1 for turns in other.values())


@pytest.mark.parametrize("name", list(WRAPPERS))
def test_a_wrapper_changes_the_answers_and_is_in_the_summary(
    run: Path, finished: ClickFolder, tmp_path: Path, name: str
) -> None:
    summary = run_clicks(run, SHORT, tmp_path / "wrapped", wrappers=[name])
    assert summary["wrappers"] == [name]
    assert "wrappers" not in finished.summary
    before, after = without_seconds(finished), without_seconds(ClickFolder(tmp_path / "wrapped"))
    if name == "structure-integrity":
        assert not before.equals(after)
    else:  # the first answer is the global one
        pd.testing.assert_frame_equal(*(each[each["turn"] < 2].reset_index(drop=True) for each in (before, after)))
    with pytest.raises(ConfigError, match=f"--wrap {name}: named twice"):
        run_clicks(run, SHORT, tmp_path / "twice", wrappers=[name, name])


def test_people_point_first_with_their_scribbles(run: Path, store: Path, tmp_path: Path) -> None:
    protocol = ClickProtocol(first="annotation:scribble", cap=4, min_voxels=10)
    summary = run_clicks(run, protocol, tmp_path / "people")
    folder = ClickFolder(tmp_path / "people")
    assert summary["first_robot"] is None
    uids = sorted(set(folder.frame["uid"]))
    tested = objects_of(store, uids, min_voxels=10)
    with_strokes = set()
    for key, entry in tested.items():
        drawn = Store(store).read(entry.uid).annotations["scribble"].labels[entry.slice]
        code = ["RV", "Myo", "LV"].index(entry.label) + 1
        if (drawn == code).any():
            with_strokes.add(key)
            first, *corrections = folder.turns()[key]
            assert [prompt.side for prompt in first] == [Side.FOREGROUND, Side.BACKGROUND]
            assert all(isinstance(prompt, Scribble) for prompt in first)
            seeds = rasterise(first, drawn.shape)
            np.testing.assert_array_equal(seeds.foreground, drawn == code)
            np.testing.assert_array_equal(seeds.background, (drawn != code) & (drawn != IGNORE))
            assert len(corrections) <= 2
    assert folder.turns().keys() == with_strokes
    assert summary["without_prompts"] == len(tested) - len(with_strokes)
    assert set(folder.frame.loc[folder.frame["turn"] == 1, "clicks"]) == {2}  # a scribble on either side


def test_another_store_is_seen_as_the_run_sees_images(run: Path, phantom_store: PhantomStores, tmp_path: Path) -> None:
    path = phantom_store(cases=4, size=32, depth=3)
    other = OtherStore(path)
    summary = run_clicks(run, SHORT, tmp_path / "out", store=other, part="all", labels=["LV"])
    assert summary["unseen_store"]
    assert set(ClickFolder(tmp_path / "out").frame["uid"]) <= set(Store(path).records)
    with pytest.raises(ConfigError, match="no all case has an annotation 'expert'"):
        run_clicks(run, SHORT, tmp_path / "no", store=OtherStore(path, reference="expert"), part="all")
    assert not (tmp_path / "no").exists()


class OneCase(Source):
    """A case that is at hand already."""

    name = "handmade"
    labels: Mapping[int, str] = MappingProxyType({1: "one", 2: "two"})

    def __init__(self, case: Case) -> None:
        self.raw, self.case = Path("handmade"), case

    def list_cases(self) -> list[RawCase]:
        return [RawCase(uid=self.case.uid, patient=self.case.patient)]

    def read(self, raw: RawCase) -> Case:
        assert raw.uid == self.case.uid
        return self.case


def handmade(tmp_path: Path, spacing_mm: tuple[float, float, float] = (4.0, 1.0, 2.0)) -> tuple[Path, np.ndarray]:
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[0, 2:6, 2:6], labels[1, 2:6, 2:6], labels[1, 0, 0], labels[2, 0] = 1, 1, 2, IGNORE
    strokes = np.full_like(labels, IGNORE)
    strokes[0, 3, 3:5], strokes[0, 7], strokes[1, 0, 0], strokes[1, 7, 7] = 1, 0, 2, 0
    image = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    annotations = {"dense": Annotation(labels, Kind.DENSE), "drawn": Annotation(strokes, Kind.SCRIBBLE)}
    prepare(OneCase(Case("a", "anna", image, spacing_mm, annotations=annotations)), tmp_path / "store")
    return tmp_path / "store", labels


def test_objects_are_slices_in_2d_and_volumes_in_3d(tmp_path: Path) -> None:
    store, labels = handmade(tmp_path)
    flat = objects_of(store, annotation="drawn")
    assert list(flat) == [("a", 0, "one"), ("a", 1, "one"), ("a", 1, "two")]
    assert list(objects_of(store, min_voxels=2)) == [("a", 0, "one"), ("a", 1, "one")]
    assert list(objects_of(store, slices=1)) == [("a", 1, "one"), ("a", 1, "two")]
    assert flat["a", 0, "one"].spacing_mm == (1.0, 2.0)
    assert flat["a", 0, "one"].image.shape == (1, 8, 8)
    on_object, beside = flat["a", 0, "one"].drawn
    assert (len(on_object.points), len(beside.points)) == (2, 2)  # one stroke of two ends each
    assert flat["a", 1, "one"].drawn == ()  # strokes beside it alone do not say where it is
    assert [prompt.points.tolist() for prompt in flat["a", 1, "two"].drawn] == [[[0.0, 0.0]], [[7.0, 7.0]]]
    deep = objects_of(store, dimensions=3)
    assert list(deep) == [("a", WHOLE_CASE, "one"), ("a", WHOLE_CASE, "two")]
    whole = deep["a", WHOLE_CASE, "one"]
    np.testing.assert_array_equal(whole.truth, labels == 1)
    np.testing.assert_array_equal(whole.known, labels != IGNORE)
    assert whole.spacing_mm == (4.0, 1.0, 2.0)
    assert whole.drawn == ()


def test_objects_lie_on_the_grid_of_the_network(tmp_path: Path) -> None:
    store, labels = handmade(tmp_path)
    on_grid = objects_of(store, size_voxel=(4, 16))
    assert on_grid["a", 0, "one"].spacing_mm == (2.0, 1.0)
    np.testing.assert_array_equal(on_grid["a", 0, "one"].truth, resize_labels(labels, (3, 4, 16))[0] == 1)
    resampled = objects_of(store, dimensions=3, spacing_mm=(2.0, 2.0, 2.0))["a", WHOLE_CASE, "one"]
    assert resampled.truth.shape == resampled.image.shape[1:] == (6, 4, 8)
    assert resampled.spacing_mm == (2.0, 2.0, 2.0)


def test_a_volume_is_pictured_where_it_is_most_often_wrong(tmp_path: Path) -> None:
    store, labels = handmade(tmp_path)
    entry = objects_of(store, dimensions=3)["a", WHOLE_CASE, "one"]
    model = GreyValue(network=UNet(dimensions=3))
    simulator = ClickSimulator(model, model.first_robot, ClickProtocol(cap=9, turns=2))
    line = simulator.simulate(entry)
    first, corrections = json.loads(line)["turns"]
    (kept,) = simulator.worst
    session = InteractiveSession(model).set_image(entry.image, entry.spacing_mm)
    session.add(*map(prompt_from_json, first))
    last = session.add(*map(prompt_from_json, corrections))
    wrong = ((last.mask & entry.known) != entry.truth).sum(axis=(1, 2))
    assert wrong.max() > wrong.min()
    assert kept.z == wrong.argmax()
    np.testing.assert_array_equal(kept.truth, labels[kept.z] == 1)
    np.testing.assert_array_equal(kept.last, (last.mask & entry.known)[kept.z])
    assert kept.spacing_mm == (1.0, 2.0)
    assert [row[4] for row in simulator.rows] == [0, 1, 2]


def test_what_the_reference_does_not_speak_of_is_no_object(tmp_path: Path) -> None:
    store, _ = handmade(tmp_path)
    drawn = Store(store).read("a").annotations["drawn"].labels
    ones = np.where(drawn == 2, 0, drawn).astype(np.uint8)
    Store(store).add_annotation("a", "partly", Annotation(ones, Kind.DENSE, covered_labels=(1,)))
    on_one, beside = objects_of(store, view=View(reference="partly"), annotation="partly")["a", 0, "one"].drawn
    assert (on_one.side, beside.side) == (Side.FOREGROUND, Side.BACKGROUND)
    assert list(objects_of(store, view=View(reference="partly"))) == [("a", 0, "one")]
    assert objects_of(store, view=View(reference="nobody")) == {}


def test_random_numbers_depend_on_the_object_and_the_seed(tmp_path: Path) -> None:
    one, two, _ = objects_of(handmade(tmp_path)[0]).values()
    drawn = [entry.generator(seed).random() for entry in (one, two) for seed in (0, 1)]
    assert len(set(drawn)) == 4
    assert one.generator(0).random() == drawn[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first": "somebody"}, "--first somebody"),
        ({"first": "annotation:"}, "--first annotation:"),
        ({"first": "my annotation:a"}, "--first my annotation:a"),
        ({"robot": "extreme-points"}, "--robot extreme-points: choose one of error-centre"),
        ({"cap": 0}, "--cap 0"),
        ({"turns": 0}, "--turns 0"),
        ({"min_voxels": 0}, "--min-voxels 0"),
        ({"slices": 0}, "--slices 0"),
        ({"seed": -1}, "--seed -1"),
        ({"jitter_voxel": -1.0}, "jitter_voxel: -1"),
    ],
)
def test_a_protocol_out_of_range_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClickProtocol(**settings).correcting_robot()  # type: ignore[arg-type]


def test_what_cannot_be_played_is_refused_in_one_line(
    run: Path, finished: ClickFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    for given, message in (
        (["--labels", "aorta", "--out", out], "--labels aorta"),
        (["--first", "annotation:nobody", "--out", out], "--first annotation:nobody: the test cases have dense"),
        (["--out", str(finished.path)], "exists already"),
        (["--min-voxels", "9999", "--out", out], "no object of RV, Myo, LV"),
        (["--reference", "dense", "--out", out], "--reference: goes with --store"),
    ):
        assert main(["clicks", "--run", str(run), *given]) == 1
        assert message in one_line(capsys)
        assert not Path(out).exists()


def test_a_method_that_takes_no_clicks_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(GreyValue, "prepare_image")
    with pytest.raises(ConfigError, match="GreyValue takes no clicks"):
        run_clicks(run, SHORT, tmp_path / "out")


@pytest.mark.parametrize(("maps", "taken"), [(("foreground",), False), (("foreground", "line"), True)])
def test_a_robot_whose_prompts_the_method_does_not_take_is_refused(
    maps: tuple[Role, ...], taken: bool, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GreyValue, "encoding", Encoding(None, tuple(map(CueMap, maps))), raising=False)
    protocol = ClickProtocol(robot="cut-line", cap=6, min_voxels=SHORT.min_voxels, slices=1)
    if taken:
        assert run_clicks(run, protocol, tmp_path / "out")["protocol"]["robot"] == "cut-line"
    else:
        with pytest.raises(ConfigError, match="--robot cut-line: GreyValue takes no line; choose another robot"):
            run_clicks(run, protocol, tmp_path / "out")


def test_an_error_names_the_object(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DataError("no prompt fits")

    monkeypatch.setattr(GreyValue, "prepare_image", refuse)
    with pytest.raises(DataError, match=r"phantom\d+_e[ds], slice \d, \w+: no prompt fits"):
        run_clicks(run, SHORT, tmp_path / "out")


def test_the_command_prints_a_table_and_goes_on_to_the_report(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["clicks", "--run", str(run), "--cap", "6", "--labels", "LV", "RV", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "NoC@90" in printed
    assert [line.split()[0] for line in printed.splitlines() if "/" in line and "─" not in line][:3] == [
        *("LV", "RV", "mean"),
    ]
    assert "means over 2 patients" in printed
    assert json.loads((out / "summary.json").read_text())["protocol"]["cap"] == 6
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").is_file()


def test_a_method_of_colours_takes_a_grey_store(store: Path) -> None:
    own = SegmentationDataModule(str(store))
    data = data_of(OtherStore(store), own, in_channels=3)
    assert data.in_channels == 3
    (entry, *_) = iterate_objects(data, list(data.store.records)[:1], data.mapping.names[1:])
    assert (entry.image == entry.image[:1]).all()
    assert data_of(OtherStore(store), own, in_channels=1).view.channels is None
