/* BlockReader: the reads of the keys of a block, then of its values; of one of the two where values have a port of their own. */

/* A block of a pass and its place in memory. */
typedef struct {
    const Job *job;
    int32_t slot, stream, rows;
    int64_t block, k_address, v_address, scales;
} BlockPlace;

typedef struct {
    int32_t busy, asks, half, row; /* asks: for scales; half: values */
    int64_t address;         /* of the row */
    BlockPlace block;
} BlockReader;

/* Of a key, or a value. */
static int64_t block_bytes(const BlockReader *r) { return r->half ? r->block.job->value_bytes : r->block.job->key_bytes; }

/* All keys, or values, in one request: they are neighbours of whole beats in memory. */
static int block_whole(const BlockReader *r, const Config *config)
{
    const Job *job = r->block.job;
    int64_t pitch = r->half ? job->v.pitch : job->k.pitch, length = block_bytes(r);
    return config->rank * config->vector_bytes / config->bus_bytes <= MOST_BEATS && pitch == length &&
           length % config->bus_bytes == 0 && r->address % config->bus_bytes == 0;
}

static int block_ends_half(const BlockReader *r, const Config *config)
{
    return block_whole(r, config) || r->row + 1 == r->block.rows;
}

/* The last read of the block at this port. */
static int block_ends(const BlockReader *r, const Config *config)
{
    return block_ends_half(r, config) && (r->half || r->block.job->shared || config->read_ports > 1);
}

static Request block_request(const BlockReader *r, const Config *config)
{
    if (r->asks)
        return (Request){
            .address = r->block.scales,
            .beats = beats_touched(config, r->block.scales, TOKEN_SCALE_BYTES * config->rank),
            .kind = TOKEN_SCALE,
            .slot = r->block.slot,
        };
    int32_t beats = beats_touched(config, r->address, block_bytes(r));
    return (Request){
        .address = r->address,
        .beats = block_whole(r, config) ? beats * r->block.rows : beats,
        .kind = r->half ? VALUE : KEY,
        .slot = r->block.slot,
        .last = block_ends(r, config),
    };
}

/* begins: with this block, its values; taken: the request that is offered. */
static int block_update(BlockReader *r, const Config *config, int begins, int values, BlockPlace block, int taken)
{
    if (begins) {
        *r = (BlockReader){.busy = 1, .asks = !values && block.job->token_scales, .half = values, .address = values ? block.v_address : block.k_address, .block = block};
    } else if (taken && r->asks) {
        r->asks = 0;
    } else if (taken) {
        const Job *job = r->block.job;
        int ends_half = block_ends_half(r, config), ends = block_ends(r, config);
        r->address = ends_half ? r->block.v_address : r->address + (r->half ? job->v.pitch : job->k.pitch);
        r->row = ends_half ? 0 : r->row + 1;
        r->half |= ends_half;
        r->busy = !ends;
    }
    return begins || taken;
}
