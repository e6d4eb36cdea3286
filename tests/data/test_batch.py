import torch

from lesslabel.data.batch import Batch, collate
from lesslabel.data.case import IGNORE, Kind


def sample(uid: str, kind: Kind, weight: float | None = None) -> Batch:
    made = Batch(
        image=torch.full((2, 3, 4), float(kind)),
        target=torch.full((3, 4), IGNORE if kind is Kind.NONE else 1),
        kind=torch.tensor(int(kind)),
        annotated_labels=torch.tensor([True, kind is not Kind.SCRIBBLE]),
        uid=[uid],
    )
    if weight is not None:
        made["weight"] = torch.full((3, 4), weight)
    return made


def test_samples_are_stacked_in_order() -> None:
    batch = collate([sample("a", Kind.DENSE), sample("b", Kind.SCRIBBLE), sample("a", Kind.NONE)])
    assert batch["image"].shape == (3, 2, 3, 4)
    assert batch["image"][:, 0, 0, 0].tolist() == [1.0, 2.0, 0.0]
    assert (batch["target"].shape, batch["target"].dtype) == ((3, 3, 4), torch.int64)
    assert batch["kind"].tolist() == [Kind.DENSE, Kind.SCRIBBLE, Kind.NONE]
    assert batch["annotated_labels"].tolist() == [[True, True], [True, False], [True, True]]
    assert batch["uid"] == ["a", "b", "a"]
    assert "weight" not in batch


def test_samples_without_a_weight_weigh_one() -> None:
    batch = collate([sample("a", Kind.PSEUDO, 0.25), sample("b", Kind.DENSE)])
    assert (batch["weight"].shape, batch["weight"].dtype) == ((2, 3, 4), torch.float32)
    assert batch["weight"][:, 0, 0].tolist() == [0.25, 1.0]


def test_samples_without_derived_maps_have_zeros() -> None:
    with_maps = sample("a", Kind.DENSE) | {"derived": torch.full((2, 3, 4), 0.5)}
    batch = collate([sample("b", Kind.NONE), with_maps])
    assert (batch["derived"].shape, batch["derived"].dtype) == ((2, 2, 3, 4), torch.float32)
    assert batch["derived"][:, 0, 0, 0].tolist() == [0.0, 0.5]
