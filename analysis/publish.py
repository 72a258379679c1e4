"""publish.py - one page that answers which allocator suits which trace, and shows why: HTML, and a fragment of LaTeX.

The page needs no network and no other file. Every figure carries the places of its rows (file:line), so that it can be
worked out again; what is missing says why where it would stand.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from rich.progress import Progress

from analysis import answer, claims, latex, style, summary
from analysis.command import EXIT_DONE, EXIT_LACKS, Parser, fail, read_results, words
from analysis.figures import COLUMNS, Column, Table, figure_text, tables
from analysis.load import Results, memory_text
from analysis.plots import PICTURES
from analysis.plots.base import NothingToShow, Picture, Row, Selection

HERE = Path(__file__).resolve().parent

# ---- Numbers -----------------------------------------------------------------------------------------------------------


def _best_of(table: Table) -> dict[str, float]:
    """The least of each column: of all of them less is better. Yardsticks do not compete, nor does who is alone."""
    best = {}
    for column in table.columns:
        values = [
            line[column.name].value for name, line in table.lines.items() if not summary.is_yardstick(name)
        ]
        known = [value for value in values if not math.isnan(value)]
        best[column.name] = min(known) if len(known) > 1 else math.nan
    return best


def row_names(rows: Iterable[Row], directory: str) -> str:
    """Rows as file:line,line, a line a file; files as seen from the directory that the report is in."""
    by_file: dict[str, list[int]] = {}
    for file, line in rows:
        by_file.setdefault(os.path.relpath(file, directory), []).append(line)
    return "\n".join(f"{file}:{','.join(map(str, sorted(lines)))}" for file, lines in by_file.items())


# ---- Hosts side by side ------------------------------------------------------------------------------------------------

# The figures that stand side by side: the three axes of the answer, each way that they are measured.
BESIDE = ("above", "own_worst", "own_worst_cycles", "own_worst_ns_per_op", "malloc_worst", "free_worst", "held", "touched")


@dataclass(frozen=True)
class Beside:
    """One trace on several hosts: the columns, each of a host's table, and the allocators that any host has."""

    trace: str
    columns: list[tuple[Column, Table]]
    allocators: list[str]


def side_by_side(all_tables: Sequence[Table]) -> Iterator[Beside]:
    """Every trace that more than one host has."""
    by_trace: dict[tuple[str, str], list[Table]] = {}
    for table in all_tables:
        by_trace.setdefault((table.facts["name"], table.hash), []).append(table)
    for mine in by_trace.values():
        columns = [
            (column, table)
            for column in COLUMNS
            if column.name in BESIDE
            for table in mine
            if any(not math.isnan(line[column.name].value) for line in table.lines.values() if column.name in line)
        ]
        if len(mine) > 1:
            yield Beside(mine[0].trace, columns, style.order_of(name for table in mine for name in table.lines))


# ---- Hosts, and what is missing ----------------------------------------------------------------------------------------

HOST_FACTS = {
    "board_model": "board",
    "cpu_model": "processor",
    "cpus": "processors",
    "architecture": "architecture",
    "word_bits": "word, bits",
    "emulated_by": "emulated by",
    "governor": "governor",
    "clock_source": "clock source",
    "kernel": "kernel",
    "page_bytes": "page, bytes",
    "compiler": "compiler",
    "flags": "flags",
    "version": "version",
    "revision": "revision",
}


def _span(least: float, most: float) -> str:
    texts = dict.fromkeys(f"{value:.1f}" for value in (least, most))
    return " to ".join(texts)


def _applies(fact: dict[str, Any], key: str) -> bool:
    """Whether a row tells this of its machine; by what a machine is emulated only where it is."""
    return key in fact and (key != "emulated_by" or bool(fact.get("emulated")))


def hosts(results: Results) -> Iterator[dict[str, Any]]:
    """Every host with its facts, and how noisy it was found over its sweeps."""
    for name, rows in results.table.groupby("host", sort=False):
        facts = list(rows["host_facts"])
        shares = [fact["noise_share"] for fact in facts]
        yield {
            "name": name,
            "facts": {
                title: ", ".join(dict.fromkeys("unknown" if fact[key] is None else str(fact[key]) for fact in told))
                for key, title in HOST_FACTS.items()
                if (told := [fact for fact in facts if _applies(fact, key)])
            },
            "pages": ", ".join(dict.fromkeys(pages for pages in rows["pages"] if pages)),
            "noise": f"{_span(min(shares) * 100, max(shares) * 100)} % of a test loop's time went elsewhere, up to "
            f"{max(fact['noise_worst_ns'] for fact in facts) / 1000:,.0f} µs at once; {memory_text(rows)}",
        }


