#include "controller/cli/snapshot_reference.h"

#include <algorithm>
#include <charconv>

#include "common/base/error.h"
#include "common/base/nearest.h"
#include "controller/cli/render/text.h"
#include "controller/cli/when.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMinIdDigits = 4;
constexpr std::size_t kMaxNameBytes = 128;
constexpr std::size_t kMaxReferenceBytes = 512;
constexpr std::size_t kShownCandidates = 8;

absl::Status BadForm(std::string_view text, std::string_view cause) {
  return Error(ErrorKind::kUsage, 1120,
               fmt::format("unable to read snapshot reference '{}': {}", Escaped(text), cause),
               "Write SOURCE, SOURCE@57, SOURCE@latest, 'SOURCE@2026-01-07 02:00', or the first 4 "
               "or more digits of an id.");
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShownCandidates); ++i) {
    text += (i == 0 ? "" : ", ") + Escaped(names[i]);
  }
  if (names.size() > kShownCandidates) {
    text += fmt::format(" and {} more", names.size() - kShownCandidates);
  }
  return text;
}

absl::Status NoSuchSource(std::string_view text, const std::vector<ResolvedSource>& sources) {
  std::vector<std::string> names;
  for (const ResolvedSource& source : sources) names.push_back(source.source.name);
  const std::vector<std::string> near = NearestNames(text, names);
  std::string hint = "See 'holdfast source list'.";
  if (!near.empty()) hint = fmt::format("Did you mean {}?", Listed(near));
  if (names.empty()) hint = "No agent has a source yet: see 'holdfast agent list'.";
  return Error(ErrorKind::kNotFound, 1122,
               fmt::format("unable to find source or snapshot '{}'", Escaped(text)), hint);
}

absl::StatusOr<SnapshotSummary> PickFromSource(OperatorClient& client,
                                               const SnapshotReference& reference,
                                               const ResolvedSource& source, absl::TimeZone zone) {
  const bool newest = std::holds_alternative<NewestSnapshot>(reference.which);
  ASSIGN_OR_RETURN(std::vector<SnapshotSummary> snapshots,
                   client.ListSnapshots({source.source.id, newest ? 1u : 0u}));
  std::sort(snapshots.begin(), snapshots.end(),
            [](const auto& a, const auto& b) { return a.seq > b.seq; });
  const std::string name = Escaped(source.source.name);
  if (snapshots.empty()) {
    return Error(
        ErrorKind::kNotFound, 1122,
        fmt::format("unable to find a snapshot of source '{}': it was never backed up", name),
        fmt::format("Run 'holdfast backup {}'.", name));
  }
  if (newest) return snapshots.front();
  if (const auto* numbered = std::get_if<NumberedSnapshot>(&reference.which)) {
    for (const SnapshotSummary& one : snapshots) {
      if (one.seq == numbered->seq) return one;
    }
    return Error(ErrorKind::kNotFound, 1122,
                 fmt::format("unable to find snapshot '{}@{}'", name, numbered->seq),
                 fmt::format("'{}' has {} to {}: see 'holdfast snapshots {}'.", name,
                             snapshots.back().seq, snapshots.front().seq, name));
  }
  const absl::Time before = std::get<SnapshotAt>(reference.which).before;
  for (const SnapshotSummary& one : snapshots) {
    if (absl::FromUnixMillis(static_cast<std::int64_t>(one.taken_at_ms)) < before) return one;
  }
  return Error(ErrorKind::kNotFound, 1122,
               fmt::format("unable to find a snapshot of '{}' from that time or before", name),
               fmt::format("The oldest is {}@{}, taken {}.", name, snapshots.back().seq,
                           TimeText(snapshots.back().taken_at_ms, zone)));
}

absl::StatusOr<std::vector<SnapshotSummary>> FindById(OperatorClient& client,
                                                      std::string_view digits) {
  std::string lowered(digits);
  for (char& c : lowered) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  ASSIGN_OR_RETURN(std::vector<SnapshotSummary> all, client.ListSnapshots({}));
  std::erase_if(all, [&](const auto& one) { return one.snapshot_id.hex().rfind(lowered, 0) != 0; });
  return all;
}

}  // namespace

