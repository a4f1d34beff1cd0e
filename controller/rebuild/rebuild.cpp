#include "controller/rebuild/rebuild.h"

#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "controller/rebuild/pack_scan.h"
#include "controller/rebuild/settings_copy.h"
#include "controller/rebuild/source_history.h"
#include "controller/rebuild/store_walk.h"
#include "controller/store/store.h"
#include "fmt/format.h"

namespace holdfast::rebuild {
namespace {

constexpr std::size_t kControllerIdBytes = 16;
constexpr std::size_t kProgressPacks = 500;
constexpr char kCatalog[] = "catalog.db";
constexpr char kNewCatalog[] = "rebuilding.db";

class Rebuild {
 public:
  Rebuild(Env env, const RebuildOptions& options)
      : env_(env),
        options_(options),
        root_(JoinPath(options.data_directory, layout::kStoreBelowData)),
        catalog_directory_(JoinPath(options.data_directory, "catalog")) {}

  absl::StatusOr<RebuildReport> Run() {
    const absl::Duration begin = env_.clock.Monotonic();
    RETURN_IF_ERROR(ReadOwner());
    // Finishes what a dead controller left open, and holds the store's lock from here on.
    std::vector<store::RecoveredPack> recovered;
    ASSIGN_OR_RETURN(store_, store::Store::Open(env_, options_.data_directory, &recovered,
                                                options_.parity_percent));
    RETURN_IF_ERROR(env_.fs.MakeDirectories(catalog_directory_));
    ASSIGN_OR_RETURN(const auto lock,
                     DirectoryLock::Acquire(JoinPath(catalog_directory_, kCatalog) + ".lock"));
    RETURN_IF_ERROR(RemoveUnfinished());
    const Bytes controller_id = options_.controller_id.size() == kControllerIdBytes
                                    ? options_.controller_id
                                    : env_.rng.Draw(kControllerIdBytes);
    ASSIGN_OR_RETURN(builder_, catalog::CatalogBuilder::Create(env_, NewPath(), controller_id));
    RETURN_IF_ERROR(AddOwner());
    RETURN_IF_ERROR(ReadIdentities());
    RETURN_IF_ERROR(ReadHistories());
    RETURN_IF_ERROR(AddAgents());
    RETURN_IF_ERROR(AddPacks());
    for (SourceHistory& history : histories_) {
      RETURN_IF_ERROR(history.Build(*builder_, &report_));
      ++report_.sources;
    }
    RETURN_IF_ERROR(TakeSettings());
    RETURN_IF_ERROR(NoteIt());
    ASSIGN_OR_RETURN(report_.chunks, builder_->Finish());
    builder_.reset();
    RETURN_IF_ERROR(PutInPlace());
    report_.seconds = env_.clock.Monotonic() - begin;
    return std::move(report_);
  }

 private:
  std::string NewPath() const { return JoinPath(catalog_directory_, kNewCatalog); }
  std::string Path(const std::string& below) const { return JoinPath(root_, below); }

  absl::Status ReadOwner() {
    const auto bytes = env_.fs.ReadFile(Path(layout::kOwner), 4096);
    if (absl::IsNotFound(bytes.status())) {
      return Error(ErrorKind::kRefused, 5072,
                   fmt::format("unable to rebuild the catalog: '{}' is no store with an owner",
                               Escaped(root_)),
                   "Put the store back as 'store' below data_directory; a controller without "
                   "backups is started and initialised as a new one.");
    }
    RETURN_IF_ERROR(bytes.status());
    const auto key = PublicKey::From(*bytes);
    if (!key) {
      return Error(ErrorKind::kIntegrity, 5073,
                   fmt::format("unable to rebuild the catalog: '{}' is not a key",
                               Escaped(Path(layout::kOwner))),
                   "Write the owner's public key (32 bytes) of the recovery kit into it; "
                   "'holdfast-agent recover' reads the store with the kit alone.");
    }
    owner_ = *key;
    return absl::OkStatus();
  }

