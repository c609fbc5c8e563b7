/* HostInterface, DescriptorChecker and JobTable: from the push of a job to its end.

A job is its parts, one behind the other: its sequences, or itself. */

enum { CHECK_IDLE, CHECK_RECORD, CHECK_ENTRY, CHECK_SEQUENCE, CHECK_DONE };

typedef struct {
    Fifo queue;             /* a: first part of a job */
    int32_t pushed;         /* parts */
    int32_t state, part;    /* DescriptorChecker */
    int64_t due;            /* when its state begins: products are passed over */
    int32_t active[SLOTS], newest, oldest, ended, more; /* JobTable; ended: parts */
    int64_t rows[SLOTS];
} JobTable;

/* Cycles of the checker's states SIZE and JUDGE, of the last subtraction of GROUP and TILE; of RULES; of MULTIPLY. */
enum { JUDGE_CYCLES = 4, RULES_CYCLES = 1, PRODUCT_CYCLES = 1 };

static int64_t products_cycles(const int64_t *counts, int n)
{
    int64_t cycles = 0;
    while (n--)
        cycles += PRODUCT_CYCLES + multiplier_cycles(counts[n]);
    return cycles;
}

/* Cycles in which a job is judged: divisions by subtraction, a serial multiplier; see hw/.../descriptor_products.py. */
static int64_t job_cycles(const Config *config, const Job *job)
{
    int64_t group = job->heads / job->kv_heads, queries = job->all_queries - 1, tokens = job->page_tokens;
    int64_t keys = (tokens ? tokens : job->all_keys) - 1, pages = tokens ? job->pages - 1 : 0;
    int64_t listed = tokens ? (job->all_keys + tokens - 1) / tokens : 0;
    int64_t heads = job->heads - 1, kv_heads = job->kv_heads - 1;
    int64_t rows = job->lse ? job->all_queries : 0, scaled = job->token_scales != 0;
    int64_t counts[] = {
        heads, queries, 1, job->lse ? kv_heads : 0, rows, heads, queries, 1, kv_heads, keys, pages, 1, kv_heads, keys, pages, 1,
        job->heads, job->sinks ? job->heads : 0, job->slopes ? job->heads : 0, job->sequences, job->all_queries, listed,
        heads, queries, job->all_queries, group, group,
    };
    int64_t of_tokens[] = {scaled * kv_heads, scaled * pages, scaled * (keys + TOKEN_SCALE_KEYS) / TOKEN_SCALE_KEYS};
    return JUDGE_CYCLES + group + config->rows / group + products_cycles(counts, sizeof counts / sizeof *counts) +
           (config->token_scales ? products_cycles(of_tokens, 3) : 0);
}

/* Cycles in which the places of a sequence are found. */
static int64_t part_cycles(const Job *job)
{
    int64_t first_key = job->page_tokens || !job->keys ? 0 : job->first_key;
    int64_t counts[] = {
        job->heads, job->heads / job->kv_heads, job->first_row, first_key, first_key, job->first_row, job->lse ? job->first_row : 0,
    };
    return products_cycles(counts, sizeof counts / sizeof *counts);
}

/* The record that is due is asked for. */
static int table_reads(const JobTable *t, int64_t now)
{
    return (t->state == CHECK_IDLE && t->queue.out) || (t->state == CHECK_ENTRY && now >= t->due);
}

static Request table_request(const JobTable *t, const Config *config)
{
    int64_t bytes = t->state == CHECK_IDLE ? JOB_BYTES : SEQUENCE_BYTES;
    return (Request){0, (int32_t)((bytes + config->bus_bytes - 1) / config->bus_bytes), TABLE, 0, 0};
}

/* A checked part goes into the table, to the planner if it has rows to compute. */
static int table_shows(const JobTable *t, int64_t now)
{
    return t->state == CHECK_DONE && now >= t->due && !t->active[t->newest];
}

static int table_offers(const JobTable *t, const Job *jobs, int64_t now)
{
    return table_shows(t, now) && jobs[t->part].planned;
}

static int table_running(const JobTable *t)
{
    int any = t->more;
    for (int n = 0; n < SLOTS; n++)
        any |= t->active[n];
    return any;
}

/* taken: by the planner; read: the request is taken. */
static int table_update(JobTable *t, const Config *config, const Job *jobs, int count, int64_t now, int taken, int read,
                        Beats beats, int row_slot)
{
    const Job *job = &jobs[t->part];
    int ends = t->active[t->oldest] && t->rows[t->oldest] == 0;
    int takes = t->state == CHECK_IDLE && read, came = beats.kind == TABLE && beats.last;
    int enters = taken || (table_shows(t, now) && !job->planned);
    int push = t->pushed < count && now >= jobs[t->pushed].arrival && fifo_writable(&t->queue);
    int changes = ends || read || came || push || enters || row_slot >= 0 || fifo_moves(&t->queue);
    if (row_slot >= 0)
        t->rows[row_slot]--;
    if (ends) {
        t->active[t->oldest] = 0;
        t->oldest = (t->oldest + 1) % SLOTS;
        t->ended++;
    }
    if (enters) {
        t->active[t->newest] = 1;
        t->rows[t->newest] = job->planned ? job->queries * job->heads : 0;
        t->newest = (t->newest + 1) % SLOTS;
        t->more = !job->last;
        t->state = job->last ? CHECK_IDLE : CHECK_ENTRY;
        t->part++;
    }
    if (takes) {
        t->state = CHECK_RECORD;
        t->part = fifo_front(&t->queue)->a;
    } else if (read) {
        t->state = CHECK_SEQUENCE;
    }
    if (came && t->state == CHECK_RECORD) {
        t->due = now + 1 + job_cycles(config, job) + (job->sequences ? 0 : part_cycles(job));
        t->state = job->sequences ? CHECK_ENTRY : CHECK_DONE;
    } else if (came) {
        t->due = now + 1 + RULES_CYCLES + (job->refused ? 0 : part_cycles(job));
        t->state = CHECK_DONE;
    }
    fifo_update(&t->queue, push, (Entry){.a = t->pushed}, takes);
    if (push)
        while (!jobs[t->pushed++].last)
            ;
    return changes;
}

static int64_t table_next(const JobTable *t, const Job *jobs, int count, int64_t now)
{
    int64_t next = t->pushed < count && jobs[t->pushed].arrival > now ? jobs[t->pushed].arrival : NEVER;
    return (t->state == CHECK_ENTRY || t->state == CHECK_DONE) && t->due > now ? least(next, t->due) : next;
}
