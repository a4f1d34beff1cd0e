#include "common/base/error.h"
#include "common/format/aligned_delta.h"
#include "common/format/wire.h"
#include "common/format/zstd_encoder.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {

void Delta(ByteView input) {
  Reader reader(input);
  const std::uint32_t base_bytes = reader.U32();
  if (!reader.ok()) return;
  const ByteView rest = reader.Raw(reader.remaining());
  const ByteView base = rest.substr(0, base_bytes % (rest.size() + 1));
  const ByteView data = rest.substr(base.size());
  if (const auto copies = AlignWithBase(base, data, data.size() / 2)) {
    std::size_t at = 0;
    std::size_t literal = 0;
    for (const AlignedCopy& copy : *copies) {
      at += copy.literal_bytes;
      literal += copy.literal_bytes;
      HOLDFAST_CHECK(copy.copied_bytes >= kMinCopyBytes && at + copy.copied_bytes <= data.size());
      HOLDFAST_CHECK(data.substr(at, copy.copied_bytes) ==
                     base.substr(copy.base_at, copy.copied_bytes));
      at += copy.copied_bytes;
    }
    HOLDFAST_CHECK(literal + (data.size() - at) <= data.size() / 2);
  }
  if (data.empty()) return;
  static ZstdEncoder encoder(1);
  Bytes frame;
  HOLDFAST_CHECK(encoder.CompressAgainst(base, data, data.size() + 1'000, &frame) != 0);
}

}  // namespace holdfast::fuzz
