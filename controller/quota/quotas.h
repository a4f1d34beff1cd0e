// How many bytes each agent may keep in the store, and whether it may store more.
//
// What counts is what the packs of the agent's domain take: what was forgotten counts until its
// packs are gone; parity, records and key envelopes do not count.
// Hides:      where a limit comes from, how often the catalog is asked.
// Invariants: I1  Objects that Admit refused are not stored, so a domain has at most its limit, and
//                 of each session what is being synced (4 MiB), a footer, and one message more.
//             I2  A session that brings nothing new is never refused.
// Threading:  every method of Quotas from any thread; a QuotaSession: two threads, one of which
//             calls Admit, the other Stored.
// Errors:     kNoSpace 5036 (the limit is reached), kUsage 5037 (a limit that cannot be read),
//             kNotFound 5021 (no such agent); of the catalog.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/schedule/setting.h"

namespace holdfast::quota {

struct QuotaConfig {
  std::string agent;  // "500GiB", of each agent; empty: no limit
};

struct AgentQuota {
  AgentId id;
  std::string name;
  schedule::Setting limit;                   // "500GiB", "none"
  std::optional<std::uint64_t> limit_bytes;  // none: no limit
  std::uint64_t stored_bytes = 0;
};

class Quotas {
 public:
  Quotas(Env env, catalog::Catalog& catalog, QuotaConfig config);

  absl::StatusOr<std::vector<AgentQuota>> List();  // of agents that were not removed, by name
  // "500GiB", "0" (nothing new at all), "none"; empty: forget what was set by command.
  absl::Status Set(const std::string& agent, const std::string& limit, const std::string& by);
  void Reconfigure(QuotaConfig config);

 private:
  friend class QuotaSession;
  struct Account {
    std::uint64_t sessions = 0;
    std::uint64_t stored_bytes = 0;   // by the catalog, when it was asked last, and since
    std::uint64_t pending_bytes = 0;  // admitted and not stored yet
    std::uint64_t said_bytes = 0;     // all that was ever added to stored_bytes by sessions
  };

  absl::StatusOr<schedule::Setting> LimitOf(const AgentId& agent);
  std::uint64_t SaidBytes(const DomainId& domain);

  const Env env_;
  catalog::Catalog& catalog_;
  std::mutex mutex_;  // guards all below
  QuotaConfig config_;
  std::map<DomainId, Account> accounts_;  // of the domains with an open session
};

// The part of one backup session in what its domain stores.
class QuotaSession {
 public:
  // The agent has a domain. `quotas` outlives it.
  QuotaSession(Quotas& quotas, const catalog::AgentRow& agent);
  ~QuotaSession();
  QuotaSession(const QuotaSession&) = delete;
  QuotaSession& operator=(const QuotaSession&) = delete;

  // Looks at limit and catalog anew: when the session begins, and now and then.
  absl::Status Refresh();
  // Before `bytes` are stored; looks anew before it refuses.
  absl::Status Admit(std::uint64_t bytes);
  // So much of what was admitted is in the catalog. Said afterwards: another session that asks the
  // catalog meanwhile counts it twice for a moment, and never not at all.
  void Stored(std::uint64_t bytes);

 private:
  bool Fits(std::uint64_t bytes);

  Quotas& quotas_;
  const AgentId agent_;
  const std::string name_;
  const DomainId domain_;
  // Guarded by quotas_.mutex_:
  std::string limit_;
  std::optional<std::uint64_t> limit_bytes_;
  std::uint64_t pending_bytes_ = 0;
};

}  // namespace holdfast::quota
