"""Training of the model `cardio-lr`: data, split, fit, calibration, quantisation, export, report.

The package must not know ciphertexts or bundles. It reads one CSV file and writes the payload
directory that the Rust side signs, loads and evaluates. See models/training/README.md.
"""
