#include "controller/alert/rules.h"

#include <algorithm>

#include "controller/alert/words.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

using notify::Severity;

// Agents renew their certificate when they connect, at most an hour after it became due.
constexpr absl::Duration kRenewalTime = absl::Hours(2);
constexpr std::uint64_t kSmall = 16 << 20;  // of a source below that a change says little

std::string LookHint(const SourceFacts& source) {
  return fmt::format("'holdfast status' says why; 'holdfast backup {}' tries it now.",
                     source.label);
}

void JudgeSuccess(const SourceFacts& source, const RuleLimits& limits, absl::Time now,
                  std::vector<Problem>* problems) {
  const bool never = source.last_success <= absl::UnixEpoch();
  const absl::Time since = std::max(source.last_success, source.watched_since);
  if (now - since <= limits.no_success) return;
  problems->push_back(
      {KeyOf(kNoSuccess, source.id.hex()), kNoSuccess, source.label, Severity::kCritical,
       never ? fmt::format("'{}' has never been backed up", source.label)
             : fmt::format("no successful backup of '{}' since {}", source.label,
                           TimeWords(source.last_success)),
       fmt::format("The limit is {}.{}{}", SpanWords(limits.no_success),
                   source.failure.empty() ? "" : " The last run failed: ", source.failure),
       LookHint(source)});
}

void JudgeFailure(const SourceFacts& source, std::vector<Problem>* problems) {
  if (source.failure.empty()) return;
  problems->push_back({KeyOf(kFailure, source.id.hex()), kFailure, source.label, Severity::kError,
                       fmt::format("the backup of '{}' failed", source.label), source.failure,
                       LookHint(source), true});
}

void JudgeContent(const SourceFacts& source, std::vector<Problem>* problems) {
  if (source.damaged_chunks > 0) {
    problems->push_back(
        {KeyOf(kDamage, source.id.hex()), kDamage, source.label, Severity::kCritical,
         fmt::format("snapshots of '{}' are damaged", source.label),
         fmt::format("{} chunks are lost or damaged; the newest snapshot that needs one is {}@{}.",
                     source.damaged_chunks, source.label, source.damaged_newest_seq),
         fmt::format("'holdfast backup {}' stores again what the source still has; 'holdfast "
                     "scrub' names all. Look at the disk.",
                     source.label)});
  }
  std::string strange;
  if (source.previous_bytes >= kSmall && source.newest_bytes < source.previous_bytes / 2) {
    strange = fmt::format("{} has {}, the snapshot before it had {}.", source.newest_seq,
                          SizeWords(source.newest_bytes), SizeWords(source.previous_bytes));
  } else if (source.newest_bytes >= kSmall &&
             source.previous_stored_bytes < source.previous_bytes / 10 &&
             source.newest_stored_bytes > source.newest_bytes / 2) {
    strange = fmt::format(
        "{} stored {} of {} anew, the one before it {}: almost nothing is as it was. Encrypting "
        "malware looks like this.",
        source.newest_seq, SizeWords(source.newest_stored_bytes), SizeWords(source.newest_bytes),
        SizeWords(source.previous_stored_bytes));
  }
  if (!strange.empty()) {
    problems->push_back(
        {KeyOf(kAnomaly, fmt::format("{}/{}", source.id.hex(), source.newest_seq)), kAnomaly,
         source.label, Severity::kError,
         fmt::format("the newest snapshot of '{}' looks strange", source.label),
         fmt::format("{}@{}", source.label, strange),
         "Look at the source before older snapshots expire; then acknowledge this alert."});
  }
}

void JudgePolicies(const SourceFacts& source, std::vector<Problem>* problems) {
  if (source.objective == ObjectiveState::kBroken) {
    problems->push_back({KeyOf(kObjective, source.id.hex()), kObjective, source.label,
                         Severity::kError,
                         fmt::format("'{}' does not meet its objective", source.label),
                         source.objective_text, LookHint(source)});
  }
  // That the last backup failed is told as what it is.
  if (!source.expiry_pause.empty() && source.failure.empty()) {
    problems->push_back(
        {KeyOf(kExpiryPaused, source.id.hex()), kExpiryPaused, source.label, Severity::kWarning,
         fmt::format("nothing of '{}' expires", source.label), source.expiry_pause,
         fmt::format("Look at 'holdfast retention explain {}'; when all is right: 'holdfast "
                     "retention confirm'.",
                     source.label)});
  }
}

