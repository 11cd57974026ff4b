from __future__ import annotations

import pytest
from harness.python_programs import run_python

pytestmark = pytest.mark.whole


def test_families_of_scikit_learn_leave_torch_alone() -> None:
    pytest.importorskip("torch")
    code = (
        "import sys, importlib.util; from rightfit.models.registry import get_family;"
        "get_family('linear').load_libraries();"
        "name = 'sklearn.externals.array_api_compat.torch';"
        # whoever wants it still can
        "print('torch' in sys.modules, importlib.util.find_spec(name) is not None)"
    )

    printed = run_python("-c", code, check=True)

    assert printed.stdout == "False True\n"
