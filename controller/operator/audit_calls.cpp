#include "controller/operator/audit_calls.h"

#include <algorithm>

#include "common/base/error.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::uint32_t kRowsByDefault = 100;
constexpr std::uint32_t kMostRows = 10'000;

}  // namespace

absl::Status FillAudit(catalog::Catalog& catalog, const v1::ListAuditRequest& request,
                       v1::ListAuditReply* out) {
  const std::uint32_t limit =
      request.limit() == 0 ? kRowsByDefault : std::min(request.limit(), kMostRows);
  ASSIGN_OR_RETURN(const catalog::AuditPage page, catalog.audit().ReadAudit(limit));
  for (const catalog::AuditRow& row : page.rows) {
    v1::AuditRow* info = out->add_rows();
    info->set_id(row.id);
    info->set_at_ms(row.entry.at_ms);
    info->set_by(row.entry.by);
    info->set_action(row.entry.action);
    info->set_object(row.entry.object);
    info->set_detail(row.entry.detail);
  }
  out->set_total(page.total);
  out->set_broken_at(page.broken_at.value_or(0));
  if (!page.rows.empty()) out->set_newest_hash(page.rows.front().hash.bytes());
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
