"""style.py - how every picture looks: one colour and one marker an allocator, everywhere.

Colours are P. Tol's "muted" scheme (Colour Schemes, SRON/EPS/TN/09-002, 2021), told apart with the common kinds of
colour blindness; a marker and a dash pattern say the same once more, for print without colours. Mallocs of others are
grey and dashed, yardsticks black.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import matplotlib

matplotlib.use("Agg")  # pictures go to files

from matplotlib import colors, rcParams  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402


@dataclass(frozen=True)
class Look:
    """What an allocator looks like."""

    colour: str
    marker: str
    dash: str = "-"


LOOKS = {
    "null": Look("#000000", "|"),
    "null-inline": Look("#000000", "_"),
    "oracle": Look("#000000", "*"),
    "libc": Look("#555555", "s", "--"),
    "jemalloc": Look("#777777", "P", "--"),
    "tcmalloc": Look("#999999", "X", "-."),
    "mimalloc": Look("#888888", "d", ":"),
    "watermark": Look("#AA4499", "^"),
    "pool": Look("#DDAA33", "o"),
    "freelist": Look("#999933", "v"),
    "bitmap": Look("#882255", "p"),
    "slob": Look("#CC6677", "<"),
    "buddy": Look("#332288", "D"),
    "slab": Look("#44AA99", "o"),
    "segfit": Look("#117733", "s"),
    "tlsf": Look("#66AADD", ">"),
}
UNKNOWN = Look("#BB5566", "h", ":")

PAPER = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.grid": True,
    "axes.grid.which": "major",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "errorbar.capsize": 2,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "heapbench",  # the same picture is the same file
    "pdf.fonttype": 42,
    "legend.frameon": False,
}


def use() -> None:
    """Sets the style for all pictures of this process."""
    rcParams.update(PAPER)


def base_name(spec: str) -> str:
    """The allocator of a name such as "slab:reserve=2 guarded on mmap", of a plug-in's path its file."""
    spec = re.sub(r"( guarded)?( touching [^ ]+)?( on [^ ]+)?$", "", spec)
    return spec.split("/")[-1].split(":")[0].removesuffix(".so") if "/" in spec else spec.split(":")[0]


def _lighter(colour: str, steps: int) -> str:
    hue, light, saturation = colorsys.rgb_to_hls(*colors.to_rgb(colour))
    return str(colors.to_hex(colorsys.hls_to_rgb(hue, min(0.85, light + 0.13 * steps), saturation)))


def looks_of(specs: Iterable[str]) -> dict[str, Look]:
    """A look for each; the same allocator with other options is lighter, and dashed."""
    dashes = ["-", "--", "-.", ":"]
    seen: dict[str, int] = {}
    found: dict[str, Look] = {}
    for spec in specs:
        name = base_name(spec)
        kind = name if name in LOOKS else ""  # all that are unknown look alike but for this
        variant = seen.get(kind, 0)
        seen[kind] = variant + 1
        look = LOOKS.get(name, UNKNOWN)
        if variant:
            look = replace(look, colour=_lighter(look.colour, variant), dash=dashes[variant % len(dashes)])
        found[spec] = look
    return found


def order_of(specs: Iterable[str]) -> list[str]:
    """Specs in the order of the table of looks, what it does not have last."""
    rank = {name: place for place, name in enumerate(LOOKS)}
    return sorted(set(specs), key=lambda spec: (rank.get(base_name(spec), len(rank)), spec))


TITLE = 26  # letters that a line above a panel has room for


def panel_title(axes: Axes, title: str) -> None:
    """The name of a panel, left above it; a long one, as of a model with its options, in several lines."""
    lines = []
    while len(title) > TITLE:
        cut = max(title.rfind(mark, 0, TITLE) for mark in ": ") + 1 or TITLE
        lines.append(title[:cut])
        title = title[cut:]
    axes.set_title("\n".join([*lines, title]), loc="left", fontweight="bold")
