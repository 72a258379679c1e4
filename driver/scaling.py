"""scaling.py - reads rows of the instruction pass, prints each allocator's mean and worst as the live blocks grow."""

import json
import re
import sys

table, sizes = {}, set()
for line in sys.stdin:
    row = json.loads(line)
    live = int(re.search(r":live=(\d+)", row["trace"]["name"]).group(1))
    sizes.add(live)
    kinds = row["figures"]["instructions"] if row["figures"] else {}
    for kind in ("malloc", "free"):
        of = kinds.get(kind)
        text = f"{of['mean_instructions']:.1f} / {of['worst_instructions']}" if of else "-"
        table.setdefault((row["allocator"]["spec"], kind), {})[live] = text
columns = sorted(sizes)
print(f"{'mean / worst':<20}" + "".join(f"{live:>18,}" for live in columns))
for (spec, kind), cells in table.items():
    print(f"{spec + ' ' + kind:<20}" + "".join(f"{cells.get(live, '-'):>18}" for live in columns))
