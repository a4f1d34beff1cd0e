// A bucket to read from, for who has its place and a key and no controller: recovery.
//
// Hides:      the client and the mount. Nothing is written, no claim is looked at.
// Threading:  fs() from any thread.
// Errors:     kUsage for a file without 'store', those of common/s3.
#pragma once

#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/s3/mounted_file_system.h"

namespace holdfast::s3 {

class ReadingBucket {
 public:
  static constexpr char kMount[] = "/bucket";  // of the store, in fs()

  // `config_path`: YAML with a section 'store', such as the controller's.
  static absl::StatusOr<std::unique_ptr<ReadingBucket>> Open(Env env,
                                                             const std::string& config_path);
  FileSystem& fs() { return mounted_; }

 private:
  ReadingBucket(Env env, Options options)
      : client_(env, std::move(options)), mounted_(env.fs, env.clock, kMount, client_, nullptr) {}

  Client client_;
  MountedFileSystem mounted_;
};

}  // namespace holdfast::s3
