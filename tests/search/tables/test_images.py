from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from kedro.io import DataCatalog
from PIL import Image

from rightfit._core.errors import RightfitError
from rightfit._core.frames import RawTableError, read_frame
from rightfit.data.request_path.encoder import name_features
from rightfit.data.request_path.feeding import decode_image
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.raw_rows import cut_input
from rightfit.data.request_path.row_reading import make_raw_rows
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps
from rightfit_search.tables.table_check import check_tables

SHAPE = (4, 6, 3)
N_PIXELS = 4 * 6 * 3


def write_image(
    size: tuple[int, int], kind: str = "PNG", mode: str = "RGB", seed: int = 0
) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


IMAGES = [
    write_image((6, 4)),
    write_image((60, 40), "JPEG"),
    write_image((6, 4), mode="L"),
    write_image((5, 9), mode="RGBA", seed=1),
]


def test_images_of_any_size_and_kind_get_one_shape() -> None:
    decoded = [decode_image(image, SHAPE) for image in IMAGES]

    assert {one.shape for one in decoded} == {(N_PIXELS,)}
    same = np.asarray(Image.open(io.BytesIO(IMAGES[0]))).reshape(-1)
    np.testing.assert_array_equal(decoded[0], same)
    grey = decoded[2].reshape(4, 6, 3)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_a_photograph_on_its_side_is_turned_upright() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).save(file, "PNG", exif=exif)

    np.testing.assert_array_equal(decode_image(file.getvalue(), (2, 1, 1)), [0, 255])


@pytest.mark.parametrize("content", [b"", b"no image", IMAGES[0][:60], IMAGES[1][:200]])
def test_what_is_no_whole_image_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no PNG or JPEG file that can be read"):
        decode_image(content, SHAPE)


def test_an_image_that_claims_too_many_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 50,000,000 pixels"):
        decode_image(write_huge(), SHAPE)


def write_huge() -> bytes:
    file = io.BytesIO()
    Image.new("1", (8_000, 8_000)).save(file, "PNG")
    return file.getvalue()


def test_requests_of_image_files_are_encoded_as_in_training() -> None:
    table = pl.DataFrame({"photo": IMAGES})
    features = Features.model_validate(
        {"image": {"column": "photo", "shape": SHAPE, "format": "file"}}
    )
    encoder = fit_encoder_steps(features, table)
    plain = encoder.model_dump(mode="json")
    encode = compile_encoder(plain)

    trained = apply_encoder(encoder, table).to_numpy()

    rows = make_raw_rows(table, list_inputs(plain))
    texts = [base64.b64encode(image).decode() for image in IMAGES]
    assert trained.shape == (len(IMAGES), N_PIXELS)
    assert len(name_features(encoder)) == N_PIXELS
    np.testing.assert_array_equal(encode(cut_input(rows, 0, 4)), trained)  # type: ignore[arg-type]
    np.testing.assert_array_equal(encode(cut_input(rows, 2, 3)), trained[2:3])  # type: ignore[arg-type]
    np.testing.assert_array_equal(encode({"photo": texts}), trained)
    np.testing.assert_array_equal(encode({"photo": [list(one) for one in IMAGES]}), trained)


@pytest.mark.parametrize("value", [None, "no base64!", "YWI=", 7])
def test_a_request_without_an_image_is_refused(value: object) -> None:
    step = {"kind": "picture", "column": "photo", "shape": SHAPE}
    encode = compile_encoder({"version": 2, "steps": [step]})  # type: ignore[typeddict-item]

    with pytest.raises(ValueError, match=r"image|base64"):
        encode({"photo": [value]})


@pytest.mark.parametrize(
    "form",
    [
        {"type": "text.TextDataset", "fs_args": {"open_args_load": {"mode": "rb"}}},
        {"type": "pillow.ImageDataset"},
    ],
)
def test_a_folder_of_images_becomes_a_table(form: dict[str, object], tmp_path: Path) -> None:
    for part, kind, i in [("train", "cat", 0), ("train", "dog", 1), ("test", "cat", 2)]:
        path = tmp_path / part / kind / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(IMAGES[i] if i != 1 else write_image((6, 4), seed=5))
    entry = {"type": "partitions.PartitionedDataset", "path": str(tmp_path), "dataset": form}
    catalog = DataCatalog.from_config({"photos": entry})

    table = read_frame(catalog.load("photos"), entry="photos")

    assert table.drop("image").sort("path").rows() == [
        ("test/cat/2.png", "cat", "test"),
        ("train/cat/0.png", "cat", "train"),
        ("train/dog/1.png", "dog", "train"),
    ]
    decoded = [decode_image(image, SHAPE) for image in table["image"]]
    np.testing.assert_array_equal(decoded[1], decode_image(IMAGES[0], SHAPE))


