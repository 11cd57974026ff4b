from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from factories.data_cards import make_data_card
from factories.exports import CLASSES, choose
from factories.studies import make_raw
from harness.python_programs import run_python

import rightfit as rf
from rightfit.data.request_path import usage
from rightfit.data.request_path.encoder import Encoder
from rightfit.exporting.export_folder import check_folder, export_model
from rightfit.exporting.model_call import Model, locate_onnx
from rightfit.models.bundle import read_bundle
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.runtimes import open_predictor
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit_search.tables.encoding import apply_encoder

pytestmark = pytest.mark.whole

SNIPPET = """
import json, sys
from usage import open_model

answers = open_model()(json.load(sys.stdin))
json.dump({"answers": answers.tolist(), "modules": sorted(sys.modules)}, sys.stdout)
"""
NOT_NEEDED = {"rightfit", "kedro", "polars", "pandas", "sklearn", "skops", "torch", "pydantic"}


def run(folder: Path, *command: str, text: str) -> Any:
    result = run_python(*command, folder=folder, text=text)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_exported_model_answers_as_the_bundle_does_without_this_project(
    exported: Path, model: Model
) -> None:
    raw = make_raw().drop("label")
    rows = np.ascontiguousarray(
        apply_encoder(Encoder.model_validate(model.encoder), raw).to_numpy(), dtype=np.float32
    )
    expected = open_predictor(model.bundle, runtime="onnx", n_threads=1, device="cpu")(rows)

    found = run(exported, "-c", SNIPPET, text=json.dumps(raw.to_dict(as_series=False)))

    np.testing.assert_allclose(np.array(found["answers"]), expected, atol=1e-6)
    assert {"numpy", "onnxruntime"} <= set(found["modules"])
    assert NOT_NEEDED.isdisjoint(found["modules"])


def test_exported_program_names_classes(exported: Path, model: Model) -> None:
    raw = make_raw()
    answers = run(exported, "usage.py", text=json.dumps(raw.drop("label").to_dicts()))

    named = [CLASSES.index(answer["class"]) for answer in answers]
    assert np.mean(np.array(named) == raw["label"].to_numpy()) > 0.7
    assert all(sum(answer["probabilities"].values()) == pytest.approx(1) for answer in answers)


def test_exported_program_names_the_class_of_the_lowest_expected_cost(
    model: Model, tmp_path: Path
) -> None:
    costs = [[0, 1, 1], [9, 0, 9], [1, 1, 0]]  # to miss the middle class is expensive
    quality = QualityMetric(name="cost", worst=1.0, best=0.0, costs=costs)
    card = model.data_card.model_copy(update={"quality": quality})
    export_model(choose(model), dataclasses.replace(model, data_card=card), tmp_path)

    answers = run(tmp_path, "usage.py", text=json.dumps(make_raw().drop("label").to_dicts()))

    shares = np.array([list(answer["probabilities"].values()) for answer in answers])
    named = [CLASSES.index(answer["class"]) for answer in answers]
    assert named == (shares @ np.array(costs)).argmin(axis=1).tolist()
    assert named != shares.argmax(axis=1).tolist()


def test_every_file_has_its_hash(exported: Path) -> None:
    hashes = dict(
        line.split("  ")[::-1] for line in (exported / "SHA256SUMS").read_text().splitlines()
    )
    files = {str(p.relative_to(exported)) for p in exported.rglob("*") if p.is_file()}

    assert set(hashes) == {name for name in files if name != "SHA256SUMS" and ".pyc" not in name}
    for name, expected in hashes.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == expected


def test_bundle_arrives_whole(exported: Path, model: Model) -> None:
    bundle = read_bundle(exported / "bundle")

    assert bundle.sha256 == model.bundle.sha256
    assert {"model.onnx", "weights.skops"} <= set(bundle.files)


def test_profile_keeps_intervals_and_says_how_it_was_measured(exported: Path) -> None:
    found = json.loads((exported / "profile.json").read_text())

    assert found["profile"]["metrics"]["quality"] == {"value": 0.8, "low": 0.78, "high": 0.825}
    assert found["profile"]["metrics"]["latency_p50_ms"]["low"] is None
    assert found["profile"]["measured_how"]["preset"] == "quick"
    assert found["profile"]["metrics"]["latency_p99_ms"]["reason"] == "too few samples"
    assert found["disturbed"] is False
    assert found["environment"]["cpu"] == "Hand-made CPU"
    assert [one["n_threads"] for one in found["other_serving_configurations"]] == [2]