def missing(results: Results) -> list[dict[str, str]]:
    """What was not done, with its reason, once for each host, allocator and reason."""
    rows = results.table[results.table["status"] != "done"]
    found: dict[tuple[str, ...], list[str]] = {}
    for _, row in rows.iterrows():
        key = (row["host"], row["allocator"], row["pass"], row["status"], re.sub(r"\d+", "N", row["reason"]))
        found.setdefault(key, []).append(f"{row['trace']}: {row['reason']}")
    return [
        {
            "host": host,
            "allocator": allocator,
            "pass": name,
            "status": status,
            "reason": reasons[0],
            "more": str(len(set(reasons)) - 1),
        }
        for (host, allocator, name, status, _), reasons in found.items()
    ]


# ---- Pictures ----------------------------------------------------------------------------------------------------------


def _inline(picture: Picture) -> Markup:
    """The picture as SVG within the page, its ids made its own."""
    svg = picture.svg()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<image [^>]*) id="[^"]*"', r"\1", svg)  # equal images have equal ids, which nothing refers to
    svg = re.sub(r'(id="|xlink:href="#|url\(#)', rf"\g<1>{picture.name}-", svg)
    label = f'role="img" aria-label="Picture: {picture.name}"'
    return Markup(
        re.sub(
            r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
            rf'<svg viewBox="\1" {label} xmlns:xlink="http://www.w3.org/1999/xlink">',
            svg,
            count=1,
        )
    )


def pictures(
    results: Results, tell: Progress | None = None
) -> Iterator[tuple[str, str, Markup, Sequence[Row]]]:
    """Name, caption, SVG and rows of every picture; where there is nothing to show, the reason and no picture."""
    task = tell.add_task("pictures", total=len(PICTURES)) if tell else None
    for name, make in PICTURES.items():
        try:
            picture = make(results, Selection())
            yield name, picture.caption, _inline(picture), picture.rows
            picture.close()
        except NothingToShow as reason:
            yield name, f"Not shown: {reason}.", Markup(""), []
        if tell is not None and task is not None:
            tell.advance(task)


# ---- The page ----------------------------------------------------------------------------------------------------------


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=jinja2.select_autoescape(["html.j2", "html"], default=True),
    )
    environment.globals.update(
        figure_text=figure_text, isnan=math.isnan, best_of=_best_of, is_yardstick=summary.is_yardstick
    )
    return environment


def html(results: Results, directory: str, tell: Progress | None = None) -> str:
    """The whole page; files of rows are named as seen from the directory."""
    found = list(summary.studies(results))
    environment = _environment()
    environment.globals["row_names"] = lambda rows: row_names(rows, directory)
    template = environment.get_template("report.html.j2")
    all_tables = list(tables(results, style.order_of))
    names = list(dict.fromkeys(results.table["host"]))
    return template.render(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        sentences=answer.sentences_by_host(found),
        answers=answer.answers(found),
        caveats={name: answer.caveat_of(name) for study in found for name in study.table.index if answer.caveat_of(name)},
        axes={axis: " or ".join(dict.fromkeys(one.axis_text(axis) for one in found)) for axis in summary.AXES},
        tables=all_tables,
        beside=list(side_by_side(all_tables)),
        claims=claims.judge(all_tables),
        titles={column.name: f"{column.title}, {column.unit}" for column in COLUMNS},
        digits={column.name: column.digits for column in COLUMNS},
        hosts=list(hosts(results)),
        missing=missing(results),
        problems=results.problems,
        pictures=list(pictures(results, tell)),
        files=sorted({os.path.relpath(file, directory) for file in results.table["file"]}),
        hot=(results.hot_left_out, results.hot_kept),
        shared=results.shared,
        several_hosts=len(names) > 1 or bool(results.table["emulated"].any()),
        place={name: number for number, name in enumerate(names, 1)},
    )


# ---- The program -------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    parser = Parser(
        prog="publish",
        description="Make one page of results of ./replay --json: the answer, tables, pictures, and where each figure is from.",
        epilog="The answer in words and the path go to stdout. Exit status: 0 done; 2 usage; 3 nothing in the results can be used; 4 a file cannot be written.",
    )
    parser.add_argument(
        "results", nargs="+", type=Path, help="results (JSON lines), of any number of hosts and revisions"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page (%(default)s)",
    )
    parser.add_argument(
        "--latex", type=Path, metavar="DIR", help="also write report.tex and the pictures as PDF there"
    )
    options = parser.parse_args(arguments)
    results = read_results(parser.prog, options.results)
    style.use()
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with Progress(console=words, transient=True, disable=not words.is_terminal) as tell:
            page = html(results, str(options.output.resolve().parent), tell)
        options.output.write_text(page, encoding="utf-8")
        told = answer.sentences_by_host(list(summary.studies(results)))
        for host, words_of_host in told.items():
            print(*([f"On {host}:"] if len(told) > 1 else []), *words_of_host, sep="\n")
        print(f"report: {options.output}")
        if options.latex:
            options.latex.mkdir(parents=True, exist_ok=True)
            print(f"LaTeX: {latex.write(results, options.latex)}")
    except OSError as error:
        fail(parser.prog, EXIT_LACKS, f"{error.filename}: cannot be written: {error.strerror}")
    return EXIT_DONE
