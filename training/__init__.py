"""Supervised fine-tuning as a file-in, file-out program: the only part of SWE-Mill that touches torch and
TorchTune.

It lives in a virtual environment of its own (TorchTune is wound down and pins its neighbours tightly), never
imports `swemill`, and is spoken to through one folder: `python -m training.sft --job DIR` (see
training/README.md).
"""
