from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from rightfit._core.frames import RawTableError
from rightfit.data.request_path.encoder import Encoder, name_features
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import (
    ENCODER_VERSION,
    EncoderJson,
    StepJson,
    list_inputs,
    list_texts,
    split_words,
)
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps

TEXTS = [
    "The room was cold, and the shower was COLD too!",
    "Great room; great view. Breakfast: so-so…",
    "Zimmer sauber, Frühstück großartig, überall Ruhe",
    "部屋 は 静か 静か",
    "",
    None,
    "¿Qué tal? «Très bien» 😀 naïve_user3",
    "the breakfast was great and the room was cold",
]
ODD = [None, "", "   ", "!?…", "unseen words only", "A\u00a0ROOM\twas\ncold\0great", "FRÜHSTÜCK"]
REVIEWS = pl.DataFrame({"review": TEXTS, "stars": [1, 2, 3, 4, 5, 1, 2, 3]})


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return fit_encoder_steps(Features(numeric=("stars",), text=("review",)), REVIEWS)


def encode_everywhere(encoder: Encoder, texts: list[str | None]) -> list[npt.NDArray[np.float32]]:
    columns = {"review": texts, "stars": [3] * len(texts)}
    table = pl.DataFrame(columns, schema={"review": pl.String, "stars": pl.Int64})
    return [
        apply_encoder(encoder, table).to_numpy(),
        compile_encoder(encoder.model_dump(mode="json"))(columns),
    ]


def test_gaps_unseen_words_signs_and_case_are_encoded_alike_everywhere(
    encoder: Encoder,
) -> None:
    trained, served = encode_everywhere(encoder, [*TEXTS, *ODD])

    np.testing.assert_array_equal(served, trained)
    lengths = np.linalg.norm(trained[:, 1:], axis=1)
    assert set(lengths.round(5)) == {0.0, 1.0}
    np.testing.assert_array_equal(trained[len(TEXTS) : len(TEXTS) + 5, 1:], 0)


@pytest.mark.parametrize(
    ("categories", "are_texts"),
    [
        (["10115", "0", "-5", "1.5"], False),
        (["9007199254740993"], False),
        (["false", "true"], False),
        (["01234"], True),
        (["1.50", "2"], True),
        (["10115", "A12"], True),
        (["nan"], True),
    ],
)
def test_columns_of_numbers_alone_are_no_texts_of_a_csv_file(
    categories: list[str], are_texts: bool
) -> None:
    steps = [StepJson(kind="one_hot", column="code", categories=categories)]

    inputs = list_inputs(EncoderJson(version=ENCODER_VERSION, steps=steps))

    assert list_texts(inputs) == ({"code"} if are_texts else set())


@settings(max_examples=60)
@given(st.lists(st.text() | st.sampled_from(["the", "COLD room"]), min_size=1, max_size=4))
def test_any_text_is_encoded_alike_everywhere(encoder: Encoder, texts: list[str]) -> None:
    trained, served = encode_everywhere(encoder, [*texts])

    np.testing.assert_array_equal(served, trained)


def test_weights_are_those_of_scikit_learn(encoder: Encoder) -> None:
    texts = [text or "" for text in TEXTS]
    peer = TfidfVectorizer(tokenizer=split_words, token_pattern=None, lowercase=False, min_df=2)

    expected = peer.fit_transform(texts).toarray()

    encoded = apply_encoder(encoder, REVIEWS).to_numpy()[:, 1:]
    names = [f"review:{word}" for word in peer.get_feature_names_out()]
    assert name_features(encoder)[1:] == tuple(names)
    np.testing.assert_allclose(encoded, expected, atol=1e-5)


def test_only_the_most_frequent_words_are_kept() -> None:
    features = Features(text=("review",), max_words=2)

    names = name_features(fit_encoder_steps(features, REVIEWS))

    assert names == ("review:and", "review:room")  # in three texts, and the first of those in two


def test_a_text_without_any_word_is_refused() -> None:
    rows = pl.DataFrame({"review": ["!", None, ""]})

    with pytest.raises(RawTableError, match="'review' has no word in the 3 train rows"):
        fit_encoder_steps(Features(text=("review",)), rows)


def test_a_model_of_words_can_be_stored_and_read(encoder: Encoder, tmp_path: Path) -> None:
    file = tmp_path / "encoder.json"
    file.write_text(encoder.model_dump_json())

    assert Encoder.model_validate_json(file.read_text()) == encoder
