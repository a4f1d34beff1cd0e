// What lies in a store directory, by the names of its files.
//
// Hides:      directories, endings, numbers in names.
// Threading:  pure functions over `fs`.
// Errors:     of the file system; names that mean nothing are left out.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/env/file_system.h"

namespace holdfast::rebuild {

absl::StatusOr<std::vector<PackName>> ListPacks(FileSystem& fs, const std::string& root);

struct SourceFiles {
  std::set<std::uint64_t> records;
  std::set<std::uint64_t> lists;
};
absl::StatusOr<std::map<SourceId, SourceFiles>> ListSources(FileSystem& fs,
                                                            const std::string& root);

struct IdentityFile {
  DomainId domain;
  AgentId agent;
  bool removed = false;
};
absl::StatusOr<std::vector<IdentityFile>> ListIdentities(FileSystem& fs, const std::string& root);

// Versions of the recipient list, newest first.
absl::StatusOr<std::vector<std::uint64_t>> ListRecipientVersions(FileSystem& fs,
                                                                 const std::string& root);

}  // namespace holdfast::rebuild
