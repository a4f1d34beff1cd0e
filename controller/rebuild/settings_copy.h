// What operators set by command, kept in the store too: a catalog that is made anew has it again.
//
// Hides:      the document, its key, when a copy is new.
// Invariants: I1  Follow returned OK: the store has what the catalog had when it was called.
//             I2  A copy that is being written never takes the place of the newest one.
// Threading:  Follow from any thread; one thread of its own follows what nobody waits for.
// Errors:     of catalog, store and file system; kIntegrity for a key file that is none.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/env/env.h"
#include "common/format/settings.h"
#include "controller/catalog/catalog.h"
#include "controller/store/store.h"

namespace holdfast::rebuild {

inline constexpr absl::Duration kFollowEvery = absl::Seconds(15);

// The key that signs the copies: below the data directory, beside the controller's other keys.
std::string SettingsKeyPath(const std::string& data_directory);
absl::StatusOr<KeyPair> LoadOrMakeSettingsKey(Env env, const std::string& path);
// Null: there is none.
absl::StatusOr<std::optional<PublicKey>> FindSettingsSigner(FileSystem& fs,
                                                            const std::string& path);

// The newest that opens. What does not is told in `damage`.
std::optional<SettingsDocument> NewestSettings(const std::vector<Bytes>& documents,
                                               std::vector<std::string>* damage);

class SettingsCopy {
 public:
  // All outlive it.
  SettingsCopy(Env env, catalog::Catalog& catalog, store::Store& store, KeyPair key);

  absl::Status Follow();
  void Start();  // the thread

 private:
  void Work(std::stop_token stop);

  const Env env_;
  catalog::Catalog& catalog_;
  store::Store& store_;
  const KeyPair key_;
  std::mutex mutex_;  // one copy at a time; guards all below
  std::uint64_t generation_ = 0;
  std::optional<SettingTables> written_;
  std::jthread thread_;
};

}  // namespace holdfast::rebuild
