"""``python main.py export``: a trained network in the formats that servers run.

``serving.py`` writes each format and runs it again; ``export.py`` keeps only what gives the network's logits.
"""
