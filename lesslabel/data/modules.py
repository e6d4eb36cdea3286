"""Thin data modules: each ties the shared one to a source. Settings live in `configs/`."""

from lesslabel.data.module import SegmentationDataModule


class ACDCDataModule(SegmentationDataModule):
    """Cine cardiac MR of the ACDC challenge: both ventricles and the myocardium; dense labels and scribbles."""

    source = "acdc"


class MSCMRDataModule(SegmentationDataModule):
    """Late-enhancement cardiac MR of the MSCMR challenge: the label codes of ACDC, another hospital."""

    source = "mscmr"


class LADataModule(SegmentationDataModule):
    """Late-enhancement MR of the left atrium (2018 challenge), cropped and normalised."""

    source = "la"


class MSDDataModule(SegmentationDataModule):
    """A task of the Medical Segmentation Decathlon, such as the hippocampus."""

    source = "msd"


class NPCDataModule(SegmentationDataModule):
    """Nasopharyngeal tumours in contrast-enhanced T1 MR: any number of hospitals, one or several raters."""

    source = "npc"


class PancreasDataModule(SegmentationDataModule):
    """Contrast-enhanced CT of the pancreas (Pancreas-CT), windowed, cropped, normalised, at 1 mm."""

    source = "pancreas"


class PhantomDataModule(SegmentationDataModule):
    """The generated cardiac phantom: several centres, dense labels and scribbles."""

    source = "phantom"


class FolderDataModule(SegmentationDataModule):
    """A user's own cases from a table."""

    source = "folder"
