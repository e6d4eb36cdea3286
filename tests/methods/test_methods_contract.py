"""What every method promises. A new method adds one row."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from batches import (
    CLASSES,
    answer_voxel_by_voxel,
    as_slices,
    batch_of,
    evaluation_batch,
    slice_by_slice,
    volumes_of,
)

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError, RunError
from lesslabel.methods import (
    CBMT,
    CPR,
    DAN,
    DMPLS,
    DMSPS,
    DPL,
    DTC,
    FSM,
    SHOT,
    URPC,
    USTM,
    AdaMI,
    AdaptSeg,
    AlternateTeachers,
    BidirectionalCopyPaste,
    CrossConsistency,
    CrossPseudoSupervision,
    CrossTeaching,
    CycleMix,
    DenseCRF,
    EntropyAdversary,
    EntropyMinimisation,
    FixMatch,
    GatedCRF,
    InterpolationConsistency,
    MeanTeacher,
    MumfordShah,
    MutualConsistency,
    Omni,
    PartialCrossEntropy,
    ProSFDA,
    SASSNet,
    Scribble2Label,
    ScribbleVS,
    SegmentationMethod,
    SSNet,
    Supervised,
    Tent,
    TotalVariation,
    UncertainDA,
    UncertaintyAwareMeanTeacher,
    UniMatch,
)
from lesslabel.methods.semi import bidirectional_copy_paste
from lesslabel.networks import Network, UNet, VNet


@dataclass(frozen=True)
class Row:
    """A method, how to make it, and which of its terms are supervised."""

    name: str
    make: Callable[[Network], SegmentationMethod]
    supervised_terms: tuple[str, ...]
    random_in_evaluation: bool = False


ROWS = [
    Row("supervised", lambda shape: Supervised(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("pce", lambda shape: PartialCrossEntropy(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row(
        "single branch",
        lambda shape: PartialCrossEntropy(CLASSES, pseudo_label_weight=0.5, network=shape),
        ("partial_cross_entropy",),
    ),
    Row("dmpls", lambda shape: DMPLS(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row(
        "dmpls published",
        lambda shape: DMPLS(
            CLASSES, dropout_at="all", dropout_element="channel", dropout_in_evaluation=True, network=shape
        ),
        ("partial_cross_entropy",),
        random_in_evaluation=True,
    ),
    Row("dmpls cross", lambda shape: DMPLS(CLASSES, agreement="cross", network=shape), ("partial_cross_entropy",)),
    Row(
        "dmpls consistency",
        lambda shape: DMPLS(CLASSES, agreement="consistency", network=shape),
        ("partial_cross_entropy",),
    ),
    Row("dmpls fixed", lambda shape: DMPLS(CLASSES, alpha=0.5, network=shape), ("partial_cross_entropy",)),
    Row("scribble-vs", lambda shape: ScribbleVS(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row(
        "scribble-vs two teachers",
        lambda shape: ScribbleVS(CLASSES, second_teacher=True, ramp_share=0.0, network=shape),
        ("partial_cross_entropy",),
    ),
    Row("dmsps", lambda shape: DMSPS(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row(
        "dmsps published",
        lambda shape: DMSPS(CLASSES, softmax_twice=True, predict_with="mean", network=shape),
        ("partial_cross_entropy",),
    ),
    Row("gated crf", lambda shape: GatedCRF(CLASSES, radius_voxel=2, network=shape), ("partial_cross_entropy",)),
    Row("dense crf", lambda shape: DenseCRF(CLASSES, nodes=256, network=shape), ("partial_cross_entropy",)),
    Row("total variation", lambda shape: TotalVariation(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row("mumford-shah", lambda shape: MumfordShah(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row("ustm", lambda shape: USTM(CLASSES, passes=2, network=shape), ("partial_cross_entropy",)),
    Row(
        "scribble2label",
        lambda shape: Scribble2Label(CLASSES, warm_up_share=0.0, confidence=0.4, network=shape),
        ("partial_cross_entropy",),
    ),
    Row("cycle mix", lambda shape: CycleMix(CLASSES, network=shape), ("partial_cross_entropy",)),
    Row("dtc", lambda shape: DTC(CLASSES, network=shape), ("dice", "level_set")),
    Row(
        "dtc level set",
        lambda shape: DTC(CLASSES, segmentation_weight=0.0, predict_with="level_set", network=shape),
        ("dice", "level_set"),
    ),
    Row("mean teacher", lambda shape: MeanTeacher(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row(
        "mean teacher predicts",
        lambda shape: MeanTeacher(CLASSES, predict_with="teacher", network=shape),
        ("cross_entropy", "dice"),
    ),
    Row("ua-mt", lambda shape: UncertaintyAwareMeanTeacher(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("entropy minimisation", lambda shape: EntropyMinimisation(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("cps", lambda shape: CrossPseudoSupervision(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row(
        "cps both",
        lambda shape: CrossPseudoSupervision(
            CLASSES, pseudo_label_on="unlabelled", pseudo_label_loss="dice", predict_with="both", network=shape
        ),
        ("cross_entropy", "dice"),
    ),
    Row("bcp pre-training", lambda shape: BidirectionalCopyPaste(CLASSES, network=shape), ("cross_entropy", "dice")),
    # pasted together, labelled and unlabelled voxels share an image: no term is independent of the unlabelled samples
    Row("bcp", lambda shape: BidirectionalCopyPaste(CLASSES, pretrain_iterations=0, network=shape), ()),
    Row(
        "fixmatch",
        lambda shape: FixMatch(CLASSES, threshold=0.35, cutmix_probability=1.0, network=shape),
        ("cross_entropy", "dice"),
    ),
    Row("unimatch", lambda shape: UniMatch(CLASSES, threshold=0.35, network=shape), ("cross_entropy", "dice")),
    Row("ict", lambda shape: InterpolationConsistency(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("urpc", lambda shape: URPC(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("cct", lambda shape: CrossConsistency(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row(
        "mc-net",
        lambda shape: MutualConsistency(CLASSES, further_decoders=("linear",), network=shape),
        ("cross_entropy", "dice"),
    ),
    Row("mc-net+", lambda shape: MutualConsistency(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row(
        "cross teaching",
        lambda shape: CrossTeaching(
            CLASSES,
            network=shape,
            second_network=VNet(shape.dimensions, (4, 6), normalisation=shape.normalisation),  # type: ignore[attr-defined]
        ),
        ("cross_entropy", "dice"),
    ),
    Row("ss-net", lambda shape: SSNet(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("ad-mt", lambda shape: AlternateTeachers(CLASSES, threshold=0.35, network=shape), ("cross_entropy", "dice")),
    Row("sassnet", lambda shape: SASSNet(CLASSES, network=shape), ("cross_entropy", "dice", "level_set")),
    Row("dan", lambda shape: DAN(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("entropy adversary", lambda shape: EntropyAdversary(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row(
        "omni",
        lambda shape: Omni(CLASSES, threshold=0.35, network=shape),
        ("cross_entropy", "dice", "partial_cross_entropy"),
    ),
    Row("adapt-seg", lambda shape: AdaptSeg(CLASSES, network=shape), ("cross_entropy", "dice")),
    Row("tent", lambda shape: Tent(CLASSES, network=shape), ()),
    Row("adami", lambda shape: AdaMI(CLASSES, class_shares=[0.9, 0.07, 0.03], network=shape), ()),
    Row("shot", lambda shape: SHOT(CLASSES, class_shares=[0.9, 0.07, 0.03], network=shape), ()),
    Row("dpl", lambda shape: DPL(CLASSES, passes=2, threshold=0.35, network=shape), ()),
    Row("cbmt", lambda shape: CBMT(CLASSES, threshold=0.6, network=shape), ()),
    Row(
        "cpr",
        lambda shape: CPR(CLASSES, passes=2, context_share=0.0, low=0.45, high=0.5, network=shape),
        (),
    ),
    Row("uncertain-da", lambda shape: UncertainDA(CLASSES, network=shape), ()),
    Row("prosfda", lambda shape: ProSFDA(CLASSES, prompt_share=0.0, network=shape), ()),
    Row("fsm", lambda shape: FSM(CLASSES, generation_steps=3, network=shape), ()),
]
MIXED = [Kind.DENSE, Kind.SCRIBBLE, Kind.NONE]
MIXED_SLICES = [
    [Kind.DENSE, Kind.SCRIBBLE, Kind.DENSE, Kind.DENSE],
    [Kind.SCRIBBLE, Kind.DENSE, Kind.NONE, Kind.SCRIBBLE],
    [Kind.NONE] * 4,
]
ABOUT_DENSE_LABELS = {"dice", "level_set"}

every_method = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
both_dimensions = pytest.mark.parametrize("dimensions", [2, 3])


def make(row: Row, dimensions: int = 2, normalisation: str = "batch") -> SegmentationMethod:
    torch.manual_seed(0)
    shape = UNet(
        dimensions=dimensions,
        channels=(4, 8),
        encoder_dropout=(0.0, 0.0),
        normalisation=normalisation,  # type: ignore[arg-type]
    )
    return row.make(shape)


@every_method
@both_dimensions
def test_a_mixed_batch_gives_finite_terms_and_a_gradient_in_every_weight(row, dimensions):
    method = make(row, dimensions).train()
    terms = method.losses(batch_of(MIXED, dimensions))
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.parameters() if p.requires_grad)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.random_in_evaluation], ids=lambda row: row.name)
@both_dimensions
def test_an_unlabelled_sample_changes_no_supervised_term(row, dimensions):
    method = make(row, dimensions, "instance").eval()
    torch.manual_seed(1)
    alone = method.losses(batch_of([Kind.DENSE, Kind.SCRIBBLE], dimensions))
    torch.manual_seed(1)
    joined = method.losses(batch_of(MIXED, dimensions))
    for name in row.supervised_terms:
        torch.testing.assert_close(joined[name], alone[name])


def terms_of(method: SegmentationMethod, batch: Batch) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return dict(method.losses(batch))


@every_method
def test_a_batch_whose_slices_are_of_several_kinds_gives_finite_terms_and_gradients(row):
    method = make(row, 3).train()
    terms = method.losses(volumes_of(MIXED_SLICES))
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.parameters() if p.requires_grad)


@every_method
def test_one_kind_for_a_volume_is_that_kind_for_each_of_its_slices(row):
    """Bit by bit, labels of some classes alone included."""
    batch = batch_of(MIXED, 3)
    batch["annotated_labels"][0, 2] = False
    by_sample, by_slice = (terms_of(make(row, 3).train(), one) for one in (batch, slice_by_slice(batch)))
    assert by_sample.keys() == by_slice.keys()
    assert all(torch.equal(by_sample[name], by_slice[name]) for name in by_sample)


@pytest.mark.parametrize("row", [row for row in ROWS if row.supervised_terms], ids=lambda row: row.name)
@torch.no_grad()
def test_what_is_predicted_elsewhere_changes_no_supervised_term(row):
    """Dice and level sets look at dense slices alone, cross-entropy at known voxels alone."""
    method = make(row, 3).eval()
    answer_voxel_by_voxel(method)
    batch = volumes_of(MIXED_SLICES)
    before = terms_of(method, batch)
    known = batch["target"] != IGNORE
    dense = (batch["kind"] == Kind.DENSE)[..., None, None] & known
    for name in row.supervised_terms:
        heard = (dense if name in ABOUT_DENSE_LABELS else known)[:, None]
        elsewhere = batch | {"image": torch.where(heard, batch["image"], batch["image"] + 1.0)}
        assert torch.equal(terms_of(method, elsewhere)[name], before[name])
        there = batch | {"image": torch.where(heard, batch["image"] + 1.0, batch["image"])}
        # a term of weight 0 hears nothing
        assert not before[name] or not torch.equal(terms_of(method, there)[name], before[name])


@pytest.mark.parametrize("row", [row for row in ROWS if row.supervised_terms], ids=lambda row: row.name)
@pytest.mark.parametrize(("before", "behind"), [(1, 0), (0, 2), (2, 1)])
@torch.no_grad()
def test_an_unlabelled_slice_changes_no_supervised_term(row, before, behind, monkeypatch):
    method = make(row, 3).eval()
    answer_voxel_by_voxel(method)
    columns = torch.zeros(16, 16, dtype=torch.bool)
    columns[4:11, 5:15] = True
    monkeypatch.setattr(bidirectional_copy_paste, "random_box", lambda shape, _: columns.expand(shape))
    batch = volumes_of(MIXED_SLICES)

    def longer(tensor: torch.Tensor, fill: float, *beside: int) -> torch.Tensor:
        return torch.nn.functional.pad(tensor, (*beside, before, behind), value=fill)

    joined = Batch(
        image=longer(batch["image"], 0.7, 0, 0, 0, 0),
        target=longer(batch["target"], IGNORE, 0, 0, 0, 0),
        kind=longer(batch["kind"], Kind.NONE),
        annotated_labels=longer(batch["annotated_labels"], fill=True),
        uid=batch["uid"],
    )
    alone, together = terms_of(method, batch), terms_of(method, joined)
    for name in row.supervised_terms:
        torch.testing.assert_close(together[name], alone[name])


@pytest.mark.parametrize(
    # pairs of pasted samples and level sets of volumes are not those of slices
    "row",
    [row for row in ROWS if row.supervised_terms and not row.name.startswith(("bcp", "dtc", "sassnet"))],
    ids=lambda row: row.name,
)
@torch.no_grad()
def test_volumes_and_the_batch_of_their_slices_have_the_same_supervised_terms(row):
    batch = volumes_of(MIXED_SLICES)
    batch["annotated_labels"][0, 2, :2] = False  # some slices do not speak of class 2
    batch["annotated_labels"][1, 1, 1] = False
    methods = [make(row, dimensions).eval() for dimensions in (3, 2)]
    for method in methods:
        answer_voxel_by_voxel(method)
    in_3d, in_2d = (terms_of(*pair) for pair in zip(methods, (batch, as_slices(batch)), strict=True))
    for name in row.supervised_terms:
        assert in_3d[name] > 0
        torch.testing.assert_close(in_3d[name], in_2d[name])


@every_method
def test_nothing_known_gives_zero_supervised_terms_without_gradient(row):
    method = make(row).train()
    terms = method.losses(batch_of([Kind.NONE, Kind.NONE]))
    for name in row.supervised_terms:
        assert terms[name].item() == 0.0
        (gradient,) = torch.autograd.grad(
            terms[name], [next(method.parameters())], retain_graph=True, allow_unused=True
        )
        assert gradient is None or not gradient.any()


@every_method
@both_dimensions
def test_probabilities_are_a_distribution_over_classes(row, dimensions):
    method = make(row, dimensions).eval()
    image = batch_of(MIXED, dimensions)["image"]
    probabilities = method.probabilities(image)
    assert probabilities.shape == (3, CLASSES, *image.shape[2:])
    torch.testing.assert_close(probabilities.sum(1), torch.ones_like(probabilities[:, 0]))
    torch.testing.assert_close(method.probabilities(image), probabilities, rtol=0, atol=0)


@every_method
@both_dimensions
@torch.no_grad()
def test_a_case_is_predicted_on_its_native_grid(row, dimensions):
    method = make(row, dimensions).eval()
    probabilities, labels = method.predict_case(evaluation_batch())
    assert probabilities.shape == (CLASSES, 4, 21, 19)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), probabilities.argmax(0))


@every_method
def test_the_same_seed_gives_the_same_loss(row):
    def total() -> float:
        method = make(row).train()
        torch.manual_seed(3)
        return float(sum(method.losses(batch_of(MIXED)).values()))

    assert total() == total()


@every_method
def test_settings_are_checked_against_the_data(row):
    method = make(row)
    method.require_data(["background", "a", "b"], 1, 2)
    with pytest.raises(ConfigError, match=r"model.num_classes is 3, but the data has 2"):
        method.require_data(["background", "a"], 1, 2)
    with pytest.raises(ConfigError, match=r"model.in_channels is 1, but the data has 4"):
        method.require_data(["background", "a", "b"], 4, 2)
    with pytest.raises(ConfigError, match=r"network.dimensions is 2, but the data has 3"):
        method.require_data(["background", "a", "b"], 1, 3)


@every_method
def test_the_checkpoint_of_another_method_is_refused(row):
    method = make(row)
    noted: dict[str, object] = {}
    method.on_save_checkpoint(noted)
    weights = {"state_dict": method.state_dict()}
    method.on_load_checkpoint(noted | weights)
    with pytest.raises(RunError, match="written by Other"):
        method.on_load_checkpoint(dict.fromkeys(noted, "Other") | weights)
    with pytest.raises(RunError, match="another program"):
        method.on_load_checkpoint({})