void JudgeCertificate(const std::string& name, const std::string& key, absl::Time not_after,
                      absl::Time now, const std::string& hint, std::vector<Problem>* problems) {
  const absl::Duration left = not_after - now;
  if (left > absl::Hours(24 * 30) - kRenewalTime) return;
  const Severity severity = left <= absl::Hours(24)       ? Severity::kCritical
                            : left <= absl::Hours(24 * 7) ? Severity::kError
                                                          : Severity::kWarning;
  problems->push_back(
      {KeyOf(kCertificate, key), kCertificate, name, severity,
       fmt::format("the certificate of {} {} {}", name,
                   left <= absl::ZeroDuration() ? "expired" : "expires", TimeWords(not_after)),
       "", hint});
}

void JudgeAgent(const AgentFacts& agent, const RuleLimits& limits, absl::Time now,
                std::vector<Problem>* problems) {
  const absl::Time since = std::max(agent.last_seen, agent.watched_since);
  if (agent.has_sources && !agent.connected && now - since > limits.agent_silent) {
    problems->push_back(
        {KeyOf(kAgentSilent, agent.id.hex()), kAgentSilent, agent.name, Severity::kError,
         fmt::format("agent '{}' is silent since {}", agent.name, TimeWords(agent.last_seen)),
         "Nothing on its host is backed up meanwhile.",
         "Look at holdfast-agent and at the network on that host."});
  }
  if (agent.certificate_not_after > absl::UnixEpoch()) {
    JudgeCertificate(fmt::format("agent '{}'", agent.name), agent.id.hex(),
                     agent.certificate_not_after, now,
                     "An agent that connects renews it by itself; one whose certificate expired is "
                     "enrolled again.",
                     problems);
  }
}

void JudgeHost(const Facts& facts, const RuleLimits& limits, std::vector<Problem>* problems) {
  if (!facts.store_writable) {
    problems->push_back({KeyOf(kStore, "writable"), kStore, "store", Severity::kCritical,
                         "the store refuses writes", "A write or sync to its disk failed.",
                         "Look at the kernel log and the controller's log; the store probes the "
                         "disk at the next backup."});
  }
  if (facts.free_bytes < limits.disk_free_bytes) {
    const bool scarce = facts.free_bytes < limits.disk_free_bytes / 5;
    problems->push_back(
        {KeyOf(kDisk, "store"), kDisk, "store", scarce ? Severity::kCritical : Severity::kWarning,
         fmt::format("less than {} is free where the store lies",
                     SizeWords(scarce ? limits.disk_free_bytes / 5 : limits.disk_free_bytes)),
         "",
         "Enlarge the volume, or shorten the retention ('holdfast gc --dry-run' shows what "
         "would be freed)."});
  }
}

}  // namespace

std::vector<Problem> Judge(const Facts& facts, const RuleLimits& limits, absl::Time now) {
  std::vector<Problem> problems;
  JudgeHost(facts, limits, &problems);
  for (const CertificateFacts& one : facts.certificates) {
    JudgeCertificate(one.name, one.name, one.not_after, now,
                     "Restart the controller: it renews its own certificate. A CA cannot be "
                     "renewed yet.",
                     &problems);
  }
  for (const AgentFacts& agent : facts.agents) JudgeAgent(agent, limits, now, &problems);
  for (const SourceFacts& source : facts.sources) {
    JudgeSuccess(source, limits, now, &problems);
    JudgeFailure(source, &problems);
    JudgeContent(source, &problems);
    JudgePolicies(source, &problems);
  }
  return problems;
}

bool IsJudged(std::string_view kind) {
  return kind != kStorm && kind != kMissed && kind != kReload && kind != kChannel &&
         kind != kHeartbeat;
}

bool NeedsAcknowledgement(std::string_view kind) { return kind == kAnomaly; }

}  // namespace holdfast::alert
