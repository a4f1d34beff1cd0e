#include "controller/daemon/controller_config.h"

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/config/paths.h"
#include "common/rate/rate_config.h"
#include "common/s3/store_config.h"
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

absl::Status ReadQuota(const ConfigNode& root, quota::QuotaConfig* out) {
  RETURN_IF_ERROR(root.Size("quota", 0).status());
  ASSIGN_OR_RETURN(out->agent, root.Text("quota", ""));
  return absl::OkStatus();
}

bool DiffersInHttp(const std::optional<http::HttpOptions>& now,
                   const std::optional<http::HttpOptions>& fresh) {
  if (!now || !fresh) return now.has_value() != fresh.has_value();
  return now->host != fresh->host || now->port != fresh->port ||
         now->certificate_path != fresh->certificate_path || now->key_path != fresh->key_path ||
         !ConstantTimeEqual(now->token.view(), fresh->token.view());
}

bool DiffersInBucket(const std::optional<s3::Options>& now,
                     const std::optional<s3::Options>& fresh) {
  if (!now || !fresh) return now.has_value() != fresh.has_value();
  return !s3::AreSame(*now, *fresh);
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
  RETURN_IF_ERROR(
      root.CheckKeys({"data_directory", "listen", "listen_enrollment", "advertise", "socket",
                      "store", "parity", "scrub", "retention", "schedule", "objectives", "ingest",
                      "quota", "log", "alerts", "contacts", "providers", "http"}));
  ASSIGN_OR_RETURN(config.data_directory, root.Text("data_directory", config.data_directory));
  if (config.data_directory.empty() || config.data_directory[0] != '/') {
    return root.Find("data_directory")->Refuse("this is not an absolute path");
  }
  RETURN_IF_ERROR(ReadHostPort(root, "listen", &config.listen));
  RETURN_IF_ERROR(ReadHostPort(root, "listen_enrollment", &config.listen_enrollment));
  ASSIGN_OR_RETURN(config.advertise, root.Text("advertise", ""));
  ASSIGN_OR_RETURN(config.socket_path, root.Text("socket", config.socket_path));
  ASSIGN_OR_RETURN(config.bucket, s3::ReadStoreConfig(fs, root));
  // A storage service keeps several copies itself.
  const std::int64_t usual_parity = config.bucket ? 0 : kDefaultParityPercent;
  ASSIGN_OR_RETURN(const std::int64_t parity,
                   root.Integer("parity", usual_parity, kParityPercents));
  config.parity_percent = static_cast<unsigned>(parity);
  RETURN_IF_ERROR(ReadScrub(root, &config.scrub));
  RETURN_IF_ERROR(ReadRetention(root, &config.retention));
  ASSIGN_OR_RETURN(config.schedule, schedule::ReadScheduleConfig(root));
  ASSIGN_OR_RETURN(config.objectives, objective::ReadObjectiveConfig(root));
  if (const auto ingest = root.Find("ingest")) {
    ASSIGN_OR_RETURN(config.ingest, ReadRateTimetable(*ingest));
  }
  RETURN_IF_ERROR(ReadQuota(root, &config.quota));
  RETURN_IF_ERROR(ReadLog(root, &config.log));
  ASSIGN_OR_RETURN(config.alerts, alert::ReadAlertConfig(fs, root));
  ASSIGN_OR_RETURN(config.http, ReadHttp(fs, root, ParentPath(file)));
  return config;
}

std::vector<std::string_view> ChangesThatNeedARestart(const ControllerConfig& now,
                                                      const ControllerConfig& fresh) {
  std::vector<std::string_view> keys;
  const auto note = [&](std::string_view key, bool differs) {
    if (differs) keys.push_back(key);
  };
  note("data_directory", now.data_directory != fresh.data_directory);
  note("listen", now.listen.text() != fresh.listen.text());
  note("listen_enrollment", now.listen_enrollment.text() != fresh.listen_enrollment.text());
  note("advertise", now.advertise != fresh.advertise);
  note("socket", now.socket_path != fresh.socket_path);
  note("store", DiffersInBucket(now.bucket, fresh.bucket));
  note("parity", now.parity_percent != fresh.parity_percent);
  note("scrub", now.scrub.enabled != fresh.scrub.enabled ||
                    now.scrub.period != fresh.scrub.period ||
                    now.scrub.rate_bytes != fresh.scrub.rate_bytes);
  note("retention", now.retention.trash_time != fresh.retention.trash_time ||
                        now.retention.sweep_delay != fresh.retention.sweep_delay);
  note("http", DiffersInHttp(now.http, fresh.http));
  note("log", now.log.level != fresh.log.level || now.log.format != fresh.log.format);
  return keys;
}

}  // namespace holdfast::daemon
