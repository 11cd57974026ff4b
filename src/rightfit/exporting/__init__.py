"""The folder in which a winner leaves this project: graph, programs, README and hashes.

``FittedModel.export`` and ``rightfit export`` call it.
Begin with ``export_folder``; ``model_call`` says how the model is called.
"""
