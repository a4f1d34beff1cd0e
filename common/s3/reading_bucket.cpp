#include "common/s3/reading_bucket.h"

#include "common/base/error.h"
#include "common/s3/store_config.h"
#include "fmt/format.h"

namespace holdfast::s3 {

absl::StatusOr<std::unique_ptr<ReadingBucket>> ReadingBucket::Open(Env env,
                                                                   const std::string& config_path) {
  ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(env.fs, config_path));
  ASSIGN_OR_RETURN(auto options, ReadStoreConfig(env.fs, document.root()));
  if (!options) {
    return Error(
        ErrorKind::kUsage, 5111,
        fmt::format("unable to open a bucket: '{}' has no section 'store'", Escaped(config_path)),
        "Write one as in the controller's configuration: store: {s3: {endpoint: …}}.");
  }
  return std::unique_ptr<ReadingBucket>(new ReadingBucket(env, *std::move(options)));
}

}  // namespace holdfast::s3
