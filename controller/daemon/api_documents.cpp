#include "controller/daemon/api_documents.h"

#include "common/base/error.h"
#include "common/report/documents.h"
#include "common/report/messages/convert.h"
#include "controller/control/summaries.h"
#include "controller/operator/status_report.h"
#include "fmt/format.h"
#include "proto/operator.pb.h"

namespace holdfast::daemon {
namespace {

using operator_service::OperatorServiceOptions;

absl::StatusOr<report::StatusReport> StatusOf(const OperatorServiceOptions& options) {
  v1::StatusReply reply;
  RETURN_IF_ERROR(operator_service::FillStatus(options, &reply));
  report::StatusReport status = report::FromProto(reply);
  for (const v1::SourceStatus& one : reply.sources()) {
    report::SourceStatus source = report::FromProto(one);
    if (!one.last_error_sealed().empty()) {
      source.last_error = "see the agent's log for the reason";
    }
    status.sources.push_back(std::move(source));
  }
  return status;
}

absl::StatusOr<report::Json> Snapshots(const OperatorServiceOptions& options,
                                       const http::ApiRequest& request) {
  catalog::Catalog& catalog = *options.catalog;
  std::vector<report::SnapshotSummary> snapshots;
  bool found = request.source.empty();
  ASSIGN_OR_RETURN(const auto sources, catalog.ListSources(false));
  for (const catalog::SourceRow& source : sources) {
    const bool asked = request.source.empty() || request.source == source.name ||
                       request.source == source.id.hex();
    if (!asked) continue;
    found = true;
    ASSIGN_OR_RETURN(const auto rows, catalog.ListSnapshots(source.id, request.limit));
    const auto agent = catalog.GetAgent(source.agent);
    for (const catalog::SnapshotRow& row : rows) {
      v1::SnapshotSummary summary;
      control::FillSummary(row, source, agent.ok() ? agent->name : "", &summary);
      snapshots.push_back(report::FromProto(summary));
    }
  }
  if (!found) {
    return Error(ErrorKind::kNotFound, 6098,
                 fmt::format("unable to find source '{}'", Escaped(request.source, 100)));
  }
  report::SortForReaders(&snapshots);
  return report::SnapshotsJson(snapshots);
}

absl::StatusOr<report::Json> Agents(const OperatorServiceOptions& options) {
  ASSIGN_OR_RETURN(const auto rows, options.catalog->ListAgents(false));
  std::vector<report::AgentInfo> agents;
  for (const catalog::AgentRow& row : rows) {
    v1::AgentInfo agent;
    RETURN_IF_ERROR(operator_service::FillAgent(options, row, &agent));
    agents.push_back(report::FromProto(agent));
  }
  return report::AgentsJson(agents);
}

absl::StatusOr<report::Json> Document(const OperatorServiceOptions& options,
                                      const http::ApiRequest& request) {
  switch (request.document) {
    case http::ApiDocument::kStatus: {
      ASSIGN_OR_RETURN(const report::StatusReport status, StatusOf(options));
      return report::StatusJson(status, report::WarningsOf(status, options.env.clock.Now()));
    }
    case http::ApiDocument::kSources: {
      ASSIGN_OR_RETURN(const report::StatusReport status, StatusOf(options));
      return report::SourcesJson(status);
    }
    case http::ApiDocument::kAgents:
      return Agents(options);
    case http::ApiDocument::kSnapshots:
      return Snapshots(options, request);
  }
  return Error(ErrorKind::kNotFound, 6093, "there is nothing at this path");
}

}  // namespace

absl::StatusOr<std::string> ApiDocumentText(const OperatorServiceOptions& options,
                                            const http::ApiRequest& request) {
  ASSIGN_OR_RETURN(const report::Json document, Document(options, request));
  return report::JsonLine(document);
}

}  // namespace holdfast::daemon
