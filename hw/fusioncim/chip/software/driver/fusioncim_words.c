/* The words of tables from real numbers, and what words mean. See fusioncim_data.h.
 *
 * A double is taken apart by its bits: 1 of sign, 11 of exponent, 52 of fraction. */
#include <float.h>

#include "fusioncim_data.h"

#if FLT_RADIX != 2 || DBL_MANT_DIG != 53 || DBL_MAX_EXP != 1024 || FLT_EVAL_METHOD > 1
#error "a double must be an IEEE 754 double, and be computed as one"
#endif

#define FRACTION_BITS 52
#define EXPONENT_MASK 0x7ffu
#define EXPONENT_OF_ONE 1023
#define SIGN (UINT64_C(1) << 63)
#define HIDDEN_ONE (UINT64_C(1) << FRACTION_BITS)
/* More bits of a fraction than a mantissa of the chip has. */
#define SPARE_BITS (FRACTION_BITS + 1u - FUSIONCIM_WORD_SCALE_MANTISSA_BITS)

typedef union {
    double number;
    uint64_t bits;
} pieces_t;

static uint64_t bits_of(double number)
{
    pieces_t both;
    both.number = number;
    return both.bits;
}

static double number_of(uint64_t bits)
{
    pieces_t both;
    both.bits = bits;
    return both.number;
}

/* 2^exponent, of a normal double. */
static double power_of_two(int exponent)
{
    return number_of((uint64_t)(exponent + EXPONENT_OF_ONE) << FRACTION_BITS);
}

static int positive_and_finite(double number)
{
    const uint64_t bits = bits_of(number);
    return bits != 0u && (bits & SIGN) == 0u && bits >> FRACTION_BITS < EXPONENT_MASK;
}

/* A value of the grid mantissa / 2^shift. */
typedef struct {
    uint32_t mantissa;
    int shift;
} grid_t;

/* The value next to a number that is positive and finite. One that is too small to be normal has a shift that is too
 * large for any word, as the numbers above it. */
static grid_t on_grid(double number, fusioncim_rounding_t rounding)
{
    const uint64_t bits = bits_of(number);
    const uint64_t fraction = (bits & (HIDDEN_ONE - 1u)) | HIDDEN_ONE;
    const uint64_t below = fraction & ((UINT64_C(1) << SPARE_BITS) - 1u);
    const uint64_t half = UINT64_C(1) << (SPARE_BITS - 1u);
    grid_t found;
    found.mantissa = (uint32_t)(fraction >> SPARE_BITS);
    found.shift = (int)FUSIONCIM_WORD_SCALE_MANTISSA_BITS - 1 + EXPONENT_OF_ONE - (int)(bits >> FRACTION_BITS);
    if (rounding == FUSIONCIM_UP ? below != 0u : below > half || (below == half && (found.mantissa & 1u) != 0u)) {
        found.mantissa++;
    }
    if (found.mantissa >> FUSIONCIM_WORD_SCALE_MANTISSA_BITS != 0u) {
        found.mantissa >>= 1;
        found.shift--;
    }
    return found;
}

/* The word of a grid value whose shift is from `least` on. */
static fusioncim_result_t word_of(grid_t value, int least, uint32_t *word)
{
    if (value.shift < least || value.shift > (int)FUSIONCIM_WORD_SCALE_MOST_SHIFT) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    *word = value.mantissa | (uint32_t)value.shift << FUSIONCIM_WORD_SCALE_MANTISSA_BITS;
    return FUSIONCIM_DONE;
}

/* Half to even, of a number far inside of the range of int32_t. */
static int32_t rounded(double number)
{
    const int32_t whole = (int32_t)number; /* towards 0 */
    const double rest = number - whole;
    const int odd = whole % 2 != 0;
    if (rest > 0.5 || (rest == 0.5 && odd)) {
        return whole + 1;
    }
    return rest < -0.5 || (rest == -0.5 && odd) ? whole - 1 : whole;
}

fusioncim_result_t fusioncim_score_scale(double scale, fusioncim_rounding_t rounding, uint32_t *word)
{
    const double least = power_of_two((int)FUSIONCIM_WORD_SCALE_MANTISSA_BITS - 1 - (int)FUSIONCIM_WORD_SCALE_MOST_SHIFT);
    if (!positive_and_finite(scale)) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    /* Below all words all weights are nearly equal, and stay so. */
    return word_of(on_grid(rounding == FUSIONCIM_UP && scale < least ? least : scale, rounding), 0, word);
}

double fusioncim_scale_value(uint32_t word)
{
    const uint32_t mantissa = word & ((1u << FUSIONCIM_WORD_SCALE_MANTISSA_BITS) - 1u);
    const uint32_t shift = word >> FUSIONCIM_WORD_SCALE_MANTISSA_BITS & FUSIONCIM_WORD_SCALE_MOST_SHIFT;
    return mantissa * power_of_two(-(int)shift);
}

