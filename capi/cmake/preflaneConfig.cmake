# find_package(preflane): the imported targets
#   preflane::preflane   the shared library where it is installed, else the static one
#   preflane::static     the static library
# The folder may be moved as a whole.

get_filename_component(_preflane_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_path(_preflane_include preflane.h PATHS "${_preflane_prefix}/include" NO_DEFAULT_PATH NO_CACHE)
find_library(_preflane_static libpreflane.a PATHS "${_preflane_prefix}/lib" "${_preflane_prefix}/lib64" NO_DEFAULT_PATH NO_CACHE)
find_library(_preflane_shared NAMES libpreflane.so libpreflane.dylib PATHS "${_preflane_prefix}/lib" "${_preflane_prefix}/lib64" NO_DEFAULT_PATH NO_CACHE)

if(NOT _preflane_include OR NOT (_preflane_static OR _preflane_shared))
  set(preflane_FOUND FALSE)
  set(preflane_NOT_FOUND_MESSAGE "no preflane.h with a library under ${_preflane_prefix}")
  return()
endif()

# What the standard library of Rust needs of the system; nothing of it hurts a library without.
find_package(Threads REQUIRED)
set(_preflane_system Threads::Threads ${CMAKE_DL_LIBS})
if(UNIX)
  list(APPEND _preflane_system m)
endif()

if(_preflane_static AND NOT TARGET preflane::static)
  add_library(preflane::static STATIC IMPORTED)
  set_target_properties(preflane::static PROPERTIES
    IMPORTED_LOCATION "${_preflane_static}"
    INTERFACE_INCLUDE_DIRECTORIES "${_preflane_include}"
    INTERFACE_LINK_LIBRARIES "${_preflane_system}")
endif()

if(NOT TARGET preflane::preflane)
  if(_preflane_shared)
    add_library(preflane::preflane SHARED IMPORTED)
    set_target_properties(preflane::preflane PROPERTIES
      IMPORTED_LOCATION "${_preflane_shared}"
      INTERFACE_INCLUDE_DIRECTORIES "${_preflane_include}")
  else()
    add_library(preflane::preflane INTERFACE IMPORTED)
    set_target_properties(preflane::preflane PROPERTIES INTERFACE_LINK_LIBRARIES preflane::static)
  endif()
endif()

unset(_preflane_include)
unset(_preflane_prefix)
unset(_preflane_shared)
unset(_preflane_static)
unset(_preflane_system)
