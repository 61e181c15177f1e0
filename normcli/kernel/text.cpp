// What runs on plain CSV spend most of their time on: find the cells of a block, read numbers,
// add them up exactly, and write numbers back into their cells.
//
// Every function works in memory that the caller owns, and allocates nothing. What is odd (a quote
// out of place, a ragged row, a cell that is not a plain number) is refused: the caller then takes
// the path in NumPy, which is the reference and words all errors. Where a function does not refuse,
// its results are the same, bit for bit. The compiler must not contract or reorder
// floating-point operations: -ffp-contract=off, and no -ffast-math.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;
using u128 = unsigned __int128;
using i128 = __int128;

struct Power {
  u64 high, low;
};

// POWERS[q - LEAST_POWER]: 10^q as 128 bits of which the first is 1, rounded up; made with exact
// integers when this file is compiled.
constexpr int LEAST_POWER = -342, LARGEST_POWER = 324;
constexpr Power POWERS[] = {
#include "powers.inc"
};
static_assert(sizeof POWERS / sizeof *POWERS == LARGEST_POWER - LEAST_POWER + 1);

constexpr int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }

constexpr u64 ZEROS = 0x3030303030303030;  // eight times the character 0

constexpr u64 TENS[] = {1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL,
                        100000000ULL, 1000000000ULL, 10000000000ULL, 100000000000ULL,
                        1000000000000ULL, 10000000000000ULL, 100000000000000ULL,
                        1000000000000000ULL, 10000000000000000ULL, 100000000000000000ULL};

static_assert(std::endian::native == std::endian::little);

bool is_digit(u8 c) { return u8(c - '0') < 10; }

// -- find ----------------------------------------------------------------------------------------

// 64 bytes as bits: bit i is set where byte i is `c`.
struct Bytes64 {
#if defined(__SSE2__)
  __m128i part[4];
  explicit Bytes64(const u8 *p) {
    for (int i = 0; i < 4; i++)
      part[i] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p + 16 * i));
  }
  u64 equal(u8 c) const {
    const __m128i wanted = _mm_set1_epi8(char(c));
    u64 bits = 0;
    for (int i = 0; i < 4; i++)
      bits |= u64(u32(_mm_movemask_epi8(_mm_cmpeq_epi8(part[i], wanted)))) << (16 * i);
    return bits;
  }
  u64 not_ascii() const {
    u64 bits = 0;
    for (int i = 0; i < 4; i++) bits |= u64(u32(_mm_movemask_epi8(part[i]))) << (16 * i);
    return bits;
  }
#else
  const u8 *p;
  explicit Bytes64(const u8 *p) : p(p) {}
  u64 equal(u8 c) const {
    u64 bits = 0;
    for (int i = 0; i < 64; i++) bits |= u64(p[i] == c) << i;
    return bits;
  }
  u64 not_ascii() const {
    u64 bits = 0;
    for (int i = 0; i < 64; i++) bits |= u64(p[i] >> 7) << i;
    return bits;
  }
#endif
};

// Bit i is the parity of bits 0 to i.
u64 running_parity(u64 bits) {
  for (int i = 1; i < 64; i *= 2) bits ^= bits << i;
  return bits;
}

// What is carried from one 64 bytes of a block to the next.
struct Finder {
  u8 delimiter;
  i64 quote;
  u64 width;
  u32 *marks;
  u64 count = 0, column = 0;
  u64 inside = 0;            // all bits set: in quotes
  u64 before_opening = 1;    // may the first byte be an opening quote?
  u64 after_closing = 0;     // was the last byte a closing quote?
  u64 after_cr = 0;          // was it a CR outside quotes?
  u64 seen_quotes = 0, seen_blanks = 0, seen_crs = 0, seen_not_ascii = 0, seen_nul = 0;
  bool odd = false;

