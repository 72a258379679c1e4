"""heapbench's analysis: from the rows that runs wrote to a decision.

load.py reads results, statistics.py says what may be concluded from them, compare.py, plots and report show it. Nothing
here measures, and nothing reads anything but result rows.
"""
