"""Modules that were renamed are found under their old names for one version more, with a warning."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MOVED = {
    "bundle.recipe": "bundle.manifest",
    "clicks.player": "clicks.simulator",
    "data.additions": "data.store.additions",
    "data.annotation_folder": "data.store.annotation_folder",
    "data.annotation_import": "data.exchange.annotation_import",
    "data.annotator": "data.loading.annotator",
    "data.augment": "data.loading.augment",
    "data.cache": "data.loading.cache",
    "data.case_file": "data.store.case_file",
    "data.case_layout": "data.store.case_layout",
    "data.case_loader": "data.loading.case_loader",
    "data.case_parts": "data.loading.subvolume_reader",
    "data.crop": "data.loading.crop",
    "data.datasets": "data.loading.datasets",
    "data.derived": "data.loading.derived",
    "data.description": "data.loading.description",
    "data.dicom": "data.formats.dicom",
    "data.export": "data.exchange",
    "data.export.base": "data.exchange.base",
    "data.export.itksnap": "data.exchange.itksnap",
    "data.export.monailabel": "data.exchange.monailabel",
    "data.export.nnunet": "data.exchange.nnunet",
    "data.export.slicer": "data.exchange.slicer",
    "data.fingerprint": "data.store.fingerprint",
    "data.heart_phantom": "data.sources.heart_phantom",
    "data.histogram_matching": "data.loading.histogram_matching",
    "data.intensity": "data.loading.intensity",
    "data.merge": "data.loading.merge",
    "data.module": "data.loading.module",
    "data.modules": "data.loading.modules",
    "data.nifti": "data.formats.nifti",
    "data.nrrd": "data.formats.nrrd",
    "data.number_types": "data.verify.number_types",
    "data.overlaid_store": "data.store.overlaid_store",
    "data.pools": "data.loading.pools",
    "data.prepare": "data.store.prepare",
    "data.processes": "processes",
    "data.propose": "data.verify.propose",
    "data.queue_images": "data.exchange.queue_images",
    "data.resize": "data.loading.resize",
    "data.returned_labels": "data.exchange.returned_labels",
    "data.sampling": "data.loading.sampling",
    "data.scribble_maker": "data.store.weak_labels",
    "data.scribbles": "data.weak_labels.scribbles",
    "data.seg_nrrd": "data.formats.seg_nrrd",
    "data.settings": "data.loading.settings",
    "data.sparse_labels": "data.weak_labels.sparse_labels",
    "data.verify_annotations": "data.store.annotation_checks",
    "data.verify_checks": "data.verify.case_checks",
    "data.verify_fix": "data.verify.fix",
    "data.verify_report": "data.verify.report",
    "evaluation.click_experiment": "tables.click_results",
    "evaluation.click_table": "tables.click_table",
    "evaluation.clicks": "clicks.measures",
    "evaluation.compiled": "kernels.compiled",
    "evaluation.csv_table": "csv_table",
    "evaluation.distances": "kernels.distances",
    "evaluation.experiment": "tables.results",
    "evaluation.experiment_protocol": "tables.experiment_protocol",
    "evaluation.experiment_runs": "tables.costs",
    "evaluation.experiment_table": "tables.table",
    "evaluation.markdown": "markdown",
    "evaluation.object_scores": "clicks.object_scores",
    "evaluation.regions": "kernels.regions",
    "evaluation.signed_distance": "kernels.signed_distance",
    "interaction.max_flow": "kernels.max_flow",
    "interaction.protocol": "interaction.simulated_turns",
    "interaction.shortest_paths": "kernels.shortest_paths",
    "methods.interactive.seen": "methods.interactive.prepared",
    "methods.interactive.situation": "methods.interactive.turn_input",
    "report": "reports",
    "report.budget": "reports.runs.budget",
    "report.charts": "reports.drawing.charts",
    "report.choice_map": "reports.adaptation.choice_map",
    "report.chosen": "reports.adaptation.chosen",
    "report.click_chart": "reports.clicks.chart",
    "report.click_figure": "reports.experiments.click_figure",
    "report.click_pictures": "reports.clicks.pictures",
    "report.embedding": "reports.adaptation.embedding",
    "report.experiment_figure": "reports.experiments.figure",
    "report.histograms": "reports.adaptation.histograms",
    "report.methods": "reports.runs.methods",
    "report.overlays": "reports.drawing.overlays",
    "report.page": "reports.runs.page",
    "report.panels": "reports.runs.panels",
    "report.picture": "reports.drawing.picture",
    "report.protocol": "reports.runs.run_facts",
    "report.results": "reports.runs.results",
    "report.revision": "reports.runs.revision",
    "report.scenes": "reports.runs.slice_plots",
    "report.svg": "reports.drawing.svg",
    "report.templates": "reports.drawing.templates",
    "report.words": "reports.runs.words",
    "runs.click_folder": "clicks.folder",
    "runs.click_objects": "clicks.objects",
    "runs.click_player": "clicks.simulator",
    "runs.clicks": "clicks.protocol",
    "runs.verbs": "runs.reopening",
    "studies.labels": "tables.label_costs",
    "studies.planning": "tables.planning",
    "tables.protocol": "tables.experiment_protocol",
}


def new_name(old: str) -> str:
    """The new name of a module, or of an object in it, from its old or new name."""
    parts = old.removeprefix("lesslabel.").split(".")
    for length in range(len(parts), 0, -1):
        module = _MOVED.get(".".join(parts[:length]))
        if module is not None:
            return ".".join(("lesslabel", module, *parts[length:]))
    return old


def same_class(class_path: object) -> object:
    """The canonical class path for any name of a class of this package; other values are returned unchanged."""
    if not isinstance(class_path, str) or not class_path.startswith("lesslabel."):
        return class_path
    module, _, name = new_name(class_path).rpartition(".")
    try:
        found = getattr(import_module(module), name)
        return f"{found.__module__}.{found.__qualname__}"
    except (ImportError, AttributeError):
        return class_path


def find_moved_modules() -> None:
    """Make the old names importable, unless a module has that name now."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if new_name(fullname) == fullname:
            return None
        return ModuleSpec(fullname, _Alias(), is_package=True)


class _Alias(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = new_name(spec.name)
        warnings.warn(f"{spec.name} is now {new}; the old name will go", FutureWarning, stacklevel=2)
        return _Moved(spec.name, import_module(new))

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module of the new name is executed already."""


class _Moved(ModuleType):
    def __init__(self, name: str, new: ModuleType) -> None:
        super().__init__(name, new.__doc__)
        self._new = new
        self.__path__: list[str] = []  # with the folder of the new one its modules would be executed twice

    def __getattr__(self, name: str) -> object:
        return getattr(self._new, name)

    def __call__(self, *given: Any, **named: Any) -> object:
        """Call the function of the package that has the old name of a module: `lesslabel.report`."""
        package, _, name = self.__name__.partition(".")
        return sys.modules[package].__getattr__(name)(*given, **named)
