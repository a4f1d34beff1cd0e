// Entries of a snapshot as lines and as JSON.
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "common/format/entry.h"
#include "common/report/json.h"
#include "controller/cli/operator_values.h"

namespace holdfast::cli {

std::string TypeName(EntryType type);       // "file", "directory", …
std::string ModeText(const Entry& entry);   // "drwxr-xr-x"
std::string OwnerText(const Entry& entry);  // "app:www-data", numbers where there are no names
std::string EntryTime(const Entry& entry, absl::TimeZone zone);
// "412 MiB", "1,204,331 rows" after it for tables; empty for what has no content.
std::string EntrySize(const Entry& entry);
// Escaped path, "/" after a directory, "-> target" after a link.
std::string EntryName(const Entry& entry);

Json EntryJson(const Entry& entry);

}  // namespace holdfast::cli
