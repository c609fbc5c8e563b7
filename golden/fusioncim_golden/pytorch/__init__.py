"""The golden model on PyTorch: many heads at once, CPU or CUDA, every bit as the NumPy model. Needs the extra `llm`.

`calls` and `masks` make sequences (`segments`) of what transformers hands over, `quantize` makes integers of float
heads, `softmax` and `engine` compute with them, `parts` says which rows do so together. Tensors of rows have the rows
innermost, and a job's rows are in the order of `schedule`: row r is head r mod heads of query r div heads.
"""
