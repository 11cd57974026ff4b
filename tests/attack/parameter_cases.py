"""Bad values for every parameter, made from the parameter models themselves.

The walk follows the models beside a right configuration, so a new parameter is attacked without a
line here.
"""

from __future__ import annotations

import copy
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, RootModel, ValidationError
from pydantic.fields import FieldInfo

from rightfit_kedro.grid import GridParams
from rightfit_kedro.validation import NAMED_BLOCKS, WHOLE_BLOCKS

Path = tuple[str | int, ...]
NOT_NUMBERS = (math.nan, math.inf, -math.inf, "many", "", "1", True, [], {}, [1], -1e308, 1e308)
UNBELIEVABLE = (10**400, -(10**400))
INFERRED = ("scenario",)  # where the metrics of an application tell it
REMOVED = object()  # instead of a value: the key is taken out


@dataclass(frozen=True)
class ParameterCase:
    """A value that must be refused.

    Args:
        path: Where it stands, from the block on.
        value: What stands there; :data:`REMOVED` for nothing.
    """

    path: Path
    value: Any

    def __str__(self) -> str:
        shown = "removed" if self.value is REMOVED else repr(self.value)[:60]
        return f"{'.'.join(map(str, self.path))}: {shown}"

    def apply(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of the parameters with the value in its place."""
        changed: Any = copy.deepcopy(dict(parameters))
        holder = changed
        for step in self.path[:-1]:
            holder = holder[step]
        if self.value is REMOVED:
            del holder[self.path[-1]]
        else:
            holder[self.path[-1]] = self.value
        return dict(changed)


def list_cases(parameters: Mapping[str, Any]) -> Iterator[ParameterCase]:
    """List values that no parameter may have.

    Args:
        parameters: A right configuration, the library's values included.
    """
    yield from _attack_model(GridParams, parameters["grid"], ("grid",))
    yield from _replace(("grid",), None, [], {}, "text", 5)
    for block, model in WHOLE_BLOCKS.items():
        yield from _attack_model(model, parameters[block], (block,))
        yield from _replace((block,), None, [], "text", 5, math.nan)
    for kind, model in NAMED_BLOCKS.items():
        names = parameters["grid"].get(kind, list(parameters[kind]))
        for name in names:
            yield from _attack_model(model, parameters[kind][name], (kind, name))
            yield from _replace((kind, name), None, [], "text", 5, math.nan)
        yield from _replace((kind,), None, [], "text", 5)


def sample(cases: Sequence[ParameterCase], *, n_each: int) -> list[ParameterCase]:
    """Choose some cases of every parameter, other kinds of values from one to the next.

    >>> cases = [ParameterCase((name,), value) for name in "ab" for value in range(4)]
    >>> [str(case) for case in sample(cases, n_each=2)]
    ['a: 0', 'a: 2', 'b: 1', 'b: 3']
    """
    by_path: dict[Path, list[ParameterCase]] = {}
    for case in cases:
        by_path.setdefault(case.path, []).append(case)
    chosen = []
    for place, of_one in enumerate(by_path.values()):
        n = min(n_each, len(of_one))
        picked = {(place + i * len(of_one) // n) % len(of_one) for i in range(n)}
        chosen += [of_one[i] for i in sorted(picked)]
    return chosen


def _replace(path: Path, *values: Any) -> Iterator[ParameterCase]:
    for value in values:
        yield ParameterCase(path, value)


def _attack_model(model: type[BaseModel], value: Any, path: Path) -> Iterator[ParameterCase]:
    if not isinstance(value, Mapping):
        return
    yield ParameterCase((*path, "unheard_of"), 1)
    for name, field in model.model_fields.items():
        if name in value:
            yield from _attack_field(field, value[name], (*path, name))
            is_needed = field.is_required() and name not in INFERRED
            if is_needed and path[0] in ("grid", "datasets", "applications"):
                yield ParameterCase((*path, name), REMOVED)  # others have the library's value


def _attack_field(field: FieldInfo, value: Any, path: Path) -> Iterator[ParameterCase]:
    options = list(_list_options(field.annotation))
    bounds = [*field.metadata, *_list_metadata(field.annotation)]
    if type(None) not in options and path[-1] not in INFERRED:
        yield ParameterCase(path, None)
    plain = [option for option in options if option is not type(None)]
    numeric = [option for option in plain if option in (int, float)]
    models = [option for option in plain if _is_model(option)]
    if numeric and str not in plain:
        yield from _attack_number(numeric, bounds, path)
    elif models:
        yield from _replace(path, [], 5, *(() if _takes_text(plain) else ("text",)))
        yield from _attack_fitting_model(models, value, path)
    else:
        yield from _attack_word(plain, bounds, path)
    for option in plain:
        if get_origin(option) is tuple:
            yield from _attack_list(option, bounds, value, path)
        elif get_origin(option) is dict:
            yield from _replace(path, [1], "text", 5, math.nan)
            inner = FieldInfo.from_annotation(get_args(option)[1])
            for name in list(value)[:2] if isinstance(value, Mapping) else ():
                yield from _attack_field(inner, value[name], (*path, name))


def _attack_word(kinds: list[Any], bounds: list[Any], path: Path) -> Iterator[ParameterCase]:
    if kinds == [bool]:
        yield from _replace(path, "maybe", "no", 7, [], {}, 0.5)
    elif kinds and all(get_origin(kind) is Literal for kind in kinds):
        yield from _replace(path, "nonsense", "", [], {}, 7, True, math.nan)
    elif kinds == [str]:
        takes_number = path[-2:-1] == ("classes",)  # whole numbers may name classes
        yield from _replace(path, [], {}, True, math.nan, *(() if takes_number else (5,)))
        if any(isinstance(bound, MinLen) for bound in bounds):
            yield ParameterCase(path, "")


def _attack_number(kinds: list[Any], bounds: list[Any], path: Path) -> Iterator[ParameterCase]:
    yield from _replace(path, *NOT_NUMBERS, *UNBELIEVABLE)
    if float not in kinds:
        yield ParameterCase(path, 1.5)
    for bound in bounds:
        match bound:
            case Ge(ge=end) | Le(le=end):
                sign = -1 if isinstance(bound, Ge) else 1
                beyond = [end + sign, end + sign * 1e-6]  # type: ignore[operator]
            case Gt(gt=end) | Lt(lt=end):
                sign = -1 if isinstance(bound, Gt) else 1
                yield ParameterCase(path, end)
                beyond = [end + sign]  # type: ignore[operator]
            case _:
                beyond = []
        yield from _replace(path, *(value for value in beyond if value != end))


def _attack_list(option: Any, bounds: list[Any], value: Any, path: Path) -> Iterator[ParameterCase]:
    yield from _replace(path, 5, math.nan, True, [[]], [{}])
    if any(isinstance(bound, MinLen) and bound.min_length for bound in bounds):
        yield ParameterCase(path, [])
    if not isinstance(value, list) or not value:
        return
    item, *rest = get_args(option)
    if rest == [...]:
        yield ParameterCase(path, [*value, value[0]])
    else:
        yield from _replace(path, value[:-1], [*value, value[0]])
    yield from _attack_field(FieldInfo.from_annotation(item), value[0], (*path, 0))


def _attack_fitting_model(
    models: list[type[BaseModel]], value: Any, path: Path
) -> Iterator[ParameterCase]:
    for model in models:
        try:
            model.model_validate(value)
        except ValidationError:
            continue
        if issubclass(model, RootModel):
            yield from _attack_field(model.model_fields["root"], value, path)
        else:
            yield from _attack_model(model, value, path)
        return


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _takes_text(options: list[Any]) -> bool:
    return any(option is str or get_origin(option) is Literal for option in options)


def _list_options(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _list_options(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _list_options(option)
    else:
        yield annotation


def _list_metadata(annotation: Any) -> Iterator[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for found in arguments[1:]:
            yield from found.metadata if isinstance(found, FieldInfo) else (found,)
        yield from _list_metadata(arguments[0])
    elif origin in (Union, types.UnionType):
        for option in arguments:
            yield from _list_metadata(option)
