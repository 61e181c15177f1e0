"""What batch normalization does, measured: makes docs/why-batch-normalization.md.

`network` trains, `claims` measures, `chart` draws, and ``python -m tools.batchnorm`` writes.
"""
