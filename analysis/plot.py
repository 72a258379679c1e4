"""plot.py - makes pictures of results: one by its name, or all, for the traces and allocators chosen, in any format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis import style
from analysis.command import EXIT_DONE, EXIT_INPUT, EXIT_LACKS, Parser, fail, read_results, words
from analysis.plots import PICTURES
from analysis.plots.base import NothingToShow, Picture, Selection

FORMATS = ("pdf", "svg", "png")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _save(program: str, picture: Picture, path: Path) -> None:
    """Writes a picture; no date goes into it, so that the same rows give the same file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.lay_out()
        dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
        picture.figure.savefig(path, metadata=dated.get(path.suffix[1:]))
    except OSError as error:
        fail(program, EXIT_LACKS, f"{path}: cannot be written: {error.strerror}")
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit code."""
    parser = Parser(
        prog="plot",
        description=f"Plot results of ./replay --json. Pictures: {', '.join(PICTURES)}, or all.",
        epilog="Paths go to stdout, captions to stderr. Exit status: 0 done; 2 usage; 3 nothing in the results to show; "
        "4 a file cannot be written.",
    )
    parser.add_argument("picture", choices=[*PICTURES, "all"], metavar="PICTURE", help="which one")
    parser.add_argument(
        "results", nargs="+", type=Path, help="results (JSON lines), of any number of hosts and revisions"
    )
    parser.add_argument("-t", "--trace", type=_names, default=[], metavar="NAME,…", help="only these traces")
    parser.add_argument(
        "-a", "--alloc", type=_names, default=[], metavar="NAME,…", help="only these allocators"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="for one picture; its suffix is the format (PICTURE.pdf)",
    )
    parser.add_argument(
        "-d",
        "--directory",
        type=Path,
        metavar="DIR",
        help="for all: PICTURE.pdf, .svg and .png there (plots)",
    )
    options = parser.parse_args(arguments)
    if options.picture == "all" and options.output:
        parser.error("all makes many files: name a --directory")
    if options.output and options.output.suffix[1:] not in FORMATS:
        parser.error(f"--output={options.output}: a picture is a .pdf, .svg or .png")
    results = read_results(parser.prog, options.results)
    style.use()
    if options.picture == "all":
        directory = options.directory or Path("plots")
        targets = {name: [directory / f"{name}.{suffix}" for suffix in FORMATS] for name in PICTURES}
    else:
        name = options.picture
        directory = options.directory or Path(".")
        targets = {name: [options.output or directory / f"{name}.pdf"]}
    made = 0
    for name, paths in targets.items():
        try:
            picture = PICTURES[name](results, Selection(options.trace, options.alloc))
        except NothingToShow as missing:
            words.print(f"{parser.prog}: no picture {name}: {missing}", markup=False)
            continue
        for path in paths:
            _save(parser.prog, picture, path)
        words.print(f"{name}: {picture.caption}", markup=False)
        picture.close()
        made += 1
    return EXIT_DONE if made else EXIT_INPUT
