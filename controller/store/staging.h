// The staging directory: numbers of open packs, and what a dead predecessor left there.
//
// Hides:      the number counter, torn tails, damaged regions, the marks of finished packs.
// Invariants: I1  A number is never given twice in the life of the data directory.
//             I2  Recovery never drops a whole object: a damaged region in the middle stays in the
//                 pack as a gap, only the torn tail is cut.
// Threading:  NextNumber from any thread; RecoverStaging before anybody else uses the directory.
// Errors:     of the file system; a file that is no pack is set aside, never deleted.
//
//   staging/next               the first number not yet reserved
//   staging/<number>.open      a pack being filled
//   staging/<number>.finished  its name once finished; kept until the catalog knows it
//   staging/<number>.staged.tmp  a document that arrives in pieces (staged_document.h)
//   staging/<number>.damaged   set aside: it does not begin like a pack
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "controller/store/store.h"

namespace holdfast::store {

std::string OpenPackPath(const std::string& staging, std::uint64_t number);
std::string FinishedMarkPath(const std::string& staging, std::uint64_t number);
std::string DamagedPackPath(const std::string& staging, std::uint64_t number);
// Numbers of the open packs that could not be read and were set aside.
absl::StatusOr<std::vector<std::uint64_t>> ListDamagedPacks(FileSystem& fs,
                                                            const std::string& staging);

class NumberSource {
 public:
  static absl::StatusOr<std::unique_ptr<NumberSource>> Open(FileSystem& fs, std::string staging);
  absl::StatusOr<std::uint64_t> Next();

 private:
  NumberSource(FileSystem& fs, std::string staging, std::uint64_t next)
      : fs_(fs), staging_(std::move(staging)), next_(next), reserved_end_(next) {}

  FileSystem& fs_;
  const std::string staging_;
  std::mutex mutex_;  // guards all below
  std::uint64_t next_;
  std::uint64_t reserved_end_;
};

// Writes the mark, then moves staging/<number>.open (complete and synced) into packs/.
absl::Status MoveToPacks(FileSystem& fs, const std::string& staging, const std::string& root,
                         std::uint64_t number, const PackName& name);

// Finishes one open pack that nobody fills any more, as RecoverStaging does.
absl::StatusOr<RecoveredPack> FinishLeftPack(FileSystem& fs, const std::string& staging,
                                             const std::string& root, std::uint64_t number);

absl::StatusOr<std::vector<RecoveredPack>> RecoverStaging(FileSystem& fs,
                                                          const std::string& staging,
                                                          const std::string& root);

}  // namespace holdfast::store
