"""plot_test.py - every picture is made, in every format, always the same, and nothing in it lies over anything else."""

import copy
import importlib
import os
import subprocess
import sys

from common import BUILD, above_noise, finish, measured, ok, skip, throughput_rows, work, written

try:
    importlib.import_module("matplotlib")
except ImportError:
    skip("plots", "this python3 has no matplotlib (Debian: python3-matplotlib)")
    finish()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from analysis import style  # noqa: E402
from analysis.load import load  # noqa: E402
from analysis.plots import PICTURES  # noqa: E402
from analysis.plots.base import Selection, legend_columns  # noqa: E402
from analysis.plots.heapmap import shares  # noqa: E402
from analysis.plots.latency import share_above  # noqa: E402

names = "null,libc,watermark,pool,freelist,slob,buddy,slab,segfit,tlsf"
rows = measured(f"--alloc={names}", "--runs=2", "--passes=space,throughput,latency,instructions")
above_noise(rows)
# More traces, as a sweep has them: the same rows under other names.
many = [
    {**row, "trace": {**row["trace"], "name": f"{name}.trace", "hash": f"{number:032x}"}}
    for number, name in enumerate(("compiler", "linker", "perl", "python3"))
    for row in rows
]
# And a model at three sizes.
many += [
    {
        **row,
        "trace": {**row["trace"], "name": f"model:churn:live={live}:ops=1000", "hash": f"{live:032x}", "peak_live_blocks": live},
    }
    for live in (1000, 10000, 100000)
    for row in rows
    if row["allocator"]["spec"] in ("slab", "tlsf", "buddy")
]
counted = any(row["pass"] == "instructions" and row["status"] == "done" for row in rows)
path = written(many)
results = load([path])


def plot(*args):
    command = [sys.executable, os.path.join(BUILD, "plot"), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=work.name)


def ticks_of(axes):
    """The labels of an axes' ticks: those that are seen, and all."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for minor in (False, True):
            for place, label in zip(axis.get_ticklocs(minor=minor), axis.get_ticklabels(minor=minor)):
                yield label, low <= place <= high


def texts_of(figure):
    """Every text that can be seen, with its box in pixels."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    ticks = {label: seen for axes in figure.findobj(Axes) for label, seen in ticks_of(axes)}
    found = [
        text
        for text in figure.findobj(Text)
        if ticks.get(text, text.get_visible()) and text.get_text().strip()
    ]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in dict.fromkeys(found)]


def try_texts(name, figure):
    """Each can be read."""
    texts = texts_of(figure)
    over = [
        (a, b)
        for place, (a, first) in enumerate(texts)
        for b, second in texts[:place]
        if first.shrunk(0.9, 0.8).overlaps(second.shrunk(0.9, 0.8))
    ]
    ok(not over, f"{name}: no text lies over another", over[:5])
    frame = figure.bbox
    cut = [
        text
        for text, box in texts
        if box.x0 < -1 or box.y0 < -1 or box.x1 > frame.x1 + 1 or box.y1 > frame.y1 + 1
    ]
    ok(not cut, f"{name}: no text is cut off", cut)


style.use()
for name, make in PICTURES.items():
    if name == "instructions" and not counted:
        skip(name, "no instructions on this machine: is qemu-user there?")
        continue
    picture = make(results, Selection())
    try_texts(name, picture.figure)
    bare = [
        axes.get_xlabel()
        for axes in picture.figure.findobj(lambda a: hasattr(a, "get_xlabel"))
        if not axes.get_xlabel()
    ]
    ok(not bare, f"{name}: every horizontal axis says what it is")
    ok(len(picture.rows) > 0 and {file for file, _ in picture.rows} == {path}, f"{name}: it names its rows")
    ok(len(picture.caption) > 40, f"{name}: it has a caption", picture.caption)
    picture.close()

