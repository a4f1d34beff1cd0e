// Facts of a controller with two sources that are well, to be spoilt by tests.
#pragma once

#include "controller/http/facts.h"

namespace holdfast::test {

inline absl::Time NightOfTest() {
  return absl::FromCivil(absl::CivilSecond(2026, 1, 7, 14, 0, 0), absl::UTCTimeZone());
}

inline std::uint64_t Ms(absl::Time time) {
  return static_cast<std::uint64_t>(absl::ToUnixMillis(time));
}

inline http::SourceFacts WellSource(const std::string& name, absl::Duration age) {
  http::SourceFacts source;
  source.name = name;
  source.kind = "files";
  source.agent = "web-1";
  source.is_connected = true;
  source.snapshot_count = 3;
  source.logical_bytes = 3000;
  catalog::SnapshotRow newest;
  newest.seq = 3;
  newest.committed_at_ms = Ms(NightOfTest() - age);
  newest.taken_at_ms = newest.committed_at_ms;
  newest.content_bytes = 1000;
  newest.stored_bytes = 10;
  newest.entry_count = 7;
  newest.duration_ms = 1500;
  source.newest = newest;
  source.plan.recovery_point = absl::Hours(24);
  source.plan.recovery_age = age;
  return source;
}

inline http::Facts WellFacts() {
  http::Facts facts;
  facts.at = NightOfTest();
  facts.started_at = NightOfTest() - absl::Hours(100);
  facts.has_owner = true;
  facts.sources = {WellSource("db", absl::Hours(12)), WellSource("files", absl::Hours(11))};
  facts.agents = {{"web-1", true, NightOfTest(), NightOfTest() + absl::Hours(24 * 80)}};
  facts.totals = {2, 3000, 40};
  facts.free_bytes = 100ull << 30;
  facts.catalog_bytes = 4096;
  facts.server_certificate_ends = NightOfTest() + absl::Hours(24 * 365);
  facts.authority_ends = NightOfTest() + absl::Hours(24 * 3650);
  facts.scrubbed_at = absl::InfinitePast();
  return facts;
}

}  // namespace holdfast::test