def test_model_json_says_what_the_compiled_graph_reads(exported: Path) -> None:
    call = json.loads((exported / "model.json").read_text())
    graph = onnx.load(exported / "model.onnx")

    types = {tensor.name: tensor.type.tensor_type.elem_type for tensor in graph.graph.input}
    widths = {
        tensor.name: tensor.type.tensor_type.shape.dim[1].dim_value for tensor in graph.graph.input
    }

    assert [one["dtype"] for one in call["inputs"]] == ["float32", "string"]
    assert types["numbers"] == onnx.TensorProto.FLOAT
    assert widths["numbers"] == 2 + len(call["filling"]["numbers"]["indicated"]) == 3
    assert len(call["filling"]["numbers"]["fill"]) == 2
    assert {"fold_scaling", "look_up_categories"} <= set(call["passes"])
    assert call["dropped_passes"] == []


def test_an_exports_gaps_are_filled_where_it_is_measured_too(exported: Path) -> None:
    raw = make_raw()
    columns = raw.drop("label").to_dict(as_series=False)
    expected = usage.open_model(exported)(columns).argmax(axis=1) == raw["label"].to_numpy()
    labels = [CLASSES[i] for i in raw["label"]]

    measured = rf.measure(exported, raw.drop("label"), labels)

    assert raw["size"].null_count() > 0
    assert measured.quality_raw.value == pytest.approx(expected.mean())


def test_readme_says_how_to_feed_it(exported: Path) -> None:
    readme = (exported / "README.md").read_text()

    assert "linear-000 (onnx, 1 thread) fits landsat best" in readme
    assert "| `size`, `n_parts` | a number;" in readme
    assert "**Input** `numbers`: float32, shape (n_rows, 3): `size`, `n_parts`" in readme
    assert "**Input** `texts`: string, shape (n_rows, 2): `day`, `origin`" in readme
    assert "low, middle, high" in readme
    assert "where 1.0 is `1`." in readme
    assert "Measured in the run of 2026-01-02 03:04 UTC" in readme
    assert "Input: encoded rows; feeding is not included." in readme
    assert "| Scaled quality | 0.800 | 0.780 to 0.825 |" in readme
    assert "| Quality | accuracy 0." in readme
    assert "`day`: weekday of `time`" in readme


def test_profile_names_the_weights_that_are_exported(exported: Path) -> None:
    stored = json.loads((exported / "profile.json").read_text())["profile"]

    assert stored["model_sha256"] == read_bundle(exported / "bundle").weights_sha256
    assert stored["quality_metric"] == "accuracy"


def test_model_that_has_learnt_since_it_was_ranked_is_exported_and_says_so(
    model: Model, tmp_path: Path
) -> None:
    answer = choose(model, model_sha256="0" * 64)
    since = "all rows, those that judged it too"

    export_model(dataclasses.replace(answer, learnt_since=since), model, tmp_path / "later")
    export_model(choose(model), model, tmp_path / "ranked")

    later, ranked = ((tmp_path / name / "README.md").read_text() for name in ("later", "ranked"))
    assert f"It has learnt {since}" in later
    assert "It has learnt" not in ranked


@pytest.mark.parametrize(
    ("n_rows", "text"),
    [
        (60, "60 train rows."),
        (75, "75 train and validation rows."),
        (95, "95 train, validation and test rows."),
        (88, "88 rows."),
        (None, "of rows that are not known."),
    ],
)
def test_readme_says_from_how_many_rows_the_model_has_learnt(
    n_rows: int | None, text: str, model: Model, tmp_path: Path
) -> None:
    card = make_data_card(n_rows={"train": 60, "validation": 15, "test": 20})
    bundle = dataclasses.replace(model.bundle, n_training_rows=n_rows)

    export_model(choose(model), dataclasses.replace(model, bundle=bundle, data_card=card), tmp_path)

    assert f"data version v1, {text}\n" in (tmp_path / "README.md").read_text()


def test_source_that_is_a_sentence_ends_in_one_full_stop(model: Model, tmp_path: Path) -> None:
    card = make_data_card(source="A shop's records, split column added.")

    export_model(choose(model), dataclasses.replace(model, data_card=card), tmp_path)

    assert "Source: A shop's records, split column added.\n" in (tmp_path / "README.md").read_text()


def serve_natively(winner: RankedCandidate) -> RankedCandidate:
    serving = dataclasses.replace(winner.serving, runtime="native")
    return winner.model_copy(update={"serving": serving})


def test_figures_of_a_native_runtime_are_marked(model: Model, tmp_path: Path) -> None:
    answer = choose(model, runtime="native", model_size_mib=None)
    assert answer.decision.winner is not None
    winner = serve_natively(answer.decision.winner)
    decision = answer.decision.model_copy(update={"winner": winner})

    export_model(dataclasses.replace(answer, decision=decision), model, tmp_path)

    assert "**native** runtime" in (tmp_path / "README.md").read_text()
    assert json.loads((tmp_path / "model.json").read_text())["onnx_file"] == "model.onnx"


