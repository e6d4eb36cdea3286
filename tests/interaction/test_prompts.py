"""What every prompt promises, and what each of them says of voxels."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from itertools import pairwise

import numpy as np
import pytest
from annotated_masks import block
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesslabel.errors import DataError
from lesslabel.interaction.prompts import (
    KINDS,
    PROMPTS,
    Box,
    CentreEdgePoints,
    Click,
    CutLine,
    EnclosingScribble,
    ExtremePoints,
    InteriorMarginPoints,
    Polygon,
    Prompt,
    Scribble,
    Seeds,
    Side,
    prompt_from_json,
    rasterise,
)

SHAPES = {2: (20, 30), 3: (10, 20, 30)}
NAMES = list(PROMPTS)


def positions(axes: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*(st.floats(-0.5, size - 0.5) for size in SHAPES[axes]))


@st.composite
def prompts(draw: st.DrawFn, name: str) -> Prompt:
    axes = draw(st.sampled_from([2, 3]))
    one, some = positions(axes), st.lists(positions(axes), min_size=1, max_size=6).map(tuple)
    side = st.sampled_from(Side)
    if name == "click":
        return Click(draw(one), draw(side))
    if name == "interior-margin-points":
        return InteriorMarginPoints(draw(some))
    if name == "centre-edge-points":
        return CentreEdgePoints(draw(some), draw(st.just(()) | some))
    if name == "extreme-points":
        return ExtremePoints(draw(st.tuples(*[one] * (2 * axes))))
    if name == "scribble":
        return Scribble(draw(st.lists(some, min_size=1, max_size=4).map(tuple)), draw(side))
    if name == "cut-line":
        start = draw(one)
        return CutLine(start, draw(one.filter(lambda end: end != start)))
    if name == "box":
        corners = np.sort([draw(one), draw(one)], axis=0).tolist()
        return Box(*map(tuple, corners))
    assert name in ("polygon", "enclosing-scribble"), f"{name}: add how it is made"
    flat = draw(st.lists(positions(2), min_size=3, max_size=8))
    depth = draw(st.integers(0, 9))
    vertices = around(flat) if name == "polygon" else flat
    kind = Polygon if name == "polygon" else EnclosingScribble
    return kind(tuple(vertices) if axes == 2 else tuple((depth, *position) for position in vertices))


def around(vertices: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The same in the order of their angle, so that their polygon does not cross itself."""
    centre = np.mean(vertices, axis=0)
    return sorted(vertices, key=lambda vertex: np.arctan2(*np.subtract(vertex, centre)))


few = settings(max_examples=40)
any_prompt = st.sampled_from(NAMES).flatmap(prompts)


def shape_of(prompt: Prompt) -> tuple[int, ...]:
    return SHAPES[prompt.points.shape[1]]


def marked(seeds: Seeds) -> dict[str, list[tuple[int, ...]]]:
    return {side: [tuple(voxel) for voxel in np.argwhere(getattr(seeds, side)).tolist()] for side in Side}


def only(side: Side, *voxels: tuple[int, ...]) -> dict[str, list[tuple[int, ...]]]:
    return {each: sorted(voxels) if each is side else [] for each in Side}


# What every prompt promises


def test_names_are_those_of_the_registry() -> None:
    assert {name: kind.name for name, kind in PROMPTS.items()} == {name: name for name in PROMPTS}


def test_every_kind_that_is_written_is_in_the_registry() -> None:
    def kinds(kind: type[Prompt]) -> set[type[Prompt]]:
        return {kind, *(deeper for below in kind.__subclasses__() for deeper in kinds(below))}

    shipped = {kind for kind in kinds(Prompt) if kind.__module__.startswith("lesslabel.") and hasattr(kind, "name")}
    assert shipped == set(PROMPTS.values())


@few
@given(any_prompt)
def test_a_prompt_is_of_one_kind(prompt: Prompt) -> None:
    on_the_edge = getattr(prompt, "side", None) is Side.BOUNDARY
    assert prompt.kind == ("boundary-" if on_the_edge else "") + prompt.name
    assert prompt.kind in KINDS


