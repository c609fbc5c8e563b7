/* Which keys a query sees: the interval [low, high) of the golden `mask.Mask.interval`. */

typedef struct {
    int64_t low, high;
} Interval;

static Interval mask_interval(const Job *job, int64_t position)
{
    int64_t chunk = job->chunk ? job->chunk : job->keys + position + 1, start = position - position % chunk;
    int64_t low = position + 1 - job->window, high = least(position + 1 + job->ahead, start + chunk);
    low = low > start ? low : start;
    if (position < job->prefix) {
        low = 0;
        high = high > job->prefix ? high : job->prefix;
    }
    return (Interval){least(low, job->keys), least(high, job->keys)};
}

/* The first block of `rank` keys that passes a row which sees that, and the one behind the last. */
static Interval mask_blocks(Interval keys, int64_t rank)
{
    keys.high = keys.high ? keys.high : 1;
    return (Interval){least(keys.low, keys.high - 1) / rank, (keys.high + rank - 1) / rank};
}
