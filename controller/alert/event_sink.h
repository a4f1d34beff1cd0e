// Where the controller's parts say what happened.
//
// Invariants: I1  Report never fails and never waits for a network: the event, its alert and the
//                 messages about it are written in one transaction, and others deliver them.
//             I2  What cannot be written is logged; a failure that lasts is found again by the
//                 rules, which look at the state of things.
// Threading:  Report from any thread.
#pragma once

#include <string>

#include "common/base/bytes.h"

namespace holdfast::alert {

enum class EventKind {
  kBackupFailed,
  kBackupSucceeded,  // ends failure and missed runs of its source
  kRunMissed,        // a scheduled run was skipped, or its time passed while nothing ran
  kReloadFailed,     // of the configuration: the old one stays active
  kReloadSucceeded,
};

struct Event {
  EventKind kind = EventKind::kBackupFailed;
  SourceId source;   // zero: of none
  std::string text;  // what is known, one line
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void Report(const Event& event) = 0;
};

}  // namespace holdfast::alert
