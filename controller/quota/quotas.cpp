#include "controller/quota/quotas.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/config/values.h"
#include "fmt/format.h"

namespace holdfast::quota {
namespace {

constexpr char kKey[] = "quota.bytes";
constexpr char kNone[] = "none";

std::string AgentScope(const AgentId& agent) { return "agent:" + agent.hex(); }

absl::StatusOr<std::optional<std::uint64_t>> ReadLimit(const std::string& text) {
  if (text == kNone) return std::nullopt;
  const auto bytes = ParseSize(text);
  if (bytes) return bytes;
  return Error(ErrorKind::kUsage, 5037,
               fmt::format("unable to read the quota '{}'", Escaped(text, 60)),
               "Write for example 500GiB, 2TB, or none.");
}

}  // namespace

Quotas::Quotas(Env env, catalog::Catalog& catalog, QuotaConfig config)
    : env_(env), catalog_(catalog), config_(std::move(config)) {}

absl::StatusOr<schedule::Setting> Quotas::LimitOf(const AgentId& agent) {
  schedule::Setting limit;
  limit.text = kNone;
  {
    std::lock_guard lock(mutex_);
    if (!config_.agent.empty()) {
      limit.text = config_.agent;
      limit.origin = schedule::Origin::kFile;
      limit.place = "quota";
    }
  }
  ASSIGN_OR_RETURN(auto rows, catalog_.planning().ListSettings());
  schedule::CommandSettings(std::move(rows)).Apply(AgentScope(agent), kKey, "agent", &limit);
  return limit;
}

absl::StatusOr<std::vector<AgentQuota>> Quotas::List() {
  std::vector<AgentQuota> quotas;
  ASSIGN_OR_RETURN(const auto agents, catalog_.ListAgents(false));
  for (const catalog::AgentRow& agent : agents) {
    AgentQuota& one = quotas.emplace_back();
    one.id = agent.id;
    one.name = agent.name;
    ASSIGN_OR_RETURN(one.limit, LimitOf(agent.id));
    ASSIGN_OR_RETURN(one.limit_bytes, ReadLimit(one.limit.text));
    if (agent.domain) {
      ASSIGN_OR_RETURN(one.stored_bytes, catalog_.StoredBytes(*agent.domain));
    }
  }
  return quotas;
}

absl::Status Quotas::Set(const std::string& agent, const std::string& limit,
                         const std::string& by) {
  if (!limit.empty()) RETURN_IF_ERROR(ReadLimit(limit).status());
  ASSIGN_OR_RETURN(const catalog::AgentRow row, catalog_.FindAgent(agent));
  const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(env_.clock.Now()));
  const catalog::AuditEntry audit{now_ms, by, "quota.set", agent,
                                  limit.empty() ? "cleared" : "limit " + limit};
  return catalog_.audit().Audited(audit, [&] {
    return catalog_.planning().SetSettings({{AgentScope(row.id), kKey, limit, by, now_ms}});
  });
}

void Quotas::Reconfigure(QuotaConfig config) {
  std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

std::uint64_t Quotas::SaidBytes(const DomainId& domain) {
  std::lock_guard lock(mutex_);
  return accounts_[domain].said_bytes;
}

QuotaSession::QuotaSession(Quotas& quotas, const catalog::AgentRow& agent)
    : quotas_(quotas), agent_(agent.id), name_(agent.name), domain_(*agent.domain) {
  std::lock_guard lock(quotas_.mutex_);
  ++quotas_.accounts_[domain_].sessions;
}

QuotaSession::~QuotaSession() {
  std::lock_guard lock(quotas_.mutex_);
  Quotas::Account& account = quotas_.accounts_[domain_];
  // Some of it may be stored by now. The others count it until the catalog is asked again, which it
  // is before anybody is refused.
  account.pending_bytes -= pending_bytes_;
  account.stored_bytes += pending_bytes_;
  account.said_bytes += pending_bytes_;
  if (--account.sessions == 0) quotas_.accounts_.erase(domain_);
}

absl::Status QuotaSession::Refresh() {
  ASSIGN_OR_RETURN(const schedule::Setting limit, quotas_.LimitOf(agent_));
  ASSIGN_OR_RETURN(const auto limit_bytes, ReadLimit(limit.text));
  const std::uint64_t said_before = quotas_.SaidBytes(domain_);
  std::uint64_t stored_bytes = 0;
  if (limit_bytes) {
    ASSIGN_OR_RETURN(stored_bytes, quotas_.catalog_.StoredBytes(domain_));
  }
  std::lock_guard lock(quotas_.mutex_);
  limit_ = limit.text;
  limit_bytes_ = limit_bytes;
  Quotas::Account& account = quotas_.accounts_[domain_];
  // What others stored since the catalog was asked may be in its answer or not: counted, perhaps
  // twice, until it is asked again.
  account.stored_bytes = stored_bytes + (account.said_bytes - said_before);
  return absl::OkStatus();
}

bool QuotaSession::Fits(std::uint64_t bytes) {
  std::lock_guard lock(quotas_.mutex_);
  Quotas::Account& account = quotas_.accounts_[domain_];
  const std::uint64_t used = account.stored_bytes + account.pending_bytes;
  if (limit_bytes_ && bytes > 0 && (used > *limit_bytes_ || bytes > *limit_bytes_ - used))
    return false;
  account.pending_bytes += bytes;
  pending_bytes_ += bytes;
  return true;
}

absl::Status QuotaSession::Admit(std::uint64_t bytes) {
  if (Fits(bytes)) return absl::OkStatus();
  RETURN_IF_ERROR(Refresh());
  if (Fits(bytes)) return absl::OkStatus();
  std::lock_guard lock(quotas_.mutex_);
  const Quotas::Account& account = quotas_.accounts_[domain_];
  const auto used = static_cast<double>(account.stored_bytes + account.pending_bytes);
  return Error(
      ErrorKind::kNoSpace, 5036,
      fmt::format("unable to store more for agent '{}': its quota of {} is used up ({:.1f} "
                  "MiB stored)",
                  Escaped(name_, 64), limit_, used / (1 << 20)),
      "See 'holdfast quota list'; raise it with 'holdfast quota set', or forget "
      "snapshots.");
}

void QuotaSession::Stored(std::uint64_t bytes) {
  std::lock_guard lock(quotas_.mutex_);
  Quotas::Account& account = quotas_.accounts_[domain_];
  const std::uint64_t moved = std::min(bytes, pending_bytes_);
  pending_bytes_ -= moved;
  account.pending_bytes -= moved;
  account.stored_bytes += moved;
  account.said_bytes += moved;
}

}  // namespace holdfast::quota