  void look(const u8 *p, u64 offset, u64 valid) {
    const Bytes64 bytes(p);
    const u64 lf = bytes.equal('\n') & valid, cr = bytes.equal('\r') & valid;
    const u64 delimiters = bytes.equal(delimiter) & valid;
    seen_nul |= bytes.equal(0) & valid;
    seen_not_ascii |= bytes.not_ascii() & valid;
    seen_blanks |= (bytes.equal(' ') | bytes.equal('\t')) & valid;
    u64 separators = lf | delimiters, returns = cr;
    const u64 quotes = quote < 0 ? 0 : bytes.equal(u8(quote)) & valid;
    if (quotes | inside | after_closing) {
      const u64 within = running_parity(quotes) ^ inside;  // from an opening quote on
      const u64 opening = quotes & within, closing = quotes & ~within;
      const u64 edges = lf | cr | delimiters;
      odd |= (opening & ~((edges | closing) << 1 | before_opening | after_closing)) != 0;
      odd |= ((closing << 1 | after_closing) & ~(edges | opening) & valid) != 0;
      separators &= ~within;
      returns &= ~within;
      after_closing = closing >> 63;
      before_opening = edges >> 63;
      inside = u64(0) - (within >> 63);
      seen_quotes |= quotes;
    } else {
      before_opening = (lf | cr | delimiters) >> 63;
    }
    // A CR ends a line only together with an LF.
    odd |= ((returns << 1 | after_cr) & ~lf & valid) != 0;
    after_cr = returns >> 63;
    seen_crs |= returns;
    u64 ends = lf & separators;
    for (; separators; separators &= separators - 1) {
      const u64 bit = separators & -separators;
      marks[count++] = u32(offset + u64(std::countr_zero(separators)));
      column++;
      const bool at_end = (ends & bit) != 0;
      odd |= at_end != (column == width);
      column = at_end ? 0 : column;
    }
  }
};

// -- read ----------------------------------------------------------------------------------------

struct Tokens {  // token i is text[offsets[i]] to before text[offsets[i + 1]]
  const u8 *text;
  const u32 *offsets;
  i64 count;

  bool has(const u8 *p, const u8 *end) const {
    const u64 length = u64(end - p);
    for (i64 i = 0; i < count; i++)
      if (offsets[i + 1] - offsets[i] == length && !std::memcmp(text + offsets[i], p, length))
        return true;
    return false;
  }
};

// The float64 nearest to digits * 10^power, or false where that is in doubt. D. Lemire, "Number
// parsing at a gigabyte per second", Software: Practice and Experience 51(8), 2021.
bool nearest(u64 digits, int power, double &value) {
  if (digits < (u64(1) << 53) && -22 <= power && power <= 22) {
    static constexpr double EXACT[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    value = power < 0 ? double(digits) / EXACT[-power] : double(digits) * EXACT[power];
    return true;
  }
  if (digits == 0) {
    value = 0;
    return true;
  }
  if (power < LEAST_POWER || power > 308) return false;
  Power ten = POWERS[power - LEAST_POWER];
  const bool inexact = power < -27 || power > 55;  // this method has these rounded down
  if (inexact && ten.low-- == 0) ten.high--;
  const int shift = std::countl_zero(digits);
  const u64 w = digits << shift;
  u128 first = u128(w) * ten.high;
  u64 high = u64(first >> 64), low = u64(first);
  if ((high & 0x1ff) == 0x1ff) {
    const u64 more = u64(u128(w) * ten.low >> 64);
    low += more;
    high += low < more;
    if (low == ~u64(0) && inexact) return false;
  }
  const int top = int(high >> 63);
  u64 mantissa = high >> (top + 9);
  int exponent = floor_log2_pow10(power) + 64 + top - shift + 1022;
  if (exponent <= 0 || exponent >= 2046) return false;  // subnormal, or perhaps too large
  if (low <= 1 && power >= -4 && power <= 23 && (mantissa & 3) == 1 &&
      mantissa << (top + 9) == high)
    mantissa &= ~u64(1);  // exactly in the middle: to even
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >> 53) {
    mantissa >>= 1;
    exponent++;
  }
  value = std::bit_cast<double>(u64(exponent) << 52 | (mantissa & ((u64(1) << 52) - 1)));
  return true;
}

// The value of eight characters, the first one in the lowest byte; false where one is not a digit.
bool read_eight(u64 eight, u64 &value) {
  constexpr u64 HIGH = 0xf0f0f0f0f0f0f0f0;
  if ((eight & HIGH) != ZEROS || ((eight + 0x0606060606060606) & HIGH) != ZEROS) return false;
  eight = (eight - ZEROS) * (10 << 8 | 1) >> 8;
  eight = (eight & 0x00ff00ff00ff00ff) * (100 << 16 | 1) >> 16;
  value = (eight & 0x0000ffff0000ffff) * (u64(10000) << 32 | 1) >> 32;
  return true;
}

