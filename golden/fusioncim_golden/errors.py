"""The one error that a user's input can raise."""


class InputError(ValueError):
    """Something that the user gave breaks a rule; the message states the rule and ends with the offending value."""
