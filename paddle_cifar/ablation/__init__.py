"""``python main.py ablate``: a named list of configurations at one budget, in one table.

``studies.py`` names them, ``plan.py`` makes runs of them, ``child.py`` trains one, ``measure.py`` scores
it, ``table.py`` sums up, and ``ablate.py`` puts all that in order.
"""
