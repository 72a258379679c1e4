"""Threads that hand work on: readers pack modules of Python's own library, parsers make trees of them, indexers take those.

pipeline.py [MODULES]: what one thread allocates the next one frees.
"""
import ast
import collections
import queue
import sys
import sysconfig
import threading
import zlib
from pathlib import Path

READERS, PARSERS, INDEXERS = 2, 2, 2


def read(paths, packed):
    """Files, compressed, as they would come over a network."""
    while True:
        path = paths.get()
        if path is None:
            return
        packed.put((path.stem, zlib.compress(path.read_bytes(), 6)))


def parse(packed, parsed):
    """Trees, of which this thread keeps nothing."""
    while True:
        work = packed.get()
        if work is None:
            return
        name, blob = work
        parsed.put((name, ast.parse(zlib.decompress(blob))))


def index(parsed, indexed):
    """What a module defines and what it uses, by name."""
    while True:
        work = parsed.get()
        if work is None:
            return
        name, tree = work
        uses = collections.Counter()
        defines = []
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defines.append((node.name, node.lineno, ast.get_docstring(node) or ""))
            elif isinstance(node, (ast.Name, ast.Attribute)):
                uses[node.id if isinstance(node, ast.Name) else node.attr] += 1
        indexed.put((name, defines, uses))


def start(count, run, *queues):
    """That many threads of one kind."""
    threads = [threading.Thread(target=run, args=queues) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def stop(threads, work):
    """Lets each of them find the end of its work."""
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join()


def main():
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(library.glob("*.py"))[: int(sys.argv[1]) if len(sys.argv) > 1 else 40]
    paths, packed, parsed, indexed = queue.Queue(), queue.Queue(8), queue.Queue(4), queue.Queue()
    readers = start(READERS, read, paths, packed)
    parsers = start(PARSERS, parse, packed, parsed)
    indexers = start(INDEXERS, index, parsed, indexed)
    for path in files:
        paths.put(path)
    where, used = {}, collections.Counter()
    for _ in files:
        name, defines, uses = indexed.get()
        used.update(uses)
        for symbol, line, text in defines:
            where.setdefault(symbol, []).append(f"{name}:{line} {text.splitlines()[0] if text else ''}")
    stop(readers, paths)
    stop(parsers, packed)
    stop(indexers, parsed)
    for symbol, count in used.most_common(40):
        print(f"{count:6} {symbol:24} {'; '.join(where.get(symbol, ['-'])[:3])}")


main()
