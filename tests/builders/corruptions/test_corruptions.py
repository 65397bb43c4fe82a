"""The corruptions against plain second computations, and what holds for all of them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("sklearn", reason="the digits are scikit-learn's")

from robbench_builders import corruptions
from robbench_builders.corruptions import CORRUPTIONS, SMALLEST, Corrupted, as_floats, corrupt, generator
from robbench_builders.corruptions.jpeg import CHROMINANCE, LUMINANCE, compressed, table
from robbench_builders.corruptions.published import PublishedCorruptions
from robbench_builders.corruptions.weather import plasma
from robbench_builders.datasets import load
from robbench_builders.errors import CorruptionError
from robbench.errors import InvalidArgument, RobBenchError
from robbench.measurements.metrics import EXTRA_CORRUPTIONS, SEVERITIES, TABLE
from tests.builders.corruptions.plain import NEEDS_PIL, PLAIN, levels

each_corruption = pytest.mark.parametrize("name", CORRUPTIONS)
DIGITS = load("digits").test_images[:6]


def photographs(n: int = 4, side: int = 32) -> Any:
    """Smooth coloured images with some detail, in whole grey levels; nobody's photographs."""
    rng = np.random.default_rng(7)
    smooth = ndimage.gaussian_filter(rng.random((n, 3, side, side)), (0, 0.5, side / 10, side / 10), mode="wrap")
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (np.clip(smooth + 0.05 * rng.standard_normal(smooth.shape), 0, 1) * 255).astype(np.uint8).astype(np.float32) / np.float32(255)


PHOTOGRAPHS = photographs()


def test_the_names_are_those_of_the_store_in_its_order() -> None:
    assert [*CORRUPTIONS, *EXTRA_CORRUPTIONS] == [name for name, entry in TABLE.items() if entry.kind == "corruption"]
    for name, corruption in CORRUPTIONS.items():
        assert corruption.settings()["corruption"] == name
        assert len(corruption.settings()["parameters"]) == len(SEVERITIES)


@pytest.mark.parametrize("images", [PHOTOGRAPHS, DIGITS], ids=["colour", "digits"])
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", PLAIN)
def test_each_corruption_against_a_plain_computation(name: str, severity: int, images: Any) -> None:
    if name in NEEDS_PIL:
        pytest.importorskip("PIL", reason="Pillow is not installed: no second witness")
    if name == "jpeg_compression" or (name == "pixelate" and images is DIGITS):
        images = np.rint(images * 255).astype(np.float32) / np.float32(255)
    parameters = CORRUPTIONS[name].parameters[severity - 1]
    plain = np.stack(
        [
            PLAIN[name](image.astype(np.float64).transpose(1, 2, 0), generator(name, severity, 3, place), *parameters).transpose(2, 0, 1)
            for place, image in enumerate(images)
        ]
    )
    apart = np.abs(corrupt(images, name, severity, seed=3) - np.clip(plain, 0, 1)) * 255
    if name == "jpeg_compression":
        # libjpeg's cosines are integers: now and then a frequency at half a step is rounded the other way, and its block differs.
        assert (apart < 1.01).mean() > 0.8
    else:
        assert apart.max() < 1.01  # a grey level: rounded down here, not there


def test_jpeg_is_libjpegs_to_the_bit_but_for_rare_ties() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: no second witness")
    found = [
        np.abs(
            compressed(images.astype(np.float64), quality)
            - np.stack([PLAIN["jpeg_compression"](image.transpose(1, 2, 0), None, quality).transpose(2, 0, 1) for image in images])
        ).max((1, 2, 3))
        for quality in (10, 40, 65, 95)
        for images in (PHOTOGRAPHS[:, :, :16, :16], PHOTOGRAPHS[:, :1, :9, :21], PHOTOGRAPHS[:, :, :17, :13])
    ]
    assert (np.concatenate(found) * 255 < 0.5).mean() > 0.5


@pytest.mark.parametrize("quality", [1, 10, 40, 50, 80, 100])
def test_jpeg_tables_are_those_that_pillow_writes(quality: int) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: no second witness")
    file = io.BytesIO()
    image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    written = image.open(file).quantization
    assert written == {0: table(LUMINANCE, quality).ravel().tolist(), 1: table(CHROMINANCE, quality).ravel().tolist()}


