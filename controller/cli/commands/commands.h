// The verbs of `holdfast`, one file each: parse, ask the client, render.
//
// Every Add puts one subcommand into `app`; its callback sets context.exit_code. Every help ends
// with two examples.
// Threading: one thread; `context` outlives `app`.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "controller/cli/context.h"

namespace holdfast::cli {

void AddInit(CLI::App& app, Context& context);
void AddEnroll(CLI::App& app, Context& context);
void AddAgent(CLI::App& app, Context& context);
void AddSource(CLI::App& app, Context& context);
void AddStatus(CLI::App& app, Context& context);
void AddBackup(CLI::App& app, Context& context);
void AddSnapshots(CLI::App& app, Context& context);
void AddLs(CLI::App& app, Context& context);
void AddFind(CLI::App& app, Context& context);
void AddCat(CLI::App& app, Context& context);
void AddDiff(CLI::App& app, Context& context);
void AddRestore(CLI::App& app, Context& context);
void AddExport(CLI::App& app, Context& context);
void AddVerify(CLI::App& app, Context& context);

// "Examples:\n  holdfast …\n  holdfast …"
std::string Examples(const std::string& first, const std::string& second);

}  // namespace holdfast::cli
