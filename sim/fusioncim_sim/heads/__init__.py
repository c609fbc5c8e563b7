"""Attention heads of real models: read, captured, judged against float attention, and how often their rows rescale."""
