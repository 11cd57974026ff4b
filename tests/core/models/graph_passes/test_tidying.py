from __future__ import annotations

import numpy as np
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes.tidying import keep_answers, remove_copies
from rightfit.models.onnx_graph import GraphBuilder

ROWS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


def test_outputs_beside_the_answers_go_with_what_computes_them() -> None:
    own = GraphBuilder("own/")
    scores = add_product(own, "rows", 3, 2)
    own.add("Softmax", scores, outputs=["probabilities"], axis=1)
    own.add("Cast", own.add("ArgMax", scores, axis=1, keepdims=0), outputs=["label"], to=1)
    model = make_graph(own, {"rows": ("float32", 3)}, ["probabilities", "label"])

    kept = keep_answers(model)

    assert [tensor.name for tensor in kept.graph.output] == ["probabilities"]
    assert list_operators(kept) == ["Gemm", "Softmax"]
    assert len(model.graph.output) == 2
    np.testing.assert_array_equal(run_graph(kept, rows=ROWS), run_graph(model, rows=ROWS))
    assert keep_answers(kept) is kept


def test_a_graph_without_known_answers_keeps_its_outputs() -> None:
    own = GraphBuilder("own/")
    add_product(own, "rows", 3, 2)
    model = make_graph(own, {"rows": ("float32", 3)}, [own.nodes[-1].output[0]])

    assert keep_answers(model) is model


def test_copies_go_from_the_beginning_the_middle_and_the_end() -> None:
    own = GraphBuilder("own/")
    scores = add_product(own, own.add("Identity", "rows"), 3, 2)
    again = own.cast(own.add("Identity", scores), "float32")
    own.add("Identity", own.add("Softmax", again, axis=1), outputs=["probabilities"])
    model = make_graph(own, {"rows": ("float32", 3)})

    tidied = remove_copies(model)

    assert list_operators(tidied) == ["Gemm", "Softmax"]
    assert [tensor.name for tensor in tidied.graph.output] == ["probabilities"]
    np.testing.assert_array_equal(run_graph(tidied, rows=ROWS), run_graph(model, rows=ROWS))
    assert remove_copies(tidied) is tidied


def test_an_input_that_is_the_answer_is_still_copied() -> None:
    own = GraphBuilder("own/")
    own.add("Identity", "rows", outputs=["probabilities"])
    model = make_graph(own, {"rows": ("float32", 3)})

    assert remove_copies(model) is model
