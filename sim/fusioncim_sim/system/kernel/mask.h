/* Which keys a query sees: the interval [low, high) of the golden `mask.interval`. As in the RTL, low is 0. */

/* First key that the query at a position does not see. */
static int64_t mask_high(const Job *job, int64_t position)
{
    return job->causal && position + 1 < job->keys ? position + 1 : job->keys;
}
