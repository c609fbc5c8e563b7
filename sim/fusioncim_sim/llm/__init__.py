"""What the arithmetic does to a language model that reads. Needs the extra llm."""
