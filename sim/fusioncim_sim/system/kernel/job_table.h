/* HostInterface, DescriptorChecker and JobTable: from the push of a job to its end. */

enum { PRODUCTS = 12 };

typedef struct {
    Fifo queue;
    int32_t pushed;
    int32_t checking, job; /* DescriptorChecker */
    int64_t checked;
    int32_t active[SLOTS], newest, oldest, ended; /* JobTable */
    int64_t rows[SLOTS];
} JobTable;

/* Cycles of the checker's states IDLE, SIZE and JUDGE, of the last subtraction of GROUP and TILE; and of MULTIPLY. */
enum { CHECK_CYCLES = 5, PRODUCT_CYCLES = 1 };

/* Cycles from the checker's taking a job to its showing it: divisions by subtraction, a serial multiplier. */
static int64_t check_cycles(const Config *config, const Job *job)
{
    int64_t group = job->heads / job->kv_heads;
    int64_t counts[PRODUCTS] = {
        job->queries - 1, job->heads - 1, job->keys - 1, job->kv_heads - 1, job->keys - 1, job->kv_heads - 1,
        job->queries - 1, job->heads - 1, group, group, job->heads, group,
    };
    int64_t cycles = CHECK_CYCLES + group + config->rows / group;
    for (int n = 0; n < PRODUCTS; n++)
        cycles += PRODUCT_CYCLES + multiplier_cycles(counts[n]);
    return cycles;
}

/* A checked job is offered to the planner. */
static int table_offers(const JobTable *t, int64_t now)
{
    return t->checking && now >= t->checked && !t->active[t->newest];
}

static int table_running(const JobTable *t)
{
    int any = 0;
    for (int n = 0; n < SLOTS; n++)
        any |= t->active[n];
    return any;
}

static int table_update(JobTable *t, const Config *config, const Job *jobs, int count, int64_t now, int taken,
                         int row_slot)
{
    int ends = t->active[t->oldest] && t->rows[t->oldest] == 0;
    int takes = t->queue.out && !t->checking;
    int push = t->pushed < count && now >= jobs[t->pushed].arrival && fifo_writable(&t->queue);
    int changes = ends || takes || push || taken || row_slot >= 0 || fifo_moves(&t->queue);
    if (row_slot >= 0)
        t->rows[row_slot]--;
    if (ends) {
        t->active[t->oldest] = 0;
        t->oldest = (t->oldest + 1) % SLOTS;
        t->ended++;
    }
    if (taken) {
        t->active[t->newest] = 1;
        t->rows[t->newest] = jobs[t->job].queries * jobs[t->job].heads;
        t->newest = (t->newest + 1) % SLOTS;
        t->checking = 0;
    }
    if (takes) {
        t->checking = 1;
        t->job = fifo_front(&t->queue)->a;
        t->checked = now + check_cycles(config, &jobs[t->job]);
    }
    fifo_update(&t->queue, push, (Entry){.a = t->pushed}, takes);
    t->pushed += push;
    return changes;
}

static int64_t table_next(const JobTable *t, const Job *jobs, int count, int64_t now)
{
    int64_t next = t->pushed < count && jobs[t->pushed].arrival > now ? jobs[t->pushed].arrival : NEVER;
    return t->checking && t->checked > now ? least(next, t->checked) : next;
}
