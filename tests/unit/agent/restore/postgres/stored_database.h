// A small database of a snapshot, as the PostgreSQL source stores it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "agent/restore/postgres/snapshot_content.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::restore {

class StoredDatabase {
 public:
  StoredDatabase() {
    source::DatabaseFacts database;
    database.name = "shop";
    database.encoding = "UTF8";
    Add("database.json", source::EncodeDatabase(database).value());
    Add("sequences.json", source::EncodeSequences({}).value());
    for (const char* script : {"globals.sql", "pre-data.sql", "post-data.sql"}) Add(script, "--\n");
    snapshot.Finish({}, "postgres");
  }

  void Add(const std::string& path, const Bytes& content, Entry entry = {}) {
    entry.path = path;
    entry.content_bytes = content.size();
    ASSERT_TRUE(snapshot.Add(std::move(entry)).ok());
    snapshot.SetContent(path, content);
  }

  void AddPart(const std::string& name, const source::TablePart& part, const Bytes& content) {
    source::TableFacts facts;
    facts.schema = "s";
    facts.name = name;
    source::RowChecksum sum;
    source::RowSplitter(sum).Feed(content);
    Entry entry = TableEntry(facts, part);
    entry.rows = sum.rows();
    entry.row_checksum = sum.bytes();
    const std::string path = entry.path;
    Add(path, content, std::move(entry));
  }

  test::MemorySnapshot snapshot;
};

}  // namespace holdfast::restore
