// For ZSTD_compressSequences, which is why the library is linked in (cmake/dependencies.cmake).
#define ZSTD_STATIC_LINKING_ONLY

#include "common/format/zstd_encoder.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <vector>

#include "common/base/error.h"
#include "common/format/aligned_delta.h"
#include "common/format/zstd_decoder.h"

namespace holdfast {
namespace {

// Literals of AlignWithBase are only entropy-coded: with more of them a search for repeats is
// better.
constexpr std::size_t kMaxLiteralsOf = 16;
constexpr int kSmallestLog = 6;  // ZSTD_HASHLOG_MIN: nothing is searched for in this table

struct CompressDelete {
  void operator()(ZSTD_CCtx* ctx) const { ZSTD_freeCCtx(ctx); }
};
int WindowLogFor(std::size_t bytes) {
  int log = 10;
  while ((std::size_t{1} << log) < bytes && log < 27) ++log;
  return log;
}

// zstd counts offsets as if the base stood right before the plaintext.
std::vector<ZSTD_Sequence> Sequences(const std::vector<AlignedCopy>& copies,
                                     std::size_t base_bytes) {
  std::vector<ZSTD_Sequence> sequences;
  sequences.reserve(copies.size());
  std::size_t at = 0;
  for (const AlignedCopy& copy : copies) {
    at += copy.literal_bytes;
    const std::size_t offset = base_bytes - copy.base_at + at;
    sequences.push_back({static_cast<unsigned>(offset), copy.literal_bytes, copy.copied_bytes, 0});
    at += copy.copied_bytes;
  }
  return sequences;
}

}  // namespace

struct ZstdEncoder::Impl {
  int level;
  std::unique_ptr<ZSTD_CCtx, CompressDelete> encoder{ZSTD_createCCtx()};
  ZstdDecoder decoder{};
  Bytes decoded{};

  void Set(ZSTD_cParameter parameter, int value) {
    ZSTD_CCtx_setParameter(encoder.get(), parameter, value);
  }

  void Begin() {
    ZSTD_CCtx_reset(encoder.get(), ZSTD_reset_session_and_parameters);
    Set(ZSTD_c_compressionLevel, level);
    Set(ZSTD_c_contentSizeFlag, 1);
  }

  static std::size_t MakeRoom(ByteView plaintext, Bytes* buffer) {
    const std::size_t bound = ZSTD_compressBound(plaintext.size());
    if (buffer->size() < bound) buffer->resize(bound);
    return bound;
  }

  std::size_t Search(ByteView plaintext, std::size_t room, Bytes* buffer) {
    const std::size_t size =
        ZSTD_compress2(encoder.get(), buffer->data(), room, plaintext.data(), plaintext.size());
    if (!ZSTD_isError(size)) return size;
    HOLDFAST_CHECK(ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall);
    return 0;
  }

  std::size_t Align(ByteView base, ByteView plaintext, std::size_t limit, Bytes* buffer) {
    const auto copies = AlignWithBase(base, plaintext, plaintext.size() / kMaxLiteralsOf);
    if (!copies) return 0;
    const std::vector<ZSTD_Sequence> sequences = Sequences(*copies, base.size());
    Begin();
    Set(ZSTD_c_windowLog, WindowLogFor(base.size() + plaintext.size()));
    Set(ZSTD_c_hashLog, kSmallestLog);
    Set(ZSTD_c_minMatch, 3);  // copies are cut where zstd's blocks end
    const std::size_t room = MakeRoom(plaintext, buffer);
    const std::size_t size =
        ZSTD_compressSequences(encoder.get(), buffer->data(), room, sequences.data(),
                               sequences.size(), plaintext.data(), plaintext.size());
    if (ZSTD_isError(size) || size > limit) return 0;
    return Decodes(base, plaintext, ByteView(*buffer).substr(0, size)) ? size : 0;
  }

  bool Decodes(ByteView base, ByteView plaintext, ByteView frame) {
    if (decoded.size() < plaintext.size()) decoded.resize(plaintext.size());
    const std::size_t size = decoder.Decompress(base, frame, &decoded);
    return ByteView(decoded).substr(0, size) == plaintext;
  }
};

ZstdEncoder::ZstdEncoder(int level) : impl_(std::make_unique<Impl>(Impl{level})) {}
ZstdEncoder::~ZstdEncoder() = default;

std::size_t ZstdEncoder::Compress(ByteView plaintext, std::size_t limit, Bytes* buffer) {
  impl_->Begin();
  const std::size_t size = impl_->Search(plaintext, impl_->MakeRoom(plaintext, buffer), buffer);
  return size <= limit ? size : 0;
}

std::size_t ZstdEncoder::CompressAgainst(ByteView base, ByteView plaintext, std::size_t limit,
                                         Bytes* buffer) {
  if (const std::size_t size = impl_->Align(base, plaintext, limit, buffer); size != 0) return size;
  impl_->Begin();
  const int window = WindowLogFor(base.size() + plaintext.size());
  impl_->Set(ZSTD_c_windowLog, window);
  impl_->Set(ZSTD_c_hashLog, window - 1);  // else the base does not fit (CATALOG B)
  ZSTD_CCtx_refPrefix(impl_->encoder.get(), base.data(), base.size());
  // A search that finds too little ends when the room does.
  return impl_->Search(plaintext, std::min(limit, impl_->MakeRoom(plaintext, buffer)), buffer);
}

}  // namespace holdfast
