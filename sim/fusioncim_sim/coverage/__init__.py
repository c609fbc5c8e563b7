"""What the tests reach: the plan of configurations and jobs, a covering array of it, and the coverage of the RTL."""
