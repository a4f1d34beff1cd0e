// `holdfast diff SNAPSHOT SNAPSHOT`: what changed from the first to the second.
//
// Exit status: 0, equal or not; others in DESIGN 12. "+" is new, "-" is gone, "~" changed, with
// what changed about it.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/open_snapshot.h"
#include "controller/cli/render/entry_text.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct DiffOptions {
  std::string before;
  std::string after;
};

// What of an entry can differ; slices are left out, so that a large tree fits into memory.
Entry Facts(const Entry& entry) {
  Entry facts = entry;
  facts.slices.clear();
  facts.slices.shrink_to_fit();
  return facts;
}

std::vector<std::string> Changes(const Entry& before, const Entry& after) {
  std::vector<std::string> changes;
  if (before.type != after.type) {
    changes.push_back(fmt::format("{} → {}", TypeName(before.type), TypeName(after.type)));
  }
  if (before.size_bytes != after.size_bytes && after.type == EntryType::kFile) {
    changes.push_back(
        fmt::format("{} → {}", SizeText(before.size_bytes), SizeText(after.size_bytes)));
  } else if (before.content_hash != after.content_hash || before.extents != after.extents) {
    changes.push_back("content");
  }
  if (before.rows != after.rows) {
    changes.push_back(fmt::format("{} → {} rows", CountText(before.rows.value_or(0)),
                                  CountText(after.rows.value_or(0))));
  }
  if (before.link_target != after.link_target) changes.push_back("link target");
  if (before.mode != after.mode) {
    changes.push_back(fmt::format("mode {:04o} → {:04o}", before.mode, after.mode));
  }
  if (before.user_id != after.user_id || before.group_id != after.group_id) {
    changes.push_back(fmt::format("owner {} → {}", OwnerText(before), OwnerText(after)));
  }
  if (before.xattrs != after.xattrs) changes.push_back("extended attributes");
  if (before.device != after.device) changes.push_back("device");
  // A directory's time changes with what is in it: that is no news.
  if (changes.empty() && before.mtime_ns != after.mtime_ns && after.type != EntryType::kDirectory) {
    changes.push_back("time");
  }
  return changes;
}

class Comparison {
 public:
  Comparison(Context& context, std::vector<Entry> before)
      : context_(context), before_(std::move(before)) {}

  absl::Status Take(const Entry& after) {
    while (at_ < before_.size() && ComparePaths(before_[at_].path, after.path) < 0) {
      RETURN_IF_ERROR(Show('-', before_[at_++], {}));
    }
    if (at_ == before_.size() || before_[at_].path != after.path) return Show('+', after, {});
    const std::vector<std::string> changes = Changes(before_[at_++], after);
    return changes.empty() ? absl::OkStatus() : Show('~', after, changes);
  }

  absl::Status Finish() {
    while (at_ < before_.size()) RETURN_IF_ERROR(Show('-', before_[at_++], {}));
    if (!context_.json) {
      context_.err << fmt::format("{} new, {} gone, {} changed\n", CountText(added_),
                                  CountText(removed_), CountText(changed_));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Show(char sign, const Entry& entry, const std::vector<std::string>& changes) {
    ++(sign == '+' ? added_ : sign == '-' ? removed_ : changed_);
    if (context_.json) {
      Json json = EntryJson(entry);
      json["change"] = sign == '+' ? "added" : sign == '-' ? "removed" : "changed";
      json["what"] = changes;
      return WriteOut(context_, JsonLine(json));
    }
    std::string what;
    for (const std::string& change : changes) what += (what.empty() ? "" : ", ") + change;
    if (changes.empty()) what = EntrySize(entry);
    std::string line = fmt::format("{} {}", sign, EntryName(entry));
    if (!what.empty()) line = Padded(line, 34) + "  " + what;
    return WriteOut(context_, line + "\n");
  }

  Context& context_;
  std::vector<Entry> before_;
  std::size_t at_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t removed_ = 0;
  std::uint64_t changed_ = 0;
};

absl::Status Diff(Context& context, const DiffOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const NamedSnapshot before, OpenReference(context, *client, options.before));
  ASSIGN_OR_RETURN(const NamedSnapshot after, OpenReference(context, *client, options.after));
  if (before.summary.kind != after.summary.kind) {
    return Error(ErrorKind::kUsage, 1210,
                 fmt::format("unable to compare {} with {}: one is {}, the other {}",
                             SnapshotName(before.summary), SnapshotName(after.summary),
                             Escaped(before.summary.kind), Escaped(after.summary.kind)),
                 "Compare snapshots of one kind.");
  }
  std::vector<Entry> entries;
  RETURN_IF_ERROR(before.view().ForEachEntry([&](const Entry& entry) {
    entries.push_back(Facts(entry));
    return absl::OkStatus();
  }));
  Comparison comparison(context, std::move(entries));
  RETURN_IF_ERROR(
      after.view().ForEachEntry([&](const Entry& entry) { return comparison.Take(entry); }));
  return comparison.Finish();
}

}  // namespace

void AddDiff(Command& program, Context& context) {
  auto options = std::make_shared<DiffOptions>();
  Command command = program.Verb("diff", "What changed between two snapshots");
  command.Add("before", options->before, "The older one").Required();
  command.Add("after", options->after, "The newer one").Required();
  command.Footer(
      Examples("holdfast diff uploads@41 uploads@42", "holdfast diff db@57 db@latest --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Diff(context, *options)); });
}

}  // namespace holdfast::cli
