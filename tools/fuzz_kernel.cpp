// A fuzzing target for the kernel, with AddressSanitizer and UndefinedBehaviorSanitizer: a table
// of any bytes, of which the kernel must touch no byte too many, and a plain reader beside it, with
// which it must agree. `python -m tools.fuzz` builds and runs it.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text.cpp"

namespace {

using Cell = std::pair<size_t, size_t>;  // from, to

void demand(bool right, const char *what) {
  if (right) return;
  std::fprintf(stderr, "the kernel and the plain reader disagree: %s\n", what);
  std::abort();
}

// The ends of all cells, one byte after the other; nothing where a record is not a row.
std::optional<std::vector<size_t>> plain_cells(const std::string &block, char delimiter, int quote,
                                               size_t width) {
  std::vector<size_t> ends;
  size_t at = 0;
  if (block.empty() || block.back() != '\n') return {};
  while (at < block.size()) {
    for (size_t column = 0;; column++) {
      const size_t start = at;
      if (quote >= 0 && block[at] == char(quote)) {
        for (at++;; at++) {
          if (at >= block.size()) return {};
          if (block[at] != char(quote)) continue;
          if (at + 1 < block.size() && block[at + 1] == char(quote)) {
            at++;
            continue;
          }
          break;
        }
        at++;
      } else {
        while (block[at] != delimiter && block[at] != '\n' && block[at] != '\r') {
          if (block[at] == 0 || (quote >= 0 && block[at] == char(quote))) return {};
          at++;
        }
      }
      if (at < block.size() && block[at] == '\r') {
        if (at + 1 >= block.size() || block[at + 1] != '\n') return {};
        at++;
      }
      if (at >= block.size() || (block[at] != delimiter && block[at] != '\n')) return {};
      if (block[at] == delimiter && at > start && block[at - 1] == '\r') return {};
      ends.push_back(at);
      if (block[at++] == '\n') {
        const bool blank = width == 1 && (at - start == 1 || (at - start == 2 && block[start] == '\r'));
        if (column + 1 != width || blank) return {};
        break;
      }
    }
  }
  return block.find('\0') == std::string::npos ? std::optional(ends) : std::nullopt;
}

// What a cell holds, without its quotes and outer blanks.
std::string bare_text(const std::string &block, size_t start, size_t end, bool last, int quote) {
  if (last && end > start && block[end - 1] == '\r') end--;
  if (quote >= 0 && start < end && block[start] == char(quote)) start++, end--;
  while (start < end && (block[start] == ' ' || block[start] == '\t')) start++;
  while (start < end && (block[end - 1] == ' ' || block[end - 1] == '\t')) end--;
  return block.substr(start, end - start);
}

// Is a text a number to the NumPy path, and no code?
bool is_plain(const std::string &text, bool codes) {
  size_t at = 0, digits = 0;
  if (text[at] == '-' || (codes && text[at] == '+')) at++;
  if (!codes && text.size() > at + 1 && text[at] == '0' && is_digit(u8(text[at + 1]))) return false;
  for (; at < text.size() && is_digit(u8(text[at])); at++) digits++;
  if (at < text.size() && text[at] == '.')
    for (at++; at < text.size() && is_digit(u8(text[at])); at++) digits++;
  if (!digits) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    at++;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) at++;
    if (at >= text.size()) return false;
    while (at < text.size() && is_digit(u8(text[at]))) at++;
  }
  return at == text.size();
}

