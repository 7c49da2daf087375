"""Stand-in networks for dermoscopy patches, until trained ones arrive: made from ImageNet filters or principal
components, calibrated on real patches, with a linear head fitted on real labels.

They exist so that encrypted evaluation is measured on realistic activations and margins. They are not
diagnostic models. The package must not know ciphertexts or bundles: it writes circuit.json and
weights.safetensors, and an integer reference that says what they compute. See models/training/README.md.
"""