  absl::Status RemoveUnfinished() {
    for (const char* ending : {"", "-wal", "-shm"}) {
      const std::string path = NewPath() + ending;
      if (env_.fs.Exists(path)) RETURN_IF_ERROR(env_.fs.Remove(path));
    }
    return absl::OkStatus();
  }

  absl::Status AddOwner() {
    ASSIGN_OR_RETURN(const auto versions, ListRecipientVersions(env_.fs, root_));
    for (const std::uint64_t version : versions) {
      const std::string path = layout::RecipientsPath(version);
      const auto document = env_.fs.ReadFile(Path(path));
      const auto list = document.ok() ? OpenRecipientList(*document, owner_) : document.status();
      if (list.ok() && list->version == version) {
        return builder_->SetOwner(owner_, *document, version);
      }
      report_.damage.push_back(
          {path, list.ok() ? "it is of another version" : MessageOf(list.status())});
    }
    return Error(
        ErrorKind::kIntegrity, 5075,
        "unable to rebuild the catalog: the store has no recipient list that its owner "
        "signed",
        "Put back trust/ from a copy of the store; 'holdfast-agent recover' needs it not.");
  }

  absl::Status ReadIdentities() {
    ASSIGN_OR_RETURN(const auto files, ListIdentities(env_.fs, root_));
    for (const IdentityFile& file : files) {
      const std::string path = layout::IdentityPath(file.domain, file.agent);
      const auto document = env_.fs.ReadFile(Path(path));
      auto identity = document.ok() ? OpenAgentIdentity(*document, owner_) : document.status();
      KnownAgent agent;
      agent.removed = file.removed;
      if (identity.ok() && identity->agent_id == file.agent && identity->domain == file.domain) {
        agent.identity = *std::move(identity);
        agent.verified = true;
      } else {
        report_.damage.push_back(
            {path, identity.ok() ? "it is of another agent" : MessageOf(identity.status())});
        agent.identity.agent_id = file.agent;
        agent.identity.domain = file.domain;
        agent.identity.agent_name = "agent-" + file.agent.hex().substr(0, 8);
      }
      agents_.push_back(std::move(agent));
    }
    return absl::OkStatus();
  }

  absl::Status ReadHistories() {
    ASSIGN_OR_RETURN(const auto sources, ListSources(env_.fs, root_));
    for (const auto& [source, files] : sources) {
      SourceHistory history(env_.fs, root_, source, files);
      if (history.ReadRecords(agents_, &report_.damage)) {
        histories_.push_back(std::move(history));
      } else if (!files.records.empty()) {
        report_.damage.push_back({"source " + source.hex(), "none of its records can be used"});
      }
    }
    return absl::OkStatus();
  }

  // Of two agents with one name that are not marked as removed, the one that wrote last is there.
  absl::Status AddAgents() {
    std::map<AgentId, std::uint64_t> newest;
    for (const SourceHistory& history : histories_) {
      std::uint64_t& at = newest[history.agent()];
      at = std::max(at, history.newest_taken_at_ms());
    }
    std::sort(agents_.begin(), agents_.end(), [&](const KnownAgent& a, const KnownAgent& b) {
      return newest[a.identity.agent_id] > newest[b.identity.agent_id];
    });
    std::set<std::string> names;
    for (const KnownAgent& agent : agents_) {
      catalog::AgentRow row;
      row.id = agent.identity.agent_id;
      row.name = agent.identity.agent_name;
      row.domain = agent.identity.domain;
      row.removed = agent.removed;
      if (!row.removed && !names.insert(row.name).second) {
        row.removed = true;
        report_.notes.push_back(fmt::format(
            "two agents are named '{}': the one that backed up last is enrolled, the other removed",
            Escaped(row.name)));
      }
      RETURN_IF_ERROR(builder_->AddAgent(row));
      if (!row.removed) ++report_.agents;
    }
    return absl::OkStatus();
  }