def make_photos() -> tuple[DatasetBlock, dict[str, pl.DataFrame]]:
    n = 40
    images = [write_image((64 + i % 2, 48), seed=i) for i in range(n)]
    table = pl.DataFrame(
        {
            "path": [f"{'ab'[i % 2]}/{i} of my photos.png" for i in range(n)],
            "folder": ["a", "b"] * (n // 2),
            "image": images,
        }
    )
    block = DatasetBlock.model_validate({"tables": ["photos"], "target": {"column": "folder"}})
    return block, {"photos": table}


def test_image_files_are_inferred_and_names_of_files_are_not_used() -> None:
    block, tables = make_photos()

    spec = complete_block(block, tables, dataset_name="photos").spec

    image = spec.features.image
    assert image is not None
    assert (image.column, image.shape, image.format) == ("image", (24, 32, 3), "file")
    assert spec.features.columns == ("image",)
    assert spec.target.classes == ("a", "b")


def test_rows_without_an_image_are_named_before_anything_runs() -> None:
    block, tables = make_photos()
    spec = complete_block(block, tables, dataset_name="photos").spec
    wrong = tables["photos"].with_columns(
        image=pl.when(pl.col("path").str.starts_with("a/0")).then(b"GIF89a").otherwise("image")
    )

    with pytest.raises(RawTableError, match=r"1 of 40 rows hold something else.*a/0 of my photos"):
        check_tables(spec, {"photos": wrong}, dataset_name="photos")


def test_a_few_files_of_another_kind_are_named_and_not_taken_for_pixels() -> None:
    block, tables = make_photos()
    other = pl.Series([b"Thumbs.db", b"\xff\xd8\xff, no photograph"])
    photos = tables["photos"].with_columns(image=other.append(tables["photos"]["image"][2:]))

    spec = complete_block(block, {"photos": photos}, dataset_name="photos").spec
    with pytest.raises(RawTableError, match=r"2 of 40 rows hold something else.*a/0 of my photos"):
        check_tables(spec, {"photos": photos}, dataset_name="photos")


def test_damaged_images_are_named_before_anything_runs() -> None:
    block, tables = make_photos()
    spec = complete_block(block, tables, dataset_name="photos").spec
    cut = pl.when(pl.col("path").str.starts_with("b/")).then(pl.col("image").bin.head(2000))

    with pytest.raises(RawTableError, match=r"20 of 40 rows.*b/1 of my photos.*truncated"):
        check_tables(
            spec,
            {"photos": tables["photos"].with_columns(image=cut.otherwise("image"))},
            dataset_name="photos",
        )


def test_a_damaged_image_ends_the_preparation_with_its_row() -> None:
    encoder = fit_encoder_steps(
        Features.model_validate({"image": {"column": "p", "shape": SHAPE, "format": "file"}}),
        pl.DataFrame({"p": IMAGES}),
    )

    with pytest.raises(RawTableError, match=r"Row 1 of the column 'p' \(60 bytes\)"):
        apply_encoder(encoder, pl.DataFrame({"p": [IMAGES[0], IMAGES[0][:60]]}))


def test_missing_library_of_images_is_no_fault_of_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block, tables = make_photos()
    spec = complete_block(block, tables, dataset_name="photos").spec
    encoder = fit_encoder_steps(spec.features, tables["photos"])
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(RightfitError, match=r"^A column of image files needs .*images"):
        check_tables(spec, tables, dataset_name="photos")
    with pytest.raises(RightfitError, match=r"^A column of image files needs") as caught:
        apply_encoder(encoder, tables["photos"])
    assert "Replace the file" not in str(caught.value)
