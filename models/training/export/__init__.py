"""What an image model hands to the compile step, and the clear head as a device computes it; needs no deep-learning
framework.

The folder an exporter writes: `circuit.json`, `weights.safetensors`, `contract.json`, `golden.json`, `card.md`, and for
the compile step alone `calibration.safetensors` and `layers.safetensors`.
"""