# Long names: of a model, on two hosts, with options.
wide = [
    {
        **row,
        "host": {**row["host"], "name": host},
        "allocator": {**row["allocator"], "spec": row["allocator"]["spec"] + ("" if row["allocator"]["spec"] == "null" else ":fit=best")},
    }
    for host in ("raspberrypi", "board")
    for row in many
    if row["trace"]["name"] in ("perl.trace", "model:churn:live=1000:ops=1000", "model:churn:live=10000:ops=1000")
]
wide = load([written(wide)])
for name, make in PICTURES.items():
    if name != "instructions" or counted:
        picture = make(wide, Selection())
        try_texts(f"{name}, long names", picture.figure)
        picture.close()
ok(
    legend_columns([]) == legend_columns(["slab"] * 20) == 7 and legend_columns(["slab"] * 5 + ["x" * 90] * 2) == 2,
    "as many columns of a legend as fit",
    [legend_columns(names) for names in ([], ["slab"] * 20, ["slab"] * 5 + ["x" * 90] * 2)],
)

# One call in a million took 200 ns, one 10 ms.
calls = pd.DataFrame({"figures": [{"histogram": {"upto_ns_and_count": [[100, 999998], [200, 1], [1e7, 1]]}}]})
times, above = share_above(calls, "ns")
ok(
    times == [100, 200, 1e7] and np.allclose(above, [2e-6, 1e-6, 1e-6]),
    "latency: a curve goes on to the slowest call",
    (times, above),
)

looks = style.looks_of(["./mine.so", "./yours.so", "slab", "slab:magazines=0"])
ok(len({(look.colour, look.dash) for look in looks.values()}) == 4, "no two allocators look alike, also of unknown ones", looks)

both = throughput_rows({"a.trace": {"null": [1.0, 1.1], "slab": [2.0, 2.1]}})
both += [{**row, "settings": {**row["settings"], "touch": "all"}} for row in throughput_rows({"a.trace": {"null": [3.0, 3.1]}})]
picture = PICTURES["throughput"](load([written(both)]), Selection())
floors = [line.get_xdata()[0] for axes in picture.figure.findobj(Axes) for line in axes.get_lines() if line.get_linestyle() == "--"]
ok(np.allclose(sorted(floors), [1.05, 3.05]), "throughput: the floor of each way of touching", floors)
picture.close()

# Whose time is lost in the floor's, and who touches less than is live.
few = copy.deepcopy([row for row in rows if row["status"] == "done" and row["allocator"]["spec"] in ("slab", "tlsf", "buddy", "segfit")])
for row in few:
    if row["pass"] == "throughput":
        row["figures"]["above_floor_ns_per_op"] = -1.0 if row["allocator"]["spec"] == "tlsf" else 5.0
    elif row["pass"] == "space":
        row["figures"]["touched_peak_per_requested_peak"] = 0.1 if row["allocator"]["spec"] == "slab" else 1.2
picture = PICTURES["pareto"](load([written(few)]), Selection())
(axes,) = [axes for axes in picture.figure.findobj(Axes) if axes.collections]
places = [tuple(mark.get_offsets()[0]) for mark in axes.collections]
ok(
    len(places) == 3 and all(x > 0 and axes.get_ylim()[0] < y < axes.get_ylim()[1] for x, y in places),
    "pareto: what has no place on a log axis is left out, the rest is within the picture",
    (places, axes.get_ylim()),
)
picture.close()

# Bins 0, 1 and 5 of which the last is far away: a line of nothing stands for the gap.
drawn = shares({"bin_index": [0, 1, 5], "live_of_255": ["AP8=", "/wA=", "ZmY="]})
ok(
    drawn.shape == (4, 2)
    and drawn[[0, 1, 3]].round(6).tolist() == [[0, 100], [100, 0], [40, 40]]
    and np.isnan(drawn[2]).all(),
    "heapmap: bins are read from the rows, and a gap is told from what is empty",
    drawn,
)

