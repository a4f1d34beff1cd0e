#include "controller/rebuild/settings_copy.h"

#include "common/base/error.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::rebuild {
namespace {

constexpr std::size_t kSeedBytes = 32;

absl::StatusOr<KeyPair> ReadSettingsKey(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(Bytes seed, fs.ReadSecret(path));
  if (seed.size() == kSeedBytes) return Ed25519FromSeed(SecretBytes::Take(std::move(seed)));
  return Error(ErrorKind::kIntegrity, 5098,
               fmt::format("unable to read the key '{}': it has not 32 bytes", Escaped(path)),
               "Remove it: the controller makes another one.");
}

}  // namespace

std::string SettingsKeyPath(const std::string& data_directory) {
  return JoinPath(data_directory, "identity/settings.key");
}

absl::StatusOr<KeyPair> LoadOrMakeSettingsKey(Env env, const std::string& path) {
  if (env.fs.Exists(path)) return ReadSettingsKey(env.fs, path);
  KeyPair key = Ed25519Generate(env.rng);
  RETURN_IF_ERROR(env.fs.WriteAtomically(path, key.secret.view(), 0600));
  return key;
}

absl::StatusOr<std::optional<PublicKey>> FindSettingsSigner(FileSystem& fs,
                                                            const std::string& path) {
  if (!fs.Exists(path)) return std::optional<PublicKey>();
  ASSIGN_OR_RETURN(const KeyPair key, ReadSettingsKey(fs, path));
  return std::optional<PublicKey>(key.public_key);
}

std::optional<SettingsDocument> NewestSettings(const std::vector<Bytes>& documents,
                                               std::vector<std::string>* damage) {
  std::optional<SettingsDocument> newest;
  for (const Bytes& bytes : documents) {
    absl::StatusOr<SettingsDocument> document = OpenSettings(bytes);
    if (!document.ok()) {
      damage->push_back(MessageOf(document.status()));
    } else if (!newest || document->generation > newest->generation) {
      newest = *std::move(document);
    }
  }
  return newest;
}

SettingsCopy::SettingsCopy(Env env, catalog::Catalog& catalog, store::Store& store, KeyPair key)
    : env_(env), catalog_(catalog), store_(store), key_(std::move(key)) {
  std::vector<std::string> damage;
  auto newest = NewestSettings(store_.GetSettings(), &damage);
  for (const std::string& reason : damage) log::Warn("{}; a new copy is written", reason);
  if (!newest) return;
  generation_ = newest->generation;
  // Of another key, or beside one that is damaged: written anew in any case.
  if (damage.empty() && newest->signer == key_.public_key) written_ = std::move(newest->tables);
}

absl::Status SettingsCopy::Follow() {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(SettingTables tables, catalog_.planning().ExportSettings());
  if (written_ == tables) return absl::OkStatus();
  ASSIGN_OR_RETURN(const catalog::Installation installation, catalog_.GetInstallation());
  SettingsDocument document;
  document.controller_id = installation.controller_id;
  document.generation = generation_ + 1;
  document.written_at_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(env_.clock.Now()));
  document.tables = tables;
  RETURN_IF_ERROR(store_.PutSettings(document.generation, SignSettings(document, key_)));
  generation_ = document.generation;
  written_ = std::move(tables);
  return absl::OkStatus();
}

void SettingsCopy::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
}

void SettingsCopy::Work(std::stop_token stop) {
  std::string last_trouble;
  while (env_.clock.SleepFor(kFollowEvery, stop)) {
    const absl::Status status = Follow();
    const std::string trouble = MessageOf(status);
    if (!status.ok() && trouble != last_trouble) {
      log::Failure(WithContext(status, "unable to copy the settings into the store"));
    }
    last_trouble = trouble;
  }
}

}  // namespace holdfast::rebuild
