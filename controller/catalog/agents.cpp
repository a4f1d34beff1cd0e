// Agents and enrolment tokens.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

#define AGENT_COLUMNS                                                                  \
  "SELECT id,name,domain,key_pin,certificate_not_after,removed,enrolled_at,last_seen," \
  "clock_skew,host,version,row FROM agent "

absl::StatusOr<AgentRow> ReadAgent(const Statement& row) {
  AgentRow agent;
  ASSIGN_OR_RETURN(agent.id, row.Id<AgentId>(0));
  agent.name = row.Blob(1);
  if (!row.IsNull(2)) {
    ASSIGN_OR_RETURN(agent.domain, row.Id<DomainId>(2));
  }
  ASSIGN_OR_RETURN(agent.key_pin, row.Id<Hash256>(3));
  agent.certificate_not_after_ms = row.Unsigned(4);
  agent.removed = row.Integer(5) != 0;
  agent.enrolled_at_ms = row.Unsigned(6);
  agent.last_seen_ms = row.Unsigned(7);
  agent.clock_skew_ms = row.Integer(8);
  agent.host = row.Blob(9);
  agent.software_version = row.Blob(10);
  return agent;
}

absl::Status NoAgent(std::string_view name) {
  return Error(ErrorKind::kNotFound, 5021, fmt::format("unable to find agent '{}'", Escaped(name)),
               "List the agents with 'holdfast agent list'.");
}

absl::StatusOr<AgentRow> AgentById(SqliteDb& db, const AgentId& id) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare(AGENT_COLUMNS "WHERE id=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (!found) return NoAgent(id.hex());
  return ReadAgent(row);
}

absl::StatusOr<std::optional<AgentRow>> AgentByName(SqliteDb& db, ByteView name) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare(AGENT_COLUMNS "WHERE name=?1 AND removed=0"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(name).Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(AgentRow agent, ReadAgent(row));
  return agent;
}

absl::Status NameTaken(std::string_view name) {
  return Error(
      ErrorKind::kConflict, 5062,
      fmt::format("unable to enrol agent '{}': an agent with this name exists", Escaped(name)),
      "Choose another name, or remove the old agent first.");
}

// One text for every reason, so that nobody learns which tokens exist.
absl::Status TokenRefused() {
  return Error(ErrorKind::kPermission, 6020,
               "unable to enrol: the token is unknown, used, expired or wrong",
               "Make a new token with 'holdfast enroll'.");
}

absl::Status ExpectChange(SqliteDb& db, std::string_view agent) {
  return db.Changes() == 1 ? absl::OkStatus() : NoAgent(agent);
}

// Whoever is in a domain learns which chunks it has, reads them and may get its sources. A domain
// is its agent's own; that of an agent which was removed is for one of the same name, which the
// owner's grant is for.
absl::Status CheckMayJoin(SqliteDb& db, const AgentRow& agent, const DomainId& domain) {
  ASSIGN_OR_RETURN(Statement others,
                   db.Prepare("SELECT name,removed FROM agent WHERE domain=?1 AND id<>?2"));
  others.Bind(domain, agent.id);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, others.Step());
    if (!more) return absl::OkStatus();
    if (others.Blob(0) == agent.name && others.Integer(1) != 0) continue;
    return Error(ErrorKind::kConflict, 5069,
                 fmt::format("unable to set the domain of agent '{}': it is another agent's",
                             Escaped(agent.name)),
                 "A cloned machine must be enrolled as an agent of its own.");
  }
}

absl::Status UseToken(SqliteDb& db, ByteView token_id, ByteView secret, const AgentRow& agent,
                      std::uint64_t now_ms) {
  {
    ASSIGN_OR_RETURN(Statement token,
                     db.Prepare("SELECT secret_hash,agent_name,expires_at FROM token WHERE id=?1"));
    ASSIGN_OR_RETURN(const bool found, token.Bind(token_id).Step());
    // Compared also when there is no such token: the same work for every answer.
    const bool right = ConstantTimeEqual(Sha256(secret).view(), found ? token.Blob(0) : Bytes());
    if (!found || !right || now_ms >= token.Unsigned(2) || token.Blob(1) != agent.name) {
      return TokenRefused();
    }
  }
  return db.Run("DELETE FROM token WHERE id=?1", token_id);
}

}  // namespace

absl::Status SqliteCatalog::AddToken(const TokenRow& token) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const auto taken, AgentByName(db, token.agent_name));
    if (taken && !taken->key_pin.IsZero()) return NameTaken(token.agent_name);
    return db.Run("INSERT INTO token(id,secret_hash,agent_name,expires_at) VALUES(?1,?2,?3,?4)",
                  token.id, token.secret_hash, token.agent_name, token.expires_at_ms);
  });
}

