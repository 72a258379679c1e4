"""claims_test.py - every claim can come out either way, and one without its figures is not judged."""

from common import finish, ok

from analysis.claims import APART, CHURN, CLAIMS, KERNEL, ONE_SIZE, SMALL_HEAP, TINY, judge
from analysis.figures import COLUMNS, Figure, Table

TRACES = ("cc1.trace", "perl.trace", ONE_SIZE, TINY, SMALL_HEAP, CHURN, KERNEL, APART)
NAMES = ("libc", "watermark", "pool", "freelist", "bitmap", "slob", "buddy", "slab", "segfit", "tlsf")


def world(changes):
    """Tables in which every figure is 2, but those changed: (trace, allocator, column), any of them "*", to a value."""
    tables = []
    for trace in TRACES:
        table = Table("host", trace, trace, {}, COLUMNS)
        for name in NAMES:
            table.lines[name] = {column.name: Figure(2.0, [("r.jsonl", 1)]) for column in COLUMNS}
            for (where, who, what), value in changes.items():
                if where in ("*", trace) and who in ("*", name):
                    table.lines[name][what] = Figure(value, [("r.jsonl", 2)])
        tables.append(table)
    return tables


def verdict(name, changes):
    return next(one.verdict for one in judge(world(changes)) if one.claim.name == name)


# Of each claim, figures for which it comes out so.
CASES = {
    "slab-one-size": {
        "holds": {},
        "depends": {(ONE_SIZE, "tlsf", "above"): 1.0},
        "fails": {(ONE_SIZE, "tlsf", "above"): 1.0, (ONE_SIZE, "segfit", "held"): 1.0},
    },
    "slab-small-heap": {
        "holds": {(SMALL_HEAP, "slab", "held"): 3.0},
        "fails": {},
        "depends": {(CHURN, "slab", "held"): 1.0},
    },
    "buddy-waste": {
        "holds": {(KERNEL, "buddy", "internal"): 0.0, (CHURN, "buddy", "internal"): 0.3},
        "depends": {},
        "fails": {(KERNEL, "buddy", "internal"): 0.0, (CHURN, "buddy", "internal"): 0.1},
    },
    "buddy-times": {
        "holds": {(CHURN, name, "free_worst"): 90.0 for name in ("slab", "segfit", "tlsf", "slob")},
        "fails": {(CHURN, "buddy", "free_worst"): 900.0},
        "depends": {(CHURN, "buddy", "free_worst"): 9.0},
    },
    "slob": {
        "holds": {("*", "slob", "above"): 9.0},
        "fails": {("*", "slob", "above"): 1.0, ("*", "slob", "held"): 9.0},
        "depends": {("*", "slob", "above"): 9.0, ("*", "slob", "held"): 9.0},
    },
    "pool": {
        "holds": {(ONE_SIZE, "pool", "held"): 1.0},
        "depends": {(ONE_SIZE, "pool", "held"): 1.0, (ONE_SIZE, "pool", "malloc_worst"): 9.0},
        "fails": {(ONE_SIZE, "pool", "free_worst"): 9.0},
    },
    "watermark": {"holds": {}, "fails": {("perl.trace", "watermark", "malloc_mean"): 3.0}},
    "tlsf": {"holds": {}, "fails": {("cc1.trace", "tlsf", "free_worst"): 99.0}},
    "segfit": {
        "holds": {},
        "depends": {("*", "libc", "above"): 1.0},
        "fails": {("*", "libc", "above"): 1.0, ("*", "slab", "held"): 1.0},
    },
    "tags": {
        "holds": {**{(TINY, name, "held"): 1.0 for name in ("slab", "bitmap")}, (CHURN, "*", "held"): 1.0},
        "depends": {(TINY, "slab", "held"): 1.0, (CHURN, "*", "held"): 1.0},
        "fails": {(TINY, "slab", "held"): 1.0, (CHURN, "segfit", "held"): 1.0},
    },
    "microkernel": {
        "holds": {(KERNEL, "slab", "above"): 1.0, ("cc1.trace", "slab", "held"): 3.0},
        "fails": {},
        "depends": {("cc1.trace", "slab", "held"): 3.0},
    },
    "first-fit": {
        "holds": {("*", "freelist", "held"): 1.1},
        "fails": {("perl.trace", "freelist", "held"): 1.1},
    },
    "apart": {
        "holds": {},
        "fails": {("*", "*", "held_at_end"): 0.01},
        "depends": {("*", "tlsf", "held_at_end"): 0.01},
    },
    "raspberry-pi": {
        "holds": {},
        "depends": {(KERNEL, "tlsf", "malloc_worst"): 1.0, (KERNEL, "tlsf", "free_worst"): 1.0},
        "fails": {(KERNEL, "tlsf", what): 1.0 for what in ("above", "held", "malloc_worst", "free_worst")},
    },
}

ok({claim.name for claim in CLAIMS} == set(CASES), "every claim is tried")
for name, cases in CASES.items():
    for word, changes in cases.items():
        found = verdict(name, changes)
        ok(found.word == word, f"{name} can come out: {word}", found)
found = verdict("slob", {("cc1.trace", "slab", "above"): -0.01})
ok(found.word == "not judged" and "above the floor" in found.why, "a time below the floor's is no time to judge by", found)
ok(
    {one.verdict.word for one in judge([Table("host", "x.trace", "", {}, COLUMNS)])} == {"not judged"},
    "a claim without its figures is not judged",
)
lacking = judge([Table("host", "x.trace", "", {}, COLUMNS)])[0].verdict.why
ok(
    "above floor of" in lacking and ONE_SIZE in lacking and "make bench" in lacking,
    "and says what to measure",
    lacking,
)
judged = judge(world({}))
ok(
    all(one.evidence and one.evidence[0].figure.rows for one in judged),
    "every verdict names its figures and their rows",
)
rising = {
    (trace, name, column.name): 2.0 + place + 0.5 * at + 0.3 * across
    for place, trace in enumerate(TRACES)
    for at, name in enumerate(NAMES)
    for across, column in enumerate(COLUMNS)
}
alike = [one.claim.name for one, other in zip(judged, judge(world(rising))) if one.verdict.why == other.verdict.why]
ok(not alike, "every verdict has its figures in its words", alike)
found = verdict("slob", {("cc1.trace", "slob", "external"): 0.0})
ok(found.word != "not judged", "a heap that has one free block, or none, is judged", found)
some = world({})
for one in some:
    del one.lines["tlsf"]
found = next(one.verdict for one in judge(some) if one.claim.name == "slab-one-size")
ok(
    found.word == "not judged" and "tlsf" in found.why,
    "nobody is the best of all when one was not tried",
    found,
)

finish()
