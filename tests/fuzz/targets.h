// What is done with one hostile input, per format. Each target checks its property by
// HOLDFAST_CHECK, so that it fails under libFuzzer and in the replay of the corpus alike.
#pragma once

#include <string_view>

#include "common/base/bytes.h"

namespace holdfast::fuzz {

void Object(ByteView input);    // header, opener, zstd frames under a valid key
void Pack(ByteView input);      // trailer, footer, scan of an open pack
void Manifest(ByteView input);  // entries, manifest stream, snapshot facts
void Trust(ByteView input);     // record, reference list, the documents of trust.h
void Config(ByteView input);    // YAML and every conversion of a node
void Text(ByteView input);      // join token, key texts, recovery kit
void Cron(ByteView input);      // schedules in any zone
void Redis(ByteView input);     // RDB, keys with payloads, INFO, the configuration document
void Postgres(ByteView input);  // pg_dump's text, COPY's rows, the documents of a database
void Parity(ByteView input);    // a parity file, and the pack that it repairs
void S3(ByteView input);        // answers of a storage service, keys in URLs
void Restore(ByteView input);   // entries of any path and link into a real directory
void Http(ByteView input);      // what a client of the monitoring server sends on one connection
void Reply(ByteView input);     // what a channel's other side answers, and what names may say to it
void Acknowledge(ByteView input);  // the token of a link that acknowledges an alert
void Enrolment(ByteView input);    // what agent and controller say when a host is enrolled
void State(ByteView input);        // a file that an agent kept for itself
void Delta(ByteView input);        // a chunk beside its base, as users' data make them

struct Target {
  std::string_view name;
  void (*run)(ByteView);
};
inline constexpr Target kTargets[] = {
    {"object", Object},
    {"pack", Pack},
    {"manifest", Manifest},
    {"trust", Trust},
    {"config", Config},
    {"text", Text},
    {"cron", Cron},
    {"redis", Redis},
    {"postgres", Postgres},
    {"parity", Parity},
    {"restore", Restore},
    {"http", Http},
    {"reply", Reply},
    {"acknowledge", Acknowledge},
    {"enrolment", Enrolment},
    {"state", State},
    {"s3", S3},
    {"delta", Delta},
};

}  // namespace holdfast::fuzz