// Appends the digits at p to a number; where they end. Up to `limit` there is memory to read.
const u8 *read_digits(const u8 *p, const u8 *end, const u8 *limit, u64 &number) {
  u64 eight, value;
  while (end - p >= 8) {
    std::memcpy(&eight, p, 8);
    if (!read_eight(eight, value)) break;
    number = number * 100000000 + value;
    p += 8;
  }
  const i64 left = end - p;  // usually all of these are digits
  if (0 < left && left < 8 && limit - p >= 8) {
    std::memcpy(&eight, p, 8);
    if (read_eight(eight << (64 - 8 * left) | ZEROS >> 8 * left, value)) {
      number = number * TENS[left] + value;
      return end;
    }
  }
  while (p < end && is_digit(*p)) number = number * 10 + (*p++ - '0');
  return p;
}

// Is the text a plain number, of less than 2^53 in size? With `codes`, 007 and +7 are numbers too.
bool read_number(const u8 *p, const u8 *end, const u8 *limit, bool codes, double &value) {
  const bool negative = *p == '-';
  p += negative || (codes && *p == '+');
  const u8 *const first = p;
  u64 digits = 0;
  p = read_digits(p, end, limit, digits);
  i64 count = p - first, power = 0;
  if (count > 1 && *first == '0' && !codes) return false;
  if (p < end && *p == '.') {
    const u8 *const point = ++p;
    p = read_digits(p, end, limit, digits);
    power = point - p;
    count -= power;
  }
  if (count == 0) return false;
  if (count > 19) {  // without leading zeros there may be fewer
    const u8 *q = first;
    while (count && (*q == '0' || *q == '.')) count -= *q++ == '0';
    if (count > 19) return false;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    const bool down = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || end - p > 6) return false;
    i64 exponent = 0;
    while (p < end && is_digit(*p)) exponent = exponent * 10 + (*p++ - '0');
    power += down ? -exponent : exponent;
  }
  if (p != end) return false;
  if (!nearest(digits, int(std::clamp<i64>(power, -2000, 2000)), value)) return false;
  if (!(value < 9007199254740992.0)) return false;
  value = std::bit_cast<double>(std::bit_cast<u64>(value) | u64(negative) << 63);
  return true;
}

// -- exact sums ----------------------------------------------------------------------------------

constexpr int GRID = 23;  // bits of a digit; those of normcli/numerics/digits.py

constexpr int LOWEST = -94;  // the square of the smallest float64 is 2^-2148
constexpr i64 DIGITS = 188;  // from there to 2^2162, beyond any sum of squares
constexpr i64 TILE = 1024;   // numbers looked at together: they stay in the first cache
constexpr i64 FULL = 1 << 20;  // numbers in a bin, at most: their squares are below 2^126

constexpr u64 FRACTION = (u64(1) << 52) - 1;
constexpr double INFINITE = std::numeric_limits<double>::infinity();

// What is counted of one column.
struct Column {
  double low = INFINITE, high = -INFINITE;
  u64 least = ~u64(0), greatest = 0;  // sizes of finite numbers, as bits less 1: 0 does not count
  i64 nan = 0, inf = 0;
  bool whole = true;

  void look(const double *x, i64 n) {
    double lows[4] = {low, low, low, low}, highs[4] = {high, high, high, high};
    u64 leasts[4] = {least, least, least, least}, greatests[4] = {};
    i64 i = 0;
    for (; i + 4 <= n; i += 4)
      for (int j = 0; j < 4; j++) {
        const u64 size = (std::bit_cast<u64>(x[i + j]) << 1 >> 1) - 1;
        lows[j] = x[i + j] < lows[j] ? x[i + j] : lows[j];
        highs[j] = x[i + j] > highs[j] ? x[i + j] : highs[j];
        leasts[j] = std::min(leasts[j], size);
        greatests[j] = std::max(greatests[j], size + 1);
      }
    u64 top = std::max({greatests[0], greatests[1], greatests[2], greatests[3]});
    if (top >= std::bit_cast<u64>(INFINITE)) {
      top = 0;
      i64 nans = 0, infs = 0;
      for (i64 k = 0; k < i; k++) {
        const u64 size = std::bit_cast<u64>(x[k]) << 1 >> 1;
        nans += size > std::bit_cast<u64>(INFINITE);
        infs += size == std::bit_cast<u64>(INFINITE);
        top = std::max(top, size < std::bit_cast<u64>(INFINITE) ? size : 0);
      }
      if (infs) return look_at_each(x, n);  // they are not among the lows and highs
      nan += nans;
    }
    low = std::min({lows[0], lows[1], lows[2], lows[3]});
    high = std::max({highs[0], highs[1], highs[2], highs[3]});
    least = std::min({leasts[0], leasts[1], leasts[2], leasts[3]});
    greatest = std::max(greatest, top);
    look_at_each(x + i, n - i);
    if (whole) whole = top < std::bit_cast<u64>(0x1p51) ? are_whole(x, i) : are_all_whole(x, i);
  }

