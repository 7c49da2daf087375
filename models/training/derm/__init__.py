"""Dermoscopy models trained on real images: split, training, quantisation-aware training, export, evaluation.

Modules that import torch: network, quantised, training, evaluation (of a network), commands. All others run with the packages
of requirements.lock, so that split, export and the integers of a committed checkpoint are tested without a
deep-learning framework. See models/training/README.md.
"""
