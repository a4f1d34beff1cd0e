#include "common/format/layout.h"

#include "fmt/format.h"

namespace holdfast::layout {

std::string PackPath(const PackName& name) {
  const std::string hex = name.hex();
  return fmt::format("{}/{}/{}.pack", kPacks, hex.substr(0, 2), hex);
}

std::string ParityPath(const PackName& name) {
  const std::string hex = name.hex();
  return fmt::format("{}/{}/{}.parity", kPacks, hex.substr(0, 2), hex);
}

std::string RecordPath(const SourceId& source, std::uint64_t seq) {
  return fmt::format("{}/{}/{:020}.record", kRecords, source.hex(), seq);
}

std::string ReferencesPath(const SourceId& source, std::uint64_t seq) {
  return fmt::format("{}/{}/{:020}.refs", kRecords, source.hex(), seq);
}

std::string CommitFactsPath(const SourceId& source, std::uint64_t seq) {
  return fmt::format("{}/{}/{:020}.commit", kRecords, source.hex(), seq);
}

std::string EnvelopePath(const DomainId& domain, const KeyId& key) {
  return fmt::format("{}/{}/{}.envelope", kEnvelopes, domain.hex(), key.hex());
}

std::string IdentityPath(const DomainId& domain, const AgentId& agent) {
  return fmt::format("{}/{}/{}.identity", kDomains, domain.hex(), agent.hex());
}

std::string SecretsPath(const DomainId& domain, const AgentId& agent) {
  return fmt::format("{}/{}/{}.secrets", kDomains, domain.hex(), agent.hex());
}

std::string RemovedMarkPath(const DomainId& domain, const AgentId& agent) {
  return fmt::format("{}/{}/{}.removed", kDomains, domain.hex(), agent.hex());
}

std::string RecipientsPath(std::uint64_t version) {
  return fmt::format("{}/recipients.{:020}", kTrust, version);
}

std::string SettingsPath(std::uint64_t generation) {
  return fmt::format("{}/{}.settings", kSettings, generation % 2);
}

}  // namespace holdfast::layout