# Of a malloc that does not say what it holds, what it touched is drawn.
hidden = [
    {**row, "figures": {**row["figures"], **({"held_peak_bytes": None} if row["allocator"]["spec"] == "libc" else {})}}
    for row in rows
    if row["pass"] == "space" and row["allocator"]["spec"] in ("libc", "slab")
]
picture = PICTURES["memory"](load([written(hidden)]), Selection())
named = {text for text, _ in texts_of(picture.figure)}
ok({"libc", "slab", "thin: touched"} <= named, "memory: where held is not known, touched is drawn, and said", named)
picture.close()

near = [
    {**row, "trace": {**row["trace"], "name": f"model:churn:live={live}", "hash": f"{live:032x}", "peak_live_blocks": live}}
    for live in (2000, 8000)
    for row in rows
    if row["pass"] == "throughput" and row["allocator"]["spec"] == "slab"
]
picture = PICTURES["scaling"](load([written(near)]), Selection())
numbers = [
    label.get_text()
    for axes in picture.figure.findobj(Axes)
    for label, seen in ticks_of(axes)
    if seen and axes.get_xlabel() and label in axes.get_xticklabels()
]
ok(len([number for number in numbers if number]) >= 2, "scaling: an axis of less than a decade has numbers, too", numbers)
picture.close()

picture = PICTURES["scaling"](results, Selection(["model:churn:live=1000:ops=1000", "model:churn:live=10000:ops=1000"], ["slab"]))
lines = [line for axes in picture.figure.findobj(Axes) for line in axes.get_lines()]
ok(
    len(lines) == (6 if counted else 2) and {tuple(line.get_xdata()) for line in lines} == {(1000, 10000)},
    "scaling: a line an allocator, of the sizes that were chosen",
    [line.get_xdata() for line in lines],
)
picture.close()

result = plot("all", path, "--directory=out")
files = set(os.listdir(os.path.join(work.name, "out")))
made = [name for name in PICTURES if f"{name}.pdf" in files]
ok(
    result.returncode == 0 and set(made) >= set(PICTURES) - {"instructions"},
    "plot all makes every picture",
    result,
)
ok(
    files == {f"{name}.{suffix}" for name in made for suffix in ("pdf", "svg", "png")},
    "as PDF, SVG and PNG",
    files,
)


def read(name):
    with open(os.path.join(work.name, name), "rb") as file:
        return file.read()


for suffix in ("svg", "pdf"):
    plot("throughput", path, f"--output=a.{suffix}")
    plot("throughput", path, f"--output=b.{suffix}")
    ok(read(f"a.{suffix}") == read(f"b.{suffix}"), f"the same rows make the same .{suffix}, byte for byte")
plot("throughput", path, "--trace=perl", "--alloc=slab,tlsf", "--output=two.svg")
text = read("two.svg").decode()
ok(
    "slab" in text and "tlsf" in text and "buddy" not in text and "linker" not in text,
    "only what was chosen is shown",
)

timed = written(throughput_rows({"a.trace": {"null": [1.0, 1.1], "slab": [2.0, 2.1]}}))
for name, args, code, said in (
    ("no such picture", ["portrait", path], 2, "invalid choice: 'portrait'"),
    ("no such format", ["memory", path, "--output=x.gif"], 2, ".pdf, .svg or .png"),
    ("one file for all", ["all", path, "--output=x.pdf"], 2, "name a --directory"),
    ("nothing to show", ["memory", timed], 3, "no row has bytes held; measure with ./replay --passes=space"),
    ("one size of a model", ["scaling", timed], 3, "make bench-scaling"),
    ("no such trace", ["throughput", path, "--trace=none"], 3, "no picture throughput"),
    ("no such file", ["throughput", "/no/such"], 3, "/no/such: cannot be read"),
    ("no place to write", ["throughput", path, "--output=/dev/null/x.pdf"], 4, "cannot be written"),
):
    result = plot(*args)
    ok(
        result.returncode == code and said in result.stderr and "Traceback" not in result.stderr,
        f"{name}: exit code {code}, and why",
        result,
    )

finish()
