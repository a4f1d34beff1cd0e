#include "controller/schedule/setting.h"

namespace holdfast::schedule {

std::string SourceScope(const SourceId& source) { return "source:" + source.hex(); }
std::string GroupScope(const std::string& name) { return "group:" + name; }

bool CommandSettings::Apply(const std::string& scope, const std::string& key,
                            const std::string& place, Setting* setting) const {
  for (const catalog::SettingRow& row : rows_) {
    if (row.scope != scope || row.key != key) continue;
    *setting = {row.value, Origin::kCommand, place, row.set_by, row.set_at_ms};
    return true;
  }
  return false;
}

}  // namespace holdfast::schedule
