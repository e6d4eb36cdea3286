"""Why one choice of slices teaches more than another: what was chosen, measured, beside the Dice it led to.

    python experiments/sfada-cardiac/why.py --target stores/mscmr --work runs/sfada-cardiac

Reads what `lesslabel reproduce` left in its work folder, writes `why.csv` (one row per job) and prints
the tables of `why.md`, of the strategies that are done in every fold with every seed. Nothing is trained.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from lesslabel.adaptation.stages import FINE_TUNE
from lesslabel.bundle import load_bundle
from lesslabel.data.queue import read_queue
from lesslabel.data.store import Store
from lesslabel.features import ImageFeatures, extract_features
from lesslabel.markdown import markdown_table
from lesslabel.studies import read_study
from lesslabel.studies.job import Job
from lesslabel.studies.jobs import make_jobs

EXPERIMENT = Path(__file__).parent
POOL = "mscmr/five_fold_pool"
FOLDS = range(1, 6)
CHOICE = re.compile(r"(?P<strategy>.+), (?P<budget>\d+)%")
REFERENCES = {
    "source_patients": "patients behind the nearest reference, median",
    "one_patient": "references that rest on one patient, of 10",
    "used": "references that are the nearest of any slice of the pool",
    "size_rank": "rank correlation of distance and predicted foreground",
}
MEASURES = {
    "patients": "patients of 8",
    "largest_share": "largest share of a patient",
    "neighbours": "slice above or below chosen too",
    "spread": "cosine distance to the nearest other chosen",
    "coverage": "mean cosine distance of the pool to the chosen",
    "coverage_published": "the same, published feature, 1e-3",
    "predicted_pixel": "predicted foreground, pixels, median",
    "heart_cm2": "heart, cm², median",
    "with_heart": "holds heart",
    "with_rv": "holds RV",
    "rv_cm2": "RV over all chosen, cm² a slice",
    "base": "basal third",
    "middle": "middle third",
    "apex": "apical third",
}


def main() -> None:
    """Measure every job, write `why.csv`, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, required=True, help="the target's store")
    parser.add_argument("--work", type=Path, required=True, help="folder of the jobs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = [job for job in make_jobs(read_study(EXPERIMENT), options.work, options.target) if job.folder.is_done()]
    if not done:
        parser.error(f"--work: {options.work} holds no finished job of today's sources; run lesslabel reproduce first")
    bundles = {job.seed: job.folder.path / "bundle" for job in done if job.method == "source"}
    pools, references = pool_slices(options.target, bundles)
    jobs = pd.DataFrame(measure_jobs(done, pools))
    complete = jobs.groupby(["budget", "strategy"])["dice"].transform("size") == len(pools)
    jobs = jobs[complete].sort_values(["budget", "strategy", "fold", "seed"]).reset_index(drop=True)
    keys = ["budget", "fold", "seed"]
    for metric in ("dice", "dice_rv"):
        random = jobs[jobs["strategy"] == "random"].set_index(keys)[metric]
        jobs[f"{metric}_gain"] = jobs[metric] - random.reindex(pd.MultiIndex.from_frame(jobs[keys])).to_numpy()
    jobs.to_csv(EXPERIMENT / "why.csv", index=False, float_format="%.5g")
    print(markdown_table(["references of the bundles", "mean over folds × seeds"], describe_references(references)))
    for budget, group in jobs.groupby("budget", sort=True):
        print(f"\n{budget} % of the slices\n")
        print(means_table(group))
        print()
        print(correlation_table(group))


def pool_slices(target: Path, bundles: Mapping[int, Path]) -> tuple[dict[tuple[int, int], pd.DataFrame], pd.DataFrame]:
    """What is known of every slice that a job could choose, by fold and seed, and of the references."""
    heart_of: dict[str, pd.DataFrame] = {}
    pools, references = {}, []
    for seed, path in bundles.items():
        bundle = load_bundle(path)
        data = {fold: bundle.data_module(target, split=POOL, fold=fold) for fold in FOLDS}
        uids = {fold: [record.uid for record in module.records("train")] for fold, module in data.items()}
        known = sorted(set().union(*uids.values()))
        images = extract_features(bundle.build_method(), data[1], known, mask=bundle.manifest.features.mask)
        heart_of = heart_of or {uid: heart_by_slice(Store(target), uid) for uid in known}
        slices = join_slices(images, heart_of)
        for fold in FOLDS:
            pool = slices[slices["uid"].isin(uids[fold])]
            pools[fold, seed] = pool
            references.append(relate_references(pool, bundle.references, bundle.manifest.references.patients))
    return pools, pd.DataFrame(references)


def heart_by_slice(store: Store, uid: str) -> pd.DataFrame:
    """Area of the heart and of its right ventricle by slice, and where in the heart a slice lies."""
    case = store.read(uid)
    labels = case.annotations["dense"].labels
    code = next(code for code, name in store.labels.items() if name == "RV")
    cm2 = case.spacing_mm[1] * case.spacing_mm[2] / 100.0
    heart = (labels != 0).sum(axis=(1, 2)) * cm2
    inside = np.flatnonzero(heart)
    third = np.full(len(heart), "outside", dtype=object)
    place = (inside - inside[0]) / max(inside[-1] - inside[0], 1)
    parts = ["base", "middle", "apex"]
    if heart[inside][place < 0.5].mean() < heart[inside][place > 0.5].mean():  # the apex is the smaller end
        parts.reverse()
    third[inside] = [parts[min(int(3 * p), 2)] for p in place]
    rv = (labels == code).sum(axis=(1, 2)) * cm2
    return pd.DataFrame({"heart_cm2": heart, "rv_cm2": rv, "third": third})


def join_slices(images: ImageFeatures, heart_of: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per slice of a pool: what the source's model sees, and what is there."""
    rows = [heart_of[uid].iloc[z] for uid, z in zip(images.uid.tolist(), images.slice.tolist(), strict=True)]
    table = pd.DataFrame(rows).reset_index(drop=True)
    table.insert(0, "uid", images.uid)
    table.insert(1, "slice", images.slice)
    table["predicted_pixel"] = images.foreground_voxel
    table["feature"] = list(images.features.astype(np.float64))
    return table


def relate_references(
    pool: pd.DataFrame, references: NDArray[np.float32], patients: tuple[int, ...]
) -> dict[str, float]:
    """What the references rest on, and what the distance to them is made of."""
    features = np.stack(pool["feature"].tolist())
    known = ~np.isnan(features[:, 0])
    distance = cdist(features[known], references, "sqeuclidean")
    nearest = distance.argmin(axis=1)
    return {
        "source_patients": float(np.median(np.array(patients)[nearest])),
        "one_patient": sum(count == 1 for count in patients),
        "used": len(set(nearest.tolist())),
        "size_rank": spearmanr(distance.min(axis=1), pool["predicted_pixel"][known])[0],
    }


def measure_jobs(jobs: Sequence[Job], pools: Mapping[tuple[int, int], pd.DataFrame]) -> Iterator[dict[str, object]]:
    """Measure every choice of a share of the slices, and the Dice after the first stage."""
    for job in jobs:
        if (name := CHOICE.fullmatch(job.method)) is None or job.fold is None:
            continue
        pool = pools[job.fold, job.seed]
        dice = pd.read_csv(job.folder.path / "adapted" / FINE_TUNE / "test" / "metrics.csv").groupby("label")["dice"]
        chosen = {(row.uid, row.slice) for row in read_queue(job.folder.path / "queue.csv").rows}
        is_chosen = np.array([entry in chosen for entry in zip(pool["uid"], pool["slice"], strict=True)])
        yield {
            "strategy": name["strategy"],
            "budget": int(name["budget"]),
            "fold": job.fold,
            "seed": job.seed,
            "dice": dice.mean().mean(),
            "dice_rv": dice.mean()["RV"],
            **measure_choice(pool, is_chosen),
        }


def measure_choice(pool: pd.DataFrame, is_chosen: NDArray[np.bool_]) -> dict[str, float]:
    """The `MEASURES` of a choice: shares are of the chosen slices."""
    chosen = pool[is_chosen]
    places = set(zip(chosen["uid"], chosen["slice"], strict=True))
    published = np.stack(pool["feature"].tolist())
    known = ~np.isnan(published[:, 0])
    unit = published / np.linalg.norm(published, axis=1, keepdims=True)
    among = cdist(unit[is_chosen & known], unit[is_chosen & known], "cosine")
    np.fill_diagonal(among, np.inf)
    return {
        "patients": chosen["uid"].nunique(),
        "largest_share": chosen["uid"].value_counts(normalize=True).max(),
        "neighbours": np.mean([(uid, z - 1) in places or (uid, z + 1) in places for uid, z in places]),
        "spread": among.min(axis=1).mean(),
        "coverage": cdist(unit[known], unit[is_chosen & known], "cosine").min(axis=1).mean(),
        "coverage_published": 1e3 * cdist(published[known], published[is_chosen & known]).min(axis=1).mean(),
        "predicted_pixel": chosen["predicted_pixel"].median(),
        "heart_cm2": chosen["heart_cm2"].median(),
        "with_heart": (chosen["heart_cm2"] > 0).mean(),
        "with_rv": (chosen["rv_cm2"] > 0).mean(),
        "rv_cm2": chosen["rv_cm2"].mean(),
        **{part: (chosen["third"] == part).mean() for part in ("base", "middle", "apex")},
    }


def describe_references(references: pd.DataFrame) -> list[list[str]]:
    """One row per key of `REFERENCES`."""
    return [[words, f"{references[key].mean():.2f}"] for key, words in REFERENCES.items()]


def means_table(jobs: pd.DataFrame) -> str:
    """Mean of every measure by strategy, the best Dice first."""
    means = jobs.groupby("strategy").mean(numeric_only=True).sort_values("dice", ascending=False)
    wanted = {"dice_gain": "Dice − random", "dice_rv_gain": "RV Dice − random", **MEASURES}
    header = ["mean over folds × seeds", *means.index]
    return markdown_table(header, [[words, *(f"{value:.3g}" for value in means[key])] for key, words in wanted.items()])


def correlation_table(jobs: pd.DataFrame) -> str:
    """Rank correlation of every measure with the Dice gain: over all jobs, and inside each fold × seed."""
    rows = []
    for key, words in MEASURES.items():
        cells = [words]
        for gain in ("dice_gain", "dice_rv_gain"):
            inside = jobs.groupby(["fold", "seed"])[[key, gain]].apply(lambda group: group.corr("spearman").iloc[0, 1])
            by_fold = inside.groupby("fold").mean()
            cells += [
                f"{jobs[[key, gain]].corr('spearman').iloc[0, 1]:+.2f}",
                f"{inside.mean():+.2f} [{by_fold.min():+.2f}, {by_fold.max():+.2f}]",
            ]
        rows.append(cells)
    all_jobs, inside = f"{len(jobs)} jobs", "inside fold × seed [folds]"
    header = ["rank correlation with the gain in", f"Dice, {all_jobs}", inside, f"RV Dice, {all_jobs}", inside]
    return markdown_table(header, rows)


if __name__ == "__main__":
    main()
