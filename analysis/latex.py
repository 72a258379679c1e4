"""latex.py - a fragment of LaTeX for a paper: booktabs tables, and the pictures as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis import style
from analysis.figures import Table, figure_text, tables
from analysis.load import Results
from analysis.plots import PICTURES
from analysis.plots.base import NothingToShow, Selection

_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "^": r"\textasciicircum{}",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "–": "--",
        "±": r"$\pm$",
        "µ": r"$\mu$",
        "−": "$-$",
        "~": r"\textasciitilde{}",
    }
)


def tex(text: str) -> str:
    """Text as LaTeX has it."""
    return text.translate(_TEX)


PAPER_COLUMNS = (
    "above",
    "own_worst",
    "own_worst_cycles",
    "own_worst_ns_per_op",
    "malloc_mean",
    "malloc_worst",
    "free_mean",
    "free_worst",
    "held",
    "touched",
    "arena",
)


def latex(found: Sequence[Table], captions: dict[str, str]) -> str:
    """A fragment: a booktabs table for each trace, a figure for each picture; to be \\input."""
    lines = [
        "% Needs \\usepackage{booktabs,graphicx}. Made by heapbench; see the report for what each figure means."
    ]
    for table in found:
        columns = [column for column in table.columns if column.name in PAPER_COLUMNS]
        lines += [
            r"\begin{table}\centering\small",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            r"\begin{tabular}{l" + "r" * len(columns) + "}",
            r"\toprule",
            " & ".join(["allocator", *(tex(column.title) for column in columns)]) + r" \\",
            " & ".join(["", *(tex(f"[{table.unit(column)}]") for column in columns)]) + r" \\",
            r"\midrule",
        ]
        for name, figures in table.lines.items():
            cells = [tex(figure_text(column, figures[column.name])) for column in columns]
            lines.append(" & ".join([tex(name), *cells]) + r" \\")
        trace = tex(table.trace)
        lines += [
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\caption{{{trace} on {tex(table.host)}, {table.facts['ops']:,} ops.}}",
            r"\end{table}",
            "",
        ]
    for name, caption in captions.items():
        lines += [
            r"\begin{figure}\centering",
            rf"\includegraphics[width=\linewidth]{{{name}.pdf}}",
            rf"\caption{{{tex(caption)}}}",
            r"\end{figure}",
            "",
        ]
    return "\n".join(lines)


def write(results: Results, directory: Path) -> Path:
    """The fragment as report.tex and its pictures as PDF, in a directory that is there; returns the fragment's path."""
    captions = {}
    for name, make in PICTURES.items():
        try:
            picture = make(results, Selection())
        except NothingToShow:
            continue
        picture.lay_out()
        picture.figure.savefig(directory / f"{name}.pdf", metadata={"CreationDate": None})
        captions[name] = picture.caption
        picture.close()
    path = directory / "report.tex"
    path.write_text(latex(list(tables(results, style.order_of)), captions), encoding="utf-8")
    return path
