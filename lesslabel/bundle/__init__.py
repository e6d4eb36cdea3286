"""The files that may leave a hospital: weights, references and manifest, never an image. See `docs/formats.md`."""

from lesslabel.bundle.bundle import Bundle, load_bundle, verify_bundle
from lesslabel.bundle.export import export_bundle
from lesslabel.bundle.manifest import BundleManifest
from lesslabel.lazy import renamed_names

__all__ = ["Bundle", "BundleManifest", "export_bundle", "load_bundle", "verify_bundle"]

__getattr__ = renamed_names(__name__, {"BundleRecipe": "BundleManifest"})
