"""How soon each kind of fault is noticed, and for how long a worker is left alone then: ``docs/fleet.md`` as code."""

from __future__ import annotations

LOOK_EVERY_S = 5.0
"""How often a worker that is used is asked how it is, in seconds."""
ANSWER_S = 10.0
"""How long it may take to say so, in seconds. A process that is dead or frozen, or whose host is gone, is so noticed
within this and :data:`LOOK_EVERY_S`; one whose prompt thread is dead, or whose pack is the wrong one, as soon as it
answers."""
DEAF_IN_A_ROW = 3
"""Sockets, one after the other, on which nothing came though a prompt was posted. Each costs a job a few seconds."""
MEMORY_IN_A_ROW = 3
"""Jobs that ran out of memory with none between that succeeded. One may have been too large; three say that something
holds the memory."""
SLOW_IN_A_ROW = 5
"""Jobs in a row, each of which took far longer than its like did on this worker before."""
SLOW_TIMES = 4.0
"""So many times as long as the median of its like is far longer."""
SLOW_LEAST_S = 5.0
"""And by so many seconds at least: what is over in a moment is not slow."""
HISTORY_LEAST, HISTORY_MOST = 10, 50
"""Runs of a kind of which a history is made, at least and at most."""
KINDS_MOST = 200
"""Kinds of jobs whose history is kept for a worker; the one that was not seen for the longest goes."""

FIRST_PAUSE_S, LAST_PAUSE_S = 30.0, 1800.0
"""For how long a worker in quarantine is given no jobs, in seconds: the first time, and at most; doubled each time."""
LINE_PAUSE_S = 5.0
"""The same of one that could not be reached, where that happens again. The first time it is used, on probation, as soon
as it answers."""
LINE_LAST_PAUSE_S = 300.0
FORGIVEN_S = 600.0
"""A worker that had no fault for so long after its latest quarantine, in seconds, begins with the first pause again."""
PROBATION_S = 60.0
"""A job on probation that has run for so long, in seconds, on a worker that answers, has shown enough."""
