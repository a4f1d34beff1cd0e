#include "controller/daemon/controller_config.h"

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/config/paths.h"
#include "controller/daemon/http_config.h"

namespace holdfast::daemon {
namespace {

constexpr Range<std::uint64_t> kScrubRates{64 << 10, 1ull << 40};
constexpr Range<std::int64_t> kParityPercents{0, kMaxParityPercent};

absl::Status ReadRetention(const ConfigNode& root, retention::CollectorOptions* out) {
  const auto node = root.Find("retention");
  if (!node) return absl::OkStatus();
  RETURN_IF_ERROR(node->CheckKeys({"trash", "delay"}));
  ASSIGN_OR_RETURN(out->trash_time, node->Duration("trash", out->trash_time));
  ASSIGN_OR_RETURN(out->sweep_delay, node->Duration("delay", out->sweep_delay));
  return absl::OkStatus();
}

absl::Status ReadLog(const ConfigNode& root, log::Options* out) {
  const auto node = root.Find("log");
  if (!node) return absl::OkStatus();
  RETURN_IF_ERROR(node->CheckKeys({"level", "format"}));
  ASSIGN_OR_RETURN(out->level, node->Text("level", out->level));
  ASSIGN_OR_RETURN(out->format, node->Text("format", out->format));
  return absl::OkStatus();
}

absl::Status ReadScrub(const ConfigNode& root, scrub::ScrubOptions* out) {
  const auto node = root.Find("scrub");
  if (!node) return absl::OkStatus();
  RETURN_IF_ERROR(node->CheckKeys({"enabled", "period", "rate"}));
  ASSIGN_OR_RETURN(out->enabled, node->Bool("enabled", out->enabled));
  ASSIGN_OR_RETURN(out->period, node->Duration("period", out->period));
  ASSIGN_OR_RETURN(out->rate_bytes, node->Size("rate", out->rate_bytes, kScrubRates));
  if (out->period < absl::Seconds(1)) {
    return node->Find("period")->Refuse("the period is shorter than a second",
                                        "Write for example 30d.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ControllerConfig> LoadControllerConfig(FileSystem& fs, const std::string& path) {
  ControllerConfig config;
  config.data_directory = DefaultDataDirectory("controller");
  config.socket_path = DefaultSocketPath();
  const std::string file = path.empty() ? DefaultConfigPath("controller") : path;
  if (path.empty() && !fs.Exists(file)) return config;
  ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(fs, file));
  const ConfigNode root = document.root();
  RETURN_IF_ERROR(root.CheckKeys({"data_directory", "listen", "listen_enrollment", "advertise",
                                  "socket", "parity", "scrub", "retention", "log", "http"}));
  ASSIGN_OR_RETURN(config.data_directory, root.Text("data_directory", config.data_directory));
  if (config.data_directory.empty() || config.data_directory[0] != '/') {
    return root.Find("data_directory")->Refuse("this is not an absolute path");
  }
  RETURN_IF_ERROR(ReadHostPort(root, "listen", &config.listen));
  RETURN_IF_ERROR(ReadHostPort(root, "listen_enrollment", &config.listen_enrollment));
  ASSIGN_OR_RETURN(config.advertise, root.Text("advertise", ""));
  ASSIGN_OR_RETURN(config.socket_path, root.Text("socket", config.socket_path));
  ASSIGN_OR_RETURN(const std::int64_t parity,
                   root.Integer("parity", config.parity_percent, kParityPercents));
  config.parity_percent = static_cast<unsigned>(parity);
  RETURN_IF_ERROR(ReadScrub(root, &config.scrub));
  RETURN_IF_ERROR(ReadRetention(root, &config.retention));
  RETURN_IF_ERROR(ReadLog(root, &config.log));
  ASSIGN_OR_RETURN(config.http, ReadHttp(fs, root, ParentPath(file)));
  return config;
}

}  // namespace holdfast::daemon
