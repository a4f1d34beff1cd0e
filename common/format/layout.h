// Where things lie below a store directory and in a controller's data directory.
//
//   packs/<first 2 hex>/<sha256 hex>.pack       finished packs
//   packs/<first 2 hex>/<sha256 hex>.parity     what repairs that pack
//   records/<source hex>/<seq, 20 digits>.record, .refs and .commit
//   envelopes/<domain hex>/<key id hex>.envelope
//   domains/<domain hex>/<agent hex>.identity and .secrets, .removed
//   trust/owner.pub (32 raw bytes) and trust/recipients.<version, 20 digits>
//   settings/0.settings and 1.settings          what operators set by command, in turn
// A controller's data directory holds a store as store/, and open packs as staging/<number>.open,
// which count as part of the store: recovery without a catalog reads both.
// Threading:  pure functions.
#pragma once

#include <string>

#include "common/base/bytes.h"

namespace holdfast::layout {

inline constexpr char kPacks[] = "packs";
inline constexpr char kRecords[] = "records";
inline constexpr char kEnvelopes[] = "envelopes";
inline constexpr char kDomains[] = "domains";
inline constexpr char kTrust[] = "trust";
inline constexpr char kSettings[] = "settings";
inline constexpr char kOwner[] = "trust/owner.pub";
inline constexpr char kStoreBelowData[] = "store";
inline constexpr char kStagingBelowData[] = "staging";

std::string PackPath(const PackName& name);
std::string ParityPath(const PackName& name);
std::string RecordPath(const SourceId& source, std::uint64_t seq);
std::string ReferencesPath(const SourceId& source, std::uint64_t seq);
std::string CommitFactsPath(const SourceId& source, std::uint64_t seq);
std::string EnvelopePath(const DomainId& domain, const KeyId& key);
std::string IdentityPath(const DomainId& domain, const AgentId& agent);
std::string SecretsPath(const DomainId& domain, const AgentId& agent);
// There when the agent's access was taken away: the catalog may be lost, this must not be.
std::string RemovedMarkPath(const DomainId& domain, const AgentId& agent);
std::string RecipientsPath(std::uint64_t version);
std::string SettingsPath(std::uint64_t generation);  // of two, in turn

}  // namespace holdfast::layout
