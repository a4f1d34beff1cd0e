# Compiler flags, accelerators and the two functions every folder uses.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The sloppiness is what ccache asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT HOLDFAST_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(
  -Wall -Wextra -Wformat=2 -Wimplicit-fallthrough $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  -Werror=format-security
  -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
  -fno-delete-null-pointer-checks -fno-strict-aliasing
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(HOLDFAST_FAILPOINTS)
  add_compile_definitions(HOLDFAST_FAILPOINTS)
endif()
if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  if(HOLDFAST_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()

# Folders (and those below them) whose lines scripts/coverage.sh counts. They are compiled without exceptions, which they
# neither throw nor catch: otherwise what the compiler adds to clean up after one counts as lines that no test runs.
set(HOLDFAST_MEASURED "" CACHE STRING "Folders whose lines are counted, e.g. common/format;agent/restore")
# Tests run for milliseconds, the command line waits for people; both are built often. Lines of a header that were
# compiled into their callers are not counted.
set(HOLDFAST_QUICK_BUILD -O1)
if(HOLDFAST_MEASURED)
  set(HOLDFAST_QUICK_BUILD -O0)
endif()

# holdfast_precompile(<target> base|measured|grpc|cli|test|test_grpc): uses one of the precompiled headers of cmake/. A header
# is valid only where the macros that it saw are the same, hence the definitions for all targets here: they are
# those of the packages' own targets.
add_compile_definitions(FMT_SHARED SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL SPDLOG_SHARED_LIB
  _FILE_OFFSET_BITS=64)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
function(holdfast_precompile TARGET KIND)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  if(NOT TARGET holdfast_precompiled_${KIND})
    string(REPLACE "measured" "base" HEADER ${CMAKE_SOURCE_DIR}/cmake/precompiled_${KIND}.h)
    add_library(holdfast_precompiled_${KIND} OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
    target_include_directories(holdfast_precompiled_${KIND} PRIVATE ${CMAKE_SOURCE_DIR})
    target_link_libraries(holdfast_precompiled_${KIND} PRIVATE fmt::fmt absl::statusor absl::time
      absl::function_ref nlohmann_json::nlohmann_json)
    if(KIND MATCHES "grpc")
      target_link_libraries(holdfast_precompiled_${KIND} PRIVATE PkgConfig::GRPCPP)
    endif()
    if(KIND MATCHES "test")
      target_link_libraries(holdfast_precompiled_${KIND} PRIVATE GTest::gmock GTest::gtest)
    endif()
    target_precompile_headers(holdfast_precompiled_${KIND} PRIVATE ${HEADER})
    if(KIND STREQUAL "measured")
      target_compile_options(holdfast_precompiled_${KIND} PRIVATE -fno-exceptions)
    endif()
    if(KIND MATCHES "cli|test")
      target_compile_options(holdfast_precompiled_${KIND} PRIVATE ${HOLDFAST_QUICK_BUILD})
    endif()
  endif()
  if(KIND STREQUAL "measured")
    target_compile_options(${TARGET} PRIVATE -fno-exceptions)
  endif()
  if(KIND MATCHES "cli|test")
    target_compile_options(${TARGET} PRIVATE ${HOLDFAST_QUICK_BUILD} -fPIC)  # as the precompiled header
  endif()
  get_target_property(TYPE ${TARGET} TYPE)
  if(TYPE STREQUAL "EXECUTABLE" AND NOT KIND MATCHES "cli|test")
    target_compile_options(${TARGET} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${TARGET} REUSE_FROM holdfast_precompiled_${KIND})
endfunction()

# With HOLDFAST_UNITY the files of one folder are compiled together, eight at a time: most of the time goes into
# reading headers, and a build from nothing takes half as long. The dev preset compiles each file alone, so that
# every file is seen to include what it uses. Folders whose files share names of local helpers say SEPARATE.
option(HOLDFAST_UNITY "Compile the files of a folder together" OFF)
if(HOLDFAST_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # What a .cpp file keeps to itself looks like a header's to the compiler; and more inlining meets more of
  # GCC 12's false alarms about std::string (GCC bugs 105329, 105651). The dev preset keeps both warnings.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage> -Wno-array-bounds -Wno-stringop-overflow)
endif()
function(holdfast_unite TARGET)
  set_target_properties(${TARGET} PROPERTIES UNITY_BUILD ${HOLDFAST_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# holdfast_library(<folder> [SEPARATE] [WITHOUT <file> | ONLY <files...>] DEPS <targets...>): every .cpp of <folder> (not of
# folders below it, nor <file>) as one static library named after the folder: common/base -> holdfast_common_base.
function(holdfast_library FOLDER)
  cmake_parse_arguments(ARG "SEPARATE" "PRECOMPILED;WITHOUT" "ONLY;DEPS" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED base)
    foreach(MEASURED ${HOLDFAST_MEASURED})
      if("${FOLDER}/" MATCHES "^${MEASURED}/")
        set(ARG_PRECOMPILED measured)
      endif()
    endforeach()
  endif()
  string(REPLACE "/" "_" NAME ${FOLDER})
  file(GLOB SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${FOLDER}/*.cpp)
  list(FILTER SOURCES EXCLUDE REGEX "/main\\.cpp$")
  if(ARG_ONLY)
    list(TRANSFORM ARG_ONLY PREPEND ${CMAKE_SOURCE_DIR}/${FOLDER}/ OUTPUT_VARIABLE SOURCES)
  endif()
  if(ARG_WITHOUT)
    list(REMOVE_ITEM SOURCES ${CMAKE_SOURCE_DIR}/${FOLDER}/${ARG_WITHOUT})
  endif()
  if(SOURCES)
    add_library(holdfast_${NAME} STATIC ${SOURCES})
    target_include_directories(holdfast_${NAME} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(holdfast_${NAME} PUBLIC ${ARG_DEPS})
    holdfast_precompile(holdfast_${NAME} ${ARG_PRECOMPILED})
    if(NOT ARG_SEPARATE)
      holdfast_unite(holdfast_${NAME})
    endif()
  else()
    add_library(holdfast_${NAME} INTERFACE)
    target_include_directories(holdfast_${NAME} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(holdfast_${NAME} INTERFACE ${ARG_DEPS})
  endif()
endfunction()

# holdfast_test(<folder> DEPS <targets...> [LABELS <labels>] [PRECOMPILED test_grpc] [TIMEOUT s] [COST s]): every *_test.cpp of
# tests/<folder> as one program; each TEST is a ctest test of its own. Those of the highest cost begin first.
function(holdfast_test FOLDER)
  cmake_parse_arguments(ARG "" "TIMEOUT;PRECOMPILED;COST" "DEPS;LABELS" ${ARGN})
  string(REPLACE "/" "_" NAME ${FOLDER})
  file(GLOB SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${FOLDER}/*_test.cpp)
  if(NOT SOURCES)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED test)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(test_${NAME} ${SOURCES})
  target_link_libraries(test_${NAME} PRIVATE ${ARG_DEPS} holdfast_test_support GTest::gmock GTest::gtest_main)
  holdfast_precompile(test_${NAME} ${ARG_PRECOMPILED})
  holdfast_unite(test_${NAME})
  target_compile_definitions(test_${NAME} PRIVATE
    HOLDFAST_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HOLDFAST_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  gtest_discover_tests(test_${NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_COST} LABELS "${ARG_LABELS}")
endfunction()
