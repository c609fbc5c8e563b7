"""Tests that need the extra `llm`, in one thread: operations are small, and the tests run beside each other."""

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
torch.set_grad_enabled(False)