def test_none_qualifies_is_an_error_with_the_nearest_miss(model: Model, tmp_path: Path) -> None:
    message = r"No candidate qualifies .*linear-000.* Would qualify: .* 0.01 ms instead of 0.001 ms"

    with pytest.raises(ValueError, match=message):
        export_model(choose(model, "dreamer"), model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_not_measured_is_refused(model: Model, tmp_path: Path) -> None:
    for sha256 in ("0" * 64, None):  # another model's, and of an older version
        with pytest.raises(ValueError, match=r"its weights are not those that were measured"):
            export_model(choose(model, model_sha256=sha256), model, tmp_path / "out")
    other = dataclasses.replace(model, data_card=make_data_card(data_version="v2"))
    with pytest.raises(ValueError, match=r"data version v1, the stored encoder belongs to v2"):
        export_model(choose(model), other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_winner_without_an_onnx_file_says_why_it_has_none(model: Model) -> None:
    files = {name: sha for name, sha in model.bundle.files.items() if name != "model.onnx"}
    bundle = dataclasses.replace(
        model.bundle, files=files, onnx=None, onnx_refused="ValueError: no operator for it"
    )
    winner = choose(model).decision.winner
    assert winner is not None

    with pytest.raises(
        ValueError, match=r"served natively only, .* refused: .* no operator for it"
    ):
        locate_onnx(serve_natively(winner), bundle)


def test_imported_winner_is_not_exported(model: Model, tmp_path: Path) -> None:
    bundle = dataclasses.replace(
        model.bundle, data_version="", configuration={"file": "mine.onnx", "input": "raw"}
    )

    with pytest.raises(ValueError, match=r"is imported: serve mine\.onnx itself"):
        export_model(choose(model), dataclasses.replace(model, bundle=bundle), tmp_path / "out")


def test_a_second_export_replaces_the_first(model: Model, tmp_path: Path) -> None:
    export_model(choose(model), model, tmp_path)
    (tmp_path / "bundle" / "old.onnx").touch()
    (tmp_path / "mine.txt").touch()
    export_model(choose(model), model, tmp_path)

    assert not (tmp_path / "bundle" / "old.onnx").exists()
    assert (tmp_path / "mine.txt").exists()


def test_a_folder_in_use_is_refused_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    check_folder(tmp_path / "new", force=False)
    check_folder(tmp_path, force=True)
    with pytest.raises(FileExistsError, match="--force"):
        check_folder(tmp_path, force=False)
    with pytest.raises(FileExistsError, match="not an empty folder"):
        check_folder(file, force=True)


@pytest.mark.parametrize("name", ["README.md", "usage.py", "model.json", "SHA256SUMS"])
def test_a_forced_export_replaces_a_link_and_spares_its_target(
    name: str, model: Model, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).symlink_to(secret)
    (folder / f"{name}.partial").symlink_to(secret)

    export_model(choose(model), model, folder)

    assert secret.read_text() == "mine"
    assert not (folder / name).is_symlink()
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("name", ["out", "out/bundle"])
def test_a_linked_folder_is_refused(name: str, model: Model, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(elsewhere)

    with pytest.raises(FileExistsError, match=f"{name} is a symbolic link"):
        export_model(choose(model), model, tmp_path / "out")
    assert not list(elsewhere.iterdir())


def test_bundle_that_names_files_elsewhere_exports_nothing_outside(
    model: Model, tmp_path: Path
) -> None:
    files = model.bundle.files | {"../../outside": "0" * 64}
    hostile = dataclasses.replace(model, bundle=dataclasses.replace(model.bundle, files=files))

    with pytest.raises(ValueError, match="no plain file name"):
        export_model(choose(model), hostile, tmp_path / "in" / "out")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "in" / "outside").exists()


def test_readme_takes_names_for_text(model: Model, tmp_path: Path) -> None:
    hostile = "<script>x</script> [a](http://b) `c` | d\n# e \x1b[2J"
    card = make_data_card(title=hostile, source=hostile)
    choice = dataclasses.replace(choose(model), purpose=hostile, application=hostile)

    export_model(choice, dataclasses.replace(model, data_card=card), tmp_path)

    readme = (tmp_path / "README.md").read_text()
    assert r"\<script\>x\</script\> \[a\](http://b) \`c\` \| d # e ?\[2J" in readme
    assert "<script>" not in readme
    assert "\x1b" not in readme