@each_corruption
def test_an_image_is_corrupted_the_same_whatever_its_company(name: str) -> None:
    together = corrupt(PHOTOGRAPHS, name, 4)
    for place in range(len(PHOTOGRAPHS)):
        assert (corrupt(PHOTOGRAPHS[[place]], name, 4, first=place) == together[[place]]).all()
    assert (corrupt(PHOTOGRAPHS, name, 4) == together).all()


@each_corruption
def test_results_are_whole_grey_levels_of_the_images_shape(name: str) -> None:
    for images in (PHOTOGRAPHS, DIGITS):
        found = corrupt(images, name, 5)
        assert found.shape == images.shape
        assert found.dtype == np.float32
        assert (found == as_floats(np.rint(found * 255).astype(np.uint8))).all()
        assert not (found == images).all()


@each_corruption
def test_seeds_places_and_severities_draw_anew(name: str) -> None:
    alike = np.repeat(PHOTOGRAPHS[:1], 3, 0)
    drawn = corrupt(alike, name, 5)
    if name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"):
        assert (drawn == drawn[0]).all()  # nothing is drawn
        assert (corrupt(alike, name, 5, seed=1) == drawn).all()
    else:
        assert not (drawn[0] == drawn[1]).all()
        assert not (corrupt(alike, name, 5, seed=1) == drawn).all()


@each_corruption
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2, 9, 14), (4, 21, 11), (3, 64, 64)])
def test_every_size_from_8_and_every_number_of_channels(name: str, shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    for severity in (1, 5):
        found = corrupt(images, name, severity)
        assert found.shape == images.shape
        assert found.std() > 0.01


@each_corruption
@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_severity_changes_digits(name: str, severity: int) -> None:
    assert ((corrupt(DIGITS, name, severity) - DIGITS) ** 2).mean() > 3e-4


@each_corruption
def test_black_and_white_images(name: str) -> None:
    images = np.stack([np.zeros((3, 16, 16)), np.ones((3, 16, 16))]).astype(np.float32)
    found = corrupt(images, name, 5)
    assert found[0].mean() < found[1].mean() + 1e-6
    assert np.isfinite(found).all()


# In the authors' parameters, the affine part of the elastic transform shrinks, glass trades radius for iterations, and frost fades the image.
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("elastic_transform", "glass_blur", "frost")])
def test_corruptions_grow_with_severity(name: str) -> None:
    images = photographs(24)
    errors = [((corrupt(images, name, severity) - images) ** 2).mean() for severity in SEVERITIES]
    assert (np.diff(errors) > 0).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_variance_that_its_parameters_imply(severity: int) -> None:
    grey = np.full((8, 3, 32, 32), 0.5, np.float32)

    def error(name: str) -> Any:
        return np.mean(
            (corrupt(grey, name, severity).astype(np.float64) + 0.5 / 255 - grey) ** 2
        )  # rounded down by half a level on average

    parameter = {name: CORRUPTIONS[name].parameters[severity - 1][0] for name in ("gaussian_noise", "shot_noise", "impulse_noise")}
    np.testing.assert_allclose(error("gaussian_noise"), parameter["gaussian_noise"] ** 2, rtol=0.05)
    np.testing.assert_allclose(error("shot_noise"), 0.5 / parameter["shot_noise"], rtol=0.1)
    np.testing.assert_allclose(error("impulse_noise"), 0.25 * parameter["impulse_noise"], rtol=0.15)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_frost_mixes_the_image_with_something_of_the_photographs_brightness(severity: int) -> None:
    keep, amount = CORRUPTIONS["frost"].parameters[severity - 1]
    dark = np.full((200, 3, 32, 32), 0.1, np.float32)
    frost = (corrupt(dark, "frost", severity) - keep * dark) / amount
    assert abs(frost.mean() - 0.62) < 0.05  # the mean of the five photographs
    assert frost.min() > -0.05
    assert frost.max() < 1.01
    assert 0.05 < frost.std((2, 3)).mean() < 0.15


