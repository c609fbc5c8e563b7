"""The system model: attention of whole language models on the chip, in cycles, bytes and energy."""
