"""The golden descriptors and sequences of the values of their records."""

from fusioncim_golden.record import job_of, sequence_of

descriptor = job_of
entry = sequence_of
