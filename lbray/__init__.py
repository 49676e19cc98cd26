"""lbray: what does a loss function do to a network's latent space?

Declare a grid of trainings (`lbray.spec`), run it on Ray (`lbray.sweep`), read the stored
cells back as evidence (the package `analysis`).
"""

__version__ = "0.1.0"
