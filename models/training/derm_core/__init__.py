"""What all dermoscopy networks share: the collection and its split, the integer reference, quantisation, the files.

Needs numpy, not a deep-learning framework; knows neither stand-ins nor training.
"""