@few
@given(any_prompt)
def test_json_keeps_a_prompt_exactly(prompt: Prompt) -> None:
    text = json.dumps(prompt.to_json(), allow_nan=False)
    again = prompt_from_json(json.loads(text))
    assert type(again) is type(prompt)
    assert again == prompt
    assert hash(again) == hash(prompt)
    assert json.loads(text)["type"] == prompt.name
    assert json.loads(text)["version"] == 1


@few
@given(any_prompt)
def test_seeds_have_the_shape_of_the_image_and_contradict_nothing(prompt: Prompt) -> None:
    seeds = prompt.rasterise(shape_of(prompt))
    masks = [seeds.foreground, seeds.background, seeds.boundary]
    assert all(mask.shape == shape_of(prompt) and mask.dtype == np.bool_ for mask in masks)
    assert (np.sum(masks, axis=0) <= 1).all()


@few
@given(any_prompt)
def test_seeds_lie_where_the_points_are_or_outside_what_they_enclose(prompt: Prompt) -> None:
    seeds = prompt.rasterise(shape_of(prompt))
    points = np.clip(np.floor(prompt.points + 0.5), 0, np.array(shape_of(prompt)) - 1)
    low, high = points.min(axis=0), points.max(axis=0)
    for side in Side:
        voxels = np.argwhere(getattr(seeds, side))
        outside = ((voxels < low) | (voxels > high)).any(axis=1)
        assert prompt.encloses or not outside.any()


@few
@given(any_prompt, st.data())
def test_a_position_outside_the_image_is_refused(prompt: Prompt, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, prompt.points.shape[1] - 1))
    shape = list(shape_of(prompt))
    prompt.validate(tuple(shape))
    shape[axis] = int(np.ceil(prompt.points[:, axis].max() + 0.5)) - 1
    if shape[axis] >= 1:
        with pytest.raises(DataError, match=f"{prompt.name}: position .* lies outside the image of shape"):
            prompt.rasterise(tuple(shape))


@few
@given(any_prompt)
def test_an_image_with_other_axes_is_refused(prompt: Prompt) -> None:
    other = SHAPES[5 - prompt.points.shape[1]]
    with pytest.raises(DataError, match=r"give \((z, )?y, x\)"):
        prompt.validate(other)


@few
@given(any_prompt)
def test_millimetres_are_voxels_times_their_size(prompt: Prompt) -> None:
    spacing_mm = (5.0, 0.5, 2.0)[-prompt.points.shape[1] :]
    expected = [[c * s for c, s in zip(point, spacing_mm, strict=True)] for point in prompt.points.tolist()]
    np.testing.assert_array_equal(prompt.to_mm(spacing_mm), expected)


@pytest.mark.parametrize("spacing_mm", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1.0, float("nan")), ("a", 1.0)])
def test_a_spacing_that_is_none_is_refused(spacing_mm: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"spacing_mm: .*; pass 2 lengths above 0"):
        Click((1, 2)).to_mm(spacing_mm)


@few
@given(any_prompt)
def test_a_prompt_never_changes(prompt: Prompt) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(prompt, fields(prompt)[0].name, ())


@few
@given(any_prompt, st.data())
def test_damaged_json_is_refused_in_one_line(prompt: Prompt, data: st.DataObject) -> None:
    content = prompt.to_json()
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = data.draw(
        st.sampled_from([None, "", "left", 1.5, True, [], {}, [[]], [None], [[1, 2], [1]], [["1", "2"]], [[1e999, 1]]])
    )
    try:
        made = prompt_from_json(content)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017  what is damaged is drawn, and an edge may be empty
    else:
        assert (key, content[key]) == ("edge", [])
        assert made == replace(prompt, edge=())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "prompt: list; give a JSON object with a 'type'"),
        ({}, "prompt: type None is unknown; known are box, "),
        ({"type": ["box"]}, "prompt: type .* is unknown"),
        ({"type": "box", "low": [0, 0], "high": [1, 1]}, "box: version None; this program reads version 1"),
        ({"type": "box", "version": 2, "low": [0, 0], "high": [1, 1]}, "box: version 2; this program reads version 1"),
        ({"type": "box", "version": 1, "low": [0, 0]}, r"box: fields \['low'\]; give exactly \['high', 'low'\]"),
        ({"type": "click", "version": 1, "position": [0, 0], "side": "foreground", "x": 1}, "click: fields .*'x'"),
    ],
)
def test_what_is_no_prompt_of_this_version_is_refused(content: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prompt_from_json(content)


def test_the_schema_stays_as_it_is() -> None:
    assert Scribble((((1, 2), (3, 4.5)),), Side.BACKGROUND).to_json() == {
        "type": "scribble",
        "version": 1,
        "strokes": [[[1.0, 2.0], [3.0, 4.5]]],
        "side": "background",
    }


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4), (0, 3)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="no image"):
        Seeds.empty(shape)


