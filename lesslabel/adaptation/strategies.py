"""Make strategies by their names, with what a bundle gives them."""

from lesslabel.bundle import Bundle
from lesslabel.errors import ConfigError
from lesslabel.selection import STDR, STRATEGIES, PatientEnds, Strategy

_STDR = ("stdr", "stdr-invariant", "stdr-specific")


def make_strategy(name: str, bundle: Bundle | None, seed: int, *, diversity: bool = False) -> Strategy:
    """Make a strategy by its name; STDR and `PatientEnds` take the references of the bundle.

    Args:
        name: a key of `lesslabel.selection.STRATEGIES`, ``stdr-invariant`` or ``stdr-specific`` for one end of STDR; in
            small or capital letters.
        bundle: the bundle of the source; None if there is none.
        seed: random seed.
        diversity: of STDR, see there.

    Raises:
        ConfigError: if there is no such strategy, it takes no `diversity`, or it needs a bundle.
    """
    require_strategy(name, diversity=diversity)
    name = name.lower()
    if name in _STDR:
        if bundle is None:
            raise ConfigError(f"strategy '{name}' compares with the references of a source; pass --bundle")
        ends = name.removeprefix("stdr").removeprefix("-") or "both"
        return STDR.from_references(bundle.references, ends=ends, diversity=diversity)  # type: ignore[arg-type]  # one of the three
    if bundle is not None and name == PatientEnds.name:
        return PatientEnds(seed).fit(bundle.references)
    return STRATEGIES[name](seed)


def require_model(strategy: Strategy) -> None:
    """Refuse a strategy that needs a model where there is none.

    Raises:
        ConfigError: lists those that do not.
    """
    if strategy.needs:
        without = ", ".join(name for name, kind in STRATEGIES.items() if not kind.needs)
        raise ConfigError(
            f"strategy '{strategy.name}' needs a model; pass --bundle or --run, or choose one of {without}"
        )


def require_strategy(name: str, *, diversity: bool = False) -> None:
    """Refuse an unknown strategy, or `diversity` for one that has no such option; see `make_strategy`.

    Raises:
        ConfigError: if there is no such strategy; lists all.
    """
    name = name.lower()
    if name in _STDR:
        return
    if name not in STRATEGIES:
        known = ", ".join((*STRATEGIES, "stdr-invariant", "stdr-specific"))
        raise ConfigError(f"strategy: '{name}' is not one of {known}")
    if diversity:
        raise ConfigError(f"--diversity is an option of stdr, not of {name}; leave it out")


def name_strategy(strategy: Strategy) -> str:
    """The name of a strategy in a queue: that of `make_strategy`, and whether the choice was diverse."""
    if not isinstance(strategy, STDR):
        return strategy.name
    ends = "" if strategy.ends == "both" else f"-{strategy.ends}"
    return f"{strategy.name}{ends}{' with diversity' if strategy.diversity else ''}"
