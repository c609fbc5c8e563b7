"""The chip around the engines: host interface, scheduler, memory edge, global buffer, broadcast network."""