def test_later_prompts_count() -> None:
    seeds = rasterise([Box((2, 2), (5, 5)), Click((0, 0)), Click((3, 3)), Click((3, 3), Side.BACKGROUND)], (8, 8))
    assert seeds.foreground.sum() == 1
    assert seeds.foreground[0, 0]
    assert not seeds.background[0, 0]
    assert seeds.background[3, 3]


# What each of them says


@pytest.mark.parametrize(
    ("position", "voxel"),
    [((0, 0), (0, 0)), ((-0.5, 9.5), (0, 9)), ((0.5, 0.49), (1, 0)), ((3.5, 8.5), (4, 9)), ((4.5, 2), (4, 2))],
)
@pytest.mark.parametrize("side", list(Side))
def test_a_click_marks_its_voxel(position: tuple[float, float], voxel: tuple[int, int], side: Side) -> None:
    assert marked(Click(position, side).rasterise((5, 10))) == only(side, voxel)


def test_a_click_in_3d() -> None:
    assert marked(Click((1, 2, 3)).rasterise((2, 3, 4))) == only(Side.FOREGROUND, (1, 2, 3))


def test_points_mark_their_side() -> None:
    four = ((1, 1), (1, 3), (3, 1), (3, 3))
    assert marked(InteriorMarginPoints(four).rasterise((5, 5))) == only(Side.FOREGROUND, *four)
    assert marked(ExtremePoints(four).rasterise((5, 5))) == only(Side.BOUNDARY, *four)
    both = CentreEdgePoints(((2, 2), (2.2, 2)), ((0, 2), (2, 2.4))).rasterise((5, 5))
    assert marked(both) == {"foreground": [(2, 2)], "background": [(0, 2)], "boundary": []}


def test_extreme_points_come_in_pairs() -> None:
    with pytest.raises(DataError, match="3 positions; give two for each axis, 4"):
        ExtremePoints(((0, 0), (1, 1), (2, 2)))


def test_a_stroke_is_a_connected_line() -> None:
    seeds = Scribble((((0, 0), (2, 4)), ((4, 4),))).rasterise((5, 5))
    assert marked(seeds) == only(Side.FOREGROUND, (0, 0), (1, 1), (1, 2), (2, 3), (2, 4), (4, 4))


@few
@given(st.lists(positions(3), min_size=2, max_size=5))
@example([(0.0, 0.0, 0.975), (0.0, 0.0, -0.5)])
@example([(0.0, 0.0, 1.5), (0.0, 0.0, 14.499999999999996)])
def test_strokes_have_no_gaps_and_follow_their_positions(stroke: list[tuple[float, ...]]) -> None:
    drawn = np.argwhere(Scribble((tuple(stroke),)).rasterise(SHAPES[3]).foreground)
    fine = np.concatenate([np.linspace(start, end, 500) for start, end in pairwise(stroke)])
    assert (np.abs(drawn[:, None] - fine[None]).max(axis=2).min(axis=1) < 0.6).all()
    seen, rest = [drawn[0]], list(drawn[1:])
    while seen and rest:
        here = seen.pop()
        near = [np.abs(voxel - here).max() <= 1 for voxel in rest]
        seen += [voxel for voxel, is_near in zip(rest, near, strict=True) if is_near]
        rest = [voxel for voxel, is_near in zip(rest, near, strict=True) if not is_near]
    assert not rest


@few
@given(st.sampled_from(Side), st.sampled_from([(6, 7), (3, 4, 5)]).flatmap(lambda shape: arrays(np.bool_, shape)))
def test_paint_is_kept_exactly(side: Side, mask: np.ndarray) -> None:
    if not mask.any():
        with pytest.raises(DataError, match="scribble: empty; draw at least one stroke"):
            Scribble.from_mask(mask, side)
        return
    scribble = Scribble.from_mask(mask, side)
    np.testing.assert_array_equal(getattr(scribble.rasterise(mask.shape), side), mask)
    starts = mask & ~np.roll(mask, 1, axis=-1)
    starts[..., 0] = mask[..., 0]
    assert len(scribble.strokes) == starts.sum()


