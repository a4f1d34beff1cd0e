// What each agent may keep in the store, as the controller tells it, as plain values.
//
// Threading: values.
#pragma once

#include <optional>

#include "common/report/schedule_types.h"

namespace holdfast::report {

struct AgentQuota {
  AgentId agent;
  std::string agent_name;
  Setting limit;                             // "500GiB", "none"
  std::optional<std::uint64_t> limit_bytes;  // none: no limit
  std::uint64_t stored_bytes = 0;
};

struct QuotaChange {
  std::string agent_name;
  std::string limit;  // empty: forget what was set by command
  std::string by;
};

}  // namespace holdfast::report
