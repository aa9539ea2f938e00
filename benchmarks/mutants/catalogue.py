"""The seeded bugs, by what they take away."""

from benchmarks.mutants.indexing import REVISIONS, RUNS
from benchmarks.mutants.keeping import KEEPING
from benchmarks.mutants.owning import FENCING
from benchmarks.mutants.telling import ANSWERS, MESSAGES, PURGES

MUTANTS = (*FENCING, *REVISIONS, *RUNS, *ANSWERS, *MESSAGES, *PURGES, *KEEPING)
