#include "agent/source/postgres/database_facts.h"
#include "agent/source/postgres/dump_program.h"
#include "agent/source/postgres/row_checksum.h"
#include "common/base/error.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

struct Filtered {
  Bytes text;
  bool complete = false;
  bool operator==(const Filtered&) const = default;
};

Filtered Filter(ByteView dump, std::size_t first_piece) {
  Filtered filtered;
  const auto write = [&](ByteView bytes) {
    filtered.text.append(bytes);
    return absl::OkStatus();
  };
  source::DumpFilter filter(write);
  HOLDFAST_CHECK(filter.Feed(dump.substr(0, first_piece)).ok());
  HOLDFAST_CHECK(filter.Feed(dump.substr(first_piece)).ok());
  HOLDFAST_CHECK(filter.Finish().ok());
  filtered.complete = filter.complete();
  return filtered;
}

source::RowChecksum Sum(ByteView rows, std::size_t first_piece) {
  source::RowChecksum sum;
  source::RowSplitter splitter(sum);
  splitter.Feed(rows.substr(0, first_piece));
  splitter.Feed(rows.substr(first_piece));
  return sum;
}

}  // namespace

// The text of pg_dump, COPY's rows, and the documents of a snapshot of a database.
void Postgres(ByteView input) {
  const Filtered whole = Filter(input, input.size());
  HOLDFAST_CHECK(whole == Filter(input, input.size() / 2));
  HOLDFAST_CHECK(whole.text.size() <= input.size());
  HOLDFAST_CHECK(Sum(input, input.size()) == Sum(input, input.size() / 2));

  const std::string text(input);
  const auto database = source::DecodeDatabase(text);
  if (database.ok()) {
    const auto encoded = source::EncodeDatabase(*database);
    HOLDFAST_CHECK(!encoded.ok() || source::DecodeDatabase(*encoded).ok());
  }
  const auto sequences = source::DecodeSequences(text);
  if (sequences.ok()) {
    const auto encoded = source::EncodeSequences(*sequences);
    HOLDFAST_CHECK(!encoded.ok() || source::DecodeSequences(*encoded)->size() == sequences->size());
  }
}

}  // namespace holdfast::fuzz
