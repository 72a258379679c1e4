"""load.py - reads results (*.jsonl), each row checked against results/schema.json, into one table.

A row that cannot be used is a problem, named with its file and line; the others are used all the same. Rows of several
hosts, revisions and sweeps stand side by side: a cell is one allocator on one page source, trace, host and revision.

So that nothing of two cells is pooled, what goes by the names `host`, `trace` and `allocator` alone tells all of that
apart. Where a host has results of two revisions or word sizes, or in two sets of instructions, its name says which; where
two traces of a host have one name, it has some of the hash; an allocator's name says whether it was guarded, and where it
was measured in several ways, how its blocks were touched and on which page source it stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastjsonschema
import jsonschema
import numpy as np
import pandas as pd

SCHEMA_PATH = Path(__file__).resolve().parent.parent / "results" / "schema.json"

# What makes a cell: all else of a row is about one run of it.
CELL = ["host", "trace", "hash", "allocator"]

USUAL_PAGES = "arena"  # a name does not say that an allocator stood on this
USUAL_TOUCH = "page"
HASH_DIGITS = 8  # of a trace's hash, where its name is another's, too
EMULATED = " (emulated)"  # ends the name of a host whose times are an emulator's

LATENCY_UNITS = ("ns", "cycles", "ns_per_op")  # end the names of a latency row's figures: of one unit in each row

UNIT_WORDS = {"ns": "ns", "cycles": "cycles", "ns_per_op": "ns/op of a batch"}

FLOOR = "null"  # the allocator whose time is that of the replay loop itself


@dataclass(frozen=True)
class Problem:
    """Why a row, or a file, is not used."""

    file: str
    line: int  # from 1; 0: the whole file
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass
class Results:
    """The rows of some files as a table, and what was wrong with the others. A run that was done again, as the machine
    was throttled in it, has only the row of its repetition; one that counts in spite of that says so in `throttled`.

    Columns: CELL; machine, revision, word_bits, trace_name, spec, touch, pages and instruction_set ("" but of the
    instructions pass), which the names of a cell are made of; emulated; file, line (where the row stands, so that a
    figure can be led back to it); sweep (counts the sweeps appended to one file), pass, run, turn, status, reason, op;
    throttled, shared, memory_load_ns, last_cache_load_ns, repetition; figures, missing, settings, host_facts,
    trace_facts (as in the row).
    """

    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    hot_left_out: int = 0  # rows that were measured while the machine slowed itself down, and again later: not in table
    hot_kept: int = 0  # those that were not measured again
    shared: int = 0  # rows that were measured while somebody else had a part of the processor core or of its last cache

    def of_pass(self, name: str) -> pd.DataFrame:
        """The rows of one pass that were done."""
        table = self.table
        return table[(table["pass"] == name) & (table["status"] == "done")]

    def figure(self, pass_name: str, figure: str) -> pd.DataFrame:
        """The rows of a pass that have this figure, with its number as column `value`."""
        rows = self.of_pass(pass_name)
        values = rows["figures"].map(lambda figures: figures.get(figure))
        return rows.assign(value=pd.to_numeric(values)).dropna(subset=["value"])


def memory_text(rows: pd.DataFrame) -> str:
    """How fast what the core's own caches do not hold was at one time and at another."""
    loads = pd.to_numeric(rows["memory_load_ns"]).dropna()
    if loads.empty:
        return "how long a load from beyond the core's own caches took is not known"
    least, low, high, most = loads.quantile([0, 0.25, 0.75, 1])
    return (
        f"a load from beyond the core's own caches took {low:.0f} to {high:.0f} ns in half of the runs, {least:.0f} to "
        f"{most:.0f} ns in all"
    )


def figure_at(figures: Mapping[str, Any], path: Sequence[str]) -> float | None:
    """The figure of a row that these names lead to; None when there is none."""
    value: Any = figures
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def own_worst(latency: pd.DataFrame, name: str) -> pd.DataFrame:
    """Of each cell of some rows of the latency pass, that with the least own worst case, as column `value`; `name` is that
    of the figure, worst_of_least_ and a unit. Of several sweeps together the worst case is no more than in any of them,
    as none can make an op's least time longer. NaN, less than a step of the clock, is the least. One run cannot tell an
    interrupt from it, so that it is over two at least; a cell without such a row has none."""
    has = [name in figures and figures["worst_of_least_runs"] > 1 for figures in latency["figures"]]
    rows = latency[np.array(has, dtype=bool)]
    rows = rows.assign(value=np.array([figures[name] for figures in rows["figures"]], dtype=float))
    falling = rows.sort_values("value", ascending=False, kind="stable")  # NaN last
    return falling.groupby(CELL, sort=False).tail(1)


