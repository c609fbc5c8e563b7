"""The hybrid engine: IP-CIM, softmax, OP-CIM, normalizer, and the controller that streams keys and values past."""