def test_plasma_fills_0_to_1_and_a_slower_decay_is_rougher() -> None:
    def roughness(decay: float) -> float:
        clouds = plasma([np.random.default_rng(k) for k in range(20)], 32, 32, decay)
        assert (clouds.min((1, 2)) == 0).all()
        assert (clouds.max((1, 2)) == 1).all()
        return float(np.abs(np.diff(clouds, axis=1)).mean())

    assert roughness(3) < roughness(2) < roughness(1.5)


def test_corrupted_images_are_made_once() -> None:
    corrupted = Corrupted(PHOTOGRAPHS, seed=5)
    assert corrupted("fog", 3) is corrupted("fog", 3)
    assert (as_floats(corrupted("fog", 3)) == corrupt(PHOTOGRAPHS, "fog", 3, seed=5)).all()
    assert corrupted.settings("fog") == {
        "corruption": "fog",
        "parameters": [[0.2, 3], [0.5, 3], [0.75, 2.5], [1, 2], [1.5, 1.75]],
        "seed": 5,
    }


def test_corrupted_images_too_many_for_memory_are_kept_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "KEPT", 75 * PHOTOGRAPHS.size - 1)
    folder = tmp_path / "corrupted"
    here, there, seeded, dimmed = (
        Corrupted(images, seed=seed, folder=folder)
        for images, seed in ((PHOTOGRAPHS, 0), (PHOTOGRAPHS, 0), (PHOTOGRAPHS, 1), (PHOTOGRAPHS / 2, 0))
    )
    expected = here("contrast", 3)
    (path,) = folder.iterdir()
    assert (as_floats(expected) == corrupt(PHOTOGRAPHS, "contrast", 3)).all()
    assert not here._made

    def never(*_: Any) -> Any:
        raise AssertionError

    with monkeypatch.context() as once:
        once.setattr(corruptions, "_grey_levels", never)
        assert (there("contrast", 3) == expected).all()
    assert not (dimmed("contrast", 3) == expected).all()
    seeded("contrast", 3)
    here("contrast", 2)
    assert len(list(folder.iterdir())) == 4

    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        path.write_bytes(damaged)
        assert (there("contrast", 3) == expected).all()
        assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "KEPT", 0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CorruptionError, match=r"contrast-3-.* cannot be written .*takes 12,288 bytes there"):
        Corrupted(PHOTOGRAPHS, folder=tmp_path / "file")("contrast", 3)