def latency_unit(figures: Mapping[str, Any]) -> str:
    """Which of LATENCY_UNITS a row of the latency pass is in: a coarse clock times batches of ops, another counts
    cycles. They are never put together."""
    return next(unit for unit in LATENCY_UNITS if f"upto_{unit}_and_count" in figures["histogram"])


def _first_words(error: jsonschema.ValidationError) -> str:
    where = "/".join(str(part) for part in error.absolute_path) or "the row"
    return f"{where}: {error.message[:200]}"


def _is_unit(name: str) -> str | None:
    """The unit that a figure's name ends in or begins with, None when it has none."""
    units = {
        "ns": "ns",
        "cycles": "cycles",
        "us": "us",
        "ms": "ms",
        "bytes": "bytes",
        "kib": "KiB",
        "kb": "kB",
        "mib": "MiB",
    }
    words = name.lower().split("_")
    return units.get(words[-1]) or units.get(words[0])


def _older(schema: Any) -> Any:
    """A schema of draft 2020-12 in the words of draft 7, which fastjsonschema knows: only this one word is new there."""
    if isinstance(schema, dict):
        return {"items" if word == "prefixItems" else word: _older(value) for word, value in schema.items()}
    return [_older(value) for value in schema] if isinstance(schema, list) else schema


class Validator:
    """A schema compiled, as long files have some hundred thousand values; jsonschema, slower by far, tells what is
    wrong with a row that does not pass."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._passes = fastjsonschema.compile({**_older(schema), "$schema": "http://json-schema.org/draft-07/schema"})
        self._exact = jsonschema.Draft202012Validator(schema)

    def error(self, row: Any) -> jsonschema.ValidationError | None:
        """What best explains why a row is not valid; None when it is."""
        try:
            self._passes(row)
        except fastjsonschema.JsonSchemaValueException:
            return jsonschema.exceptions.best_match(self._exact.iter_errors(row))
        return None


def _explain(row: Any, schema: Mapping[str, Any], validator: Validator) -> str | None:
    """What is wrong with a row in words for a reader, None when nothing is."""
    if not isinstance(row, dict):
        return f"a row is an object, not {type(row).__name__}; was this written by replay --json?"
    known = schema["properties"]["schema"]["const"]
    if row.get("schema") != known:
        return f"schema {row.get('schema', 'not stated')}, this version reads {known}; run the measurement again, or use the version that wrote it"
    error = validator.error(row)
    if error is None:
        return None
    definitions = schema["$defs"]
    expected = definitions.get(str(row.get("pass")), {}).get("properties", {})
    figures = row.get("figures")
    if isinstance(figures, Mapping) and expected:
        for name in figures:
            unit = _is_unit(name)
            if name not in expected and unit is not None:
                return f"figure {name} is in {unit}, which the {row['pass']} pass is not measured in; it is not mixed with the others"
    return _first_words(error)


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("r", encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def read_rows(paths: Iterable[Path]) -> tuple[list[tuple[str, int, dict[str, Any]]], list[Problem]]:
    """The valid rows of all files with where they stand, and the problems of the others."""
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    validator = Validator(schema)
    rows: list[tuple[str, int, dict[str, Any]]] = []
    problems: list[Problem] = []
    for path in paths:
        found = False
        try:
            for number, line in _read_lines(path):
                found = True
                try:
                    row = json.loads(line)
                except ValueError as error:
                    problems.append(
                        Problem(
                            str(path),
                            number,
                            f"not JSON ({error}); a run that was killed may leave its last line half written",
                        )
                    )
                    continue
                wrong = _explain(row, schema, validator)
                if wrong is None:
                    rows.append((str(path), number, row))
                else:
                    problems.append(Problem(str(path), number, wrong))
        except OSError as error:
            problems.append(Problem(str(path), 0, f"cannot be read: {error.strerror}"))
            continue
        if not found:
            problems.append(
                Problem(str(path), 0, "has no rows; was the run interrupted before its first one?")
            )
    return rows, problems


def _record(file: str, line: int, row: Mapping[str, Any]) -> dict[str, Any]:
    host, trace, pages = row["host"], row["trace"], row["pages"]
    core = row.get("condition", {}).get("core")
    return {
        "host": "",  # these three once all rows are known
        "trace": "",
        "hash": trace["hash"],
        "allocator": "",
        "machine": host["name"] or "unnamed",
        "revision": host["revision"] or host["version"],
        "word_bits": str(host.get("word_bits") or ""),
        "emulated": bool(host.get("emulated")),
        "trace_name": trace["name"],
        "spec": row["allocator"]["spec"] + (" guarded" if row["settings"].get("guard") else ""),
        "touch": row["settings"].get("touch", ""),
        "instruction_set": (row["figures"] or {}).get("instruction_set", ""),
        "pages": pages["spec"] if pages else "",
        "file": file,
        "line": line,
        "pass": row["pass"],
        "run": row["run"],
        "turn": row["turn"],
        "status": row["status"],
        "reason": row["reason"],
        "op": row["op"],
        "throttled": bool(row.get("throttled")),
        "shared": bool(core and (core["shared"] or core.get("cache_shared"))),
        "memory_load_ns": core["memory_load_ns"] if core else None,
        "last_cache_load_ns": core.get("last_cache_load_ns") if core else None,
        "repetition": row.get("repetition", 0),
        "figures": row["figures"] or {},
        "missing": row["missing"],
        "settings": row["settings"],
        "host_facts": host,
        "trace_facts": trace,
    }


def _several(table: pd.DataFrame, alike: Sequence[str], column: str) -> pd.Series:
    """Whether rows that are alike in some columns have several texts in another, and this row one of them, not ""."""
    known = table[column] != ""
    texts = table[column].where(known).groupby([table[name] for name in alike]).transform("nunique")
    return known & (texts > 1)


def _name_cells(table: pd.DataFrame) -> None:
    """Sets host, trace and allocator to names that tell all rows of different cells apart, as short as that can be."""
    machine, emulated = ["machine", "emulated"], table["emulated"].map({True: EMULATED, False: ""})
    revision = (" " + table["revision"]).where(_several(table, machine, "revision"), "")
    word = (" " + table["word_bits"] + "-bit").where(_several(table, machine, "word_bits"), "")
    own_set = [facts.get("architecture") for facts in table["host_facts"]]
    counted = _several(table, machine, "instruction_set") & (table["instruction_set"] != own_set)
    instructions = (" in " + table["instruction_set"] + " instructions").where(counted, "")
    table["host"] = table["machine"] + revision + word + instructions + emulated
    some_hash = " " + table["hash"].str[:HASH_DIGITS]
    table["trace"] = table["trace_name"] + some_hash.where(_several(table, ["host", "trace_name"], "hash"), "")
    touch = _several(table, ["spec"], "touch") & (table["touch"] != USUAL_TOUCH)
    pages = _several(table, ["spec"], "pages") & (table["pages"] != USUAL_PAGES)
    table["allocator"] = (
        table["spec"] + (" touching " + table["touch"]).where(touch, "") + (" on " + table["pages"]).where(pages, "")
    )


def _without_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The table without the rows of throttled runs that were done again (each is followed by its repetition), and how
    many these were."""
    follows = table.groupby([*CELL, "file", "pass", "run"], sort=False)["repetition"].shift(-1)
    repeated = table["throttled"] & (follows == table["repetition"] + 1)
    return table[~repeated].reset_index(drop=True), int(repeated.sum())