  // Are numbers below 2^51, or NaN, all whole? What is added leaves no room for a fraction.
  static bool are_whole(const double *x, i64 n) {
    i64 fractions = 0;
    for (i64 i = 0; i < n; i++) fractions += (x[i] + 0x1.8p52) - 0x1.8p52 != x[i] && x[i] == x[i];
    return !fractions;
  }

  static bool are_all_whole(const double *x, i64 n) {
    return std::all_of(x, x + n, is_whole);
  }

  void look_at_each(const double *x, i64 n) {
    for (i64 i = 0; i < n; i++) {
      if (x[i] != x[i] || x[i] == INFINITE || x[i] == -INFINITE) {
        (x[i] != x[i] ? nan : inf)++;
        continue;
      }
      const u64 size = std::bit_cast<u64>(x[i]) << 1 >> 1;
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
      least = std::min(least, size - 1);
      greatest = std::max(greatest, size);
      whole = whole && is_whole(x[i]);
    }
  }

  static bool is_whole(double x) {
    return x != x || x >= 0x1p52 || x <= -0x1p52 || double(i64(x)) == x;
  }
};

// Sums of mantissas, and of their squares, for each exponent: integers of 128 bits. There are four
// of each, so that an addition need not wait for the one before it.
struct Bins {
  i128 sums[2048][4];
  u128 squares[2048][4];

  void add(const double *x, i64 n) {
    i64 i = 0;
    for (; i + 4 <= n; i += 4)
      for (int j = 0; j < 4; j++) add(x[i + j], j);
    for (; i < n; i++) add(x[i], 0);
  }

  void add(double x, int j) {
    const u64 bits = std::bit_cast<u64>(x), exponent = bits >> 52 & 2047;
    u64 mantissa = (bits & FRACTION) | u64(exponent != 0) << 52;
    mantissa = exponent == 2047 ? 0 : mantissa;
    const i64 sign = i64(bits) >> 63;
    sums[exponent][j] += (i64(mantissa) ^ sign) - sign;
    squares[exponent][j] += u128(mantissa) * mantissa;
  }

  // Adds what is in the bins to digits, and empties them.
  void empty(const Column &column, i64 *sum, i64 *square, i64 *range) {
    if (column.least > column.greatest) return;  // zeros
    const int least = int((column.least + 1) >> 52), greatest = int(column.greatest >> 52);
    for (int e = least; e <= greatest; e++) {
      i128 s = 0;
      u128 q = 0;
      for (int j = 0; j < 4; j++) {
        s += sums[e][j];
        q += squares[e][j];
        sums[e][j] = squares[e][j] = 0;
      }
      const int exponent = std::max(e, 1) - 1075;  // subnormal numbers have that of the next
      add_to(sum, u128(s < 0 ? -s : s), exponent, s < 0 ? -1 : 1, range);
      add_to(square, q, 2 * exponent, 1, range);
    }
  }

  // Adds `sign` times a number, worth 2^exponent, to digits.
  static void add_to(i64 *digits, u128 number, int exponent, i64 sign, i64 *range) {
    const int position = exponent - GRID * LOWEST;
    add_half(digits, u64(number), position, sign, range);
    add_half(digits, u64(number >> 64), position + 64, sign, range);
  }

  static void add_half(i64 *digits, u64 number, int position, i64 sign, i64 *range) {
    if (!number) return;
    i64 at = position / GRID;
    range[0] = std::min(range[0], at);
    for (u128 rest = u128(number) << position % GRID; rest; rest >>= GRID)
      digits[at++] += sign * i64(rest & ((1 << GRID) - 1));
    range[1] = std::max(range[1], at);
  }
};