def test_corrupted_images_too_many_for_memory_and_without_a_folder_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "KEPT", 0)
    corrupted = Corrupted(PHOTOGRAPHS)
    assert corrupted("fog", 3) is not corrupted("fog", 3)
    assert (as_floats(corrupted("fog", 3)) == corrupt(PHOTOGRAPHS, "fog", 3)).all()
    assert not corrupted._made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "gausian_noise"},
            "'gausian_noise' is not a corruption. Did you mean 'gaussian_noise'.* Known: gaussian_noise, shot_noise",
        ),
        ({"severity": 0}, "severity=0; expected an integer from 1 to 5"),
        ({"severity": 6}, "severity=6; expected"),
        ({"severity": 2.5}, "severity=2.5; expected an integer"),
        ({"images": DIGITS[..., :7]}, r"fog cannot serve images of 8×7 pixels; expected at least 8×8: enlarge or pad them"),
        ({"images": DIGITS * 16}, r"images run from 0 to 16; expected \[0, 1\]: divide by the highest grey level"),
        ({"images": DIGITS * np.nan}, "images run from nan"),
        ({"images": DIGITS[0]}, r"images of shape \(1, 8, 8\) and float32; expected floats, \(images, channels, height, width\)"),
        ({"images": DIGITS[:0]}, r"none of them 0"),
        ({"images": (DIGITS * 255).astype(np.uint8)}, "uint8; expected floats"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(change: Any, message: str) -> None:
    with pytest.raises(CorruptionError, match=message):
        corrupt(**({"images": DIGITS, "name": "fog", "severity": 3} | change))
    assert issubclass(CorruptionError, RobBenchError)
    assert SMALLEST == 8


@pytest.mark.parametrize("change", [{"seed": -1}, {"first": -1}])
def test_seeds_and_places_are_counted_from_0(change: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"=-1 .*expected an integer of at least 0"):
        corrupt(DIGITS, "fog", 3, **change)


# Published files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "fog.npy", rng.integers(0, 256, (50, 32, 32, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.tile(np.arange(10, dtype=np.uint8), 5))
    return tmp_path


def test_published_files_are_read_severity_by_severity(folder: Path) -> None:
    published = PublishedCorruptions(folder)
    stored = np.load(folder / "fog.npy")
    assert published.labels.tolist() == list(range(10))
    assert published.labels.dtype == np.int64
    for severity in SEVERITIES:
        images = published("fog", severity)
        assert images.shape == (10, 3, 32, 32)
        assert (images[7, 2, 5, 9] == stored[10 * (severity - 1) + 7, 5, 9, 2]).all()
    assert published.settings("fog") == {"corruption": "fog", "published": True}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "fog",
            np.zeros((49, 32, 32, 3), np.uint8),
            r"fog.npy holds uint8 \(49, 32, 32, 3\); expected uint8 \(50, height, width, channels\)",
        ),
        ("fog", np.zeros((50, 32, 32), np.uint8), r"fog.npy holds uint8 \(50, 32, 32\)"),
        ("fog", np.zeros((50, 32, 32, 3)), r"fog.npy holds float64 .*five severities of the 10 images that labels.npy labels"),
        ("labels", np.zeros(49, np.uint8), r"labels.npy holds uint8 \(49,\); expected integers \(5 · images,\), such as \(50000,\)"),
        ("labels", np.zeros((50, 1), np.uint8), r"labels.npy holds uint8 \(50, 1\)"),
        ("labels", np.zeros(50), "labels.npy holds float64"),
        ("labels", np.arange(50), "other labels at another severity; expected the same five times"),
        ("fog", b"no array", r"fog.npy cannot be read as a numpy array .*fetch it again"),
        ("fog", None, r"fog.npy is not a file; expected the published corrupted images and labels.npy in one folder"),
    ],
)
def test_published_files_of_another_form_are_refused(folder: Path, file: str, content: Any, message: str) -> None:
    path = folder / f"{file}.npy"
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(CorruptionError, match=message):
        PublishedCorruptions(folder)("fog", 2)


def test_published_names_severities_and_folders_are_checked(folder: Path) -> None:
    with pytest.raises(CorruptionError, match=r"'frog' is not a corruption. Did you mean 'fog' or 'frost'"):
        PublishedCorruptions(folder)("frog", 1)
    with pytest.raises(CorruptionError, match="severity=7; expected an integer from 1 to 5"):
        PublishedCorruptions(folder)("fog", 7)
    with pytest.raises(CorruptionError, match=r"'nowhere' is not a folder; expected one with labels.npy"):
        PublishedCorruptions("nowhere")


def test_levels_of_the_witness_round_down() -> None:
    assert (levels(np.array([0.999, 1.2, -0.3])) * 255 == [254, 255, 0]).all()


def test_severities_of_whole_floats_and_tensors_are_understood() -> None:
    images = np.random.default_rng(0).random((3, 3, 16, 16)).astype(np.float32)
    expected = corrupt(images, "fog", 3)
    threes: list[Any] = [3.0, np.int64(3), np.float32(3)]
    for severity in threes:
        assert (corrupt(images, "fog", severity) == expected).all()
    corrupted = Corrupted(images)
    assert corrupted("fog", 3.0) is corrupted("fog", 3)
    others: list[Any] = [True, 3.5, "3", None, float("nan"), [3], np.array([3, 4])]
    for severity in others:
        with pytest.raises(CorruptionError, match="expected an integer from 1 to 5"):
            corrupt(images, "fog", severity)
    with pytest.raises(CorruptionError, match="images are a list; expected an array or a tensor"):
        corrupt(images.tolist(), "fog", 3)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(images).requires_grad_()
    found = corrupt(tensor, "fog", 3)
    assert isinstance(found, np.ndarray)
    assert (found == expected).all()
    assert (Corrupted(tensor)("gaussian_noise", 2) == Corrupted(images)("gaussian_noise", 2)).all()
    with pytest.raises(CorruptionError, match=r"uint8; expected floats"):
        corrupt((tensor * 255).byte(), "fog", 3)