def _number_sweeps(table: pd.DataFrame) -> pd.Series:
    """Which sweep of its file a row is of: where a run of a cell comes again, another sweep was appended."""
    return table.groupby([*CELL, "file", "pass", "run"], sort=False).cumcount()


def load(paths: Sequence[Path | str]) -> Results:
    """Reads the files; what cannot be used is in .problems, and the table may be empty."""
    rows, problems = read_rows(Path(path) for path in paths)
    columns = list(_record("", 0, _EMPTY))
    table = pd.DataFrame([_record(*row) for row in rows], columns=columns)
    if table.empty:
        return Results(table.assign(sweep=pd.Series(dtype=int)), problems)
    _name_cells(table)
    table, left_out = _without_repeated(table)
    return Results(
        table.assign(sweep=_number_sweeps(table)),
        problems,
        left_out,
        int(table["throttled"].sum()),
        int(table["shared"].sum()),
    )


_EMPTY: dict[str, Any] = {
    "host": {"name": None, "revision": None, "version": ""},
    "trace": {"name": "", "hash": ""},
    "allocator": {"spec": ""},
    "pages": None,
    "pass": "",
    "run": 0,
    "turn": 0,
    "status": "",
    "reason": None,
    "op": None,
    "figures": None,
    "missing": {},
    "settings": {},
}
