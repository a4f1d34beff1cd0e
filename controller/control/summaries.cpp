#include "controller/control/summaries.h"

#include "proto/common.pb.h"
#include "proto/operator.pb.h"

namespace holdfast::control {
namespace {

constexpr std::string_view kSealedPrefix = "sealed:";
constexpr std::size_t kMaxSealedBytes = 64 << 10;

}  // namespace

std::string FailureText(const v1::JobResult& result) {
  if (result.sealed_detail().empty() || result.sealed_detail().size() > kMaxSealedBytes) {
    return Escaped(result.message(), 1000);
  }
  return std::string(kSealedPrefix) + ToHex(result.sealed_detail());
}

void FillFailure(const catalog::RunFailure& failure, v1::SourceStatus* out) {
  if (failure.message.starts_with(kSealedPrefix)) {
    const auto sealed = FromHex(std::string_view(failure.message).substr(kSealedPrefix.size()));
    out->set_last_error_sealed(sealed.value_or(""));
  } else {
    out->set_last_error(failure.message);
  }
  out->set_last_error_exit(failure.exit_code);
  out->set_last_error_code(failure.error_code);
  out->set_last_error_at_ms(failure.at_ms);
}

void FillSource(const catalog::SourceRow& row, v1::SourceInfo* info) {
  info->set_source_id(row.id.bytes());
  info->set_name(row.name);
  info->set_kind(row.kind);
}

void FillSummary(const catalog::SnapshotRow& row, const catalog::SourceRow& source,
                 const std::string& agent_name, v1::SnapshotSummary* summary) {
  summary->set_source_id(row.source.bytes());
  summary->set_source_name(source.name);
  summary->set_kind(source.kind);
  summary->set_agent_id(row.agent.bytes());
  summary->set_agent_name(agent_name);
  summary->set_domain_id(row.domain.bytes());
  summary->set_seq(row.seq);
  summary->set_snapshot_id(row.snapshot_id.bytes());
  summary->set_taken_at_ms(row.taken_at_ms);
  summary->set_committed_at_ms(row.committed_at_ms);
  summary->set_partial(row.partial);
  summary->set_content_bytes(row.content_bytes);
  summary->set_entry_count(row.entry_count);
  summary->set_stored_bytes(row.stored_bytes);
  summary->set_chunk_count(row.chunk_count);
  summary->set_verified_at_ms(row.verified_at_ms);
  summary->set_duration_ms(row.duration_ms);
}

}  // namespace holdfast::control
