"""Generated short-axis hearts: anatomy, surroundings and a model of the scanner.

Not a model of physiology: it has the difficulties of real short-axis MR. Blood, fat and vessels are
equally bright, muscle and liver equally grey, the structures shrink towards the apex, and each centre has its own
contrast, noise, shading and resolution. Axes are (z, y, x), the first slice is the base.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

RV, MYO, LV = 1, 2, 3


@dataclass(frozen=True)
class Centre:
    """The scanner of one hospital; intensities are relative to `gain`.

    Attributes:
        name: the centre.
        field_of_view_mm: side of the square image in mm.
        slice_mm: distance between slices in mm.
        blood, muscle, fat, liver, lung: mean intensity of each tissue.
        texture: relative intensity variation within a tissue.
        noise: standard deviation of the noise in either channel of the receiver.
        shading: half the range of the logarithm of the bias field.
        blur_mm: standard deviation of the point spread in mm.
        gain: intensity of 1.0 on this scanner.
    """

    name: str
    field_of_view_mm: float
    slice_mm: float
    blood: float
    muscle: float
    fat: float
    liver: float
    lung: float
    texture: float
    noise: float
    shading: float
    blur_mm: float
    gain: float


CENTRES = (
    Centre(
        "north",
        field_of_view_mm=200.0,
        slice_mm=10.0,
        blood=0.70,
        muscle=0.30,
        fat=0.85,
        liver=0.34,
        lung=0.08,
        texture=0.14,
        noise=0.045,
        shading=0.35,
        blur_mm=1.2,
        gain=1.0,
    ),
    Centre(
        "east",
        field_of_view_mm=230.0,
        slice_mm=9.0,
        blood=0.60,
        muscle=0.34,
        fat=0.70,
        liver=0.30,
        lung=0.14,
        texture=0.18,
        noise=0.070,
        shading=0.55,
        blur_mm=1.6,
        gain=400.0,
    ),
    Centre(
        "south",
        field_of_view_mm=180.0,
        slice_mm=8.0,
        blood=0.55,
        muscle=0.22,
        fat=0.90,
        liver=0.40,
        lung=0.05,
        texture=0.20,
        noise=0.060,
        shading=0.25,
        blur_mm=0.9,
        gain=1500.0,
    ),
    Centre(
        "west",
        field_of_view_mm=215.0,
        slice_mm=10.0,
        blood=0.45,
        muscle=0.30,
        fat=0.50,
        liver=0.45,
        lung=0.16,
        texture=0.16,
        noise=0.080,
        shading=0.70,
        blur_mm=1.8,
        gain=90.0,
    ),
)
"""The centres, in the order that patients come from them."""


@dataclass(frozen=True)
class _Heart:
    """Shape of one patient's heart at one phase of the beat; lengths in mm, angles in radians."""

    outer_mm: float
    wall_mm: float
    cavity_share: float
    rv_mm: float
    septum_angle: float
    tilt: FloatArray
    wobble: FloatArray
    wobble_phase: FloatArray
    apex: float
    base: float
    rv_apex: float


def _beat(rng: np.random.Generator, frame: int) -> _Heart:
    """Sample a patient's heart; at end-systole the wall is thicker and the cavities are smaller."""
    outer_mm, wall_mm = rng.uniform(27.0, 36.0), rng.uniform(8.0, 12.0)
    contraction, thickening = rng.uniform(0.15, 0.4), rng.uniform(1.1, 1.4)
    return _Heart(
        outer_mm=outer_mm * (0.95 if frame else 1.0),
        wall_mm=wall_mm * (thickening if frame else 1.0),
        cavity_share=1.0 - contraction if frame else 1.0,
        rv_mm=rng.uniform(26.0, 36.0) * (0.85 if frame else 1.0),
        septum_angle=rng.uniform(-0.5, 0.5),
        tilt=rng.uniform(-6.0, 6.0, size=2),
        wobble=rng.uniform(0.0, 0.06, size=3),
        wobble_phase=rng.uniform(0.0, 2.0 * np.pi, size=3),
        apex=rng.uniform(-0.1, 0.1),
        base=rng.uniform(0.88, 1.04),
        rv_apex=rng.uniform(0.15, 0.35),
    )


