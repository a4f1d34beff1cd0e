#include "agent/daemon/check_config.h"

#include "agent/daemon/agent_config.h"
#include "common/base/error.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace holdfast::daemon {

absl::Status CheckAgentConfig(FileSystem& fs, const std::string& path, CheckForm form,
                              std::ostream& out) {
  ASSIGN_OR_RETURN(const AgentConfig config, LoadAgentConfig(fs, path));
  if (form == CheckForm::kJson) {
    nlohmann::ordered_json sources = nlohmann::ordered_json::array();
    for (const SourceConfig& source : config.sources) {
      sources.push_back({{"name", source.name}, {"kind", source.kind()}});
    }
    const nlohmann::ordered_json answer = {
        {"file", path}, {"kind", "agent"}, {"ok", true}, {"sources", std::move(sources)}};
    out << answer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    return absl::OkStatus();
  }
  out << fmt::format("{} is in order.\n", path.empty() ? "The configuration" : Escaped(path));
  for (const SourceConfig& source : config.sources) {
    out << fmt::format("source '{}' ({})\n", source.name, source.kind());
  }
  return absl::OkStatus();
}

}  // namespace holdfast::daemon