absl::StatusOr<AgentRow> SqliteCatalog::Enrol(ByteView token_id, ByteView secret,
                                              const AgentRow& agent, std::uint64_t now_ms) {
  return Write([&](SqliteDb& db) -> absl::StatusOr<AgentRow> {
    RETURN_IF_ERROR(UseToken(db, token_id, secret, agent, now_ms));
    ASSIGN_OR_RETURN(const auto taken, AgentByName(db, agent.name));
    if (taken && taken->id == agent.id && taken->key_pin.IsZero()) {
      // Known from the store only, and its token says that this host is it.
      RETURN_IF_ERROR(db.Run(
          "UPDATE agent SET key_pin=?2,certificate_not_after=?3,enrolled_at=?4,host=?5 WHERE id=?1",
          agent.id, agent.key_pin, agent.certificate_not_after_ms, now_ms, agent.host));
      return AgentById(db, agent.id);
    }
    if (taken) return NameTaken(agent.name);
    RETURN_IF_ERROR(db.Run(
        "INSERT INTO agent(id,name,domain,key_pin,certificate_not_after,enrolled_at,last_seen,"
        "clock_skew,host,version) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        agent.id, agent.name, agent.domain, agent.key_pin, agent.certificate_not_after_ms, now_ms,
        agent.last_seen_ms, agent.clock_skew_ms, agent.host, agent.software_version));
    return AgentById(db, agent.id);
  });
}

absl::StatusOr<AgentRow> SqliteCatalog::GetAgent(const AgentId& id) {
  return Read([&](SqliteDb& db) { return AgentById(db, id); });
}

absl::StatusOr<AgentRow> SqliteCatalog::FindAgent(const std::string& name) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<AgentRow> {
    ASSIGN_OR_RETURN(auto agent, AgentByName(db, name));
    if (!agent) return NoAgent(name);
    return *std::move(agent);
  });
}

absl::StatusOr<std::vector<AgentRow>> SqliteCatalog::ListAgents(bool include_removed) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<AgentRow>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare(AGENT_COLUMNS "WHERE removed<=?1 ORDER BY name,row"));
    row.Bind(include_removed);
    std::vector<AgentRow> agents;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return agents;
      ASSIGN_OR_RETURN(AgentRow agent, ReadAgent(row));
      agents.push_back(std::move(agent));
    }
  });
}

absl::Status SqliteCatalog::RemoveAgent(const std::string& name) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(
        db.Run("UPDATE source SET configured=0 WHERE agent IN "
               "(SELECT row FROM agent WHERE name=?1 AND removed=0)",
               name));
    RETURN_IF_ERROR(db.Run("UPDATE agent SET removed=1 WHERE name=?1 AND removed=0", name));
    return ExpectChange(db, name);
  });
}

absl::Status SqliteCatalog::SetAgentDomain(const AgentId& id, const DomainId& domain) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const AgentRow agent, AgentById(db, id));
    if (agent.domain == domain) return absl::OkStatus();
    if (agent.domain) {
      return Error(ErrorKind::kConflict, 5063,
                   fmt::format("unable to set the domain of agent '{}': it has another one",
                               Escaped(agent.name)));
    }
    RETURN_IF_ERROR(CheckMayJoin(db, agent, domain));
    return db.Run("UPDATE agent SET domain=?2 WHERE id=?1", id, domain);
  });
}

absl::Status SqliteCatalog::SetAgentCertificate(const AgentId& id, const Hash256& key_pin,
                                                std::uint64_t not_after_ms) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(db.Run("UPDATE agent SET key_pin=?2,certificate_not_after=?3 WHERE id=?1", id,
                           key_pin, not_after_ms));
    return ExpectChange(db, id.hex());
  });
}

absl::Status SqliteCatalog::AdoptAgentKey(const AgentId& id, const Hash256& key_pin) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(
        db.Run("UPDATE agent SET key_pin=?2 WHERE id=?1 AND key_pin=?3", id, key_pin, Hash256()));
    if (db.Changes() == 1) return absl::OkStatus();
    return Error(ErrorKind::kConflict, 5068,
                 fmt::format("unable to take the key of agent '{}': it has one", id.hex()));
  });
}

absl::Status SqliteCatalog::RenameAgent(const AgentId& id, const std::string& name) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const auto taken, AgentByName(db, name));
    if (taken && taken->id != id) return NameTaken(name);
    RETURN_IF_ERROR(db.Run("UPDATE agent SET name=?2 WHERE id=?1", id, name));
    return ExpectChange(db, id.hex());
  });
}

absl::Status SqliteCatalog::SetAgentSeen(const AgentRow& seen) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(
        db.Run("UPDATE agent SET last_seen=?2,clock_skew=?3,host=?4,version=?5 WHERE id=?1",
               seen.id, seen.last_seen_ms, seen.clock_skew_ms, seen.host, seen.software_version));
    return ExpectChange(db, seen.id.hex());
  });
}

}  // namespace holdfast::catalog
