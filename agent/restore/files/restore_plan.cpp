#include "agent/restore/files/restore_plan.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

bool IsBelow(std::string_view path, std::string_view above) {
  return above.empty() || (path.size() > above.size() && path[above.size()] == '/' &&
                           path.compare(0, above.size(), above) == 0);
}

absl::Status BadEntry(const std::string& path, std::string_view why) {
  return Error(ErrorKind::kIntegrity, 3303,
               fmt::format("unable to restore '{}': {}", Escaped(path), why),
               "Choose another snapshot, or leave out what is bad with --skip-bad.");
}

}  // namespace

absl::StatusOr<RestorePlan> RestorePlan::Make(const SnapshotView& view,
                                              const FilesRestoreOptions& options,
                                              RestoreLedger& ledger) {
  ASSIGN_OR_RETURN(Selection selection, Selection::Make(options.paths));
  RestorePlan plan(std::move(selection));
  std::vector<Link> links;
  RETURN_IF_ERROR(view.ForEachEntryAsStored(
      [&](const Entry& entry) { return plan.Consider(entry, options, ledger, &links); }));
  if (!links.empty()) RETURN_IF_ERROR(plan.ResolveLinks(view, options, ledger, links));
  if (const std::string path = plan.selection_.Unmatched(); !path.empty()) {
    return Error(
        ErrorKind::kNotFound, 3302,
        fmt::format("unable to restore '{}': nothing in the snapshot matches it", Escaped(path)),
        "List what is there with 'holdfast ls'; paths are relative to the source's root.");
  }
  return plan;
}

absl::Status RestorePlan::Objection(const Entry& entry) const {
  if (const absl::Status bad = ValidatePath(entry.path); !bad.ok()) {
    return BadEntry(entry.path, MessageOf(bad));
  }
  if (barrier_ && !barrier_->empty() && IsBelow(entry.path, *barrier_)) {
    return BadEntry(entry.path, fmt::format("'{}' above it is no directory", Escaped(*barrier_)));
  }
  if (entry.path.empty() && entry.type != EntryType::kDirectory) {
    return BadEntry(entry.path, "the root is no directory");
  }
  if (entry.type == EntryType::kHardlink) {
    if (entry.link_target.empty()) return BadEntry(entry.path, "it is a link to nothing");
    if (const absl::Status bad = ValidatePath(entry.link_target); !bad.ok()) {
      return BadEntry(entry.path, MessageOf(bad));
    }
    return absl::OkStatus();
  }
  if (entry.type == EntryType::kSymlink &&
      (entry.link_target.empty() || entry.link_target.find('\0') != std::string::npos)) {
    return BadEntry(entry.path, "its link target is empty or has a NUL");
  }
  return absl::OkStatus();
}

absl::Status RestorePlan::Refuse(const std::string& path, const absl::Status& why,
                                 const FilesRestoreOptions& options, RestoreLedger& ledger) {
  if (!options.skip_bad) return why;
  ledger.LeftOut(path, MessageOf(why));
  refused_.insert(path);
  return absl::OkStatus();
}

absl::Status RestorePlan::Consider(const Entry& entry, const FilesRestoreOptions& options,
                                   RestoreLedger& ledger, std::vector<Link>* links) {
  if (const absl::Status objection = Objection(entry); !objection.ok()) {
    return Refuse(entry.path, objection, options, ledger);
  }
  while (!above_.empty() && !IsBelow(entry.path, above_.back())) above_.pop_back();
  const bool directory = entry.type == EntryType::kDirectory;
  if (!directory) barrier_ = entry.path;
  if (selection_.Takes(entry)) {
    const std::string name = NameFor(entry);
    if (name != entry.path) ledger.Renamed(name, name);
    ++entry_count_;
    content_bytes_ += entry.content_bytes;
    parents_.insert(above_.begin(), above_.end());
    above_.clear();
    if (entry.type == EntryType::kHardlink) {
      links->push_back({entry.path, entry.link_target});
      link_targets_.insert(entry.link_target);
    }
  } else if (directory) {
    above_.push_back(entry.path);
  }
  return absl::OkStatus();
}

absl::Status RestorePlan::ResolveLinks(const SnapshotView& view, const FilesRestoreOptions& options,
                                       RestoreLedger& ledger, const std::vector<Link>& links) {
  enum class Found { kTaken, kNotTaken };
  absl::flat_hash_map<std::string, Found> found;
  RETURN_IF_ERROR(view.ForEachEntryAsStored([&](const Entry& entry) {
    if (entry.type == EntryType::kFile && link_targets_.contains(entry.path) &&
        !refused_.contains(entry.path)) {
      found[entry.path] = selection_.Takes(entry) ? Found::kTaken : Found::kNotTaken;
    }
    return absl::OkStatus();
  }));
  for (const Link& link : links) {
    const auto target = found.find(link.target);
    if (target == found.end()) {
      const absl::Status why =
          BadEntry(link.path, fmt::format("it is a link to '{}', which is no file of the snapshot",
                                          Escaped(link.target)));
      RETURN_IF_ERROR(Refuse(link.path, why, options, ledger));
    } else if (target->second == Found::kNotTaken) {
      content_moved_.try_emplace(link.target, link.path);
    }
  }
  return absl::OkStatus();
}

// Only a forged manifest has a path twice; the second one gets a name of its own.
std::string RestorePlan::NameFor(const Entry& entry) {
  if (last_path_ != entry.path) {
    last_path_ = entry.path;
    duplicates_ = 1;
    return entry.path;
  }
  ++duplicates_;
  if (entry.type == EntryType::kDirectory) return entry.path;
  return fmt::format("{}.holdfast-{}", entry.path, duplicates_);
}

std::optional<std::string> RestorePlan::Destination(const Entry& entry) {
  if (refused_.contains(entry.path)) return std::nullopt;
  if (selection_.Takes(entry)) {
    if (entry.type == EntryType::kHardlink) {
      const auto moved = content_moved_.find(entry.link_target);
      if (moved != content_moved_.end() && moved->second == entry.path) return std::nullopt;
    }
    return NameFor(entry);
  }
  if (parents_.contains(entry.path)) return entry.path;
  const auto moved = content_moved_.find(entry.path);
  if (entry.type != EntryType::kFile || moved == content_moved_.end()) return std::nullopt;
  return moved->second;
}

std::string RestorePlan::ContentPath(const std::string& link_target) const {
  const auto moved = content_moved_.find(link_target);
  return moved == content_moved_.end() ? link_target : moved->second;
}

}  // namespace holdfast::restore
