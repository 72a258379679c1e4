"""load_test.py - reading results: what is good is used, what is not is told with its file and line."""

import copy
import json
import random

from common import finish, measured, ok, written

import jsonschema

from analysis.load import SCHEMA_PATH, Validator, load

good = measured("--alloc=null,watermark", "--runs=2", "--passes=space,throughput")
results = load([written(good)])
ok(
    results.problems == [] and len(results.table) == len(good),
    "rows of a run are read, every one",
    results.problems,
)
times = results.figure("throughput", "ns_per_op")
ok(
    sorted(times["run"]) == [0, 0, 1, 1] and (times["value"] > 0).all(),
    "a figure is a number of each run",
    times,
)
ok(set(results.table["sweep"]) == {0}, "one sweep is one sweep")
ok(set(load([written(good + good)]).table["sweep"]) == {0, 1}, "a sweep appended to another is told apart")
ok(list(results.table["line"]) == list(range(1, len(good) + 1)), "every row knows its line")

where = [{**row, "settings": {**row["settings"], "touch": "none"}} for row in good]
ok(
    set(load([written(good + where)]).table["allocator"])
    == {"null", "watermark", "null touching none", "watermark touching none"},
    "so is one whose blocks are not touched as usual",
)
narrow = [{**row, "host": {**row["host"], "word_bits": 96 - row["host"]["word_bits"]}} for row in good]
ok(
    len(set(load([written(good + narrow)]).table["host"])) == 2,
    "programs of two word sizes are two hosts",
)
ok(set(load([written(where)]).table["allocator"]) == {"null", "watermark"}, "and named so where others are", where)
guarded = load([written(good + measured("--guard", "--alloc=watermark", "--runs=2", "--passes=space"))])
ok(
    set(guarded.table["allocator"]) == {"null", "watermark", "watermark guarded"},
    "a guarded allocator is another one",
    guarded.table["allocator"],
)

# Rows of throttled runs: those that were done again are out, where no repetition follows they stay and say so.
hot = [{**row, "throttled": row["run"] == 1, "repetition": 0} for row in good]
again = [one for row in hot for one in ([row, {**row, "throttled": False, "repetition": 1}] if row["throttled"] else [row])]
table = load([written(again)]).table
ok(
    len(table) == len(good) and not table["throttled"].any() and set(table["sweep"]) == {0},
    "a throttled run that was done again counts once, as its repetition",
    table[["line", "pass", "run", "throttled", "repetition", "sweep"]],
)
table = load([written(hot + again)]).table
ok(
    len(table) == 2 * len(good) and list(table["throttled"]) == [*(row["throttled"] for row in hot), *[False] * len(good)],
    "one that was not stays, and says so",
    table[["line", "pass", "run", "throttled", "repetition", "sweep"]],
)
late = ("throttled", "repetition", "condition", "board_model", "word_bits", "counters", "emulated", "emulated_by", "missing")
old = [{name: value for name, value in row.items() if name not in late or name == "missing"} for row in good]
old = [{**row, "host": {name: value for name, value in row["host"].items() if name not in late}} for row in old]
results = load([written(old)])
ok(
    len(results.table) == len(good) and not results.problems and not results.table["throttled"].any(),
    "rows of before that know nothing of boards are read",
    results.problems,
)


def spoiled(**changes):
    return [{**good[0], **changes}]


def figures(row, **changes):
    return {**row, "figures": {**row["figures"], **changes}}


timed = next(row for row in good if row["pass"] == "throughput")
for name, lines, said in (
    ("a line cut off", ['{"schema": 2, "time"'], "not JSON"),
    ("a number for a row", ["7"], "a row is an object"),
    ("an old schema", spoiled(schema=0), "schema 0, this version reads 2"),
    ("no schema", [{"time": "now"}], "schema not stated"),
    ("a figure in another unit", [figures(timed, us_per_op=9.5)], "us_per_op is in us"),
    ("a pass that is a list", spoiled(**{"pass": ["space"]}), "pass: ['space'] is not"),
    ("a figure that is text", [figures(timed, ns_per_op="fast")], "figures/ns_per_op: 'fast' is not"),
    ("an empty file", [], "has no rows"),
):
    bad = written(lines)
    problems = load([bad]).problems
    ok(
        len(problems) == 1 and said in str(problems[0]) and bad in str(problems[0]),
        f"{name}: told, with the file",
        problems,
    )
    both = load([bad, written(good)])
    ok(len(both.table) == len(good), f"{name}: the rest is read all the same")

middle = written([*good[:2], "nonsense", *good[2:]])
problems = load([middle]).problems
ok([problem.line for problem in problems] == [3], "a bad row is told by its line", problems)
missing = load(["/no/such/results.jsonl"])
ok(
    missing.table.empty and "cannot be read: No such file" in str(missing.problems[0]),
    "a file that is not there",
    missing.problems,
)

# Rows broken at random: the compiled schema and the exact validator say the same of each.
exact = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
quick = Validator(exact.schema)
whole = measured("--alloc=null,slab", "--runs=2", "--passes=space,throughput,latency,instructions")


def places_in(value, at=()):
    """Where something stands in a row, of a long list only in its first few."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from places_in(one, (*at, key))


def broken(row):
    row = copy.deepcopy(row)
    *path, last = random.choice(list(places_in(row)))
    inner = row
    for key in path:
        inner = inner[key]
    if random.random() < 0.3:
        del inner[last]
    else:
        inner[last] = random.choice([None, "x", -1, 1.5, {}, [], [[1]], {"unknown": 1}])
    return row


random = random.Random(5)
said = [(quick.error(row) is None, exact.is_valid(row), row) for row in (broken(random.choice(whole)) for _ in range(600))]
differ = [row for mine, true, row in said if mine != true]
ok(not differ, "of 600 rows broken at random both ways of checking say the same", differ[:1])
ok(sum(not true for _, true, _ in said) > 300, "most of these are invalid", sum(not true for _, true, _ in said))
ok(all(quick.error(row) is None for row in whole), "and none is that was not broken")

finish()
