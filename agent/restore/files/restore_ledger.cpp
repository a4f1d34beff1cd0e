#include "agent/restore/files/restore_ledger.h"

#include "common/base/bytes.h"
#include "fmt/format.h"

namespace holdfast::restore {

void RestoreLedger::Capped::Add(const std::string& path, std::string reason) {
  ++count;
  if (list.size() < kListLimit) list.push_back({path, std::move(reason)});
}

std::vector<Problem> RestoreLedger::Capped::Taken() const {
  std::vector<Problem> result = list;
  if (count > list.size()) result.push_back({"…", fmt::format("and {} more", count - list.size())});
  return result;
}

void RestoreLedger::Restored(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  ++restored_entries_;
  restored_bytes_ += bytes;
}

void RestoreLedger::LeftOut(const std::string& path, std::string reason) {
  std::lock_guard lock(mutex_);
  skipped_.Add(path, std::move(reason));
  left_out_.insert(path);
}

void RestoreLedger::Incomplete(const std::string& path, std::string reason) {
  std::lock_guard lock(mutex_);
  skipped_.Add(path, std::move(reason));
  incomplete_.insert(path);
}

void RestoreLedger::Renamed(const std::string& path, const std::string& actual) {
  std::lock_guard lock(mutex_);
  skipped_.Add(path, fmt::format("its name was taken: restored as '{}' instead", Escaped(actual)));
  Tally& tally = withheld_["entries were restored under another name, because theirs was taken"];
  if (++tally.count == 1) tally.first_path = path;
  renamed_[path] = actual;
}

void RestoreLedger::Withheld(const std::string& what, const std::string& path) {
  std::lock_guard lock(mutex_);
  Tally& tally = withheld_[what];
  if (++tally.count == 1) tally.first_path = path;
}

void RestoreLedger::Compared(std::uint64_t files) {
  std::lock_guard lock(mutex_);
  compared_files_ += files;
}

void RestoreLedger::Mismatch(const std::string& path, std::string reason) {
  std::lock_guard lock(mutex_);
  mismatches_.Add(path, std::move(reason));
}

bool RestoreLedger::IsLeftOut(const std::string& path) const {
  std::lock_guard lock(mutex_);
  return left_out_.contains(path);
}

bool RestoreLedger::IsIncomplete(const std::string& path) const {
  std::lock_guard lock(mutex_);
  return incomplete_.contains(path);
}

std::string RestoreLedger::ActualPath(const std::string& path) const {
  std::lock_guard lock(mutex_);
  const auto found = renamed_.find(path);
  return found == renamed_.end() ? path : found->second;
}

void RestoreLedger::Identify(const std::string& path, FileIdentity identity) {
  std::lock_guard lock(mutex_);
  identities_[path] = identity;
}

RestoreLedger::FileIdentity RestoreLedger::IdentityOf(const std::string& path) const {
  std::lock_guard lock(mutex_);
  const auto found = identities_.find(path);
  return found == identities_.end() ? FileIdentity() : found->second;
}

RestoreReport RestoreLedger::Report(const std::string& target) const {
  std::lock_guard lock(mutex_);
  RestoreReport report;
  report.target = target;
  report.restored_entries = restored_entries_;
  report.restored_bytes = restored_bytes_;
  report.compared_items = compared_files_;
  report.compared_what = fmt::format("{} files byte for byte", compared_files_);
  report.mismatches = mismatches_.Taken();
  report.skipped = skipped_.Taken();
  for (const auto& [what, tally] : withheld_) {
    report.warnings.push_back(
        fmt::format("{} {}, first '{}'", tally.count, what, Escaped(tally.first_path)));
  }
  return report;
}

}  // namespace holdfast::restore
