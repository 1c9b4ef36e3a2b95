"""Methods by what a user writes."""

__all__ = ["find_methods"]

import re
from collections.abc import Sequence

from figureground.base.errors import OptionError, unknown_option
from figureground.methods.method import CamMethod
from figureground.methods.registry import METHODS


def find_methods(methods: str | CamMethod | Sequence[str | CamMethod]) -> dict[str, CamMethod]:
    """The methods that were asked for.

    Args:
        methods: Names (``grad-cam``; case and punctuation do not matter, ``GradCAMPlusPlus`` and ``gradcam++`` are
            ``grad-cam++``), instances with options (``EigenCAM(center=True)``), one or several.

    Returns:
        Name -> method, in the order asked for.

    Raises:
        OptionError: Unknown name, nothing asked for, or one name twice.

    Examples:
        >>> list(find_methods(["GradCAM++", "eigencam"]))
        ['grad-cam++', 'eigen-cam']
    """  # noqa: DOC501 - unknown_option makes an OptionError
    asked = [methods] if isinstance(methods, str | CamMethod) else list(methods)
    if not asked:
        raise OptionError("no method asked for")
    known = {_canonical(name): name for name in METHODS}
    found: dict[str, CamMethod] = {}
    for one in asked:
        if isinstance(one, CamMethod):
            name, method = one.name, one
        else:
            key = _canonical(one)
            if key not in known:
                raise unknown_option("method", one, METHODS)
            name = known[key]
            method = METHODS[name].load()()
        if name in found:
            raise OptionError(
                f"method '{name}' is asked for twice; run it twice to compare its options"
            )
        found[name] = method
    return found


def _canonical(name: str) -> str:
    """Letters and digits only, ``++`` spelled out."""
    spelled = re.sub(r"[^a-z0-9+]", "", name.lower()).replace("++", "plusplus").replace("+", "")
    spelled = re.sub(r"campp$", "camplusplus", spelled)
    return "dff" if spelled == "deepfeaturefactorization" else spelled