fusioncim_result_t fusioncim_slope(double slope, uint32_t *word)
{
    if (slope == 0.0) {
        *word = 0u;
        return FUSIONCIM_DONE;
    }
    if (!positive_and_finite(slope)) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    /* 2 is too large, and what is larger is so, too. */
    return word_of(on_grid((slope < 2.0 ? slope : 2.0) * FUSIONCIM_LOG2_E, FUSIONCIM_NEAREST),
                   (int)FUSIONCIM_WORD_SLOPE_LEAST_SHIFT, word);
}

fusioncim_result_t fusioncim_sink(double sink, uint32_t *word)
{
    const int32_t limit = (int32_t)1 << (FUSIONCIM_WORD_SINK_LOG2_BITS - 1u);
    const double log2 = sink * (FUSIONCIM_LOG2_E * (1u << FUSIONCIM_WORD_SINK_FRACTION_BITS));
    int32_t value;
    if (!(log2 > -2.0 * limit && log2 < 2.0 * limit)) { /* nor if it is no number */
        return FUSIONCIM_OUT_OF_RANGE;
    }
    value = rounded(log2);
    if (value < -limit || value >= limit) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    *word = 1u << FUSIONCIM_WORD_SINK_LOG2_BITS | ((uint32_t)value & ((1u << FUSIONCIM_WORD_SINK_LOG2_BITS) - 1u));
    return FUSIONCIM_DONE;
}

double fusioncim_token_unit(double largest)
{
    return largest * (FUSIONCIM_CHIP_TOKEN_SCALE_BITS > 1u ? (256.0 + 1.0 / (1u << 30)) / 255.0 : 2.0);
}

/* The power of two next to a positive normal number; the nearest one is that of the logarithm. */
static double to_power_of_two(double number, fusioncim_rounding_t rounding)
{
    const uint64_t fraction = bits_of(number) & (HIDDEN_ONE - 1u);
    const double below = number_of(bits_of(number) - fraction);
    const uint64_t below_root_of_two = UINT64_C(0x6a09e667f3bcc);
    return fraction > (rounding == FUSIONCIM_UP ? 0u : below_root_of_two) ? 2.0 * below : below;
}

fusioncim_result_t fusioncim_token_code(double scale, double unit, fusioncim_rounding_t rounding, uint32_t *code)
{
    double part;
    grid_t value;
    if (FUSIONCIM_CHIP_TOKEN_SCALE_BITS == 0u || !positive_and_finite(scale) || !positive_and_finite(unit)) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    part = scale / unit;
    if (!(part >= power_of_two(-60) && part <= 2.0)) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    if (FUSIONCIM_CHIP_TOKEN_SCALE_BITS == 1u) {
        part = to_power_of_two(part, rounding);
    }
    value = on_grid(part, rounding);
    value.shift -= (int)FUSIONCIM_WORD_TOKEN_LEAST_SHIFT;
    if (value.shift < 0 || value.shift > (int)FUSIONCIM_WORD_TOKEN_MOST_SHIFT) {
        return FUSIONCIM_OUT_OF_RANGE;
    }
    *code = (value.mantissa - FUSIONCIM_WORD_SCALE_LEAST_MANTISSA)
            | (uint32_t)value.shift << FUSIONCIM_WORD_TOKEN_FRACTION_BITS;
    return FUSIONCIM_DONE;
}

double fusioncim_token_value(uint32_t code)
{
    const uint32_t fraction = code & ((1u << FUSIONCIM_WORD_TOKEN_FRACTION_BITS) - 1u);
    const uint32_t shift = code >> FUSIONCIM_WORD_TOKEN_FRACTION_BITS & FUSIONCIM_WORD_TOKEN_MOST_SHIFT;
    const uint32_t mantissa = FUSIONCIM_WORD_SCALE_LEAST_MANTISSA + (FUSIONCIM_CHIP_TOKEN_SCALE_BITS > 1u ? fraction : 0u);
    return mantissa * power_of_two(-(int)(FUSIONCIM_WORD_TOKEN_LEAST_SHIFT + shift));
}

uint32_t fusioncim_token_word(uint32_t k_code, uint32_t v_code)
{
    return k_code | v_code << FUSIONCIM_WORD_TOKEN_CODE_BITS;
}

static int32_t most_operand(uint32_t bits)
{
    return ((int32_t)1 << (bits - 1u)) - 1;
}

double fusioncim_operand_scale(double largest, uint32_t bits)
{
    return largest > 0.0 ? largest / most_operand(bits) : 1.0;
}

int8_t fusioncim_operand(double number, double scale, uint32_t bits)
{
    const int32_t most = most_operand(bits);
    const double value = number / scale;
    if (value >= most) {
        return (int8_t)most;
    }
    return value > -most ? (int8_t)rounded(value) : (int8_t)-most;
}

