// JSON out of the program's values: one line per document, always valid UTF-8.
//
// Names in a backup are bytes; what is not UTF-8 is escaped as \xNN in the text.
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/report/operator_types.h"
#include "nlohmann/json.hpp"

namespace holdfast::report {

using Json = nlohmann::ordered_json;

std::string JsonLine(const Json& value);  // with line break
// Null when `text` is not JSON.
Json ParsedJson(const std::string& text);

// {"error":{"message","hint","code","exit"}}; code as "HF-nnnn", empty when there is none.
Json ErrorJson(const absl::Status& status);

std::string JsonTime(std::uint64_t unix_ms);  // RFC 3339, UTC; empty for 0
Json SnapshotJson(const SnapshotSummary& snapshot);
Json AgentJson(const AgentInfo& agent);
// `path` exactly when it is UTF-8; else escaped, with the bytes in path_hex.
void PutPath(std::string_view path, Json* object);

}  // namespace holdfast::report
