"""Changes in place: what a function of the student's did to its arguments, done to the judge's."""

import sys
from typing import Any


def mutate(target: Any, after: Any, undo: list[tuple[Any, Any]]) -> None:
    """Make a mutable value equal to another of its type, in place."""
    if type(target) is tuple:
        for mine, new in zip(target, after, strict=False):
            if (type(mine) is type(new) and isinstance(mine, list | dict | set)) or hasattr(
                mine, "shape"
            ):
                mutate(mine, new, undo)
        return
    if isinstance(target, list | dict | set | bytearray):
        undo.append((target, target.copy()))
    elif type(target).__name__ in ("ndarray", "Tensor"):
        undo.append((target, target.clone() if hasattr(target, "clone") else target.copy()))
    overwrite(target, after)


def overwrite(target: Any, after: Any) -> None:
    """Make a mutable value equal to another; arrays only where shape and type fit."""
    match target:
        case list():
            mine = list(target)
            target[:] = [_kept(mine[i], v) if i < len(mine) else v for i, v in enumerate(after)]
        case dict():
            kept = {k: _kept(target[k], v) if k in target else v for k, v in after.items()}
            target.clear()
            target.update(kept)
        case set():
            target.clear()
            target.update(after)
        case bytearray():
            target[:] = after
        case _ if type(target).__name__ == "ndarray":
            if target.shape == after.shape and target.dtype == after.dtype:
                target[...] = after
        case _ if type(target).__name__ == "Tensor":
            if target.dtype == after.dtype:
                target.data.copy_(after) if target.shape == after.shape else target.data.set_(after)


def _kept(mine: Any, new: Any) -> Any:
    """Keep the identity of what lies within a list or dict, where its type is the same."""
    mutable = isinstance(mine, list | dict | set | bytearray)
    if type(mine) is not type(new) or not (mutable or hasattr(mine, "shape")):
        return new
    if hasattr(mine, "shape") and (mine.shape != new.shape or mine.dtype != new.dtype):
        return new
    if type(mine).__name__ in ("ndarray", "Tensor") or mutable:
        overwrite(mine, new)
        return mine
    return new


def is_view_of(changed: Any, names: dict[str, Any], given: set[str]) -> bool:
    """Return whether an array or tensor shares memory with one of the given names."""
    owners = [names[name] for name in given if type(names.get(name)) is type(changed)]
    if type(changed).__name__ == "ndarray":
        return any(sys.modules["numpy"].may_share_memory(owner, changed) for owner in owners)
    if type(changed).__name__ == "Tensor":
        place = changed.untyped_storage().data_ptr()
        return any(owner.untyped_storage().data_ptr() == place for owner in owners)
    return False
