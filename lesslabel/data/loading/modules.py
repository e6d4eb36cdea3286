"""Data modules of single sources. Their settings are in `configs/`."""

from lesslabel.data.loading.module import SegmentationDataModule


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


class WORDDataModule(SegmentationDataModule):
    """Abdominal CT with 16 organs (WORD), dense labels and scribbles; the official parts are ``split: groups``."""

    source = "word"


class BraTSDataModule(SegmentationDataModule):
    """Gliomas in four MR images a patient: the view's channels and labels name the task."""

    source = "brats"


class BTCVDataModule(SegmentationDataModule):
    """Abdominal CT with 13 organs and vessels (BTCV, the Synapse benchmark)."""

    source = "btcv"


class CHAOSDataModule(SegmentationDataModule):
    """Abdomen of healthy people: CT with the liver, or one of two MR sequences with four organs."""

    source = "chaos"


class KiTSDataModule(SegmentationDataModule):
    """CT of kidneys with tumours and cysts."""

    source = "kits"


class HC18DataModule(SegmentationDataModule):
    """Ultrasound images of the fetal head."""

    source = "hc18"


class PROMISE12DataModule(SegmentationDataModule):
    """T2-weighted MR of the prostate from several hospitals."""

    source = "promise12"


class MedScribbleDataModule(SegmentationDataModule):
    """2D images of many data sets with the scribbles of three people; the data set is the centre."""

    source = "medscribble"


class PhantomDataModule(SegmentationDataModule):
    """The generated cardiac phantom: several centres, dense labels and scribbles."""

    source = "phantom"


class FolderDataModule(SegmentationDataModule):
    """A user's own cases from a table."""

    source = "folder"


class NNUNetDataModule(SegmentationDataModule):
    """A data set in nnU-Net's raw layout."""

    source = "nnunet"


class DatalistDataModule(SegmentationDataModule):
    """The cases of a data list of MONAI."""

    source = "datalist"
