"""Every picture, by its name: a function from results and a selection to a Picture. A new one is a line here."""

from analysis.plots.base import Maker
from analysis.plots.heapmap import heapmap
from analysis.plots.instructions import instructions
from analysis.plots.latency import latency
from analysis.plots.memory import fragmentation, memory
from analysis.plots.pareto import pareto
from analysis.plots.scaling import scaling
from analysis.plots.throughput import throughput

PICTURES: dict[str, Maker] = {
    "throughput": throughput,
    "latency": latency,
    "instructions": instructions,
    "memory": memory,
    "fragmentation": fragmentation,
    "heapmap": heapmap,
    "pareto": pareto,
    "scaling": scaling,
}