// -- write ---------------------------------------------------------------------------------------

struct Decimal {
  u64 digits;
  int exponent;
};

u64 round_to_odd(Power g, u64 c) {
  const u128 low = u128(g.low) * c;
  u128 high = u128(g.high) * c;
  high += u64(low >> 64);
  return u64(high >> 64) | (u64(high) > 1);
}

constexpr int floor_log10_pow2(int e, bool closer) {
  return (e * 1262611 - (closer ? 524031 : 0)) >> 22;
}

// The shortest decimal that reads back to a positive number, of these the nearest one. R.
// Giulietti, "The Schubfach way to render doubles", 2020.
Decimal shortest(u64 bits) {
  const u64 fraction = bits & ((u64(1) << 52) - 1);
  const int biased = int(bits >> 52);
  const u64 c = biased ? fraction | u64(1) << 52 : fraction;
  const int q = (biased ? biased : 1) - 1075;
  if (q <= 0 && -q < 53 && (c & ((u64(1) << -q) - 1)) == 0) return {c >> -q, 0};
  const bool closer = fraction == 0 && biased > 1, odd = c & 1;
  const int k = floor_log10_pow2(q, closer);
  const int h = q + floor_log2_pow10(-k) + 1;
  const Power g = POWERS[-k - LEAST_POWER];
  const u64 lower = round_to_odd(g, (4 * c - 2 + closer) << h) + odd;
  const u64 v = round_to_odd(g, 4 * c << h);
  const u64 upper = round_to_odd(g, (4 * c + 2) << h) - odd;
  const u64 s = v / 4;
  if (s >= 10) {
    const u64 t = s / 10;
    const bool down = lower <= 40 * t, up = 40 * t + 40 <= upper;
    if (down != up) return {t + up, k + 1};
  }
  const bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
  if (down != up) return {s + up, k};
  const u64 middle = 4 * s + 2;
  return {s + (v > middle || (v == middle && (s & 1))), k};
}

// Eight digits of a number below 10^8, as values from 0 to 9: the first one in the lowest byte.
u64 eight_digits(u64 number) {
  const u64 fours = number / 10000 | number % 10000 << 32;
  const u64 hundreds = (fours * 10486 >> 20) & 0x0000007f0000007f;
  const u64 twos = hundreds | (fours - 100 * hundreds) << 16;
  const u64 tens = (twos * 103 >> 10) & 0x000f000f000f000f;
  return tens | (twos - 10 * tens) << 8;
}

// Of a number from 1 to below 10^17.
int count_of_digits(u64 number) {
  const int least = (64 - std::countl_zero(number)) * 1233 >> 12;
  return least + (number >= TENS[least]);
}

constexpr int LONGEST = 32;  // bytes of the longest number, and of what is written behind it
constexpr double LEAST = 1e-5, MOST = 1e15;

// Writes a number that is 0, or from LEAST to below MOST in size, without an exponent. What is
// behind it, up to 2 * LONGEST bytes from its start, is overwritten.
u8 *write_number(u8 *out, double value, u8 point) {
  const u64 bits = std::bit_cast<u64>(value);
  *out = '-';
  out += bits >> 63;
  if (bits << 1 == 0) {
    const u8 zero[] = {'0', point, '0'};
    std::memcpy(out, zero, 3);
    return out + 3;
  }
  const Decimal d = shortest(bits & ~(u64(1) << 63));  // of at most 17 digits
  u64 digits = d.digits;
  int power = d.exponent;
  for (; power > 0; power--) digits *= 10;
  const u64 last = eight_digits(digits % 100000000), rest = digits / 100000000;
  const u64 middle = eight_digits(rest % 100000000);
  u8 text[48] = {};
  text[0] = u8('0' + rest / 100000000);
  const u64 texts[] = {middle | ZEROS, last | ZEROS};
  std::memcpy(text + 1, texts, 16);
  const int zeros = last ? std::countl_zero(last) / 8 : 8 + std::countl_zero(middle) / 8;
  const int length = count_of_digits(digits), whole = length + power;
  const u8 *const first = text + 17 - length;
  const int fraction = std::max(-power - zeros, 1);
  if (whole > 0) {
    std::memcpy(out, first, 17);
    out[whole] = point;
    std::memcpy(out + whole + 1, power ? first + whole : text + 17, 17);
    if (power == 0 || -power <= zeros) out[whole + 1] = '0';
    return out + whole + 1 + fraction;
  }
  std::memcpy(out, "0.000000", 8);
  out[1] = point;
  std::memcpy(out + 2 - whole, first, 17);
  return out + 2 + fraction;
}

}  // namespace