// The shortest text that reads back to a number, without an exponent.
std::string plain_text(double x, char point) {
  char text[64];
  for (int digits = 1; digits <= 17; digits++) {
    std::snprintf(text, sizeof text, "%.*e", digits - 1, x);
    if (std::strtod(text, nullptr) == x) break;
  }
  std::string mantissa;
  const char *p = text;
  const bool negative = *p == '-';
  for (p += negative; *p != 'e'; p++)
    if (*p != '.') mantissa += *p;
  int exponent = std::atoi(p + 1);
  while (mantissa.size() > 1 && mantissa.back() == '0') mantissa.pop_back();
  std::string whole, fraction;
  if (exponent < 0) {
    whole = "0";
    fraction = std::string(size_t(-exponent - 1), '0') + mantissa;
  } else {
    while (mantissa.size() < size_t(exponent) + 1) mantissa += '0';
    whole = mantissa.substr(0, size_t(exponent) + 1);
    fraction = mantissa.substr(size_t(exponent) + 1);
  }
  if (x == 0) whole = "0", fraction = "";
  return (negative ? "-" : "") + whole + point + (fraction.empty() ? "0" : fraction);
}

template <class T> std::unique_ptr<T[]> memory(size_t n) {  // with nothing behind it
  return std::make_unique<T[]>(n);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8 *input, size_t size) {
  if (size < 3) return 0;
  const char delimiter = ",;\t|"[input[0] & 3], point = input[0] & 4 ? ',' : '.';
  const int quote = input[0] & 8 ? '"' : input[0] & 16 ? '\'' : -1;
  const bool codes = input[0] & 32, masked = input[0] & 64;
  const size_t width = 1 + input[1] % 5, moved = input[2] % 8;
  std::string block(reinterpret_cast<const char *>(input + 3), size - 3);
  if (block.empty() || block.back() != '\n') block += '\n';

  auto room = memory<u8>(block.size() + moved);  // at any distance from a multiple of 64
  u8 *const at = room.get() + moved;
  std::memcpy(at, block.data(), block.size());
  auto marks = memory<u32>(block.size() + 64);
  i64 flags = 0;
  const i64 found = normcli_find(at, i64(block.size()), delimiter, quote, i64(width), marks.get(),
                                 i64(block.size() + 64), &flags);
  const auto ends = plain_cells(block, delimiter, quote, width);
  demand((found >= 0) == ends.has_value(), "which blocks are refused");
  if (found < 0) return 0;
  demand(size_t(found) == ends->size(), "the number of cells");
  for (size_t i = 0; i < ends->size(); i++) demand(marks[i] == (*ends)[i], "where a cell ends");

  const i64 rows = found / i64(width), count = i64(width);
  std::vector<std::unique_ptr<double[]>> columns;
  std::vector<std::unique_ptr<u8[]>> missing;
  std::vector<double *> values;
  std::vector<u8 *> absent_cells;
  std::vector<i64> positions, absent(width);
  for (i64 i = 0; i < count; i++) {
    columns.push_back(memory<double>(size_t(rows)));
    missing.push_back(memory<u8>(size_t(rows)));
    values.push_back(columns.back().get());
    absent_cells.push_back(missing.back().get());
    positions.push_back(i);
  }
  const u8 tokens[] = {'N', 'A'};
  const u32 offsets[] = {0, 2};
  normcli_read(at, marks.get(), rows, count, flags, positions.data(), count, codes, tokens, offsets,
               1, values.data(), absent_cells.data(), absent.data());
  for (i64 i = 0; i < count; i++) {
    i64 gone = 0;
    for (i64 row = 0; row < rows && gone >= 0; row++) {
      const size_t cell = size_t(row * count + i);
      const size_t start = cell ? (*ends)[cell - 1] + 1 : 0;
      const auto text = bare_text(block, start, (*ends)[cell], i == count - 1, quote);
      if (text.empty() || text == "NA") {
        gone++;
        continue;
      }
      const double x = std::strtod(text.c_str(), nullptr);
      if (absent[size_t(i)] < 0) {
        // The kernel may refuse a number that is hard to read, but not these.
        const size_t e = std::min(text.find_first_of("eE"), text.size());
        const bool zero = text.find_first_of("123456789") >= e;
        const bool easy = is_plain(text, codes) && text.size() < 17 && text.size() - e < 6 &&
                          std::fabs(x) < 9e15 && (zero || std::fabs(x) > 1e-300);
        if (!easy) gone = -1;
        continue;
      }
      demand(is_plain(text, codes), "which cells are numbers");
      demand(std::bit_cast<u64>(x) == std::bit_cast<u64>(values[size_t(i)][row]), "a number");
      demand(std::fabs(x) < 9007199254740992.0, "how large numbers are");
    }
    if (absent[size_t(i)] >= 0) demand(gone == absent[size_t(i)], "which cells are missing");
    if (absent[size_t(i)] < 0) demand(gone < 0 || rows == 0, "which columns are refused");
  }

  // Any bits of the input as numbers, written into the first and the last column.
  std::vector<i64> some = {0};
  if (count > 1) some.push_back(count - 1);
  for (size_t i = 0; i < some.size(); i++)
    for (i64 row = 0; row < rows; row++) {
      u64 bits = 0;
      const size_t from = (size_t(row) * 8 + i * 3) % block.size();
      std::memcpy(&bits, block.data() + from, std::min<size_t>(8, block.size() - from));
      bits = bits * 0x9e3779b97f4a7c15 >> 12 | (1000 + bits % 80) << 52;
      values[i][row] = (row & 1 ? -1 : 1) * std::bit_cast<double>(bits);
      absent_cells[i][row] = masked && bits % 3 == 0;
    }
  const u8 *kept[] = {masked ? absent_cells[0] : nullptr, nullptr}, *none[] = {nullptr, nullptr};
  auto odd = memory<i64>(size_t(rows) * some.size());
  const i64 odd_count = normcli_odd(values.data(), kept, none, rows, i64(some.size()), odd.get());
  std::string texts(size_t(odd_count), '#');
  std::vector<i64> from, to;
  for (i64 i = 0; i < odd_count; i++) from.push_back(i), to.push_back(i + 1);
  const size_t most = block.size() + texts.size() + LONGEST * (size_t(rows) * some.size() + 2);
  auto out = memory<u8>(most);
  const i64 length = normcli_splice(
      at, i64(block.size()), marks.get(), rows, count, flags, some.data(), i64(some.size()),
      values.data(), kept, none, odd.get(), odd_count, reinterpret_cast<const u8 *>(texts.data()),
      from.data(), to.data(), point, out.get());
  std::string want;
  size_t copied = 0;
  for (i64 row = 0; row < rows; row++)
    for (size_t i = 0; i < some.size(); i++) {
      if (kept[i] && kept[i][row]) continue;
      const size_t cell = size_t(row * count + some[i]);
      size_t start = cell ? (*ends)[cell - 1] + 1 : 0, end = (*ends)[cell];
      const bool last = some[i] == count - 1;
      const std::string text = bare_text(block, start, end, last, quote);
      if (last && end > start && block[end - 1] == '\r') end--;
      if (quote >= 0 && start < end && block[start] == char(quote)) start++, end--;
      while (start < end && (block[start] == ' ' || block[start] == '\t')) start++;
      want += block.substr(copied, start - copied);
      const double size_of = std::fabs(values[i][row]);
      want += size_of == 0 || (size_of >= LEAST && size_of < MOST)
                  ? plain_text(values[i][row], point)
                  : "#";
      copied = start + text.size();
    }
  want += block.substr(copied);
  demand(want == std::string(reinterpret_cast<char *>(out.get()), size_t(length)), "what is written");

  // The same numbers, and their squares, added up in any order.
  std::vector<i64> counts(4 * width), digits(2 * width * DIGITS), backwards(2 * width * DIGITS);
  std::vector<double> extremes(2 * width);
  static Bins bins;  // all 0, and again after each call
  i64 range[2];
  normcli_moments(values.data(), rows, i64(some.size()), counts.data(), extremes.data(),
                  digits.data(), range, &bins);
  for (size_t i = 0; i < some.size(); i++) std::reverse(values[i], values[i] + rows);
  normcli_moments(values.data(), rows, i64(some.size()), counts.data(), extremes.data(),
                  backwards.data(), range, &bins);
  demand(digits == backwards, "sums in another order");
  return 0;
}
