"""page_test.py - the report in a browser: on wide and narrow screens, light and dark, nothing complains and nothing sticks
out; tables sort and figures show their rows, by mouse and by keyboard."""

import importlib
import os
import subprocess
import sys
import urllib.parse

from common import BUILD, finish, measured, ok, skip, work, written

import browser

for module in ("matplotlib", "jinja2"):
    try:
        importlib.import_module(module)
    except ImportError:
        skip("the report in a browser", f"this python3 has no {module} (Debian: python3-{module})")
        finish()
if browser.find() is None:
    skip("the report in a browser", "no Chromium (Debian: chromium)")
    finish()

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")

# What is wider than the window makes the whole page pan.
STICKS_OUT = """(() => { const root = document.documentElement;
  return root.scrollWidth <= root.clientWidth ? "" : `${root.scrollWidth} of ${root.clientWidth} px`; })()"""

# WCAG 2.1, 1.4.3: text has a contrast of 4.5 to the ground it stands on. Returns what has less.
PALE = """(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => { const [r, g, b] = parts(colour).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const clear = (colour) => parts(colour)[3] === 0;
  const ground = (at) => { while (at && clear(getComputedStyle(at).backgroundColor)) at = at.parentElement;
    return at ? getComputedStyle(at).backgroundColor : "rgb(255, 255, 255)"; };
  const pale = new Set();
  for (const at of document.querySelectorAll("body, main *:not(svg *), header *, footer *")) {
    if (![...at.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [m, n] = [light(getComputedStyle(at).color), light(ground(at))].sort((a, b) => b - a);
    if ((m + 0.05) / (n + 0.05) < 4.5) pale.add(`${at.tagName} ${at.className}: ${at.textContent.slice(0, 40)}`);
  }
  return [...pale].slice(0, 5).join("\\n");
})()"""

NAMELESS = """[...document.querySelectorAll("main table:not(:has(caption)), .scroll:not([aria-label]), figure:not(:has(figcaption)),"
  + "svg:not([aria-label]), th:not([scope])")].map((at) => at.outerHTML.slice(0, 60)).join("\\n")"""

TABLE = "document.querySelector('table.sortable')"
FIGURE = f"{TABLE}.querySelector('td[data-value] button')"
SAID = "[...document.querySelectorAll('#rows[open] :is(h2, pre)')].map((at) => at.textContent)"


def column(head):
    """The texts of the first table's column with this head, top to bottom, and how it is sorted."""
    return page.run(
        f"(t => {{ const i = [...t.tHead.rows[0].cells].findIndex((h) => h.textContent.startsWith('{head}'));"
        " return [[...t.tBodies[0].rows].map((r) => [r.cells[i].textContent, r.cells[i].dataset.value]),"
        f" t.tHead.rows[0].cells[i].ariaSort]; }})({TABLE})"
    )


def head(name):
    return f"[...{TABLE}.tHead.querySelectorAll('button')].find((b) => b.textContent.startsWith('{name}'))"


def sorted_as(name, order):
    """Whether the column stands in this order, what is missing last, and says so."""
    cells, said = column(name)
    values = [float(value) for _, value in cells if value is not None]
    known = [value is not None for _, value in cells]
    return (
        len(set(values)) > 2
        and said == order
        and values == sorted(values, reverse=order == "descending")
        and known == sorted(known, reverse=True)
    )


names = "null,libc,watermark,pool,freelist,slob,buddy,slab,segfit,tlsf"
path = written(measured(f"--alloc={names}", "--runs=2", "--passes=space,throughput,latency,instructions"))
result = subprocess.run(
    [sys.executable, os.path.join(BUILD, "publish"), path, "--output=report.html"],
    capture_output=True,
    text=True,
    timeout=300,
    cwd=work.name,
)
ok(result.returncode == 0, "a report is made", result.stderr)
url = "file://" + urllib.parse.quote(os.path.join(work.name, "report.html"))

page = browser.Browser(browser.find())
try:
    # First that the eyes are open: a page with every fault is found out.
    bad = "<body style='background:%23fff;color:%23ccc'><main><div style='width:2000px'>pale</div><table></table></main><script>console.error('oh');none()</script>"
    page.open(f"data:text/html,{bad}", 400, "light")
    seen = "\n".join(page.complaints)
    ok("oh" in seen and "none" in seen, "what a page complains about is heard", seen)
    ok(
        page.run(STICKS_OUT) and page.run(PALE) and page.run(NAMELESS),
        "what sticks out, is pale or has no name is seen",
    )
    page.complaints.clear()

    grounds = {}
    for width in WIDTHS:
        for scheme in SCHEMES:
            where = f"{width} px, {scheme}"
            page.open(url, width, scheme)
            ok(page.run("document.querySelectorAll('figure svg').length") >= 5, f"{where}: it has pictures")
            ok(page.run(STICKS_OUT) == "", f"{where}: nothing sticks out", page.run(STICKS_OUT))
            ok(page.run(PALE) == "", f"{where}: text stands out from its ground", page.run(PALE))
            grounds[scheme] = page.run("getComputedStyle(document.body).backgroundColor")

            page.click(head("held"))
            up = sorted_as("held", "ascending")
            page.click(head("held"))
            ok(
                up and sorted_as("held", "descending"),
                f"{where}: a click on a head sorts, another turns it",
                column("held"),
            )
            page.run(f"{head('time')}.focus()")
            page.press("Enter")
            ok(sorted_as("time", "ascending"), f"{where}: the keyboard sorts", column("time"))

            fastest = page.run(f"{TABLE}.tBodies[0].rows[0].cells[0].textContent.trim()")
            page.click(FIGURE)
            said = page.run(SAID)
            ok(
                len(said) == 2 and said[0].startswith(f"{fastest}, time [ns/op]:") and "jsonl:" in said[1],
                f"{where}: a click on a figure shows its rows",
                said,
            )
            page.press("Escape")
            ok(page.run(SAID) == [], f"{where}: Escape puts them away")
            ok(
                page.run(f"document.activeElement === {FIGURE}"),
                f"{where}: and leads back to the figure",
                page.run("document.activeElement.outerHTML"),
            )
            page.press("ArrowRight")
            page.press("ArrowDown")
            page.press("Enter")
            second = page.run(f"{TABLE}.tBodies[0].rows[1].cells[0].textContent")
            said = page.run(SAID)
            ok(
                len(said) == 2 and said[0].startswith(f"{second}, above floor"),
                f"{where}: arrow keys lead on, Enter shows",
                said,
            )
            ok(page.complaints == [], f"{where}: nothing complains", "\n".join(page.complaints))
    ok(grounds["light"] != grounds["dark"], "dark is not light", grounds)
    ok(
        page.run(NAMELESS) == "",
        "tables, pictures and what pans have names for who cannot see them",
        page.run(NAMELESS),
    )
finally:
    page.close()

finish()