def paint(
    patient_rng: np.random.Generator,
    case_rng: np.random.Generator,
    frame: int,
    centre: Centre,
    shape: tuple[int, int, int],
) -> tuple[NDArray[np.uint8], FloatArray]:
    """Labels and noise-free intensities (z, y, x) of one case; the first slice is the base."""
    depth, height, width = shape
    heart = _beat(patient_rng, frame)
    half_mm = centre.field_of_view_mm / 2.0
    y, x = np.meshgrid(np.linspace(-half_mm, half_mm, height), np.linspace(-half_mm, half_mm, width), indexing="ij")
    height_in_heart = np.linspace(1.02, 0.0, depth)[:, None, None] if depth > 1 else np.full((1, 1, 1), 0.5)
    place = patient_rng.uniform(-10.0, 10.0, size=(2, 1, 1, 1))
    breath = case_rng.normal(0.0, 0.8, size=(2, depth, 1, 1))
    offset = place + heart.tilt[:, None, None, None] * (height_in_heart - 0.5)[None] + breath
    y_heart, x_heart = y - offset[0], x - offset[1]

    values = _surroundings(patient_rng, centre, y_heart, x_heart, height_in_heart)
    labels = np.zeros(shape, dtype=np.uint8)
    lv, myo, rv, rv_wall = _chambers(heart, y_heart, x_heart, height_in_heart)
    labels[rv], labels[myo], labels[lv] = RV, MYO, LV
    values[rv_wall] = centre.muscle
    for part, tissue in ((rv, centre.blood * 0.95), (myo, centre.muscle), (lv, centre.blood)):
        values[part] = tissue
    papillary = _disc(y_heart - 0.3 * heart.outer_mm, x_heart, 0.13 * heart.outer_mm)
    papillary |= _disc(y_heart + 0.25 * heart.outer_mm, x_heart - 0.2 * heart.outer_mm, 0.12 * heart.outer_mm)
    values[lv & papillary] = 1.2 * centre.muscle
    return labels, values


def _chambers(
    heart: _Heart, y: FloatArray, x: FloatArray, height_in_heart: FloatArray
) -> tuple[Mask, Mask, Mask, Mask]:
    """Masks of the left cavity, its wall, the right cavity and the right wall, around the left ventricle's axis."""
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    waves = np.arange(2, 5)[:, None, None, None]
    ripple = heart.wobble[:, None, None, None] * np.cos(waves * angle + heart.wobble_phase[:, None, None, None])
    taper = np.sqrt(np.clip(1.0 - (1.0 - (height_in_heart - heart.apex) / (1.0 - heart.apex)) ** 2, 0.0, None))
    outer_mm = heart.outer_mm * taper * (1.0 + ripple.sum(axis=0))
    inner_mm = (outer_mm - heart.wall_mm) * heart.cavity_share
    inside = (height_in_heart > heart.apex) & (height_in_heart <= heart.base)
    left = (radius < outer_mm) & inside
    lv = (radius < inner_mm) & inside

    rv_taper = np.sqrt(np.clip((height_in_heart - heart.rv_apex) / (1.0 - heart.rv_apex), 0.0, 1.0))
    across_mm, along_mm = 0.8 * heart.rv_mm * rv_taper, 1.15 * heart.rv_mm * rv_taper
    rotated_x = x * np.cos(heart.septum_angle) + y * np.sin(heart.septum_angle) + 0.9 * heart.outer_mm * taper
    rotated_y = y * np.cos(heart.septum_angle) - x * np.sin(heart.septum_angle)
    rv = _ellipse(rotated_y, rotated_x, along_mm, across_mm) & ~(radius < outer_mm)
    rv_wall = _ellipse(rotated_y, rotated_x, along_mm + 3.0, across_mm + 3.0) & (rv_taper > 0.0) & ~left & ~rv
    return lv, left & ~lv, rv, rv_wall