bool SnapshotReference::MayBeId() const {
  const auto* newest = std::get_if<NewestSnapshot>(&which);
  return newest != nullptr && !newest->stated && agent.empty() && source.size() >= kMinIdDigits &&
         source.size() <= 64 && std::all_of(source.begin(), source.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

absl::Status CheckName(std::string_view what, std::string_view name) {
  const auto refused = [&](std::string_view cause) {
    return Error(ErrorKind::kUsage, 1120,
                 fmt::format("unable to use {} name '{}': {}", what, Escaped(name, 80), cause),
                 fmt::format("See 'holdfast {} list'.", what));
  };
  if (name.empty()) return refused("it is empty");
  if (name.size() > kMaxNameBytes) return refused("it has more than 128 bytes");
  if (name.front() == '.' || name.front() == '-') return refused("it begins with '.' or '-'");
  if (name.find_first_of("/@\\ ") != std::string_view::npos) {
    return refused("it holds a space, '/', '\\' or '@'");
  }
  if (Escaped(name, kMaxNameBytes + 1) != name) {
    return refused("it holds control characters or is not UTF-8");
  }
  return absl::OkStatus();
}

absl::StatusOr<SnapshotReference> ParseSnapshotReference(std::string_view text,
                                                         absl::TimeZone zone) {
  if (text.size() > kMaxReferenceBytes) return BadForm(text.substr(0, 80), "it is too long");
  SnapshotReference reference;
  std::string_view name = text;
  std::optional<std::string_view> which;
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    name = text.substr(0, at);
    which = text.substr(at + 1);
  }
  if (const std::size_t slash = name.find('/'); slash != std::string_view::npos) {
    reference.agent = name.substr(0, slash);
    name = name.substr(slash + 1);
    RETURN_IF_ERROR(CheckName("agent", reference.agent));
  }
  RETURN_IF_ERROR(CheckName("source", name));
  reference.source = name;
  if (!which) {
    reference.which = NewestSnapshot{false};
  } else if (*which == "latest") {
    reference.which = NewestSnapshot{true};
  } else if (AllDigits(*which)) {
    NumberedSnapshot numbered;
    const auto [end, error] =
        std::from_chars(which->data(), which->data() + which->size(), numbered.seq);
    if (error != std::errc() || numbered.seq == 0)
      return BadForm(text, "no snapshot has that number");
    reference.which = numbered;
  } else {
    auto end = ParseEndOfTime(*which, zone);
    if (!end.ok()) return BadForm(text, MessageOf(end.status()));
    reference.which = SnapshotAt{*end};
  }
  return reference;
}

absl::StatusOr<std::vector<ResolvedSource>> ListSources(OperatorClient& client) {
  ASSIGN_OR_RETURN(const StatusReport status, client.Status());
  std::vector<ResolvedSource> sources;
  for (const SourceStatus& one : status.sources) {
    sources.push_back({one.source, one.agent_name, one.connected});
  }
  return sources;
}

absl::StatusOr<std::vector<ResolvedSource>> ListSourcesEver(OperatorClient& client) {
  ASSIGN_OR_RETURN(std::vector<ResolvedSource> sources, ListSources(client));
  OperatorClient::SnapshotQuery newest;
  newest.limit = 1;
  ASSIGN_OR_RETURN(const std::vector<SnapshotSummary> snapshots, client.ListSnapshots(newest));
  for (const SnapshotSummary& one : snapshots) {
    const bool known = std::any_of(sources.begin(), sources.end(), [&](const auto& each) {
      return each.source.id == one.source_id;
    });
    if (!known) {
      sources.push_back({{one.source_id, one.source_name, one.kind}, one.agent_name, false});
    }
  }
  return sources;
}

absl::StatusOr<ResolvedSource> ResolveSource(const std::vector<ResolvedSource>& sources,
                                             std::string_view text) {
  std::string_view name = text;
  std::string_view agent;
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    agent = text.substr(0, slash);
    name = text.substr(slash + 1);
    RETURN_IF_ERROR(CheckName("agent", agent));
  }
  RETURN_IF_ERROR(CheckName("source", name));
  std::vector<ResolvedSource> fitting;
  for (const ResolvedSource& one : sources) {
    if (one.source.name == name && (agent.empty() || one.agent_name == agent)) {
      fitting.push_back(one);
    }
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) return NoSuchSource(text, sources);
  std::vector<std::string> candidates;
  for (const ResolvedSource& one : fitting) {
    candidates.push_back(one.agent_name + "/" + one.source.name);
  }
  return Error(ErrorKind::kUsage, 1121,
               fmt::format("unable to tell which source '{}' is meant: {} agents have one",
                           Escaped(text), fitting.size()),
               fmt::format("Write one of {}.", Listed(candidates)));
}

absl::StatusOr<SnapshotSummary> ResolveSnapshot(OperatorClient& client, std::string_view text,
                                                absl::TimeZone zone) {
  ASSIGN_OR_RETURN(const SnapshotReference reference, ParseSnapshotReference(text, zone));
  ASSIGN_OR_RETURN(const std::vector<ResolvedSource> sources, ListSourcesEver(client));
  const std::string name =
      reference.agent.empty() ? reference.source : reference.agent + "/" + reference.source;
  auto source = ResolveSource(sources, name);
  if (source.ok()) return PickFromSource(client, reference, *source, zone);
  if (!reference.MayBeId() || !absl::IsNotFound(source.status())) return source.status();

  ASSIGN_OR_RETURN(const std::vector<SnapshotSummary> fitting, FindById(client, reference.source));
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) return source.status();
  std::vector<std::string> candidates;
  for (const SnapshotSummary& one : fitting) {
    candidates.push_back(
        fmt::format("{} ({})", one.snapshot_id.hex().substr(0, 12), SnapshotName(one)));
  }
  return Error(ErrorKind::kUsage, 1121,
               fmt::format("unable to tell which snapshot '{}' is meant: {} ids begin so",
                           Escaped(text), fitting.size()),
               fmt::format("Write more digits: {}.", Listed(candidates)));
}

std::string SnapshotName(const SnapshotSummary& snapshot) {
  return fmt::format("{}@{}", Escaped(snapshot.source_name), snapshot.seq);
}

}  // namespace holdfast::cli
