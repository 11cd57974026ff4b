"""A broken file of the configuration is named with its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click import ClickException
from yaml_cases import YamlCase, list_cases

from rightfit._core.errors import RightfitError
from rightfit_kedro.config_loader import (
    check_data_root,
    explain_file,
    load_configuration,
    make_loader,
    name_files,
)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory, bootstrapped: Path) -> Path:
    """A configuration of a file of each kind, so that loading it takes no time."""
    folder = tmp_path_factory.mktemp("project") / "conf"
    (folder / "base").mkdir(parents=True)
    for name in ("catalog_raw.yml", "globals.yml", "parameters_grid.yml"):
        shutil.copy(bootstrapped / "conf" / "base" / name, folder / "base")
    return folder


@pytest.mark.parametrize("case", list_cases(), ids=lambda case: case.name)
def test_broken_file_is_named_with_its_line(case: YamlCase, conf: Path) -> None:
    shutil.rmtree(conf / "attack", ignore_errors=True)
    env = case.write(conf)
    key = case.file.split("_")[0].removesuffix(".yml")

    with pytest.raises((RightfitError, ClickException)) as caught:
        load_configuration(make_loader(conf, env=env), key)

    message = str(getattr(caught.value, "message", caught.value))
    assert "\n" not in message
    assert case.is_named(message)


def test_right_file_has_no_fault(bootstrapped: Path) -> None:
    assert [explain_file(path) for path in (bootstrapped / "conf" / "base").glob("*.yml")] != []
    assert set(map(explain_file, (bootstrapped / "conf" / "base").glob("*.yml"))) == {None}


@pytest.mark.parametrize("given", [None, "", "  ", 5, True, [], "~/data", "a*b", "a\nb", "a[1]"])
def test_data_root_that_is_no_folder_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="data_root must be a folder or a URL"):
        check_data_root(given)


@pytest.mark.parametrize("given", ["data", "/srv/a b", "x?#%y", "s3://bucket/study", "données"])
def test_other_data_roots_are_taken(given: str) -> None:
    assert check_data_root(given) == given


@pytest.fixture(scope="module", params=["folder", "archive"])
def source(request: pytest.FixtureRequest, conf: Path) -> Path:
    """The configuration, or its archive as ``kedro package`` makes it."""
    if request.param == "folder":
        return conf
    return Path(shutil.make_archive(str(conf), "gztar", root_dir=conf.parent, base_dir="conf"))


def test_environment_without_a_folder_is_named(source: Path) -> None:
    with pytest.raises(ClickException, match=r"no environment 'bas' in .*mean 'base'\?\)"):
        make_loader(source, env="bas")


def test_base_stands_alone_where_the_default_environment_has_no_folder(source: Path) -> None:
    assert load_configuration(make_loader(source, env=None), "parameters")["grid"]


def test_a_message_names_the_file_that_holds_the_block(tmp_path: Path) -> None:
    base = tmp_path / "conf" / "base"
    base.mkdir(parents=True)
    (base / "parameters.yml").write_text("ours: 1\ntraining:\n  seed: 1\n")
    (base / "parameters_grid.yml").write_text("grid: {}\n")
    loader = make_loader(tmp_path / "conf", env=None)
    message = "Correct parameters_training.yml. Correct parameters_{}.yml."

    named = [name_files(loader, message.format(block)) for block in ("grid", "ranking")]

    assert named == [
        "Correct parameters.yml. Correct parameters_grid.yml.",
        "Correct parameters.yml. Correct --params, or add parameters_ranking.yml to conf/base.",
    ]
