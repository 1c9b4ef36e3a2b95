"""The evaluation's own numbers against the published protocols, written down again with OpenCV and plain loops."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from figureground.studies.evaluation.boxes import hits_of
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.localisation import Localisation

SIDE = 50
SHARES = np.arange(0, 1, 0.01)


@pytest.fixture
def blobs(tmp_path: Path, box_folder: Callable[..., Path]) -> Path:
    """Images with boxes, and beside them a smooth random map for each."""
    folder, random = box_folder(16), np.random.default_rng(1)
    (tmp_path / "maps").mkdir()
    for line in (folder / "boxes.csv").read_text().splitlines()[1:]:
        name, _, *corners = line.split(",")
        x0, y0, x1, y1 = (
            int(one) * SIDE // side for one, side in zip(corners, (64, 48) * 2, strict=True)
        )
        noise = random.random((SIDE, SIDE)).astype(np.float32)
        noise[y0:y1, x0:x1] += 0.3
        np.save(tmp_path / "maps" / f"{Path(name).stem}.npy", cv2.GaussianBlur(noise, (0, 0), 4))
    return folder


def published_overlap(one_map: np.ndarray, share: float, true: list[int], *, multi: bool) -> float:
    """Inclusive intersection over union of the published code's box or boxes with the true box."""
    scaled = (one_map - one_map.min()) / (one_map.max() - one_map.min())
    grey = (scaled * 255).astype(np.uint8)
    _, binary = cv2.threshold(grey, int(share * grey.max()), 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    chosen = list(contours) if multi else [max(contours, key=cv2.contourArea)] if contours else []
    best = 0.0
    for contour in chosen:
        x, y, width, height = cv2.boundingRect(contour)
        box = (x, y, min(x + width, SIDE - 1), min(y + height, SIDE - 1))
        low = np.maximum(box[:2], true[:2])
        high = np.minimum(box[2:], true[2:])
        both = np.prod(np.maximum(high - low + 1, 0))
        areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, true)]
        best = max(best, both / (sum(areas) - both))
    return best


def test_box_accuracy_is_the_published_codes(blobs: Path, tmp_path: Path):
    options = Localisation(maps=(tmp_path / "maps",), step=0.01, cases=0)
    evaluate(options, None, blobs, out=tmp_path / "out", data_options=DataOptions(view_size=SIDE))
    with np.load(tmp_path / "out" / "per_image.npz") as columns:
        found = {
            multi: hits_of(columns[f"maps/hits{' multi' * multi}"], len(SHARES))
            for multi in (False, True)
        }
        names = columns["name"].tolist()
    lines = [line.split(",") for line in (blobs / "boxes.csv").read_text().splitlines()[1:]]
    truth = {name: [int(one) for one in corners] for name, _, *corners in lines}
    differs = 0
    for multi, hits in found.items():
        for at, name in enumerate(names):
            x0, y0, x1, y1 = truth[name]  # half-open; the published files hold the last pixel
            inclusive = (x0, y0, x1 - 1, y1 - 1)
            true = [
                int(one * SIDE / side) for one, side in zip(inclusive, (64, 48) * 2, strict=True)
            ]
            one_map = np.load(tmp_path / "maps" / f"{Path(name).stem}.npy")
            best = np.array(
                [published_overlap(one_map, share, true, multi=multi) for share in SHARES]
            )
            for number, overlap in enumerate((0.3, 0.5, 0.7)):
                np.testing.assert_array_equal(hits[at, number], best >= overlap, err_msg=name)
            plain = [
                one * SIDE / side for one, side in zip((x0, y0, x1, y1), (64, 48) * 2, strict=True)
            ]
            differs += [*true[:2], true[2] + 1, true[3] + 1] != plain
    assert differs > 20  # truncated boxes are others


def write_open_images(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Four images with maps, two masks of instances and an ignored region each; scores, and 1, 0 or -1 (ignored)."""
    random = np.random.default_rng(0)
    for name in ("photos", "maps", "metadata"):
        (folder / name).mkdir()
    scores, judged, lines = [], [], []
    for number in range(4):
        levels = random.integers(0, 101, (SIDE, SIDE))
        levels.flat[:2] = 0, 100
        drawn = random.random((3, SIDE, SIDE))
        marked = {"one": drawn[0] < levels / 250, "two": drawn[1] < 0.1, "ignored": drawn[2] < 0.2}
        for name, some in marked.items():
            grey = Image.fromarray(some.astype(np.uint8) * 255)
            grey.save(folder / "photos" / f"{number}_{name}.png")
        pixels = random.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
        inside = (levels > 0) & (levels < 100)  # a score of exactly 1 has a bin of its own
        one_map = (levels + 0.5 * inside).astype(np.float32) / 100
        np.save(folder / "maps" / f"{number}.npy", one_map)
        scores.append(levels)
        either = marked["one"] | marked["two"]
        judged.append(np.where(either, 1, np.where(marked["ignored"], -1, 0)))
        lines += [f"{number}.png,{number}_one.png,{number}_ignored.png"]
        lines += [f"{number}.png,{number}_two.png,"]
    (folder / "metadata" / "image_ids.txt").write_text("\n".join(f"{n}.png" for n in range(4)))
    (folder / "metadata" / "localization.txt").write_text("\n".join(lines))
    return scores, judged


def test_pixel_precision_is_scikit_learns_on_masks_with_ignored_pixels(tmp_path: Path):
    scores, judged = write_open_images(tmp_path)
    options = Localisation(maps=(tmp_path / "maps",), cases=0, validation_share=0.25)
    data = DataOptions(view_size=SIDE, images=tmp_path / "photos")
    out = tmp_path / "out"
    record = evaluate(options, None, tmp_path / "metadata", out=out, data_options=data)
    (told,) = [one for one in record.tables if "PxAP" in one["columns"]]
    row = dict(zip(told["columns"], told["rows"][0], strict=True))
    with np.load(out / "per_image.npz") as columns:
        test = options.splits(dict(columns)).test.tolist()
    assert len(test) == 3
    truth, found = (np.ravel([some[at] for at in test]) for some in (judged, scores))
    expected = 100 * average_precision_score(truth[truth >= 0], found[truth >= 0])
    assert row["PxAP"] == pytest.approx(expected, abs=0.006)