extern "C" {

// Which version of these functions this is: the caller knows one.
int normcli_version() { return 1; }

// What there may be in a block. From bit 8 on: its quote.
enum { QUOTES = 1, BLANKS = 2, RETURNS = 4, NOT_ASCII = 8 };

// Finds the cells of `length` bytes that end with an LF: `marks` gets the offset of the byte that
// ends each, of at most `room`. Returns their number, or -1 where a record is not a row of `width`
// cells, where a quote is out of place, or where there is a lone CR, a blank line or a NUL.
i64 normcli_find(const u8 *block, i64 length, i64 delimiter, i64 quote, i64 width, u32 *marks,
                 i64 room, i64 *flags) {
  if (length > i64(std::numeric_limits<u32>::max()) || width < 1) return -1;
  if (length < 1 || block[length - 1] != '\n') return -1;
  Finder finder{u8(delimiter), quote, u64(width), marks};
  for (i64 at = 0; at < length; at += 64) {
    if (finder.odd || i64(finder.count) + 64 > room) return -1;
    if (length - at >= 64) {
      finder.look(block + at, u64(at), ~u64(0));
    } else {
      u8 last[64] = {};
      std::memcpy(last, block + at, u64(length - at));
      finder.look(last, u64(at), (u64(1) << (length - at)) - 1);
    }
  }
  if (finder.odd || finder.inside || finder.column || finder.seen_nul) return -1;
  if (width == 1)  // a blank line is not a row
    for (u64 i = 0, start = 0; i < finder.count; start = u64(marks[i++]) + 1)
      if (marks[i] == start || (marks[i] == start + 1 && block[start] == '\r')) return -1;
  *flags = (finder.seen_quotes ? QUOTES : 0) | (finder.seen_blanks ? BLANKS : 0) |
           (finder.seen_crs ? RETURNS : 0) | (finder.seen_not_ascii ? NOT_ASCII : 0) |
           (quote < 0 ? 0 : quote << 8);
  return i64(finder.count);
}

// Where a cell starts and ends: without its quotes, and without outer blanks.
static inline void bare(const u8 *block, const u32 *marks, u64 cell, bool last, i64 flags,
                        const u8 *&start, const u8 *&end) {
  start = block + (cell ? marks[cell - 1] + 1 : 0);
  end = block + marks[cell];
  if (last && (flags & RETURNS) && end > start && end[-1] == '\r') end--;
  if ((flags & QUOTES) && start < end && *start == u8(flags >> 8)) start++, end--;
  if (flags & BLANKS) {
    while (start < end && (*start == ' ' || *start == '\t')) start++;
    while (start < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
  }
}

// Reads `count` columns of all rows as float64: values[i][row], NaN where missing[i][row] is 1: the
// cell is empty or a token. absent[i] is the number of these, or -1 where a cell of the column is
// something else than a plain number below 2^53.
void normcli_read(const u8 *block, const u32 *marks, i64 rows, i64 width, i64 flags,
                  const i64 *columns, i64 count, i64 codes, const u8 *token_text,
                  const u32 *token_offsets, i64 token_count, double *const *values,
                  u8 *const *missing, i64 *absent) {
  const Tokens tokens{token_text, token_offsets, token_count};
  const u8 *const limit = rows ? block + marks[rows * width - 1] : block;
  for (i64 i = 0; i < count; i++) absent[i] = 0;
  for (i64 row = 0; row < rows; row++) {
    for (i64 i = 0; i < count; i++) {
      if (absent[i] < 0) continue;
      const u8 *start, *end;
      bare(block, marks, u64(row * width + columns[i]), columns[i] == width - 1, flags, start, end);
      double value;
      bool is_missing = start == end;
      if (is_missing || !read_number(start, end, limit, codes != 0, value)) {
        is_missing = is_missing || tokens.has(start, end);
        if (!is_missing) {
          absent[i] = -1;
          continue;
        }
        value = std::numeric_limits<double>::quiet_NaN();
        absent[i]++;
      }
      values[i][row] = value;
      missing[i][row] = is_missing;
    }
  }
}

// What is counted and added up of `count` columns of `rows` numbers, without any rounding.
// counts[4 i]: finite numbers, NaN, infinities, and 1 if all finite ones are whole. ends[2 i]:
// minimum and maximum of the finite ones; infinities where there are none. digits: of the sums of
// all columns, then of the sums of squares, DIGITS each, the least one first; it is worth
// 2^(GRID * LOWEST). They are 0 at first. range: the digits in use, from the first to before the
// last. memory: room for Bins, all 0, which it is again afterwards.
void normcli_moments(const double *const *values, i64 rows, i64 count, i64 *counts, double *ends,
                     i64 *digits, i64 *range, void *memory) {
  Bins &bins = *static_cast<Bins *>(memory);
  range[0] = DIGITS;
  range[1] = 0;
  for (i64 i = 0; i < count; i++) {
    Column column;
    for (i64 row = 0; row < rows; row += TILE) {
      column.look(values[i] + row, std::min(TILE, rows - row));
      bins.add(values[i] + row, std::min(TILE, rows - row));
      if (row % FULL == FULL - TILE || row + TILE >= rows)
        bins.empty(column, digits + i * DIGITS, digits + (count + i) * DIGITS, range);
    }
    const i64 found[] = {rows - column.nan - column.inf, column.nan, column.inf, column.whole};
    std::memcpy(counts + 4 * i, found, sizeof found);
    ends[2 * i] = column.low + 0.0;  // not -0.0
    ends[2 * i + 1] = column.high + 0.0;
  }
}

// The numbers that `splice` does not write itself: row * count + i of values[i][row] that is neither
// kept nor null (both may be null pointers), and is neither 0 nor from LEAST to below MOST in size.
// Returns how many there are.
i64 normcli_odd(const double *const *values, const u8 *const *keep, const u8 *const *null,
                i64 rows, i64 count, i64 *odd) {
  i64 found = 0;
  for (i64 row = 0; row < rows; row++)
    for (i64 i = 0; i < count; i++) {
      const double size = std::fabs(values[i][row]);
      if ((size >= LEAST && size < MOST) || size == 0) continue;
      if ((keep[i] && keep[i][row]) || (null[i] && null[i][row])) continue;
      odd[found++] = row * count + i;
    }
  return found;
}

// Copies a block with numbers in the place of cells. columns: `count` of them, ascending;
// values[i][row] is written unless keep[i][row] (the cell stays) or null[i][row] (it becomes
// empty). odd: what `odd` finds;
// number j of them is written as text[starts[j]] to before text[ends[j]]. Returns the length of
// what is in `out`, which has room for the block, the texts, LONGEST bytes a cell, and
// 2 * LONGEST at the end.
i64 normcli_splice(const u8 *block, i64 length, const u32 *marks, i64 rows, i64 width, i64 flags,
                   const i64 *columns, i64 count, const double *const *values,
                   const u8 *const *keep, const u8 *const *null, const i64 *odd, i64 odd_count,
                   const u8 *text, const i64 *starts, const i64 *ends, i64 point, u8 *out) {
  u8 *const begin = out;
  const u8 *copied = block;
  i64 next_odd = 0;
  for (i64 row = 0; row < rows; row++) {
    for (i64 i = 0; i < count; i++) {
      const bool is_odd = next_odd < odd_count && odd[next_odd] == row * count + i;
      const i64 number = next_odd;
      next_odd += is_odd;
      if (keep[i] && keep[i][row]) continue;
      const u8 *start, *end;
      bare(block, marks, u64(row * width + columns[i]), columns[i] == width - 1, flags, start, end);
      const i64 gap = start - copied;
      if (gap <= 16 && copied + 16 <= block + length)
        std::memcpy(out, copied, 16);  // a copy of a fixed size is fast
      else
        std::memcpy(out, copied, u64(gap));
      out += gap;
      copied = end;
      if (null[i] && null[i][row]) continue;
      if (is_odd) {
        const i64 size = ends[number] - starts[number];
        std::memcpy(out, text + starts[number], u64(size));
        out += size;
      } else {
        out = write_number(out, values[i][row], u8(point));
      }
    }
  }
  std::memcpy(out, copied, u64(block + length - copied));
  return out + (block + length - copied) - begin;
}
}