def test_a_box_says_what_is_outside() -> None:
    box = Box((1, 2.4), (3.4, 4))
    seeds = box.rasterise((6, 6))
    np.testing.assert_array_equal(seeds.background, ~block((6, 6), (1, 3), (2, 4)))
    np.testing.assert_array_equal(box.inside((6, 6)), block((6, 6), (1, 3), (2, 4)))
    assert box.window((6, 6)) == (slice(1, 4), slice(2, 5))
    assert not seeds.foreground.any()


def test_a_box_is_not_turned_round() -> None:
    Box((1, 1), (1, 1))
    with pytest.raises(DataError, match="is turned round"):
        Box((1, 2), (2, 1))


def test_a_box_grows_up_to_the_border() -> None:
    assert Box((1, 4), (3, 5)).grown(2.5, (5, 20)) == Box((0, 1.5), (4, 7.5))
    assert Box((-0.5, 4), (4.5, 5)).grown(1, (5, 20)) == Box((-0.5, 3), (4.5, 6))
    with pytest.raises(DataError, match="margin_voxel: -1; pass 0 or more"):
        Box((1, 1), (2, 2)).grown(-1, (5, 5))


@few
@given(any_prompt)
def test_the_box_around_a_prompt_holds_its_points(prompt: Prompt) -> None:
    box = Box.around(prompt)
    assert (prompt.points >= box.low).all()
    assert (prompt.points <= box.high).all()
    assert all(any(c == point[axis] for point in prompt.points) for axis, c in enumerate(box.low))


def test_a_polygon_says_what_is_outside() -> None:
    triangle = Polygon(((1, 1), (1, 5), (5, 1)))
    inside = np.array([[y >= 1 and x >= 1 and y + x <= 6 for x in range(8)] for y in range(7)])
    np.testing.assert_array_equal(triangle.inside((7, 8)), inside)
    np.testing.assert_array_equal(triangle.rasterise((7, 8)).background, ~inside)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_polygon_in_3d_speaks_of_its_slice(axis: int) -> None:
    flat = ((1, 1), (1, 5), (5, 1))
    solid = Polygon(tuple(tuple(np.insert(vertex, axis, 2.0).tolist()) for vertex in flat))
    background = np.moveaxis(solid.rasterise((9, 9, 9)).background, axis, 0)
    np.testing.assert_array_equal(background[2], Polygon(flat).rasterise((9, 9)).background)
    assert background.sum() == background[2].sum()


@few
@given(st.lists(st.tuples(st.floats(0, 19), st.floats(0, 29)), min_size=3, max_size=6))
def test_polygons_hold_what_the_winding_of_their_vertices_holds(vertices: list[tuple[float, float]]) -> None:
    vertices = around(vertices)
    inside = Polygon(tuple(vertices)).inside((20, 30))
    assert inside[tuple(np.floor(np.array(vertices) + 0.5).astype(int).T)].all()
    for pixel in np.argwhere(~inside)[::37].tolist():
        crossings = 0
        for (y0, x0), (y1, x1) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
            if (y0 > pixel[0]) != (y1 > pixel[0]):
                crossings += pixel[1] < x0 + (pixel[0] - y0) * (x1 - x0) / (y1 - y0)
        assert crossings % 2 == 0


def test_polygons_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="2 vertices; give three or more"):
        Polygon(((0, 0), (1, 1)))
    with pytest.raises(DataError, match="lie in no common slice"):
        Polygon(((0, 0, 0), (1, 1, 1), (0, 2, 1)))


@pytest.mark.parametrize(
    ("vertices", "sides"),
    [
        (((0, 0), (5, 5), (0, 5), (5, 0)), "side 1 and side 3"),
        (((2, 0, 0), (2, 5, 5), (2, 0, 5), (2, 5, 0)), "side 1 and side 3"),
        (((0, 0), (0, 9), (9, 9), (-0.4, 4), (9, 0)), "side 1 and side 3"),
    ],
)
def test_a_polygon_that_crosses_itself_is_refused(vertices: tuple[tuple[float, ...], ...], sides: str) -> None:
    with pytest.raises(DataError, match=f"polygon: crosses itself, {sides}; draw it around the object once"):
        Polygon(vertices)