double fusioncim_output_scale(double scale_v)
{
    return scale_v * power_of_two(-(int)FUSIONCIM_CHIP_OUTPUT_FRACTION_BITS);
}

/* Natural logarithm of a number from 1 to 2: 2 * atanh((x - 1) / (x + 1)), whose series falls by 9 with every term. */
static double logarithm(double number)
{
    const double part = (number - 1.0) / (number + 1.0);
    double sum = 0.0;
    int term;
    for (term = 35; term > 0; term -= 2) {
        sum = sum * part * part + 1.0 / term;
    }
    return 2.0 * part * sum;
}

double fusioncim_log_sum_exp(uint32_t word)
{
    const uint32_t fraction = word & ((1u << FUSIONCIM_WORD_LSE_FRACTION_BITS) - 1u);
    const uint32_t exponent = word >> FUSIONCIM_WORD_LSE_FRACTION_BITS;
    const int32_t sign = (int32_t)1 << (FUSIONCIM_WORD_LSE_EXPONENT_BITS - 1u);
    if (word == FUSIONCIM_WORD_LSE_NO_KEY) {
        return number_of(SIGN | (uint64_t)EXPONENT_MASK << FRACTION_BITS);
    }
    /* The middle of what the word may stand for. */
    return ((int32_t)(exponent ^ (uint32_t)sign) - sign) / FUSIONCIM_LOG2_E
           + logarithm(1.0 + (fraction + 0.5) / (1u << FUSIONCIM_WORD_LSE_FRACTION_BITS));
}

enum fusioncim_status fusioncim_check_score_scale(const fusioncim_job_t *job, uint32_t word)
{
    const int slopes = job->slopes != 0u;
    const uint32_t least = slopes ? FUSIONCIM_CHIP_SLOPED_LEAST_SHIFT : FUSIONCIM_CHIP_LEAST_SHIFT;
    const uint32_t most = slopes ? FUSIONCIM_CHIP_SLOPED_MOST_MANTISSA : FUSIONCIM_CHIP_MOST_MANTISSA;
    const uint32_t mantissa = word & ((1u << FUSIONCIM_WORD_SCALE_MANTISSA_BITS) - 1u);
    const uint32_t shift = (word & ~FUSIONCIM_CENTRED) >> FUSIONCIM_WORD_SCALE_MANTISSA_BITS;
    const int fits = shift > least || (shift == least && mantissa <= most);
    return mantissa >= FUSIONCIM_WORD_SCALE_LEAST_MANTISSA && shift <= FUSIONCIM_WORD_SCALE_MOST_SHIFT && fits
               ? FUSIONCIM_STATUS_OK
               : FUSIONCIM_STATUS_SCALE;
}

enum fusioncim_status fusioncim_check_sink(uint32_t word)
{
    return word == 0u || word >> FUSIONCIM_WORD_SINK_LOG2_BITS == 1u ? FUSIONCIM_STATUS_OK : FUSIONCIM_STATUS_SCALE;
}

enum fusioncim_status fusioncim_check_score_scale_and_sink(const fusioncim_job_t *job, uint32_t scale, uint32_t sink)
{
    const enum fusioncim_status of_scale = fusioncim_check_score_scale(job, scale);
    if (of_scale != FUSIONCIM_STATUS_OK) {
        return of_scale;
    }
    return sink != 0u && (scale & FUSIONCIM_CENTRED) != 0u ? FUSIONCIM_STATUS_SCALE : fusioncim_check_sink(sink);
}

enum fusioncim_status fusioncim_check_slope(uint32_t word)
{
    const uint32_t mantissa = word & ((1u << FUSIONCIM_WORD_SCALE_MANTISSA_BITS) - 1u);
    const uint32_t shift = word >> FUSIONCIM_WORD_SCALE_MANTISSA_BITS;
    return word == 0u
                   || (mantissa >= FUSIONCIM_WORD_SCALE_LEAST_MANTISSA && shift >= FUSIONCIM_WORD_SLOPE_LEAST_SHIFT
                       && shift <= FUSIONCIM_WORD_SCALE_MOST_SHIFT)
               ? FUSIONCIM_STATUS_OK
               : FUSIONCIM_STATUS_SCALE;
}

enum fusioncim_status fusioncim_check_interval(uint32_t low, uint32_t high)
{
    return low <= high && high <= FUSIONCIM_LIMIT_POSITIONS ? FUSIONCIM_STATUS_OK : FUSIONCIM_STATUS_INTERVAL;
}

enum fusioncim_status fusioncim_check_page(const fusioncim_job_t *job, uint32_t page)
{
    return page < job->pages ? FUSIONCIM_STATUS_OK : FUSIONCIM_STATUS_PAGE;
}
