# e2b_included(file variable): all files that it includes, and those that they include.
function(e2b_included file variable)
  file(STRINGS ${file} includes REGEX "^#include \"")
  list(TRANSFORM includes REPLACE "^#include \"([^\"]*)\".*" "${CMAKE_SOURCE_DIR}/\\1")
  set(all ${includes})
  foreach(include IN LISTS includes)
    e2b_included(${include} deeper)
    list(APPEND all ${deeper})
  endforeach()
  set(${variable} ${all} PARENT_SCOPE)
endfunction()

# e2b_embed(target name file): compile a text file into `target` as `const struct e2b_source
# e2b_source_<name>`, with its path for build logs. Bytes, not a string literal: no length limit.
# Lines `#include "kernels/..."` are replaced by that file (paths from the project's root).
function(e2b_embed target name file)
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}_source.c)
  file(RELATIVE_PATH label ${CMAKE_SOURCE_DIR} ${in})
  e2b_included(${in} includes)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DNAME=${name} -DLABEL=${label}
      -DROOT=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
    DEPENDS ${in} ${includes} ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
    COMMENT "Embedding ${label}" VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
