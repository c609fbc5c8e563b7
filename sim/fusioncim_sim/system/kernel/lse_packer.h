/* LsePacker: the log-sum-exp of the rows of an engine, word by word of the bus. */

enum { LSE_GATHER, LSE_OFFER, LSE_SEND };

typedef struct {
    Fifo places;                     /* address: in units of LSE_BYTES, 0 for none, b: rows, c: slot */
    int32_t held, rows, slot, left, state; /* rows: of the tile, that are to come; left: of the band, to be gathered */
    int64_t address;
} LsePacker;

/* A band may come. */
static int lse_ready(const LsePacker *l) { return l->held && !l->left && l->rows; }

/* Rows must wait. */
static int lse_waits(const LsePacker *l) { return l->left || l->state == LSE_OFFER; }

static Request lse_request(const LsePacker *l, const Config *config)
{
    return (Request){l->address * LSE_BYTES / config->bus_bytes * config->bus_bytes, 1, LSE, l->slot, 0};
}

/* band: rows of one that comes, or 0. Returns whether it moves by itself. */
static int lse_update(LsePacker *l, const Config *config, int band, const Entry *place, int take, int sent)
{
    int64_t places = config->bus_bytes / LSE_BYTES;
    int next = l->places.out, held = l->held, rows = l->rows, left = l->left, follows = 0, ends = 0;
    Entry front = *fifo_front(&l->places);
    fifo_update(&l->places, place != NULL, place ? *place : (Entry){0}, !held);
    if (band) {
        l->rows -= band;
        if (l->address)
            l->left = band;
        else
            l->held = rows != band;
    }
    switch (l->state) {
    case LSE_GATHER:
        if (left) {
            l->left--;
            if (l->address % places == places - 1 || (!rows && left == 1))
                l->state = LSE_OFFER;
            else
                follows = 1;
        }
        break;
    case LSE_OFFER:
        if (take)
            l->state = LSE_SEND;
        break;
    case LSE_SEND:
        if (sent) {
            follows = 1;
            ends = !rows && !left;
            l->state = LSE_GATHER;
        }
        break;
    }
    l->address += follows;
    if (ends)
        l->held = 0;
    if (!held) {
        l->address = front.address;
        l->rows = front.b;
        l->slot = front.c;
        l->held = next;
    }
    return (l->state == LSE_GATHER && l->left) || fifo_moves(&l->places) || (!l->held && l->places.out);
}
