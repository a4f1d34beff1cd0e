#include "controller/daemon/store_place.h"

#include <unistd.h>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

std::string HostName() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "an unknown host";
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorePlace>> StorePlace::Open(Env env,
                                                             const ControllerConfig& config,
                                                             Takeover takeover) {
  std::unique_ptr<StorePlace> place(new StorePlace(env));
  if (config.bucket) RETURN_IF_ERROR(place->Mount(config, takeover));
  return place;
}

absl::Status StorePlace::Mount(const ControllerConfig& config, Takeover takeover) {
  RETURN_IF_ERROR(env_.fs.MakeDirectories(config.data_directory));
  const std::string mount = JoinPath(config.data_directory, layout::kStoreBelowData);
  if (env_.fs.Exists(JoinPath(mount, layout::kOwner))) {
    return Error(ErrorKind::kConflict, 5110,
                 fmt::format("unable to use a bucket: '{}' holds a store already", Escaped(mount)),
                 "Copy what is below it into the bucket (keys are the paths), move the directory "
                 "away, then start again.");
  }
  client_ = std::make_unique<s3::Client>(env_, *config.bucket);
  RETURN_IF_ERROR(client_->Probe());
  ASSIGN_OR_RETURN(claim_,
                   s3::Claim::Take(env_, *client_, JoinPath(config.data_directory, "store-claim"),
                                   HostName(), takeover == Takeover::kYes));
  mounted_ =
      std::make_unique<s3::MountedFileSystem>(env_.fs, env_.clock, mount, *client_, claim_.get());
  log::Info("the store is {}{}", client_->place(),
            client_->has_conditions()
                ? ""
                : " (it does not keep If-None-Match: what is there is asked for before writing)");
  return absl::OkStatus();
}

absl::Status RunTakeStore(Env env, const ControllerConfig& config, std::ostream& out) {
  if (!config.bucket) {
    return Error(ErrorKind::kUsage, 5111,
                 "unable to take the store: it is a directory, which belongs to who mounts it",
                 "Buckets are configured as 'store' of controller.yaml.");
  }
  RETURN_IF_ERROR(env.fs.MakeDirectories(config.data_directory));
  ASSIGN_OR_RETURN(const auto lock,
                   DirectoryLock::Acquire(JoinPath(config.data_directory, "lock")));
  RETURN_IF_ERROR(StorePlace::Open(env, config, Takeover::kYes).status());
  out << fmt::format(
      "s3 bucket '{}' belongs to this controller now; another one that still runs stops writing "
      "within a minute.\nWithout a catalog here, go on with 'holdfast-controller "
      "rebuild-catalog'.\n",
      Escaped(config.bucket->bucket));
  return absl::OkStatus();
}

}  // namespace holdfast::daemon
