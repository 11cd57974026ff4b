from __future__ import annotations

from importlib.util import find_spec

import pytest
from harness.python_programs import run_python

pytestmark = pytest.mark.whole


def test_families_of_scikit_learn_leave_array_libraries_alone() -> None:
    libraries = [name for name in ("torch", "dask") if find_spec(name)]
    code = (
        "import sys, importlib.util; from rightfit_search.families.registry import get_family;"
        "get_family('linear').load_libraries();"
        f"libraries = {libraries};"
        "print([name in sys.modules for name in libraries]);"
        # whoever wants one still can
        "of = 'sklearn.externals.array_api_compat.';"
        "print([importlib.util.find_spec(of + name) is not None for name in libraries])"
    )

    printed = run_python("-c", code, check=True)

    assert libraries
    n_libraries = len(libraries)
    assert printed.stdout == f"{[False] * n_libraries}\n{[True] * n_libraries}\n"