def _surroundings(
    rng: np.random.Generator, centre: Centre, y: FloatArray, x: FloatArray, height_in_heart: FloatArray
) -> FloatArray:
    """Chest around the heart: fat, lungs with vessels, liver, aorta, atrium and rings that look like a ventricle."""
    values = np.full(np.broadcast_shapes(y.shape, height_in_heart.shape), 0.02)
    chest_y, chest_x = rng.uniform(85.0, 100.0), rng.uniform(92.0, 115.0)
    values[_ellipse(y - 8.0, x, chest_y, chest_x)] = centre.fat
    values[_ellipse(y - 8.0, x, chest_y - rng.uniform(7.0, 14.0), chest_x - rng.uniform(7.0, 14.0))] = centre.muscle
    values[_ellipse(y + 12.0, x - rng.uniform(35.0, 45.0), 55.0, 45.0)] = centre.lung
    values[_ellipse(y + 10.0, x + rng.uniform(50.0, 65.0), 50.0, 35.0)] = centre.lung
    for _ in range(14):
        lung_y, lung_x = rng.uniform(-60.0, 30.0), rng.choice([-1.0, 1.0]) * rng.uniform(45.0, 85.0)
        drift = rng.uniform(-25.0, 25.0, size=2)
        vessel_y, vessel_x = lung_y + drift[0] * height_in_heart, lung_x + drift[1] * height_in_heart
        values[_disc(y - vessel_y, x - vessel_x, rng.uniform(2.0, 6.0))] = centre.blood
    liver_y = rng.uniform(58.0, 70.0) + 20.0 * (height_in_heart - 0.3)
    values[_ellipse(y - liver_y, x + rng.uniform(5.0, 40.0), 28.0, 65.0)] = centre.liver
    for _ in range(3):
        organ_y, organ_x = rng.uniform(45.0, 80.0), rng.uniform(-70.0, 80.0)
        brightness = rng.uniform(0.6, 1.1) * centre.blood
        values[_ellipse(y - organ_y, x - organ_x, rng.uniform(8.0, 18.0), rng.uniform(8.0, 22.0))] = brightness
    for _ in range(2):
        ring_y, ring_x, ring_mm = rng.uniform(50.0, 80.0), rng.uniform(-75.0, 75.0), rng.uniform(13.0, 20.0)
        values[_disc(y - ring_y, x - ring_x, ring_mm)] = centre.muscle
        values[_disc(y - ring_y, x - ring_x, 0.6 * ring_mm)] = centre.blood
    values[_disc(y - rng.uniform(46.0, 54.0), x - rng.uniform(25.0, 40.0), rng.uniform(9.0, 13.0))] = centre.blood
    pad_y, pad_x = rng.uniform(-48.0, -38.0), rng.uniform(-20.0, 10.0)
    values[_ellipse(y - pad_y, x - pad_x, rng.uniform(6.0, 12.0), rng.uniform(18.0, 32.0))] = centre.fat
    above = height_in_heart > 0.8
    values[_ellipse(y - 4.0, x - 2.0, 27.0, 30.0) & above] = centre.muscle
    values[_ellipse(y - 4.0, x - 2.0, 22.0, 25.0) & above] = centre.blood
    return values


def acquire(values: FloatArray, centre: Centre, in_plane_mm: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Apply the scanner model to intensities: texture, point spread, shading and Rician noise."""
    grain = sum(
        _unit_variance(ndimage.gaussian_filter(rng.standard_normal(values.shape), (0.5, width, width)))
        for width in (3.0 / in_plane_mm, 8.0 / in_plane_mm)
    )
    textured = values * (1.0 + centre.texture * np.asarray(grain) / np.sqrt(2.0))
    blur_voxel = centre.blur_mm / in_plane_mm
    seen = ndimage.gaussian_filter(textured, (0.0, blur_voxel, blur_voxel))
    y, x = (np.linspace(-1.0, 1.0, side) for side in values.shape[1:])
    slope_y, slope_x, bowl = rng.uniform(-1.0, 1.0, size=3)
    field = slope_y * y[:, None] + slope_x * x[None, :] + bowl * (y[:, None] ** 2 + x[None, :] ** 2 - 1.0)
    seen = np.clip(seen, 0.0, None) * np.exp(centre.shading * field / max(np.abs(field).max(), 1e-6))
    real, imaginary = rng.normal(0.0, centre.noise, size=(2, *values.shape))
    return np.asarray(centre.gain * np.hypot(seen + real, imaginary), dtype=np.float32)


def _unit_variance(values: FloatArray) -> FloatArray:
    return np.asarray(values / values.std())


def _disc(y: FloatArray, x: FloatArray, radius_mm: float) -> Mask:
    return np.asarray(y**2 + x**2 < radius_mm**2)


def _ellipse(y: FloatArray, x: FloatArray, half_y_mm: FloatArray | float, half_x_mm: FloatArray | float) -> Mask:
    return np.asarray((y * half_x_mm) ** 2 + (x * half_y_mm) ** 2 < (np.multiply(half_y_mm, half_x_mm)) ** 2)