  absl::Status AddPacks() {
    ASSIGN_OR_RETURN(const auto packs, ListPacks(env_.fs, root_));
    std::set<DomainId> domains;
    for (const KnownAgent& agent : agents_) domains.insert(agent.identity.domain);
    for (const PackName& name : packs) {
      if (report_.packs % kProgressPacks == 0 && options_.progress) {
        options_.progress(fmt::format("read {} of {} packs", report_.packs, packs.size()));
      }
      ++report_.packs;
      const std::string path = layout::PackPath(name);
      const auto scanned = ScanRepaired(name);
      if (!scanned.ok()) {
        report_.damage.push_back({path, MessageOf(scanned.status())});
        continue;
      }
      for (const std::string& reason : scanned->damage) report_.damage.push_back({path, reason});
      report_.pack_bytes += scanned->pack.size_bytes;
      report_.objects += scanned->chunks.size();
      if (scanned->pack.domain.IsZero()) continue;
      if (!domains.contains(scanned->pack.domain)) {
        report_.notes.push_back(path + ": of a domain without an agent; kept as it is");
      }
      RETURN_IF_ERROR(builder_->AddPack(scanned->pack, scanned->chunks));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ScannedPack> ScanRepaired(const PackName& name) {
    const std::string path = layout::PackPath(name);
    auto scanned = ScanPack(env_.fs, Path(path), name);
    if (scanned.ok() && scanned->damage.empty()) return scanned;
    ASSIGN_OR_RETURN(const store::PackCheck check, store_->CheckPack(name, {}));
    if (check != store::PackCheck::kRepaired) return scanned;
    report_.notes.push_back(path + ": was damaged and is repaired");
    return ScanPack(env_.fs, Path(path), name);
  }

  absl::Status TakeSettings() {
    std::vector<std::string> damage;
    const auto newest = NewestSettings(store_->GetSettings(), &damage);
    for (const std::string& reason : damage) report_.damage.push_back({layout::kSettings, reason});
    if (!newest) return absl::OkStatus();
    FoundSettings& found = report_.settings.emplace();
    found.written_at = absl::FromUnixMillis(static_cast<std::int64_t>(newest->written_at_ms));
    found.taken = options_.accept_settings || options_.settings_signer == newest->signer;
    if (!found.taken) return absl::OkStatus();
    ASSIGN_OR_RETURN(found.imported, builder_->ImportSettings(newest->tables));
    return absl::OkStatus();
  }

  absl::Status NoteIt() {
    const bool taken = report_.settings && report_.settings->taken;
    return builder_->NoteRebuild(
        {static_cast<std::uint64_t>(absl::ToUnixMillis(env_.clock.Now())), "rebuild-catalog",
         "catalog.rebuild", "the catalog",
         fmt::format("{} snapshots of {} sources; {}", report_.snapshots, report_.sources,
                     taken ? "with the settings of " +
                                 absl::FormatTime("%Y-%m-%d %H:%M:%S UTC",
                                                  report_.settings->written_at, absl::UTCTimeZone())
                           : "without settings")});
  }

  // The old files first: what stands beside a catalog must never meet another one.
  absl::Status PutInPlace() {
    const std::string place = JoinPath(catalog_directory_, kCatalog);
    const auto now = absl::ToUnixMillis(env_.clock.Now());
    const std::string aside = fmt::format("{}.before-{}", place, now);
    for (const char* ending : {"-wal", "-shm", ""}) {
      if (!env_.fs.Exists(place + ending)) continue;
      RETURN_IF_ERROR(env_.fs.Rename(place + ending, aside + ending));
      report_.moved_aside = aside;
    }
    RETURN_IF_ERROR(env_.fs.SyncDirectory(catalog_directory_));
    RETURN_IF_ERROR(env_.fs.Rename(NewPath(), place));
    return env_.fs.SyncDirectory(catalog_directory_);
  }

  const Env env_;
  const RebuildOptions& options_;
  const std::string root_;
  const std::string catalog_directory_;
  PublicKey owner_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::CatalogBuilder> builder_;
  std::vector<KnownAgent> agents_;
  std::vector<SourceHistory> histories_;
  RebuildReport report_;
};

}  // namespace

absl::StatusOr<RebuildReport> RebuildCatalog(Env env, const RebuildOptions& options) {
  return Rebuild(env, options).Run();
}

}  // namespace holdfast::rebuild
