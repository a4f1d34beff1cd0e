#include "controller/rebuild/store_walk.h"

#include <algorithm>
#include <functional>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/format/layout.h"

namespace holdfast::rebuild {
namespace {

std::string_view WithoutEnding(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  return name;
}

std::uint64_t NumberOf(std::string_view text) {
  std::uint64_t number = 0;
  return absl::SimpleAtoi(std::string(text), &number) ? number : 0;
}

// Empty when there is no such directory.
absl::StatusOr<std::vector<DirectoryEntry>> ListIfThere(FileSystem& fs, const std::string& path) {
  auto entries = fs.List(path);
  if (absl::IsNotFound(entries.status())) return std::vector<DirectoryEntry>();
  return entries;
}

// Every file two levels below `area`.
absl::Status ForEachFile(
    FileSystem& fs, const std::string& area,
    const std::function<void(const std::string& directory, const std::string& name)>& visit) {
  ASSIGN_OR_RETURN(const auto directories, ListIfThere(fs, area));
  for (const DirectoryEntry& directory : directories) {
    if (!directory.is_directory) continue;
    ASSIGN_OR_RETURN(const auto files, fs.List(JoinPath(area, directory.name)));
    for (const DirectoryEntry& file : files) {
      if (!file.is_directory) visit(directory.name, file.name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PackName>> ListPacks(FileSystem& fs, const std::string& root) {
  std::vector<PackName> packs;
  RETURN_IF_ERROR(ForEachFile(
      fs, JoinPath(root, layout::kPacks), [&](const std::string&, const std::string& name) {
        const auto pack = PackName::FromHexText(WithoutEnding(name, ".pack"));
        if (pack) packs.push_back(*pack);
      }));
  std::sort(packs.begin(), packs.end());
  return packs;
}

absl::StatusOr<std::map<SourceId, SourceFiles>> ListSources(FileSystem& fs,
                                                            const std::string& root) {
  std::map<SourceId, SourceFiles> sources;
  RETURN_IF_ERROR(ForEachFile(fs, JoinPath(root, layout::kRecords),
                              [&](const std::string& directory, const std::string& name) {
                                const auto source = SourceId::FromHexText(directory);
                                if (!source) return;
                                const std::uint64_t record =
                                    NumberOf(WithoutEnding(name, ".record"));
                                const std::uint64_t list = NumberOf(WithoutEnding(name, ".refs"));
                                if (record != 0) sources[*source].records.insert(record);
                                if (list != 0) sources[*source].lists.insert(list);
                              }));
  return sources;
}

absl::StatusOr<std::vector<IdentityFile>> ListIdentities(FileSystem& fs, const std::string& root) {
  std::vector<IdentityFile> identities;
  std::set<std::pair<DomainId, AgentId>> removed;
  RETURN_IF_ERROR(ForEachFile(fs, JoinPath(root, layout::kDomains),
                              [&](const std::string& directory, const std::string& name) {
                                const auto domain = DomainId::FromHexText(directory);
                                if (!domain) return;
                                const auto agent =
                                    AgentId::FromHexText(WithoutEnding(name, ".identity"));
                                const auto mark =
                                    AgentId::FromHexText(WithoutEnding(name, ".removed"));
                                if (agent) identities.push_back({*domain, *agent});
                                if (mark) removed.insert({*domain, *mark});
                              }));
  for (IdentityFile& identity : identities) {
    identity.removed = removed.contains({identity.domain, identity.agent});
  }
  return identities;
}

absl::StatusOr<std::vector<std::uint64_t>> ListRecipientVersions(FileSystem& fs,
                                                                 const std::string& root) {
  std::vector<std::uint64_t> versions;
  const std::string directory = JoinPath(root, layout::kTrust);
  ASSIGN_OR_RETURN(const auto files, ListIfThere(fs, directory));
  constexpr std::string_view kBeginning = "recipients.";
  for (const DirectoryEntry& file : files) {
    const std::string_view name = file.name;
    if (!name.starts_with(kBeginning)) continue;
    const std::uint64_t version = NumberOf(name.substr(kBeginning.size()));
    if (version != 0) versions.push_back(version);
  }
  std::sort(versions.rbegin(), versions.rend());
  return versions;
}

}  // namespace holdfast::rebuild
