from __future__ import annotations

import pytest
from harness.python_programs import run_python

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("library", ["torch", "dask"])
def test_families_of_scikit_learn_leave_array_libraries_alone(library: str) -> None:
    pytest.importorskip(library)
    code = (
        "import sys, importlib.util; from rightfit.models.registry import get_family;"
        "get_family('linear').load_libraries();"
        f"name = 'sklearn.externals.array_api_compat.{library}';"
        # whoever wants it still can
        f"print('{library}' in sys.modules, importlib.util.find_spec(name) is not None)"
    )

    printed = run_python("-c", code, check=True)

    assert printed.stdout == "False True\n"