def test_sides_that_touch_do_not_cross() -> None:
    Polygon(((0, 0), (0, 4), (4, 4), (0, 2), (4, 0)))  # a vertex on a side
    Polygon(((1, 1), (1, 5), (1, 3)))  # all on one line


def test_a_line_around_the_object_holds_all_that_it_encloses() -> None:
    """A hand that goes round nearly twice and crosses its own line still means everything within."""
    twice = EnclosingScribble(((1, 1), (1, 8), (8, 8), (8, 1), (2, 2), (2, 7), (7, 7), (7, 2)))
    np.testing.assert_array_equal(twice.inside((10, 10))[2:8, 2:8], True)
    once = EnclosingScribble(((1, 1), (1, 5), (5, 5), (5, 1)))
    np.testing.assert_array_equal(once.inside((7, 8)), block((7, 8), (1, 5), (1, 5)))
    np.testing.assert_array_equal(once.rasterise((7, 8)).background, ~block((7, 8), (1, 5), (1, 5)))
    assert (once.clicks, once.kind, once.normal) == (1, "enclosing-scribble", None)
    solid = EnclosingScribble(((3, 1, 1), (3, 1, 5), (3, 5, 5), (3, 5, 1)))
    assert solid.normal == 0
    assert solid.inside((6, 7, 8)).sum() == 25
    assert solid.rasterise((6, 7, 8)).background.any(axis=(1, 2)).tolist() == [False] * 3 + [True] + [False] * 2


def test_a_line_of_one_point_encloses_nothing_and_is_refused() -> None:
    with pytest.raises(DataError, match="enclosing-scribble: 1 vertices; give three or more"):
        EnclosingScribble(((1, 1),))


def test_a_cut_line_says_nothing_but_can_be_drawn() -> None:
    line = CutLine((0, 2), (4, 2))
    assert marked(line.rasterise((5, 5))) == {side: [] for side in Side}
    np.testing.assert_array_equal(line.line((5, 5)), block((5, 5), (0, 4), (2, 2)))
    with pytest.raises(DataError, match="both ends at"):
        CutLine((1, 1), (1.0, 1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Click((float("nan"), 0)), r"click: position 0 is \(nan, 0.0\); give finite voxel indices"),
        (lambda: Click((0, float("inf"))), "give finite voxel indices"),
        (lambda: Click((0,)), r"give numbers, each position as \(y, x\) or \(z, y, x\)"),
        (lambda: Click((0, 1, 2, 3)), "give numbers, each position"),
        (lambda: Click(("0", "1")), "give numbers, each position"),
        (lambda: Click((0, 1), "left"), "side 'left' is unknown; give one of foreground, background, boundary"),
        (lambda: InteriorMarginPoints(()), "interior-margin-points: empty; give at least one position"),
        (lambda: InteriorMarginPoints(((0, 1), (0, 1, 2))), "positions of different length"),
        (lambda: CentreEdgePoints((), ((0, 1),)), "centre-edge-points: centre: empty"),
        (lambda: CentreEdgePoints(((0, 1),), ((0, 1, 2),)), "positions in 2D and in 3D"),
        (lambda: CentreEdgePoints(((0, 1),), ""), "centre-edge-points: edge: "),
        (lambda: Scribble(()), "scribble: empty; draw at least one stroke"),
        (lambda: Scribble((((0, 1),), ((0, 1, 2),))), "positions in 2D and in 3D"),
        (lambda: Scribble((((0, 1),), ())), "scribble: a stroke: empty"),
        (lambda: Box((0, 0), (1, 1, 1)), "box: positions of different length"),
    ],
)
def test_what_is_no_prompt_is_refused(make: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_numpy_is_taken_for_positions() -> None:
    click = Click(np.array([1, 2], np.int32), "background")
    assert click == Click((1.0, 2.0), Side.BACKGROUND)
    assert click.side is Side.BACKGROUND
    assert type(click.position[0]) is float
