// The facts as Prometheus reads them: text exposition format 0.0.4.
//
// Invariants: names, labels and units follow Prometheus' conventions (`promtool check metrics`
//             finds nothing). What never happened has no sample, so that no age is computed from 0.
//             Labels are names of sources and agents only: their number is bounded by the
//             configuration.
// Threading:  pure function.
#pragma once

#include <string>

#include "controller/http/facts.h"

namespace holdfast::http {

inline constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string MetricsText(const Facts& facts);

}  // namespace holdfast::http
