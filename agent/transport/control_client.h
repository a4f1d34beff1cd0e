// The agent's long-lived stream to the controller: hello and heartbeats up, jobs down, progress and
// results up.
//
// Hides:      reconnecting with backoff, heartbeats, results that could not be sent while the
//             stream was down.
// Invariants: I1  A result given to SendResult is sent until the controller has it or the process
//                 ends: it is kept over reconnects.
//             I2  A protocol version that the controller refuses, or a certificate it refuses, is
//                 reported through on_trouble; the client goes on trying with backoff (an operator
//                 may put it right).
// Threading:  SendProgress and SendResult from any thread; callbacks run on the client's own
//             thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/env/env.h"

namespace grpc {
class Channel;
}
namespace holdfast::v1 {
class Heartbeat;
class Hello;
class Job;
class JobProgress;
class JobResult;
}  // namespace holdfast::v1

namespace holdfast::transport {

class ControlClient {
 public:
  struct Options {
    Env env;
    std::function<std::shared_ptr<grpc::Channel>()> connect;
    std::function<absl::Status()> diagnose;
    std::function<void(v1::Hello*)> fill_hello;  // before every connection
    std::function<void(const v1::Job&)> on_job;  // must not block
    std::function<void(const Bytes& job_id)> on_cancel;
    std::function<absl::Status(grpc::Channel&)>
        on_connected;  // unary calls before the stream opens
    std::function<void(const absl::Status&)> on_trouble;
    absl::Duration heartbeat = absl::Seconds(20);
    std::function<void(v1::Heartbeat*)> fill_heartbeat = {};
  };
  explicit ControlClient(Options options);
  ~ControlClient();

  void SendProgress(const v1::JobProgress& progress);  // dropped while the stream is down
  void SendResult(const v1::JobResult& result);        // I1
  void SendHeartbeat();                                // besides the regular ones
  void Reconnect();                                    // says hello again; jobs go on

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::transport
