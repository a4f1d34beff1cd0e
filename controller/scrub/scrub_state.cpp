#include "controller/scrub/scrub_state.h"

#include "common/env/fail_point.h"
#include "common/format/checked_file.h"
#include "common/format/wire.h"

namespace holdfast::scrub {
namespace {

constexpr ByteView kMagic{"HFSCRB1\n", 8};
constexpr std::size_t kMaxBytes = 4096;

std::uint64_t Millis(absl::Time time) {
  return time == absl::InfinitePast() ? 0 : static_cast<std::uint64_t>(absl::ToUnixMillis(time));
}

absl::Time FromMillis(std::uint64_t millis) {
  return millis == 0 ? absl::InfinitePast()
                     : absl::FromUnixMillis(static_cast<std::int64_t>(millis));
}

}  // namespace

ScrubState LoadScrubState(FileSystem& fs, const std::string& path) {
  const auto body = ReadCheckedFile(fs, path, kMaxBytes);
  if (!body) return {};
  Reader reader(*body);
  if (!reader.Magic(kMagic)) return {};
  ScrubState state;
  state.round_began = FromMillis(reader.U64());
  state.position = reader.Id<PackName>();
  state.completed = FromMillis(reader.U64());
  return reader.AtEnd() ? state : ScrubState();
}

absl::Status SaveScrubState(FileSystem& fs, const std::string& path, const ScrubState& state) {
  HOLDFAST_FAIL_POINT("scrub.remember");
  Writer writer;
  writer.Raw(kMagic);
  writer.U64(Millis(state.round_began));
  writer.Raw(state.position.view());
  writer.U64(Millis(state.completed));
  return WriteCheckedFile(fs, path, writer.Take());
}

}  // namespace holdfast::scrub
