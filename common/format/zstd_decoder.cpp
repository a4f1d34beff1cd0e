#include "common/format/zstd_decoder.h"

#include <zstd.h>

namespace holdfast {

struct ZstdDecoder::Impl {
  struct Delete {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Delete> context{ZSTD_createDCtx()};
};

ZstdDecoder::ZstdDecoder() : impl_(std::make_unique<Impl>()) {}
ZstdDecoder::~ZstdDecoder() = default;
ZstdDecoder::ZstdDecoder(ZstdDecoder&&) noexcept = default;

std::size_t ZstdDecoder::Decompress(ByteView base, ByteView frame, Bytes* plaintext) {
  ZSTD_DCtx* const context = impl_->context.get();
  ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27);
  if (!base.empty()) ZSTD_DCtx_refPrefix(context, base.data(), base.size());
  const std::size_t size = ZSTD_decompressDCtx(context, plaintext->data(), plaintext->size(),
                                               frame.data(), frame.size());
  return ZSTD_isError(size) ? 0 : size;
}

}  // namespace holdfast
