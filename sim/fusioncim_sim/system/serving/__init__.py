"""Requests to a language model, served: traces, the steps of a closed loop, what they take on the chip."""
